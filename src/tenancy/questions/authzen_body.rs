//! What a request of AuthZEN 1.0 asks. Numbers are sections of the specification.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::authzen::{AuthzenContext, Semantics};

/// Who wants to do something (5.1).
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AuthzenSubject {
    #[serde(rename = "type")]
    #[schema(example = "user")]
    pub kind: String,
    /// The user's id, username, or an address that they confirmed.
    #[schema(example = "01900000-0000-7000-8000-00000000a003")]
    pub id: String,
    #[serde(default)]
    #[expect(dead_code, reason = "taken, as the specification says, and not looked at")]
    properties: Map<String, Value>,
}

/// To what (5.2).
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AuthzenResource {
    /// The table.
    #[serde(rename = "type")]
    #[schema(example = "members")]
    pub kind: String,
    /// Not looked at: whose row it is decides, not which.
    #[schema(example = "any")]
    #[expect(dead_code, reason = "required by the specification, and not looked at")]
    id: String,
    /// `ownerId`: whose row it is, by id, username or confirmed address; without it, any row that
    /// the action may reach.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// What they want to do (5.3).
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AuthzenAction {
    /// `read`, `create`, `update` or `delete`.
    #[schema(example = "read")]
    pub name: String,
    #[serde(default)]
    #[expect(dead_code, reason = "taken, as the specification says, and not looked at")]
    properties: Map<String, Value>,
}

/// A question (6.1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateAccess {
    pub(super) subject: AuthzenSubject,
    pub(super) action: AuthzenAction,
    pub(super) resource: AuthzenResource,
    /// `mandate`, which has to be the one of `X-Mandate-Id`, and `instance`.
    #[serde(default)]
    pub(super) context: AuthzenContext,
}

/// Several questions, and what is the same in all of them (7.1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateAccesses {
    pub(super) subject: Option<AuthzenSubject>,
    pub(super) action: Option<AuthzenAction>,
    pub(super) resource: Option<AuthzenResource>,
    pub(super) context: Option<AuthzenContext>,
    /// At most 100; none: the question that the other members ask by themselves. One that is wrong
    /// is denied, and the others answered.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<PartOfEvaluation>)]
    pub(super) evaluations: Vec<Value>,
    #[serde(default)]
    pub(super) options: EvaluationOptions,
}

/// What differs from the defaults (7.1.1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartOfEvaluation {
    pub(super) subject: Option<AuthzenSubject>,
    pub(super) action: Option<AuthzenAction>,
    pub(super) resource: Option<AuthzenResource>,
    pub(super) context: Option<AuthzenContext>,
}

/// How the questions are gone through (7.1.2).
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct EvaluationOptions {
    #[serde(default)]
    pub(super) evaluations_semantic: Semantics,
}
