//! Versions of resources: `ETag`, `If-Match` (RFC 9110, section 13) and the `version` member of bodies.

use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::extract::json_response;
use crate::app::App;
use crate::error::{Code, Error, Result};

/// A resource that is read, changed and read again.
pub trait Resource: Serialize {
    /// Grows by one with every change, from 1.
    fn version(&self) -> i64;
}

/// A resource as an answer, with its `ETag`.
#[derive(Debug)]
pub struct Versioned<T>(pub T);

impl<T: Resource> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = json_response(StatusCode::OK, &self.0);
        mark(&mut response, &format!("\"{}\"", self.0.version()));
        response
    }
}

fn mark(response: &mut Response, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// 304 where the caller has this very content, else `answer` with its tag. Only for answers that are wholly what the tag covers.
pub fn unless_known(headers: &HeaderMap, tag: &str, answer: impl FnOnce() -> Response) -> Response {
    let mut response = if none_match(headers, tag) { StatusCode::NOT_MODIFIED.into_response() } else { answer() };
    mark(&mut response, tag);
    response
}

/// The same for a resource's row.
pub fn resource_unless_known<T: Resource>(headers: &HeaderMap, resource: &T) -> Response {
    unless_known(headers, &format!("\"{}\"", resource.version()), || json_response(StatusCode::OK, resource))
}

/// Whether If-None-Match names the tag; compared weakly, as RFC 9110 asks.
fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    listed.map(str::trim).any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == tag)
}

/// What the caller believes the resource's version to be.
#[derive(Debug, Clone)]
pub struct Precondition {
    listed: Option<String>,
    /// Whether a change needs one (a setting).
    required: bool,
}

impl FromRequestParts<App> for Precondition {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let all: Vec<_> = parts.headers.get_all(IF_MATCH).iter().map(|value| value.to_str().unwrap_or("(no tag of ours)")).collect();
        Ok(Self { listed: (!all.is_empty()).then(|| all.join(",")), required: app.settings().require_if_match })
    }
}

impl Precondition {
    /// 412 where If-Match names other versions; compared strongly. 428 (RFC 6585, section 3) where one is required and missing.
    pub fn check(&self, version: i64) -> Result<()> {
        self.check_with(version, None)
    }

    /// Also 409 where the body names another version.
    pub fn check_with(&self, version: i64, in_body: Option<i64>) -> Result<()> {
        let tag = format!("\"{version}\"");
        let names = |listed: &String| listed.split(',').map(str::trim).any(|candidate| candidate == "*" || candidate == tag);
        match (&self.listed, in_body) {
            (Some(listed), _) if !names(listed) => {
                Err(Error::new(Code::PreconditionFailed, format!("The resource's ETag is {tag} by now.")))
            }
            (_, Some(believed)) if believed != version => Err(Error::version_conflict(version)),
            (None, None) if self.required => {
                Err(Error::new(Code::PreconditionRequired, "This change is made only to a version that it names."))
            }
            _ => Ok(()),
        }
    }
}
