//! What is wrong with one field of a body.

use std::borrow::Cow;

/// One field of a body that was refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body.
    #[schema(example = "/name")]
    pub pointer: String,
    /// Why, for programs.
    #[schema(example = "blank")]
    pub code: Cow<'static, str>,
    /// Why, for people.
    #[schema(example = "must not be blank")]
    pub detail: String,
    /// What would have to be better; the problem lists them as its `reasons`.
    #[serde(skip)]
    pub reasons: Vec<Reason>,
}

/// One thing that would have to be better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub code: Cow<'static, str>,
    pub detail: String,
}

impl Reason {
    pub fn new(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }
}

impl FieldError {
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
            reasons: Vec::new(),
        }
    }
    /// What would have to be better, each as it is told beside the refusal.
    pub fn reasons(&self) -> impl Iterator<Item = Self> {
        let told =
            |reason: &Reason| Self::new(&*self.pointer, reason.code.clone(), &*reason.detail);
        self.reasons.iter().map(told)
    }
    /// Names each thing that would have to be better.
    #[must_use]
    pub fn because(mut self, reasons: Vec<Reason>) -> Self {
        self.reasons = reasons;
        self
    }
}

/// A JSON pointer (RFC 6901) to a member of what another one points to.
#[must_use]
pub fn pointer_to(parent: &str, member: &str) -> String {
    format!("{parent}/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// The value, or its refusal among the others: a body is refused with all that is wrong with it at
/// once.
pub fn keep<T>(
    outcome: std::result::Result<T, FieldError>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    outcome.map_err(|error| errors.push(error)).ok()
}
