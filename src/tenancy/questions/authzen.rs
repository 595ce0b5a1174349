//! AuthZEN's questions, read as ours.

use serde::Deserialize;
use utoipa::ToSchema;

use super::authzen_body::{AuthzenAction, AuthzenResource, AuthzenSubject};
use crate::access::Operation;
use crate::access::decision::Verdict;
use crate::context::asking::Asking;
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::{InstanceId, MandateId, UserId};
use crate::kernel::names;

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
            Some(named) if named != asking.context().mandate() => Err(Error::new(
                Code::MandateAccessDenied,
                "`context.mandate` is not the mandate of X-Mandate-Id.",
            )),
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

/// Why a question has no verdict.
#[derive(Debug)]
pub(super) enum Undecided {
    /// It names a subject, a resource or an action that is not known here. That is an answer:
    /// nobody enforces on a refusal.
    Unknown(FieldError),
    /// It cannot be asked like this.
    Refused(Error),
}

/// A verdict, or why there is none.
pub(super) type Decided<T = Verdict> = Result<T, Undecided>;

/// What a question alone has to answer for; what is wrong with the service itself is nobody's
/// decision.
pub(super) fn by_itself<T>(result: Result<T>) -> Result<Decided<T>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.code().status() < 500 => Ok(Err(Undecided::Refused(error))),
        Err(error) => Err(error),
    }
}

/// How a question names somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Person {
    Id(UserId),
    /// By username, or by an address that its owner confirmed.
    Named(String),
}

impl Person {
    /// `None` for a text that names nobody.
    fn named(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(id) => Some(Self::Id(id)),
            Err(_) => names::sign_in_key(text).filter(|key| !key.contains('\0')).map(Self::Named),
        }
    }
}

/// One question, whole.
#[derive(Debug)]
pub(super) struct Call {
    /// Where in the body it stands, and which parts of it stand elsewhere: as defaults, at the
    /// body's top.
    base: String,
    from_defaults: Vec<&'static str>,
    subject: AuthzenSubject,
    action: AuthzenAction,
    resource: AuthzenResource,
    pub context: AuthzenContext,
}

impl Call {
    pub fn new(
        base: String,
        subject: AuthzenSubject,
        action: AuthzenAction,
        resource: AuthzenResource,
        context: AuthzenContext,
    ) -> Self {
        Self { base, from_defaults: Vec::new(), subject, action, resource, context }
    }

    fn unknown(&self, pointer: &str, code: &'static str, detail: &'static str) -> FieldError {
        let is_default = self.from_defaults.iter().any(|part| pointer.starts_with(part));
        FieldError::new(
            format!("{}{pointer}", if is_default { "" } else { &self.base }),
            code,
            detail,
        )
    }

    pub fn no_instance(&self) -> FieldError {
        self.unknown(
            "/resource/type",
            "unknown_instance",
            "is a table of a feature, of which no instance is open to the subject here",
        )
    }

    pub fn unknown_subject(&self) -> FieldError {
        self.unknown(
            "/subject/id",
            "unknown_subject",
            "is neither your own id, username or confirmed address, nor that of a member whom you \
                may read",
        )
    }

    pub fn unknown_owner(&self) -> FieldError {
        self.unknown(
            "/resource/properties/ownerId",
            "unknown_owner",
            "is no id, nor the username or confirmed address of a member whom you may read",
        )
    }

    pub fn unknown_table(&self) -> FieldError {
        self.unknown(
            "/resource/type",
            "unknown_table",
            "is not a table of the mandate, nor of a feature that is open here",
        )
    }

    pub fn subject(&self) -> Result<Person, FieldError> {
        if self.subject.kind != "user" {
            return Err(self.unknown("/subject/type", "unknown_type", "must be `user`"));
        }
        Person::named(&self.subject.id).ok_or_else(|| self.unknown_subject())
    }

    pub fn operation(&self) -> Result<Operation, FieldError> {
        let operation =
            Operation::ALL.into_iter().find(|operation| operation.name() == self.action.name);
        operation.ok_or_else(|| {
            self.unknown(
                "/action/name",
                "unknown_action",
                "must be `read`, `create`, `update` or `delete`",
            )
        })
    }

    pub fn table(&self) -> String {
        self.resource.kind.clone()
    }

    pub fn owner(&self) -> Result<Option<Person>, FieldError> {
        let Some(owner) = self.resource.properties.get("ownerId") else { return Ok(None) };
        owner.as_str().and_then(Person::named).map(Some).ok_or_else(|| self.unknown_owner())
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
    pub fn completed(&self, base: String, own: Self) -> Result<Call, FieldError> {
        let required = |name: &str| {
            FieldError::new(
                format!("{base}/{name}"),
                "required",
                "is required, here or as a default",
            )
        };
        let left_out = [
            ("/subject", own.subject.is_none()),
            ("/action", own.action.is_none()),
            ("/resource", own.resource.is_none()),
        ];
        let from_defaults = left_out
            .into_iter()
            .filter_map(|(part, is_left_out)| is_left_out.then_some(part))
            .collect();
        let subject =
            own.subject.or_else(|| self.subject.clone()).ok_or_else(|| required("subject"))?;
        let action =
            own.action.or_else(|| self.action.clone()).ok_or_else(|| required("action"))?;
        let resource =
            own.resource.or_else(|| self.resource.clone()).ok_or_else(|| required("resource"))?;
        let context = own.context.or_else(|| self.context.clone()).unwrap_or_default();
        Ok(Call { from_defaults, ..Call::new(base, subject, action, resource, context) })
    }
}
