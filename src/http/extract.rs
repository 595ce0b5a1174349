//! Bodies, queries and paths, with one shape for everything that can be wrong with them; and the
//! answers that handlers give. (axum's own `Json`, `Path` and `Query` are refused by clippy: each
//! would answer in a form of its own.)

use std::sync::Arc;

use axum::extract::{FromRef, FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

pub use super::body::parse_part;
use super::body::{parse, read_body, require_json};
use super::forms::{Forms, expected};
use crate::context::RequestMeta;
use crate::http::app::App;
use crate::kernel::error::{Code, Error, Result};

/// A JSON body, or a JSON answer that nobody may keep.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T>
where
    App: FromRef<S>,
{
    type Rejection = Error;
    async fn from_request(mut request: Request, state: &S) -> Result<Self> {
        require_json(&request)?;
        parse(&read_body(&mut request, &App::from_ref(state)).await?).map(Self)
    }
}

/// A JSON body that may be left out. Without one no `Content-Type` is asked for.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T>
where
    App: FromRef<S>,
{
    type Rejection = Error;
    async fn from_request(mut request: Request, state: &S) -> Result<Self> {
        let is_json = require_json(&request);
        // Only reading tells: an empty body may come in chunks, without a length.
        let bytes = read_body(&mut request, &App::from_ref(state)).await?;
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

/// 202 with nothing in it: what comes of it is told elsewhere, if anybody is to hear of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        json_response(StatusCode::ACCEPTED, &self)
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

/// What [`path_params!`](crate::path_params) declares.
pub trait PathParams: DeserializeOwned + Send {}

/// The path's parameters: what is declared, since a handler that read others would be asked for
/// what neither the document nor the guard knows of.
///
/// ```
/// use bailiwick::http::extract::FromPath;
/// use bailiwick::kernel::ids::GroupId;
/// fn is_read<T: axum::extract::FromRequestParts<()>>() {}
/// bailiwick::path_params! { OnePath { /** The group */ group_id: GroupId } }
/// is_read::<FromPath<OnePath>>();
/// ```
/// ```compile_fail
/// use bailiwick::http::extract::FromPath;
/// fn is_read<T: axum::extract::FromRequestParts<()>>() {}
/// #[derive(serde::Deserialize)]
/// struct OnePath { group_id: String }
/// is_read::<FromPath<OnePath>>();
/// ```
#[derive(Debug)]
pub struct FromPath<T>(pub T);

impl<T: PathParams, S: Send + Sync> FromRequestParts<S> for FromPath<T> {
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

impl<S: Sync> FromRequestParts<S> for RequestMeta {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(parts.extensions.get::<RequestMeta>().cloned().unwrap_or_default())
    }
}

/// Declares the parameters of a path once, for the document, for handlers, and for the guard, which
/// knows by their types what a context comes from.
#[macro_export]
macro_rules! path_params {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $(pub $field: $type,)+ }
        impl $crate::http::extract::PathParams for $name {}

        const _: () = {
            #[derive(serde::Deserialize, utoipa::IntoParams)]
            #[serde(rename_all = "camelCase")]
            #[into_params(parameter_in = Path)]
            #[expect(dead_code, reason = "it is only told of")]
            struct Documented { $($(#[$field_doc])* $field: $type,)+ }

            impl utoipa::IntoParams for $name {
                fn into_params(
                    place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
                ) -> Vec<utoipa::openapi::path::Parameter> {
                    $crate::http::paths::with_origins(
                        Documented::into_params(place),
                        &[$(<$type as $crate::context::path::PathPart>::ORIGIN),+],
                    )
                }
            }
        };
    };
}
