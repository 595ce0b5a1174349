//! Example problems: made as the service makes them, from the refusals that it answers.

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;

use super::compose::{Composer, kind};
use crate::access::{Level, Operation as Done};
use crate::context::authorize::{for_sys_admins, unauthenticated};
use crate::context::grant::permission_denied;
use crate::kernel::error::{Code, Error, FieldError};
use crate::kernel::problem::Problem;

/// What of an operation its refusals tell.
pub(super) struct Refused {
    path: String,
    /// The first table that opens it, and the operation on it.
    table: Option<(String, Done)>,
    /// The body's schema.
    body: Value,
}

impl Refused {
    pub(super) fn of(path: &str, operation: &Operation, composer: &Composer) -> Self {
        let access = operation
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.get("x-access"))
            .cloned()
            .unwrap_or_default();
        let schema = match &operation.request_body {
            Some(RefOr::T(body)) => body.content.values().find_map(|content| match content {
                RefOr::T(content) => content.schema.as_ref(),
                RefOr::Ref(_) => None,
            }),
            _ => None,
        };
        let body =
            schema.map(|schema| composer.resolved(&json!(schema)).clone()).unwrap_or_default();
        Self {
            path: path.to_owned(),
            table: access["anyOf"].as_array().into_iter().flatten().find_map(table),
            body,
        }
    }

    /// A problem of the code.
    pub(super) fn example(&self, code: Code) -> Value {
        json!(Problem::of(&self.refusal(code), &self.path, Problem::EXAMPLE_REQUEST))
    }

    fn refusal(&self, code: Code) -> Error {
        match (code, &self.table) {
            (Code::PermissionDenied, Some((table, done))) => {
                permission_denied(table, *done, Level::My)
            }
            (Code::PermissionDenied, None) => for_sys_admins(),
            (Code::Unauthenticated, _) => unauthenticated(),
            (Code::NotFound, _) => Error::not_found(),
            (Code::Internal, _) => Error::internal("an example"),
            (Code::VersionConflict, _) => Error::version_conflict(2),
            (Code::LastMandateAdmin, _) => Error::last_mandate_admin(),
            (Code::LastSysAdmin, _) => Error::last_sys_admin(),
            (Code::TooManyLines, _) => Error::of_the_body(
                code,
                FieldError::new("", "too_many_lines", "may have at most 1000 lines"),
            ),
            (Code::ValidationFailed, _) => Error::invalid(vec![self.wrong_field()]),
            (Code::UnknownField, _) => Error::invalid(vec![FieldError::new(
                "/unknown",
                "unknown_field",
                "is not known here",
            )]),
            _ => Error::new(code, format!("{}.", code.title())),
        }
    }

    /// The first field that a body must have is missing; where it may all be left out, one is of
    /// another type.
    fn wrong_field(&self) -> FieldError {
        if let Some(required) = self.body["required"][0].as_str() {
            return FieldError::new(format!("/{required}"), "required", "is required");
        }
        let mut properties = self.body["properties"].as_object().into_iter().flatten();
        let typed = properties.find_map(|(name, schema)| Some((name, wanted(schema)?)));
        match typed {
            Some((name, wanted)) => {
                FieldError::new(format!("/{name}"), "invalid_type", format!("must be {wanted}"))
            }
            None => FieldError::new("", "invalid_type", "must be an object"),
        }
    }
}

/// A schema's type as the reader of bodies calls it.
fn wanted(schema: &Value) -> Option<&'static str> {
    match kind(schema) {
        "string" => Some("a string"),
        "boolean" => Some("a boolean"),
        "array" => Some("a sequence"),
        _ => None,
    }
}

fn table(clause: &Value) -> Option<(String, Done)> {
    let done = serde_json::from_value(clause["operation"].clone()).ok()?;
    Some((clause["table"].as_str()?.to_owned(), done))
}
