//! `GET /api/features/my`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body as HttpBody;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::cache::{Basis, Body, NavigationCache};
use super::{Navigation, languages_of, store};
use crate::context::Epochs;
use crate::context::authorize::{CheckedCaller, DeferredCaller, unauthenticated};
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::etag::unless_known;
use crate::http::extract::Query;
use crate::http::guard::{Guard, Routes};
use crate::kernel::crypto::{base64url, digest};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::names;

pub(super) fn routes(app: &App) -> Routes {
    let kept = if app.services().cache.is_on() {
        NavigationCache::default()
    } else {
        NavigationCache::off()
    };
    Routes::new()
        .routes(routes!(get_my_features).guard(app, Policy::user_checked_by_the_handler()))
        .layer(Extension(kept))
}

/// In which language labels are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct NavigationQuery {
    /// Leaves the language that answers this one (RFC 4647 lookup: `de-CH` is answered by `de`),
    /// else `en`.
    #[param(example = "en")]
    lang: Option<String>,
}

/// Everything that is open to the caller: mandates, features, instances, and what they may do in
/// each. Only what is alive.
#[utoipa::path(get, path = "/api/features/my", tag = "Navigation", params(NavigationQuery),
    responses((status = 200, description = "The caller's navigation", body = Navigation),
              (status = 304, description = "Not changed")))]
async fn get_my_features(
    Extension(bodies): Extension<NavigationCache>,
    caller: DeferredCaller,
    headers: HeaderMap,
    Query(query): Query<NavigationQuery>,
) -> Result<Response> {
    let checked = query.lang.as_deref().map(|tag| names::checked_language("lang", tag)).transpose();
    // What is no language is looked for nowhere.
    let language = checked.as_ref().ok().and_then(Option::as_deref);
    let kept = bodies.of((caller.user(), caller.is_impersonated()));
    let mandates = kept.as_ref().map_or_else(Arc::default, |kept| kept.basis.mandates.clone());
    let caller = caller.check(mandates).await?;
    // Only now, since it is nothing that the guard looks at.
    if let Err(error) = &checked {
        return Err(Error::new(Code::InvalidParameter, format!("`lang` {}", error.detail)));
    }
    let kept = kept.filter(|kept| kept.basis.epochs == caller.epochs());
    if let Some(body) = kept.as_ref().and_then(|kept| kept.body(language)) {
        return Ok(told(&headers, body));
    }
    let body = made(&bodies, &caller, language).await?;
    Ok(told(&headers, &body))
}

/// Reads what is open, and keeps it.
async fn made(
    bodies: &NavigationCache,
    caller: &CheckedCaller,
    language: Option<&str>,
) -> Result<Body> {
    let found = store::find(&*caller.reader().await?, caller).await?;
    let found = found.ok_or_else(unauthenticated)?;
    let languages = languages_of(&found.rows).into_iter().map(Arc::from).collect();
    let json =
        serde_json::to_vec(&Navigation::of(found.rows, language)).map_err(Error::internal)?;
    let tag = format!("\"{}\"", base64url(&digest(&json)[..16]));
    let body = Body { json: json.into_boxed_slice().into(), tag };
    let epochs = Epochs { era: caller.epochs().era, ..found.epochs };
    let basis = Basis { epochs, mandates: found.mandates.into(), languages };
    let whose = (caller.user(), caller.is_impersonated());
    bodies.keep(whose, language, basis, body.clone());
    Ok(body)
}

fn told(headers: &HeaderMap, body: &Body) -> Response {
    unless_known(headers, &body.tag, || {
        let mut response = Response::new(HttpBody::from(body.json.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    })
}
