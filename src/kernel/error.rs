//! What can go wrong, as clients see it. An [`Error`] carries an outside text and an inside cause
//! in different fields; only the first can reach a body (`http::problem` renders it), the second
//! only the log.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// Short for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $title:literal, $help:literal;)+) => {
        /// The closed list of problem codes (RFC 9457 `type` is `/problems/<code>`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];
            /// The HTTP status that goes with the code.
            pub const fn status(self) -> u16 {
                match self { $(Code::$name => $status,)+ }
            }
            /// One line, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)+ }
            }
            /// What the reader can do about it; shown on the problem's page.
            pub const fn help(self) -> &'static str {
                match self { $(Code::$name => $help,)+ }
            }
            const fn variant(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)+ }
            }
        }
    };
}

codes! {
    MalformedJson = 400, "The body is not JSON that this service reads",
        "Send one JSON value, nested at most 64 levels deep, as UTF-8.";
    MalformedRequest = 400, "The request is not HTTP that this service reads",
        "Mend the request line, or the header that is not `Name: value` in visible characters. \
        Lines end in CRLF.";
    InvalidHeader = 400, "A context header is malformed",
        "Send X-Mandate-Id and X-Instance-Id at most once each, as UUIDs.";
    InvalidParameter = 400, "A parameter is malformed or out of range",
        "The detail names the parameter and what it takes. Cursors come from `nextCursor` and go \
        back unchanged, with the same sort.";
    UnknownParameter = 400, "A query parameter is not known here",
        "Remove the parameter, or look up its name in /docs.";
    MandateContextMissing = 400, "The request names no mandate",
        "Send the header X-Mandate-Id with the id of the mandate to work in. GET /api/auth/me \
        lists yours.";
    InstanceContextMissing = 400, "The request names no feature instance",
        "Send the header X-Instance-Id with one of the `candidates`.";
    IdempotencyNotSupported = 400, "This route remembers no answers",
        "Leave the header Idempotency-Key out: nobody is signed in here, or the answer holds a \
        secret.";
    Unauthenticated = 401, "Sign in first",
        "Send `Authorization: Bearer <access token>` with a token from POST /api/auth/login that \
        has not expired and whose session has not ended.";
    InvalidCredentials = 401, "The sign-in failed",
        "Check the username and the password. Which of them was wrong is not told.";
    PermissionDenied = 403, "Your roles do not allow this",
        "Ask an admin of the mandate for a role that grants the named operation on the named \
        table.";
    MandateAccessDenied = 403, "This mandate is not open to you",
        "Check X-Mandate-Id: it must name an enabled mandate in which you are an enabled member, \
        and the same one as the path.";
    InstanceAccessDenied = 403, "This feature instance is not open to you",
        "Check X-Instance-Id: it must name an enabled instance of the mandate to which you were \
        admitted.";
    SelfEscalation = 403, "Nobody raises their own access",
        "Ask another admin of the mandate, or a SysAdmin, to make this change for you.";
    GrantExceedsOwnAccess = 403, "You cannot give what you do not have",
        "Grant only what is within your own access, or ask an admin of the mandate.";
    TargetExceedsOwnAccess = 403, "The other person's access exceeds yours",
        "Ask an admin of the mandate.";
    OwnRequest = 403, "Nobody decides their own request",
        "Ask somebody else who decides here, or an admin of the instance.";
    NotFound = 404, "There is no such object, or you may not see it",
        "Check the id and the mandate that X-Mandate-Id selects. Where a body names it, `errors` \
        points there.";
    RouteNotFound = 404, "There is no such route", "Look the route up in /docs.";
    MethodNotAllowed = 405, "The route does not know this method",
        "The header Allow lists the methods that it knows.";
    RequestTimeout = 408, "The request's body did not arrive in time",
        "Send the request again, faster or smaller.";
    CodeTaken = 409, "The code is taken", "Choose another code.";
    NameTaken = 409, "The name is taken",
        "Choose another name. Names are compared ignoring case and Unicode form.";
    LabelTaken = 409, "The label is taken",
        "Choose another label. Labels are compared ignoring case and Unicode form.";
    UsernameTaken = 409, "The username is taken", "Choose another username.";
    EmailTaken = 409, "The e-mail address is taken", "Use another address.";
    AlreadyMember = 409, "The user is a member already",
        "Change the membership instead of adding it.";
    AlreadyHasAccess = 409, "The user has access to this instance already",
        "Change the access instead of adding it.";
    LastMandateAdmin = 409, "The mandate would lose its last admin",
        "Give the role `admin` to another enabled member first.";
    LastSysAdmin = 409, "The platform would lose its last SysAdmin",
        "Make another active user a SysAdmin first.";
    LastRole = 409, "A member keeps at least one role",
        "Give another role first, or remove the member.";
    RoleInUse = 409, "Somebody holds this role", "Take the role from everybody who holds it first.";
    RoleProtected = 409, "The role `admin` is protected",
        "It cannot be edited, renamed or deleted. Make another role instead.";
    FeatureInUse = 409, "The feature has instances", "Delete its instances first.";
    FeatureBuiltIn = 409, "The feature is built in",
        "Built-in features come with the service and change with it.";
    NotDeleted = 409, "It is not deleted", "Only what was deleted can be restored.";
    VersionExists = 409, "The version exists already",
        "Choose another number, or leave it out for the next one. A deleted version keeps its \
        number until it is purged.";
    NoPreviousRevision = 409, "There is nothing to roll back to",
        "The version was never edited. GET its revisions lists what it held.";
    AlreadyDecided = 409, "The request was decided already",
        "A decision is final. Read the booking to see it.";
    IdempotencyKeyReused = 409, "The Idempotency-Key belongs to another request",
        "Send the request that the key was first used for, unchanged, or another key.";
    IdempotencyInFlight = 409, "A request with this Idempotency-Key is being worked on",
        "Wait as long as Retry-After says and send it again: it then gets the same answer.";
    VersionConflict = 409, "The resource has changed meanwhile",
        "Read it again and repeat the change with the new `version`.";
    Gone = 410, "The object was deleted",
        "Restore it before `purgeAt`, where the problem names that time; afterwards it is gone for \
        good.";
    AnswerErased = 410, "The answer to this Idempotency-Key was erased",
        "The request had its effect, which is not had twice. Its answer told of somebody whose \
        account was erased since: read the resource instead.";
    PreconditionFailed = 412, "A precondition does not hold",
        "The detail says which. Read the resource again and repeat the change with the `ETag` that \
        it has by now in If-Match, and without If-None-Match.";
    PayloadTooLarge = 413, "The request is too large", "Send less; the detail names the limit.";
    UriTooLong = 414, "The URL is too long",
        "Send less in path and query; the detail names the limit.";
    UnsupportedMediaType = 415, "The body is not of a kind that this route takes",
        "Send `Content-Type: application/json`, and no `Content-Encoding`.";
    UnknownField = 422, "The body has a field that is not known here",
        "Remove the fields that `errors` points to.";
    ValidationFailed = 422, "The body is well-formed but not valid",
        "Each entry of `errors` points to a field and says what it takes.";
    PreconditionRequired = 428, "The change has to name a version",
        "Read the resource and send its `ETag` in If-Match (or `version` in the body, where it \
        takes one).";
    TooManyRequests = 429, "Too many requests", "Wait as long as Retry-After says.";
    HeadersTooLarge = 431, "The headers are too large",
        "Send fewer or shorter headers; the detail names the limit.";
    Internal = 500, "Something went wrong on our side",
        "Try again. If it stays, tell the operator the `requestId`.";
    Overloaded = 503, "The service is busy", "Try again after Retry-After.";
    DatabaseUnavailable = 503, "The database is away",
        "Try again after Retry-After. Nothing was changed, unless it was just being finished: \
        look, or send it again with the same Idempotency-Key.";
    Unavailable = 503, "The service cannot work right now", "Try again after Retry-After.";
    TimedOut = 504, "The request took too long",
        "Nothing was changed, unless it was just being finished: look, or send it again with the \
        same Idempotency-Key. Or ask for less.";
}

