//! What a client reads of a refusal (RFC 9457): the one form that all have.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::error::{Code, Error, FieldError};

/// A refusal or failure.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A stable path that explains the code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not_found")]
    kind: String,
    #[schema(example = "Not found")]
    title: &'static str,
    #[schema(example = 404)]
    status: u16,
    /// What was wrong this time.
    #[schema(example = "There is no such thing here.")]
    detail: String,
    /// The path that was asked for.
    #[schema(example = "/api/features/my")]
    instance: String,
    /// The problem's code, from a closed list.
    #[schema(schema_with = codes)]
    code: String,
    /// To quote to the operator.
    #[schema(example = json!(Self::EXAMPLE_REQUEST))]
    request_id: String,
    /// For 422 each field that was refused; for 404 each that names what is not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// For a password that was refused: each thing that would have to be better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<FieldError>,
    /// What some codes tell besides, such as the `table`, the `operation` and the level `needed`
    /// where roles do not allow it.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Problem {
    /// A request's id in examples.
    pub(crate) const EXAMPLE_REQUEST: &str = "01900000-0000-7000-8000-00003675ee9f";

    /// The body of a refusal.
    pub(crate) fn of(error: &Error, path: &str, request_id: &str) -> Self {
        Self {
            kind: format!("/problems/{}", error.code().name()),
            title: error.code().title(),
            status: error.code().status(),
            detail: error.detail().to_owned(),
            instance: path.to_owned(),
            code: error.code().name(),
            request_id: request_id.to_owned(),
            errors: error.errors().to_vec(),
            reasons: error.errors().iter().flat_map(FieldError::reasons).collect(),
            extra: error.extra().clone(),
        }
    }
}

/// The closed list of codes.
fn codes() -> utoipa::openapi::Object {
    let names: Vec<String> = Code::ALL.iter().map(|code| code.name()).collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}
