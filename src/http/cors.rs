//! Calls from pages of other origins (CORS, the Fetch standard): none, unless the settings name the
//! origins. Credentials are bearer tokens in a header; cookies are neither sent nor taken.
//! (tower-http's layer answers every OPTIONS, where only what a browser asks beforehand is meant: a
//! wrong method or path would be 200.)

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};

use super::rate_limit::Free;
use crate::kernel::config::Settings;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
/// What a page may send.
const SENT: &str = "authorization, content-type, if-match, if-none-match, idempotency-key, \
    x-mandate-id, x-instance-id, x-request-id";
/// What a page may read, beside the body.
const READ: &str = "etag, link, location, retry-after, idempotency-replayed, x-request-id, \
    ratelimit, ratelimit-policy";
/// How long a browser may remember what it was allowed, in seconds. A changed setting shall not
/// take longer.
const REMEMBERED: &str = "600";

/// Those that may call.
#[derive(Debug, Clone)]
pub(super) struct Origins(Arc<[HeaderValue]>);

impl Origins {
    /// `None`: no origin may, and nothing is said about it.
    pub(super) fn named_in(settings: &Settings) -> Option<Self> {
        (!settings.cors_origins.is_empty()).then(|| Self(settings.cors_origins.clone().into()))
    }
    /// Answers what a browser asks beforehand, and marks every other answer as readable by the
    /// page.
    pub(super) async fn answer<A: Future<Output = Response>>(
        &self,
        request: Request,
        others: impl FnOnce(Request) -> A,
    ) -> Response {
        let origin =
            request.headers().get(ORIGIN).filter(|origin| self.0.contains(origin)).cloned();
        let is_asked_beforehand = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = if is_asked_beforehand { beforehand() } else { others(request).await };
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
        response
    }
}

fn beforehand() -> Response {
    let mut response = ().into_response();
    let allowed = [
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, SENT),
        (ACCESS_CONTROL_MAX_AGE, REMEMBERED),
    ];
    for (name, value) in allowed {
        set(response.headers_mut(), name, value);
    }
    response.extensions_mut().insert(Free);
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
