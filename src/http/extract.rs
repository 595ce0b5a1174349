//! Bodies, queries and paths, with one shape for everything that can be wrong with them; and the
//! answers that handlers give. (axum's own `Json`, `Path` and `Query` are refused by clippy: each
//! would answer in a form of its own.)

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use super::body::parse_part;
use super::body::{parse, read_body, require_json};
use super::forms::{Forms, expected};
use crate::context::asking::Asking;
use crate::context::enter::{Accounts, DeferredCaller, Entered, Reach};
use crate::context::{
    Caller, InstanceContext, MandateContext, RequestMeta, RoleContext, SessionContext,
    SystemContext, Visitor,
};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, Result};

/// A JSON body, or a JSON answer that nobody may keep.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Error;
    async fn from_request(mut request: Request, app: &App) -> Result<Self> {
        require_json(&request)?;
        parse(&read_body(&mut request, app).await?).map(Self)
    }
}

/// A JSON body that may be left out. Without one no `Content-Type` is asked for.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<App> for OptionalJson<T> {
    type Rejection = Error;
    async fn from_request(mut request: Request, app: &App) -> Result<Self> {
        let is_json = require_json(&request);
        // Only reading tells: an empty body may come in chunks, without a length.
        let bytes = read_body(&mut request, app).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        is_json?;
        parse(&bytes).map(|body| Self(Some(body)))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json_response(StatusCode::OK, &self.0)
    }
}

/// A JSON answer with `Cache-Control: no-store` unless something says otherwise.
pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (status, headers, bytes).into_response()
        }
        Err(error) => Error::internal(error).into_response(),
    }
}

/// 204.
#[derive(Debug)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// 201 with `Location`, around an answer.
#[derive(Debug)]
pub struct Created<R> {
    pub location: String,
    pub answer: R,
}

impl<R: IntoResponse> IntoResponse for Created<R> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        if response.status().is_success() {
            *response.status_mut() = StatusCode::CREATED;
            if let Ok(location) = HeaderValue::from_str(&self.location) {
                response.headers_mut().insert(LOCATION, location);
            }
        }
        response
    }
}

/// The query string. Unknown names were refused by the guard, which knows them from the OpenAPI
/// operation.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        if let Some((name, _)) = form_pairs(query).find(|(_, value)| value.contains('\0')) {
            // PostgreSQL cannot even compare it.
            return Err(Error::new(
                Code::InvalidParameter,
                format!("`{name}` must not contain the character U+0000."),
            ));
        }
        let parsed = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(
            form_pairs(query),
        ));
        parsed.map(Self).map_err(|error| {
            let (name, message) = (error.path().to_string(), error.inner().to_string());
            let wanted =
                expected(&message).map(str::to_owned).or_else(|| forms(parts).wanted(&name));
            Error::new(
                Code::InvalidParameter,
                match wanted {
                    Some(wanted) => format!("`{name}` must be {wanted}."),
                    None => format!("The query is malformed: {}.", without_values(&message)),
                },
            )
        })
    }
}

fn form_pairs(query: &str) -> url::form_urlencoded::Parse<'_> {
    url::form_urlencoded::parse(query.as_bytes())
}

fn without_values(message: &str) -> String {
    message.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The path's parameters.
#[derive(Debug)]
pub struct FromPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for FromPath<T> {
    type Rejection = Error;
    #[expect(clippy::disallowed_types, reason = "this is the one wrapper around axum's")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        // Nothing is called so, and PostgreSQL cannot be asked for it.
        if parts.uri.path().contains("%00") {
            return Err(Error::not_found());
        }
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(malformed_path(parts, state).await),
        }
    }
}

/// What is wrong with the path, by the forms of its parameters.
async fn malformed_path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Error {
    let values = RawPathParams::from_request_parts(parts, state).await;
    let forms = forms(parts);
    let unfit = values.as_ref().ok().and_then(|values| forms.unfit(values.iter()));
    let detail = unfit
        .and_then(|name| Some(format!("`{name}` in the path must be {}.", forms.wanted(name)?)));
    Error::new(
        Code::InvalidParameter,
        detail.unwrap_or_else(|| "A parameter in the path is out of range.".to_owned()),
    )
}

/// What the operation's parameters take.
fn forms(parts: &Parts) -> Arc<Forms> {
    parts.extensions.get::<Arc<Forms>>().cloned().unwrap_or_default()
}

/// The contexts that the guard let in. A handler that asks for another one than its route was
/// declared with is a mistake of ours, found by the first test that calls it.
fn entered(parts: &Parts) -> Result<&Entered> {
    parts.extensions.get::<Entered>().ok_or_else(mismatch)
}

fn mismatch() -> Error {
    Error::internal("the handler asks for another context than its route's policy gives")
}

macro_rules! from_entered {
    ($($context:ty: $pattern:pat => $value:expr;)+) => {$(
        impl FromRequestParts<App> for $context {
            type Rejection = Error;
            async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
                match entered(parts)? {
                    $pattern => Ok($value.clone()),
                    _ => Err(mismatch()),
                }
            }
        }
    )+};
}

from_entered! {
    Caller: Entered::User(caller, _, _) => caller;
    SessionContext: Entered::Session(context) => context;
    MandateContext: Entered::Mandate(context) => context;
    InstanceContext: Entered::Instance(context) => context;
    RoleContext: Entered::Role(context) => context;
    Asking: Entered::Asking(asking) => asking;
    SystemContext: Entered::System(context) => context;
    DeferredCaller: Entered::Deferred(caller) => caller;
}

impl FromRequestParts<App> for Entered {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        entered(parts).cloned()
    }
}

impl FromRequestParts<App> for Reach {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        match entered(parts)? {
            Entered::Mandate(context) => Ok(Self::Mandate(context.clone())),
            Entered::Everywhere(system, mandate) => Ok(Self::Everywhere(system.clone(), *mandate)),
            _ => Err(mismatch()),
        }
    }
}

impl FromRequestParts<App> for Accounts {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        match entered(parts)? {
            Entered::System(system) => Ok(Self::Any(system.clone())),
            Entered::User(caller, ..) => Ok(Self::Own(caller.clone())),
            _ => Err(mismatch()),
        }
    }
}

impl FromRequestParts<App> for RequestMeta {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        Ok(parts.extensions.get::<RequestMeta>().cloned().unwrap_or_default())
    }
}

/// On the public routes that sign somebody in.
impl FromRequestParts<App> for Visitor {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match entered(parts)? {
            Entered::Anonymous => Ok(Visitor::new(
                app.services().clone(),
                parts.extensions.get().cloned().unwrap_or_default(),
            )),
            _ => Err(mismatch()),
        }
    }
}

/// Declares the parameters of a path once, for the document and for handlers.
#[macro_export]
macro_rules! path_params {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq, serde::Deserialize, utoipa::IntoParams)]
        #[serde(rename_all = "camelCase")]
        #[into_params(parameter_in = Path)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)+ }
    };
}
