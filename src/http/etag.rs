//! Versions of resources: `ETag`, `If-Match` (RFC 9110, section 13) and the `version` member of
//! bodies.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::extract::json_response;
use crate::http::app::App;
use crate::kernel::error::{Code, Error, Result};

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

/// 304 where the caller has this very content, else `answer` with its tag. Only for answers that
/// are wholly what the tag covers.
pub fn unless_known(headers: &HeaderMap, tag: &str, answer: impl FnOnce() -> Response) -> Response {
    let mut response =
        if none_match(headers, tag) { StatusCode::NOT_MODIFIED.into_response() } else { answer() };
    mark(&mut response, tag);
    response
}

/// The same for a resource's row.
pub fn resource_unless_known<T: Resource>(headers: &HeaderMap, resource: &T) -> Response {
    unless_known(headers, &format!("\"{}\"", resource.version()), || {
        json_response(StatusCode::OK, resource)
    })
}

/// Whether If-None-Match names the tag.
fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|listed| names_weakly(text(listed), tag))
}

/// What all headers of a name list together.
fn all_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let all: Vec<_> = headers.get_all(name).iter().map(text).collect();
    (!all.is_empty()).then(|| all.join(","))
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("(no tag of ours)")
}

/// RFC 9110, section 8.8.3.2: If-Match is compared strongly, If-None-Match weakly.
fn names(listed: &str, tag: &str) -> bool {
    listed.split(',').map(str::trim).any(|candidate| candidate == "*" || candidate == tag)
}
fn names_weakly(listed: &str, tag: &str) -> bool {
    listed.split(',').map(str::trim).any(|candidate| {
        candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag
    })
}

/// What the caller believes the resource's version to be, and not to be.
#[derive(Debug, Clone)]
pub struct Precondition {
    listed: Option<String>,
    unwanted: Option<String>,
    /// Whether a change needs one (a setting).
    required: bool,
}

impl<S: Sync> FromRequestParts<S> for Precondition
where
    App: FromRef<S>,
{
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let (listed, unwanted) =
            (all_of(&parts.headers, &IF_MATCH), all_of(&parts.headers, &IF_NONE_MATCH));
        Ok(Self { listed, unwanted, required: App::from_ref(state).settings().require_if_match })
    }
}

impl Precondition {
    /// 412 where If-Match names other versions, or If-None-Match this one (RFC 9110, section
    /// 13.2.2). 428 (RFC 6585, section 3) where If-Match is required and missing.
    pub fn check(&self, version: i64) -> Result<()> {
        self.check_with(version, None)
    }

    /// Also 409 where the body names another version.
    pub fn check_with(&self, version: i64, in_body: Option<i64>) -> Result<()> {
        let tag = format!("\"{version}\"");
        let failed = |detail: String| Err(Error::new(Code::PreconditionFailed, detail));
        match (&self.listed, in_body) {
            (Some(listed), _) if !names(listed, &tag) => {
                failed(format!("The resource's ETag is {tag} by now."))
            }
            _ if self.unwanted.as_ref().is_some_and(|unwanted| names_weakly(unwanted, &tag)) => {
                failed(format!(
                    "The resource is there, with the ETag {tag}, which If-None-Match rules out."
                ))
            }
            (_, Some(believed)) if believed != version => Err(Error::version_conflict(version)),
            (None, None) if self.required => Err(Error::new(
                Code::PreconditionRequired,
                "This change is made only to a version that it names.",
            )),
            _ => Ok(()),
        }
    }
}
