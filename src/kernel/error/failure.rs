//! What travels when something goes wrong.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::code::Code;
use super::field::FieldError;

/// Short for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or failure, on its way to the client and to the log.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    extra: Map<String, Value>,
    retry_after: Option<u64>,
    cause: Option<Cause>,
}

/// The first of the places that were wrong, in a sentence.
fn told(errors: &[FieldError]) -> String {
    let place = |error: &FieldError| {
        if error.pointer.is_empty() { "The body".to_owned() } else { error.pointer.clone() }
    };
    errors.first().map_or_else(String::new, |error| format!("{} {}", place(error), error.detail))
}

/// Why a transaction failed, where it matters to whoever began it.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How many wrong fields a refusal points to: whoever mends those is told of the next ones.
const MAX_ERRORS: usize = 100;

impl Error {
    /// A refusal with a sentence for the client.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            extra: Map::new(),
            retry_after: None,
            cause: None,
        }))
    }

    /// A failure of ours: the client learns nothing of the cause.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::new(Code::Internal, "The request failed. Nothing of it was kept.").caused_by(cause)
    }

    /// The one answer for what does not exist and for what the caller may not see.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is no such object here.")
    }

    /// 422 with the fields that were wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let unknown = !errors.is_empty() && errors.iter().all(|e| e.code == "unknown_field");
        let code = if unknown { Code::UnknownField } else { Code::ValidationFailed };
        Self::new(code, told(&errors)).pointing_to(errors)
    }

    /// A refusal of the body as a whole, with what is wrong with it.
    pub fn of_the_body(code: Code, fault: FieldError) -> Self {
        Self::new(code, told(std::slice::from_ref(&fault))).pointing_to(vec![fault])
    }

    /// 404 with the places in the body that name what is not there ([`crate::kernel::missing`]).
    pub fn unknown(errors: Vec<FieldError>) -> Self {
        Self::new(Code::NotFound, told(&errors)).pointing_to(errors)
    }

    fn pointing_to(mut self, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_ERRORS);
        self.0.errors = errors;
        self
    }

    /// A member of the problem document beside the standard ones.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Tells the client when to try again, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    #[must_use]
    pub(super) fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The same refusal once more, for another who waited for the same.
    #[must_use]
    pub(crate) fn again(&self) -> Self {
        let parts = &self.0;
        Self(Box::new(Parts {
            code: parts.code,
            detail: parts.detail.clone(),
            errors: parts.errors.clone(),
            extra: parts.extra.clone(),
            retry_after: parts.retry_after,
            cause: parts.cause.as_ref().map(|cause| cause.to_string().into()),
        }))
    }

    pub fn code(&self) -> Code {
        self.0.code
    }
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }
    pub(crate) fn extra(&self) -> &Map<String, Value> {
        &self.0.extra
    }
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.0.retry_after
    }
    /// For the log, never for a body.
    pub(crate) fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// Whether the transaction lost against another one and may simply be repeated (40001, 40P01).
    pub(crate) fn is_transient(&self) -> bool {
        let database = self
            .cause()
            .and_then(|cause| cause.downcast_ref::<sqlx::Error>())
            .and_then(|e| e.as_database_error());
        database
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| code == "40001" || code == "40P01")
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::invalid(vec![error])
    }
}

impl Error {
    pub fn last_mandate_admin() -> Self {
        Self::new(Code::LastMandateAdmin, "This is the mandate's last effective admin.")
    }
    pub fn database_unavailable() -> Self {
        Self::new(Code::DatabaseUnavailable, "The database does not answer.").retry_after(2)
    }
    pub fn last_sys_admin() -> Self {
        Self::new(Code::LastSysAdmin, "This is the platform's last active SysAdmin.")
    }
    /// 409 for a stale `version` in a body.
    pub fn version_conflict(current: i64) -> Self {
        Self::new(Code::VersionConflict, "The resource has another version by now.")
            .with("currentVersion", json!(current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_never_shows_in_the_outside_text() {
        let error = Error::internal("secret: password=hunter2");
        assert!(!error.detail().contains("hunter2"));
    }
}
