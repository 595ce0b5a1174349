//! What AuthZEN 1.0 answers. Numbers are sections of the specification.

use serde::Serialize;
use utoipa::ToSchema;

use super::authzen::{Decided, Undecided};
use crate::access::Level;
use crate::access::decision::Verdict;
use crate::kernel::error::{Error, FieldError, Result};

/// The answer (5.5): whether it is allowed, and at which level the operation is.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthzenDecision {
    #[schema(example = true)]
    pub(super) decision: bool,
    context: AuthzenDecisionContext,
}

/// Beside the decision (5.5.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "level": "a", "reason": null, "detail": null, "pointer": null }))]
pub struct AuthzenDecisionContext {
    level: Level,
    /// Why there was nothing to decide, for programs; null where there was.
    #[schema(example = "unknown_subject")]
    reason: Option<String>,
    /// The same for people.
    #[schema(example = "The subject is not known here.")]
    detail: Option<String>,
    /// Where in the body the reason is: a JSON pointer.
    #[schema(example = "/evaluations/1/subject/id")]
    pointer: Option<String>,
}

/// The answers in the order of the questions (7.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthzenDecisions {
    pub(super) evaluations: Vec<AuthzenDecision>,
}

/// One answer, or several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AuthzenAnswer {
    Several(AuthzenDecisions),
    One(AuthzenDecision),
}

impl AuthzenDecision {
    fn denied(reason: String, detail: String, pointer: Option<String>) -> Self {
        let context = AuthzenDecisionContext {
            level: Level::None,
            reason: Some(reason),
            detail: Some(detail),
            pointer,
        };
        Self { decision: false, context }
    }

    fn unknown(field: FieldError) -> Self {
        Self::denied(field.code.into_owned(), field.detail, Some(field.pointer))
    }

    fn refused(error: &Error) -> Self {
        match error.errors() {
            [field, ..] => Self::unknown(field.clone()),
            [] => Self::denied(error.code().name(), error.detail().to_owned(), None),
        }
    }

    /// Of a question that is asked alone: one that cannot be asked is refused.
    pub(super) fn of_one(decided: Decided) -> Result<Self> {
        match decided {
            Ok(verdict) => Ok(verdict.into()),
            Err(Undecided::Unknown(field)) => Ok(Self::unknown(field)),
            Err(Undecided::Refused(error)) => Err(error),
        }
    }

    /// Of a question among others: one that cannot be asked is denied, and the others are answered.
    pub(super) fn of_several(decided: Decided) -> Self {
        match decided {
            Ok(verdict) => verdict.into(),
            Err(Undecided::Unknown(field)) => Self::unknown(field),
            Err(Undecided::Refused(error)) => Self::refused(&error),
        }
    }
}

impl From<Verdict> for AuthzenDecision {
    fn from(verdict: Verdict) -> Self {
        let context = AuthzenDecisionContext {
            level: verdict.level,
            reason: None,
            detail: None,
            pointer: None,
        };
        Self { decision: verdict.allowed, context }
    }
}