impl Code {
    /// The code as clients read it.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for character in self.variant().chars() {
            if character.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(character.to_ascii_lowercase());
        }
        name
    }

    /// The code of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

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
    pub reasons: Vec<String>,
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
    /// Names each thing that would have to be better.
    #[must_use]
    pub fn because(mut self, reasons: Vec<String>) -> Self {
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
        let reasons: Vec<String> = errors.iter().flat_map(|e| e.reasons.iter().cloned()).collect();
        let error = Self::new(code, told(&errors)).pointing_to(errors);
        if reasons.is_empty() { error } else { error.with("reasons", reasons) }
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
    fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
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

/// What PostgreSQL answers to U+0000 in a text.
const UNSTORABLE_CHARACTER: &str = "22021";
/// What it answers when a statement's time is up.
const CANCELLED: &str = "57014";

/// Whether there is no connection (any more): nobody listens, the server starts or stops, or the
/// connection broke.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(told) => told.code().is_some_and(|code| {
            code.starts_with("08")
                || ["57P01", "57P02", "57P03", "57P05", "25P03"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let constraint = database.and_then(|e| e.constraint()).map(str::to_owned);
        match database.and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some(UNSTORABLE_CHARACTER) => {
                return Self::from(FieldError::new(
                    "",
                    "invalid_characters",
                    "must not contain the character U+0000",
                ))
                .caused_by(error);
            }
            Some(CANCELLED) => {
                return Self::new(Code::TimedOut, "The database took too long over this.")
                    .caused_by(error);
            }
            _ => {}
        }
        match (&error, constraint.as_deref()) {
            (_, Some("last_mandate_admin")) => Self::last_mandate_admin().caused_by(error),
            (_, Some("last_sys_admin")) => Self::last_sys_admin().caused_by(error),
            (sqlx::Error::PoolTimedOut, _) => {
                Self::new(Code::Overloaded, "All database connections are busy.")
                    .retry_after(1)
                    .caused_by(error)
            }
            _ if is_lost(&error) || matches!(error, sqlx::Error::PoolClosed) => {
                Self::database_unavailable().caused_by(error)
            }
            _ => Self::internal(error),
        }
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

/// Turns a violated constraint into the refusal that it stands for.
pub trait OnConstraint<T> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
            Some(violated) if violated == name => refusal(),
            _ => Error::from(error),
        })
    }
}

impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|error| {
            let database = error
                .cause()
                .and_then(|c| c.downcast_ref::<sqlx::Error>())
                .and_then(|e| e.as_database_error());
            if database.and_then(|e| e.constraint()) == Some(name) { refusal() } else { error }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_snake_case_names_that_lead_back_to_them() {
        assert_eq!(Code::MandateAccessDenied.name(), "mandate_access_denied");
        for code in Code::ALL {
            assert_eq!(Code::from_name(&code.name()), Some(*code));
        }
    }

    #[test]
    fn a_cause_never_shows_in_the_outside_text() {
        let error = Error::internal("secret: password=hunter2");
        assert!(!error.detail().contains("hunter2"));
    }
}
