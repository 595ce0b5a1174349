//! HTTP: what every request goes through on its way in and out, whichever route it takes.

pub mod app;
pub(crate) mod attended;
mod body;
pub(crate) mod client;
mod cors;
pub mod dry_run;
pub mod etag;
pub mod extract;
mod forms;
pub mod guard;
pub(crate) mod idempotency;
mod impersonated;
pub mod imports;
pub mod instant;
pub mod lines;
pub mod list;
pub mod metrics;
mod objects;
mod parameters;
pub mod patch;
pub mod paths;
mod placed;
pub mod preferred_language;
pub(crate) mod problem;
mod protection;
pub mod rate_limit;
pub mod server;
mod unreadable;

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower::util::MapRequest;
use tower::{Layer, util::MapRequestLayer};
use tracing::Instrument;
use uuid::Uuid;

use crate::context::{Moment, RequestMeta};
use crate::http::app::App;
use crate::kernel::error::{Code, Error};
use attended::Attended;
use cors::Origins;
use rate_limit::Identity;

/// The whole service: routes behind everything that every request goes through.
pub type Service = MapRequest<Router, fn(Request) -> Request>;

/// The service: these routes, behind everything that every request goes through.
#[must_use]
pub fn service(app: &App, all: Router<App>) -> Service {
    let router =
        all.fallback(|| async { Error::new(Code::RouteNotFound, "There is no such route.") });
    let entrance = Entrance { app: app.clone(), origins: Origins::named_in(app.settings()) };
    let router = router.layer(from_fn_with_state(entrance, around)).with_state(app.clone());
    MapRequestLayer::new(without_trailing_slash as fn(Request) -> Request).layer(router)
}

/// What every request goes through.
#[derive(Debug, Clone)]
struct Entrance {
    app: App,
    /// Whose pages may call.
    origins: Option<Origins>,
}

/// `/api/mandates/` is `/api/mandates`. (The documentation page keeps its slash: its assets are
/// relative to it.)
fn without_trailing_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    if path.len() > 1 && path.ends_with('/') && !path.starts_with("/docs") {
        let trimmed = path.trim_end_matches('/');
        let trimmed = if trimmed.is_empty() { "/" } else { trimmed };
        let target = request
            .uri()
            .query()
            .map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}"));
        if let Ok(uri) = target.parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// A panic of ours: 500 without an inner text.
fn panicked(payload: &(dyn Any + Send)) -> Response {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    Error::internal(format!("panic: {}", text.unwrap_or("of another kind"))).into_response()
}

/// The longest URL, in bytes of path and query.
const MAX_URI_BYTES: usize = 8 * 1024;
/// The most that the names and values of all headers may have together, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Lets nothing in that is too large to be meant, and lets nothing run for longer than the settings
/// say, or when the database has gone: what it had begun is rolled back with its transaction.
async fn bounded(app: &App, request: Request, next: Next) -> Response {
    let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    if uri > MAX_URI_BYTES {
        return Error::new(
            Code::UriTooLong,
            format!("The URL may have at most {MAX_URI_BYTES} bytes."),
        )
        .into_response();
    }
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers > MAX_HEADER_BYTES {
        let detail = format!("The headers may have at most {MAX_HEADER_BYTES} bytes together.");
        return Error::new(Code::HeadersTooLarge, detail).into_response();
    }
    let limit = app.settings().request_timeout;
    let attempt = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answered = app.services().db.attended(tokio::time::timeout(limit, attempt)).await;
    match answered {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(panic))) => panicked(&*panic),
        Ok(Err(_)) => {
            let detail =
                format!("The request took longer than {} s and was abandoned.", limit.as_secs());
            Error::new(Code::TimedOut, detail).into_response()
        }
        Err(away) => away.into_response(),
    }
}

/// About as many headers are added to each answer, here and by the server.
const HEADERS_OF_ALL: usize = 8;

/// What surrounds every request: who sent it, its id, its headers, its limits, its metrics and its
/// lines in the log. One function and not a pile of layers: each layer copies all that are within
/// it for each request, and puts them and what it does in boxes.
async fn around(State(entrance): State<Entrance>, request: Request, next: Next) -> Response {
    let request_id = request_id(request.headers());
    let address = client_address(&entrance.app, &request);
    let moment = entrance.app.services().moment();
    let verified = |token| entrance.app.tokens().verify(token, moment.now());
    let identity = Identity { claims: bearer(request.headers()).and_then(verified), address };
    let attended = Attended::begin(&request, &identity);
    let span = attended.span(&request, &request_id, &identity);
    within(entrance, request, next, (identity, moment, request_id, attended)).instrument(span).await
}

/// The same, where whatever is logged is the request's.
async fn within(
    entrance: Entrance,
    mut request: Request,
    next: Next,
    known: (Identity, Moment, Arc<str>, Attended),
) -> Response {
    let Entrance { app, origins } = entrance;
    let (identity, moment, request_id, attended) = known;
    app.unheeded().look(&app.settings().trusted_proxies, request.headers());
    let by_tls = came_by_tls(&app, &request);
    let with_token = sends_token(request.headers());
    let uri = request.uri().clone();
    request
        .extensions_mut()
        .insert(RequestMeta { request_id: Some(request_id.clone()), address: identity.address });
    let purse = app.limits().purse(&identity);
    request.extensions_mut().insert(identity);
    request.extensions_mut().insert(moment);
    request.extensions_mut().insert(purse.clone());

    // Around whatever a browser should be able to read, refusals too.
    let response = match &origins {
        // In a box, so that requests of whom nobody else's pages may call are smaller.
        Some(origins) => {
            Box::pin(origins.answer(request, |request| bounded(&app, request, next))).await
        }
        None => bounded(&app, request, next).await,
    };
    let response = app.limits().write_headers(&purse, uri.path(), response);
    let asked = problem::Asked { path: uri.path(), request_id: &request_id, with_token };
    let mut response = problem::render(response, asked);
    let headers = response.headers_mut();
    headers.reserve(HEADERS_OF_ALL);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    protection::add(headers, uri.path(), by_tls);
    attended.answered(response.status());
    response
}

/// The caller's id where it is a sane one (1 to 128 characters that cannot break a log line), else
/// a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let sent = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let sane = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
    };
    sent.filter(sane).map_or_else(new_request_id, Arc::from)
}

fn new_request_id() -> Arc<str> {
    Arc::from(&*Uuid::now_v7().hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether anything was sent as a token.
fn sends_token(headers: &HeaderMap) -> bool {
    let has_one = |value: &HeaderValue| {
        let (scheme, token) = value.as_bytes().split_at_checked(6).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer") && !token.trim_ascii().is_empty()
    };
    headers.get_all(AUTHORIZATION).iter().any(has_one)
}

/// The address that the connection comes from.
fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

fn is_trusted_proxy(app: &App, address: IpAddr) -> bool {
    client::is_trusted(&app.settings().trusted_proxies, address)
}

/// Whether the client spoke TLS with the trusted proxy that the connection comes from.
fn came_by_tls(app: &App, request: &Request) -> bool {
    let told =
        request.headers().get("x-forwarded-proto").is_some_and(|protocol| protocol == "https");
    told && peer(request).is_some_and(|peer| is_trusted_proxy(app, peer))
}

fn client_address(app: &App, request: &Request) -> Option<IpAddr> {
    Some(client::address(&app.settings().trusted_proxies, peer(request)?, request.headers()))
}
