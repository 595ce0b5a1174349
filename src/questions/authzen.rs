//! AuthZEN's questions, read as ours.

use serde::Deserialize;
use utoipa::ToSchema;

use super::Question;
use super::authzen_routes::{AuthzenAction, AuthzenResource, AuthzenSubject};
use crate::access::Operation;
use crate::context::asking::Asking;
use crate::error::{Code, Error, FieldError, Result};
use crate::ids::{InstanceId, MandateId, UserId};

/// Where the question is asked (5.4).
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct AuthzenContext {
    /// The mandate: the one of `X-Mandate-Id`.
    pub mandate: Option<MandateId>,
    /// One of its feature instances.
    pub instance: Option<InstanceId>,
}

impl AuthzenContext {
    /// The header and the body speak of the same mandate.
    pub fn require_agreement(&self, asking: &Asking) -> Result<()> {
        match self.mandate {
            Some(named) if named != asking.context().mandate() => {
                Err(Error::new(Code::MandateAccessDenied, "`context.mandate` is not the mandate of X-Mandate-Id."))
            }
            _ => Ok(()),
        }
    }
}

/// How several questions are gone through (7.1.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Semantics {
    /// All of them.
    #[default]
    ExecuteAll,
    /// Until one is refused.
    DenyOnFirstDeny,
    /// Until one is allowed.
    PermitOnFirstPermit,
}

impl Semantics {
    pub fn ends_with(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

/// One question, whole.
#[derive(Debug)]
pub(super) struct Call {
    /// Where in the body it stands.
    base: String,
    subject: AuthzenSubject,
    action: AuthzenAction,
    resource: AuthzenResource,
    pub context: AuthzenContext,
}

impl Call {
    pub fn new(base: String, subject: AuthzenSubject, action: AuthzenAction, resource: AuthzenResource, context: AuthzenContext) -> Self {
        Self { base, subject, action, resource, context }
    }

    pub fn at(&self, pointer: &str) -> String {
        format!("{}{pointer}", self.base)
    }

    pub fn subject(&self) -> Result<UserId> {
        if self.subject.kind != "user" {
            return Err(FieldError::new(self.at("/subject/type"), "unknown_type", "must be `user`").into());
        }
        self.subject.id.parse().map_err(|_| FieldError::new(self.at("/subject/id"), "invalid_type", "must be a UUID").into())
    }

    pub fn question(&self) -> Result<Question> {
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == self.action.name);
        let operation = operation
            .ok_or_else(|| FieldError::new(self.at("/action/name"), "unknown_action", "must be `read`, `create`, `update` or `delete`"))?;
        Ok(Question { table: self.resource.kind.clone(), operation, owner: self.owner()? })
    }

    fn owner(&self) -> Result<Option<UserId>> {
        let Some(owner) = self.resource.properties.get("ownerId") else { return Ok(None) };
        let id = owner.as_str().and_then(|text| text.parse().ok());
        id.map(Some).ok_or_else(|| FieldError::new(self.at("/resource/properties/ownerId"), "invalid_type", "must be a UUID").into())
    }
}

/// Parts of a question that other parts stand in for (7.1.1).
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub subject: Option<AuthzenSubject>,
    pub action: Option<AuthzenAction>,
    pub resource: Option<AuthzenResource>,
    pub context: Option<AuthzenContext>,
}

impl Defaults {
    /// The question that `own` asks, with these for what it leaves out.
    pub fn completed(&self, base: String, own: Self) -> Result<Call> {
        let required = |name: &str| FieldError::new(format!("{base}/{name}"), "required", "is required, here or as a default");
        let subject = own.subject.or_else(|| self.subject.clone()).ok_or_else(|| required("subject"))?;
        let action = own.action.or_else(|| self.action.clone()).ok_or_else(|| required("action"))?;
        let resource = own.resource.or_else(|| self.resource.clone()).ok_or_else(|| required("resource"))?;
        let context = own.context.or_else(|| self.context.clone()).unwrap_or_default();
        Ok(Call::new(base, subject, action, resource, context))
    }
}
