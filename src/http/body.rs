//! Bodies of requests: read within the limits of size, time and depth, and refused where they are
//! not what they are to be.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::forms::expected;
use super::objects::{Distinct, Objects};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, FieldError, Result, pointer_to};

/// The deepest nesting of a body.
const MAX_DEPTH: usize = 64;
/// How much of a name that is not known a refusal repeats, in characters.
const MAX_SHOWN: usize = 128;

/// The largest body of a route that takes more than the setting for all routes.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimit(pub usize);

/// 415 where the body is not said to be JSON.
pub(super) fn require_json(request: &Request) -> Result<()> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json {
        Ok(())
    } else {
        Err(Error::new(Code::UnsupportedMediaType, "The body must be sent as `application/json`."))
    }
}

/// A body is read as it is sent: nothing is unpacked here (RFC 9110, 8.4), and what would have to
/// be is not taken for what it is not.
pub(super) fn require_unencoded(headers: &HeaderMap) -> Result<()> {
    let is_identity = |value: &HeaderValue| {
        value.to_str().is_ok_and(|codings| {
            codings
                .split(',')
                .map(str::trim)
                .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
        })
    };
    if headers.get_all(CONTENT_ENCODING).iter().all(is_identity) {
        return Ok(());
    }
    Err(Error::new(
        Code::UnsupportedMediaType,
        "The body must be sent as it is, without a `Content-Encoding`.",
    ))
}

/// A body that the guard waited for, and what came of that, for whoever reads it.
#[derive(Clone)]
struct Arrived(Arc<Mutex<Option<Result<Bytes>>>>);

/// Waits for the body, and keeps it for whoever reads it; how long it took.
pub(super) async fn wait_for_body(request: &mut Request, app: &App) -> Duration {
    let began = Instant::now();
    let arrived = read_body(request, app).await;
    request.extensions_mut().insert(Arrived(Arc::new(Mutex::new(Some(arrived)))));
    began.elapsed()
}

/// Takes the body out of the request and reads it, within the limits of size and time.
pub(super) async fn read_body(request: &mut Request, app: &App) -> Result<Bytes> {
    if let Some(Arrived(arrived)) = request.extensions_mut().remove::<Arrived>() {
        let arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner).take();
        return arrived.unwrap_or_else(|| Err(Error::internal("the body was read before")));
    }
    let patience = app.settings().body_timeout;
    let raised = request.extensions().get::<BodyLimit>().map_or(0, |limit| limit.0);
    let limit = app.settings().max_body_bytes.max(raised);
    let collected = tokio::time::timeout(
        patience,
        Limited::new(std::mem::take(request.body_mut()), limit).collect(),
    )
    .await;
    let late = |_| {
        Error::new(
            Code::RequestTimeout,
            format!("The body did not arrive within {} s.", patience.as_secs()),
        )
    };
    match collected.map_err(late)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::new(
            Code::PayloadTooLarge,
            format!("The body may have at most {limit} bytes."),
        )),
        Err(_) => Err(Error::new(Code::MalformedJson, "The body broke off.")),
    }
}

/// Reads a body: 400 for what is not JSON, 422 for JSON of another form.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if too_deep(bytes) {
        return Err(Error::new(
            Code::MalformedJson,
            format!("The body is nested deeper than {MAX_DEPTH} levels."),
        ));
    }
    require_object(bytes)?;
    require_distinct(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(Objects(&mut deserializer))
        .map_err(|error| refusal(&error, bytes))
}

/// Reads a part of a body that was read: for bodies of which each part answers for itself. `base`
/// points to it.
pub fn parse_part<T: DeserializeOwned>(part: &serde_json::Value, base: &str) -> Result<T> {
    parse(part.to_string().as_bytes()).map_err(|error| match error.errors() {
        [] => error,
        fields => Error::invalid(
            fields
                .iter()
                .map(|field| FieldError {
                    pointer: format!("{base}{}", field.pointer),
                    ..field.clone()
                })
                .collect(),
        ),
    })
}

/// A body that is an array is refused as such only where it is JSON at all: its reader would stop
/// at the first bracket.
fn require_object(bytes: &[u8]) -> Result<()> {
    let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_array && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
        return Err(Error::new(Code::MalformedJson, "The body is not JSON."));
    }
    Ok(())
}

/// A name that one object has twice is refused, wherever it is: which of the two is meant, readers
/// disagree on (RFC 8259, 4). So is what goes on after the value.
fn require_distinct(bytes: &[u8]) -> Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let looked = serde_path_to_error::deserialize::<_, Distinct>(&mut deserializer);
    // What is wrong otherwise is told by whoever reads the body for what it is to be.
    match looked {
        Err(error) if error.inner().is_data() => Err(refusal(&error, bytes)),
        Err(_) => Ok(()),
        Ok(_) => deserializer.end().map_err(|_| {
            Error::new(Code::MalformedJson, "There is something after the JSON value.")
        }),
    }
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
    // A number where one of several names is expected is a fault of syntax to serde_json, and JSON
    // all the same.
    let is_json = || serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    if !inner.is_data() && !is_json() {
        return Error::new(
            Code::MalformedJson,
            format!("The body is not JSON (line {}, column {}).", inner.line(), inner.column()),
        );
    }
    let message = inner.to_string();
    let named = shown(message.split('`').nth(1).unwrap_or_default());
    let parent = json_pointer(error.path());
    let expected = expected(&message).unwrap_or("another form");
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

/// A name that a body made up, as far as a refusal repeats it.
fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(pointer_to("", &shown(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn within(parent: &str, field: &str) -> String {
    if parent.ends_with(&pointer_to("", field)) {
        parent.to_owned()
    } else {
        pointer_to(parent, field)
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
        assert_eq!(
            (unknown.code(), unknown.errors()[0].pointer.as_str()),
            (Code::UnknownField, "/isSysAdmin")
        );
        let missing = refused("{}");
        assert_eq!(
            (missing.errors()[0].pointer.as_str(), missing.errors()[0].code.as_ref()),
            ("/password", "required")
        );
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
        assert_eq!(
            (listed.code(), listed.errors()[0].pointer.as_str()),
            (Code::ValidationFailed, "")
        );
        assert_eq!(refused("[").code(), Code::MalformedJson);
        for inner in [r#"["x"]"#, "[]", "1", "null"] {
            let within = parse::<Outer>(
                format!(r#"{{"inner": [{{"password": "x"}}, {inner}]}}"#).as_bytes(),
            )
            .unwrap_err();
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
