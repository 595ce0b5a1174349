//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again with
//! its key has one effect and gets the same answer. The guard asks for a kept answer after it let
//! the caller in, so that who lost the right meanwhile is refused, and before anything is looked
//! up, so that a repeated DELETE gets its 204. How effect and answer come to be one is told in
//! [`crate::kernel::db::once`]. Only effects are remembered: refusals, failures and dry runs are
//! not; and of an effect whose answer told of somebody who was erased since, only that it was had.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Duration, Utc};

use super::body::read_body;
use crate::context::authorize::Context;
use crate::context::policy::{About, Terms, has_effect};
use crate::http::app::App;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::db::once::{Answer, Finished, Key, Pending, once};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{SessionId, UserId, ids_in_one_case};

/// How long answers are kept.
const KEPT: Duration = Duration::hours(24);
/// The longest key, in characters.
const LONGEST: usize = 255;

pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What a repetition gets beside status and body.
const HEADERS: [HeaderName; 4] = [CONTENT_TYPE, CACHE_CONTROL, ETAG, LOCATION];

/// The key that was sent with a request, where the route heeds it.
pub(super) fn sent(request: &Request, terms: &Terms) -> Result<Option<String>> {
    let asks = terms.about == About::Access;
    if !has_effect(request.method()) || asks || !request.headers().contains_key(HEADER) {
        return Ok(None);
    }
    if terms.is_public() || terms.forgets {
        return Err(Error::new(
            Code::IdempotencyNotSupported,
            "This route does not remember what it answered.",
        ));
    }
    well_formed(request.headers()).map(Some)
}

fn well_formed(headers: &HeaderMap) -> Result<String> {
    let mut values = headers.get_all(HEADER).iter();
    let text = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if values.next().is_some() || text.is_empty() || text.len() > LONGEST || !is_printable {
        let detail = format!(
            "The header Idempotency-Key must be sent once, with 1 to {LONGEST} printable ASCII \
                characters."
        );
        return Err(Error::new(Code::InvalidHeader, detail));
    }
    Ok(text.to_owned())
}

/// Whose request it is: a user's, or, where it is about the session that it comes in, or somebody
/// acts as the user in it, that session's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose {
    user: UserId,
    session: Option<SessionId>,
}

impl Whose {
    pub fn of(claims: &Claims, terms: &Terms) -> Self {
        let is_about_it = terms.about == About::OwnSession || claims.impersonated_by.is_some();
        Self { user: claims.user, session: is_about_it.then_some(claims.session) }
    }
}

/// A request with a key.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub whose: Whose,
    pub key: &'a str,
    /// The time of the door: what is kept no longer by then is not known.
    pub at: DateTime<Utc>,
}

/// Answers what was answered before, or lets the request in and keeps what it is answered.
pub(super) async fn answer<C: Context>(
    app: &App,
    Asked { whose, key, at }: Asked<'_>,
    mut request: Request,
    authorized: Result<C>,
    next: Next,
) -> Result<Response> {
    let bytes = read_body(&mut request, app).await?;
    let key = identified(app, whose, key, &request, &bytes);
    if let Some(answer) = app.services().known_answer(whose.user, &key, at).await? {
        return Ok(replayed(answer));
    }
    *request.body_mut() = Body::from(bytes);
    request.extensions_mut().insert(authorized?);
    match once(key, at, next.run(request)).await {
        Finished::Known(answer) => Ok(replayed(answer)),
        Finished::Pending(response, pending) if response.status().is_success() => {
            kept(response, pending, at + KEPT).await
        }
        // Without an effect; or refused although its work was done, which is undone with the
        // transaction.
        Finished::Unchanged(response) | Finished::Pending(response, _) => Ok(response),
    }
}

/// Length and order of the parts are part of the tag: no two requests share one.
fn identified(app: &App, whose: Whose, key: &str, request: &Request, body: &[u8]) -> Key {
    let context = |name: &str| {
        request
            .headers()
            .get(name)
            .map(|value| value.as_bytes().to_ascii_lowercase())
            .unwrap_or_default()
    };
    let (mandate, instance) = (context("x-mandate-id"), context("x-instance-id"));
    let (method, path) =
        (request.method().as_str().as_bytes(), ids_in_one_case(request.uri().path()));
    let keys = app.keys();
    let (user, session) = (whose.user.uuid(), whose.session.map(SessionId::uuid));
    let mut id: Vec<&[u8]> =
        vec![b"id", user.as_bytes(), &mandate, &instance, method, path.as_bytes(), key.as_bytes()];
    id.extend(session.as_ref().map(|session| session.as_bytes().as_slice()));
    Key {
        id: keys.idempotency_tag(&id),
        fingerprint: keys.idempotency_tag(&[
            b"fingerprint",
            request.uri().query().unwrap_or_default().as_bytes(),
            body,
        ]),
        asked_by: whose.user,
    }
}

async fn kept(response: Response, pending: Pending, until: DateTime<Utc>) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let headers = HEADERS.iter().filter_map(|name| {
        Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()))
    });
    let status = i16::try_from(parts.status.as_u16()).map_err(Error::internal)?;
    pending
        .keep(&Answer { status, headers: headers.collect(), body: body.to_vec() }, until)
        .await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replayed(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    let status =
        u16::try_from(answer.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
