//! Headers that tell browsers what not to do with an answer (OWASP ASVS 5.0, V3.4). On every answer
//! alike: one that is no page can still be opened as one.

use axum::http::HeaderMap;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// Nothing is loaded, run or framed.
const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The documentation page: its own script and style, calls to this service, and the styles and
/// icons that its script sets.
const DOCUMENTATION: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
/// A year, in seconds: the least that ASVS 3.4.1 asks for.
const ONLY_TLS: &str = "max-age=31536000";

/// Adds them. `by_tls`: whether the client came to the proxy by TLS; told otherwise, it would never
/// reach a service that has none.
pub(super) fn add(headers: &mut HeaderMap, path: &str, by_tls: bool) {
    let policy = if path.starts_with("/docs") { DOCUMENTATION } else { NOTHING };
    // A page may have a policy of its own.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    let others: [(HeaderName, &str); 3] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in others {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if by_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_TLS));
    }
}
