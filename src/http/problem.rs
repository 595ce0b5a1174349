//! Problem documents (RFC 9457). A refusal travels as an [`Error`] in the response's extensions;
//! [`render`] turns it into the one shape on the way out, where the request's id and path are
//! known. Framework errors without one (405, 413 …) are shaped there too, so that every error body
//! has the same form.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::kernel::error::{Code, Error};
use crate::kernel::problem::Problem;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// What a request was, as far as its refusal tells of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub path: &'a str,
    pub request_id: &'a str,
    /// Whether anything was sent as a token.
    pub with_token: bool,
}

/// What to be known by (RFC 6750, section 3): what is wrong is told only of what was sent.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="bailiwick""#);
const OF_A_BAD_TOKEN: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="bailiwick", error="invalid_token""#);

/// Of one whose holder showed who they are too long ago (RFC 9470, section 3).
const OF_A_STALE_TOKEN: &str =
    r#"Bearer realm="bailiwick", error="insufficient_user_authentication""#;

/// Gives an error response its body; leaves every other response alone.
pub(super) fn render(mut response: Response, asked: Asked<'_>) -> Response {
    let status = response.status();
    let refused = response.extensions_mut().remove::<Arc<Error>>();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = refused.unwrap_or_else(|| Arc::new(framework_error(status)));
    log(&error);
    let problem = Problem::of(&error, asked.path, asked.request_id);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.status =
        StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if parts.status == StatusCode::UNAUTHORIZED {
        let is_stale = error.extra().get("maxAge").filter(|_| error.code() == Code::StepUpRequired);
        let is_of_token = asked.with_token && error.code() == Code::Unauthenticated;
        let challenge = match is_stale {
            Some(most) => HeaderValue::from_str(&format!("{OF_A_STALE_TOKEN}, max_age={most}")),
            None if is_of_token => Ok(OF_A_BAD_TOKEN),
            None => Ok(CHALLENGE),
        };
        let challenge = challenge.unwrap_or(CHALLENGE);
        parts.headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = error.retry_after_seconds() {
        parts.headers.insert(RETRY_AFTER, seconds.into());
    }
    Response::from_parts(parts, Body::from(body))
}

/// What the framework refused by itself, in our words.
fn framework_error(status: StatusCode) -> Error {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            Error::new(Code::MethodNotAllowed, "The route exists, but not with this method.")
        }
        StatusCode::NOT_FOUND => Error::new(Code::RouteNotFound, "There is no such route."),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Error::new(Code::PayloadTooLarge, "The body is too large.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Error::new(Code::UnsupportedMediaType, "The content type is not taken here.")
        }
        StatusCode::REQUEST_TIMEOUT => {
            Error::new(Code::RequestTimeout, "The body did not arrive in time.")
        }
        StatusCode::TOO_MANY_REQUESTS => Error::new(Code::TooManyRequests, "Too many requests."),
        StatusCode::BAD_REQUEST => Error::new(Code::InvalidParameter, "The request is malformed."),
        _ => Error::internal(format!("an unexplained {status}")),
    }
}

/// Ours at error level with the cause, the client's at debug level. So is what lasts for a while,
/// and is told to many: that the database is away is said once, where it is noticed, and probes ask
/// every second. Too much at once is a warning: callers bring it about, who must not fill the log
/// with errors. Neither path nor detail is told: they repeat what was sent, which may be a name or
/// a secret at the wrong place.
fn log(error: &Error) {
    let lasts = [Code::DatabaseUnavailable, Code::Unavailable].contains(&error.code());
    let cause = error.cause().map(ToString::to_string);
    if error.code() == Code::Overloaded {
        tracing::warn!(code = error.code().name(), cause, "request refused");
    } else if error.code().status() >= 500 && !lasts {
        tracing::error!(code = error.code().name(), cause, "request failed");
    } else {
        tracing::debug!(code = error.code().name(), cause, "request refused");
    }
}
