//! Bodies, queries and paths, with one shape for everything that can be wrong with them; and the answers that handlers give.
//! (axum's own `Json`, `Path` and `Query` are refused by clippy: each would answer in a form of its own.)

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::objects::Objects;
use crate::app::App;
use crate::context::asking::Asking;
use crate::context::enter::{DeferredCaller, Entered};
use crate::context::{Caller, InstanceContext, MandateContext, RequestMeta, RoleContext, SessionContext, SystemContext};
use crate::error::{Code, Error, FieldError, Result};

/// The deepest nesting of a body.
const MAX_DEPTH: usize = 64;

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

/// The largest body of a route that takes more than the setting for all routes.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimit(pub usize);

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

fn require_json(request: &Request) -> Result<()> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json { Ok(()) } else { Err(Error::new(Code::UnsupportedMediaType, "The body must be sent as `application/json`.")) }
}

/// Takes the body out of the request and reads it, within the limits of size and time.
pub(super) async fn read_body(request: &mut Request, app: &App) -> Result<Bytes> {
    let patience = app.settings().body_timeout;
    let raised = request.extensions().get::<BodyLimit>().map_or(0, |limit| limit.0);
    let limit = app.settings().max_body_bytes.max(raised);
    let collected = tokio::time::timeout(patience, Limited::new(std::mem::take(request.body_mut()), limit).collect()).await;
    let late = |_| Error::new(Code::RequestTimeout, format!("The body did not arrive within {} s.", patience.as_secs()));
    match collected.map_err(late)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Error::new(Code::PayloadTooLarge, format!("The body may have at most {limit} bytes.")))
        }
        Err(_) => Err(Error::new(Code::MalformedJson, "The body broke off.")),
    }
}

/// Reads a body: 400 for what is not JSON, 422 for JSON of another form.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if too_deep(bytes) {
        return Err(Error::new(Code::MalformedJson, format!("The body is nested deeper than {MAX_DEPTH} levels.")));
    }
    require_object(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Objects(&mut deserializer)).map_err(|error| refusal(&error, bytes))?;
    deserializer.end().map_err(|_| Error::new(Code::MalformedJson, "There is something after the JSON value."))?;
    Ok(value)
}

/// A body that is an array is refused as such only where it is JSON at all: its reader would stop at the first bracket.
fn require_object(bytes: &[u8]) -> Result<()> {
    let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_array && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
        return Err(Error::new(Code::MalformedJson, "The body is not JSON."));
    }
    Ok(())
}

fn too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// The refusal behind a parser's error. The rejected value is never repeated: it may be a password.
fn refusal(error: &serde_path_to_error::Error<serde_json::Error>, bytes: &[u8]) -> Error {
    let inner = error.inner();
    // A number where one of several names is expected is a fault of syntax to serde_json, and JSON all the same.
    let is_json = || serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    if !inner.is_data() && !is_json() {
        return Error::new(Code::MalformedJson, format!("The body is not JSON (line {}, column {}).", inner.line(), inner.column()));
    }
    let message = inner.to_string();
    let named = message.split('`').nth(1).unwrap_or_default().to_owned();
    let parent = json_pointer(error.path());
    let expected =
        message.rsplit_once(", expected ").map_or("another form", |(_, rest)| rest).split(" at line ").next().unwrap_or_default();
    if message.starts_with("unknown field") {
        FieldError::new(
            within(&parent, &named),
            "unknown_field",
            format!("is not known here; known are {}", expected.trim_start_matches("one of ")),
        )
        .into()
    } else if message.starts_with("missing field") {
        FieldError::new(within(&parent, &named), "required", "is required").into()
    } else if message.starts_with("duplicate field") {
        FieldError::new(within(&parent, &named), "duplicate_field", "is given twice").into()
    } else {
        FieldError::new(parent, "invalid_type", format!("must be {expected}")).into()
    }
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escaped(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// A name as a JSON pointer has it.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn within(parent: &str, field: &str) -> String {
    let field = escaped(field);
    if parent.ends_with(&format!("/{field}")) { parent.to_owned() } else { format!("{parent}/{field}") }
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
            let headers =
                [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
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

/// The query string. Unknown names were refused by the guard, which knows them from the OpenAPI operation.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        if let Some((name, _)) = form_pairs(query).find(|(_, value)| value.contains('\0')) {
            // PostgreSQL cannot even compare it.
            return Err(Error::new(Code::InvalidParameter, format!("`{name}` must not contain the character U+0000.")));
        }
        let parsed = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(form_pairs(query)));
        parsed.map(Self).map_err(|error| {
            let name = error.path().to_string();
            let what = if name == "." { "A query parameter".to_owned() } else { format!("`{name}`") };
            Error::new(
                Code::InvalidParameter,
                format!("{what} is malformed or out of range: {}", without_values(&error.inner().to_string())),
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
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|_| Error::new(Code::InvalidParameter, "A parameter in the path is malformed; ids are UUIDs."))
    }
}

/// The contexts that the guard let in. A handler that asks for another one than its route was declared with is a mistake of
/// ours, found by the first test that calls it.
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
    DeferredCaller: Entered::Deferred(caller) => caller;
}

