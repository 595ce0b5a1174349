//! The table of codes: what a refusal is called, and what its reader can do about it.

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
    SessionRevoked = 401, "The session is over",
        "Sign in anew. A refresh token is good once, until the session ends; one that was used \
        already, longer than a moment ago, ends it.";
    StepUpRequired = 401, "Show anew who you are",
        "Send POST /api/auth/step-up with your password, and this request again with the token \
        that it answers. `maxAge` says for how many seconds that is good.";
    PasswordChangeRequired = 403, "Change your password first",
        "Somebody else chose it: send PUT /api/auth/password. Until then the session reaches \
        nothing but that, GET /api/auth/me, POST /api/auth/refresh and POST /api/auth/logout.";
    RegistrationClosed = 403, "Nobody registers here",
        "Ask whoever runs this service for an account.";
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
    OperationNotAllowed = 403, "This is not done in somebody's place",
        "Whoever acts as somebody else reads what they read and works as they work, and changes \
        nothing of who may do what, of the account or of its sessions: ask the person to do it.";
    InvitationNotYours = 403, "The invitation is for another address",
        "Sign in with the account that has the address which the mail came to. Where it has none, \
        send `register` beside the token.";
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
    AlreadyInvited = 409, "The address is invited already",
        "Send the invitation again (`id`), or withdraw it first.";
    NotPending = 409, "The invitation is over",
        "It was accepted, withdrawn or sent too often, or its time has passed. Invite anew.";
    AccountExists = 409, "The address has an account already",
        "Sign in with it, and accept the invitation without `register`. Who has forgotten the \
        password gets a mail from POST /api/auth/password/forgot; who never had one is offered a \
        reset by whoever runs this service.";
    ImpersonationNotAllowed = 409, "Nobody may act as this user",
        "An admin of a mandate that the user works in has to allow it first: PATCH \
        /api/mandates/{mandateId} with `allowImpersonation`.";
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
    TokenGone = 410, "The token is good no more",
        "It was used, a newer one was mailed, or its time is over: ask for another mail. One that \
        is not good yet says from when on it is (`validFrom`).";
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
        "Send `Content-Type: application/json`, and no `Content-Encoding`; a file that is \
        imported as `application/x-ndjson` or `text/csv`.";
    TooManyLines = 422, "The file has too many lines",
        "Send it in parts of at most 1,000 lines. Lines that were taken already are skipped.";
    UnknownField = 422, "The body has a field that is not known here",
        "Remove the fields that `errors` points to.";
    ValidationFailed = 422, "The body is well-formed but not valid",
        "Each entry of `errors` points to a field and says what it takes.";
    PreconditionRequired = 428, "The change has to name a version",
        "Read the resource and send its `ETag` in If-Match (or `version` in the body, where it \
        takes one).";
    TooManyRequests = 429, "Too many requests", "Wait as long as Retry-After says.";
    AccountLocked = 429, "Too many attempts failed with this name",
        "Wait as long as Retry-After says: until then the right password helps no more than a \
        wrong one. Who is signed in elsewhere stays so.";
    HeadersTooLarge = 431, "The headers are too large",
        "Send fewer or shorter headers; the detail names the limit.";
    Internal = 500, "Something went wrong on our side",
        "Try again. If it stays, tell the operator the `requestId`.";
    Overloaded = 503, "The service is busy", "Try again after Retry-After.";
    DatabaseUnavailable = 503, "The database is away",
        "Try again after Retry-After. Nothing was changed, unless it was just being finished: \
        look, or send it again with the same Idempotency-Key.";
    MailNotConfigured = 503, "No mail is set up here",
        "Ask whoever runs this service to set BAILIWICK_SMTP_URL.";
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
}
