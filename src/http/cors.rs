//! Calls from pages of other origins (CORS, the Fetch standard): none, unless the settings name the origins. Credentials are
//! bearer tokens in a header; cookies are neither sent nor taken.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, Method};
use tower_http::cors::CorsLayer;

use super::idempotency;
use crate::config::Settings;

/// How long a browser may remember what it was allowed. Browsers cap it at hours; a changed setting shall not take that long.
const REMEMBERED: Duration = Duration::from_mins(10);

/// `None`: no origin is allowed, and nothing is said about it.
pub(super) fn layer(settings: &Settings) -> Option<CorsLayer> {
    if settings.cors_origins.is_empty() {
        return None;
    }
    let named = HeaderName::from_static;
    let sent = [AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, idempotency::HEADER];
    let contexts = ["x-mandate-id", "x-instance-id", "x-request-id"].map(named);
    let read = [ETAG, LINK, LOCATION, RETRY_AFTER, idempotency::REPLAYED];
    let told = ["x-request-id", "ratelimit", "ratelimit-policy"].map(named);
    let layer = CorsLayer::new()
        .allow_origin(settings.cors_origins.clone())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(sent.into_iter().chain(contexts).collect::<Vec<_>>())
        .expose_headers(read.into_iter().chain(told).collect::<Vec<_>>())
        .max_age(REMEMBERED);
    Some(layer)
}