impl FromRequestParts<App> for Entered {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        entered(parts).cloned()
    }
}

impl FromRequestParts<App> for RequestMeta {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        Ok(parts.extensions.get::<RequestMeta>().cloned().unwrap_or_default())
    }
}

/// The platform, on SysAdmin routes; and, with nobody signed in, on the public routes that sign somebody in.
impl FromRequestParts<App> for SystemContext {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match entered(parts)? {
            Entered::System(context) => Ok(context.clone()),
            Entered::Anonymous => {
                Ok(SystemContext::unattended(app.services().clone(), parts.extensions.get().cloned().unwrap_or_default()))
            }
            _ => Err(mismatch()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its parsing is tested")]
        password: String,
    }

    fn refused(text: &str) -> Error {
        parse::<Body>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_refusal_points_to_the_field_and_never_repeats_the_value() {
        let unknown = refused(r#"{"password": "x", "isSysAdmin": true}"#);
        assert_eq!((unknown.code(), unknown.errors()[0].pointer.as_str()), (Code::UnknownField, "/isSysAdmin"));
        let missing = refused("{}");
        assert_eq!((missing.errors()[0].pointer.as_str(), missing.errors()[0].code.as_ref()), ("/password", "required"));
        let mistyped = refused(r#"{"password": 123456}"#);
        assert_eq!(mistyped.errors()[0].pointer, "/password");
        assert!(!format!("{mistyped:?}").contains("123456"));
        let odd = refused(r#"{"password": "x", "is/~Admin": true}"#);
        assert_eq!(odd.errors()[0].pointer, "/is~1~0Admin");
        assert_eq!(refused(r#"{"password": "x"#).code(), Code::MalformedJson);
        assert_eq!(refused(r#"{"password": "x"} {}"#).code(), Code::MalformedJson);
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its parsing is tested")]
        struct Outer {
            inner: Option<Vec<Body>>,
        }
        let listed = refused(r#" ["x"]"#);
        assert_eq!((listed.code(), listed.errors()[0].pointer.as_str()), (Code::ValidationFailed, ""));
        assert_eq!(refused("[").code(), Code::MalformedJson);
        for inner in [r#"["x"]"#, "[]", "1", "null"] {
            let within = parse::<Outer>(format!(r#"{{"inner": [{{"password": "x"}}, {inner}]}}"#).as_bytes()).unwrap_err();
            let error = &within.errors()[0];
            assert_eq!((error.pointer.as_str(), &*error.detail), ("/inner/1", "must be an object"));
        }
    }

    #[test]
    fn nesting_is_limited_outside_of_strings() {
        assert!(too_deep("[".repeat(65).as_bytes()));
        assert!(!too_deep("[".repeat(64).as_bytes()));
        assert!(!too_deep(format!("\"{}\"", "[\\\"".repeat(100)).as_bytes()));
    }
}
