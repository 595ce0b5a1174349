//! Versions of resources: `ETag`, `If-Match` (RFC 9110, section 13) and the `version` member of bodies.

use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::extract::json_response;
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
#[derive(Debug, Clone, Default)]
pub struct Precondition(Option<String>);

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let all: Vec<_> = parts.headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
        Ok(Self((!all.is_empty()).then(|| all.join(","))))
    }
}

impl Precondition {
    /// 412 where If-Match names other versions; compared strongly.
    pub fn check(&self, version: i64) -> Result<()> {
        let Some(listed) = &self.0 else { return Ok(()) };
        let tag = format!("\"{version}\"");
        if listed.split(',').map(str::trim).any(|candidate| candidate == "*" || candidate == tag) {
            return Ok(());
        }
        Err(Error::new(Code::PreconditionFailed, format!("The resource's ETag is {tag} by now.")))
    }

    /// Also 409 where the body names another version.
    pub fn check_with(&self, version: i64, in_body: Option<i64>) -> Result<()> {
        self.check(version)?;
        match in_body {
            Some(believed) if believed != version => Err(Error::version_conflict(version)),
            _ => Ok(()),
        }
    }
}
