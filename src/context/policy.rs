//! What a route asks of its caller: one declaration that installs the guard, writes the OpenAPI
//! security and `x-access`, and picks the rate limit. Where the mandate comes from follows from the
//! route's path, so that it cannot be declared wrongly.

use std::collections::HashMap;
use std::num::NonZeroU32;

use axum::http::Method;
use serde_json::{Value, json};

use crate::access::Operation;
use crate::access::tables::{FeatureTable, Op, Table};

/// Rate-limit classes; requests per minute are settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    Read,
    ListMandates,
    MemberWrite,
    Write,
    Auth,
    /// Attempts to sign in, by address alone.
    AuthAddress,
    Check,
    Work,
    /// What everybody's tools fetch: keys, metadata, the document.
    Public,
    Default,
}

impl Class {
    pub const ALL: [Class; 10] = [
        Class::Read,
        Class::ListMandates,
        Class::MemberWrite,
        Class::Write,
        Class::Auth,
        Class::AuthAddress,
        Class::Check,
        Class::Work,
        Class::Public,
        Class::Default,
    ];

    /// The class's name in settings, `x-access` and the `RateLimit` headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::ListMandates => "list-mandates",
            Class::MemberWrite => "member-write",
            Class::Write => "write",
            Class::Auth => "auth",
            Class::AuthAddress => "auth-address",
            Class::Check => "check",
            Class::Work => "work",
            Class::Public => "public",
            Class::Default => "default",
        }
    }
}

/// Instead of a class's name, where nothing is charged.
pub const UNLIMITED: &str = "unlimited";

/// What requests are charged with before anything else is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charging {
    /// The route's class.
    AtTheDoor,
    /// Another class; the route's own is charged by the handler, which knows what more its budget
    /// hangs on.
    ByTheHandler { door: Class },
    /// Nothing: for probes, which tell a balancer whether the service is there.
    Free,
}

/// Whether a method is for effects.
pub(crate) fn has_effect(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

/// Requests a minute, by class.
pub type PerMinute = HashMap<Class, NonZeroU32>;

/// One way to be allowed in; any one of a policy's suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// Anybody, signed in or not.
    Public,
    /// Any signed-in user.
    User,
    /// A SysAdmin. Where the path names an object of a mandate, that object names the mandate.
    Sys,
    /// A SysAdmin, for template roles only.
    SysTemplates,
    /// The user whom the path names.
    Oneself,
    /// Merged access above `n`. A table of a feature is looked up in an instance of that feature,
    /// which `X-Instance-Id` names.
    Table { table: &'static str, operation: Operation, feature: Option<&'static str> },
}

/// A route's policy.
#[derive(Debug, Clone)]
pub struct Policy {
    pub clauses: Vec<Clause>,
    /// `None`: `read` for GET, else `write`.
    pub class: Option<Class>,
    pub charging: Charging,
    /// The handler answers for freshness itself, in its one statement.
    pub deferred: bool,
    /// A route for users that looks at the context headers when they are sent.
    pub context: bool,
    /// The route is about the session that it is called in, and no other session of the caller's:
    /// its handler gets it.
    pub own_session: bool,
    /// The route has an effect that is not kept for a repetition.
    pub forgets: bool,
    /// The route answers what somebody may do: its context knows how to look at others' access.
    pub asks: bool,
    /// The largest body that the route takes, where that is more than the setting for all routes.
    pub body_limit: Option<usize>,
}

impl Policy {
    fn of(clause: Clause) -> Self {
        Self {
            clauses: vec![clause],
            class: None,
            charging: Charging::AtTheDoor,
            deferred: false,
            context: false,
            own_session: false,
            forgets: false,
            asks: false,
            body_limit: None,
        }
    }

    #[must_use]
    pub fn public() -> Self {
        Self::of(Clause::Public)
    }
    #[must_use]
    pub fn user() -> Self {
        Self::of(Clause::User)
    }
    /// Any signed-in user, about the session of the token.
    #[must_use]
    pub fn own_session() -> Self {
        Self { own_session: true, ..Self::user() }
    }
    #[must_use]
    pub fn sys() -> Self {
        Self::of(Clause::Sys)
    }
    #[must_use]
    pub fn table<T: Table, O: Op>() -> Self {
        Self::of(Clause::Table { table: T::NAME, operation: O::OPERATION, feature: None })
    }
    /// A table of a built-in feature; in the class of work with feature data unless another is
    /// named.
    #[must_use]
    pub fn feature<T: FeatureTable, O: Op>() -> Self {
        Self::of(Clause::Table {
            table: T::NAME,
            operation: O::OPERATION,
            feature: Some(T::FEATURE),
        })
        .class(Class::Work)
    }
    #[must_use]
    pub fn or<T: Table, O: Op>(self) -> Self {
        self.or_clause(Clause::Table { table: T::NAME, operation: O::OPERATION, feature: None })
    }
    #[must_use]
    pub fn or_sys(self) -> Self {
        self.or_clause(Clause::Sys)
    }
    #[must_use]
    pub fn or_sys_for_templates(self) -> Self {
        self.or_clause(Clause::SysTemplates)
    }
    #[must_use]
    pub fn or_oneself(self) -> Self {
        self.or_clause(Clause::Oneself)
    }
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }
    /// For a handler that charges the route's class itself; the door charges this one.
    #[must_use]
    pub fn charged_by_the_handler(mut self, door: Class) -> Self {
        self.charging = Charging::ByTheHandler { door };
        self
    }
    /// For probes.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.charging = Charging::Free;
        self
    }
    /// For a handler whose one statement also checks the session (navigation: one round trip).
    #[must_use]
    pub fn checked_by_its_statement(mut self) -> Self {
        self.deferred = true;
        self
    }

    /// Whether its requests can be those of members, in the mandate that `X-Mandate-Id` names.
    pub(crate) fn works_in_mandates(&self) -> bool {
        self.context || self.clauses.iter().any(|clause| matches!(clause, Clause::Table { .. }))
    }

    /// For a user's route that answers for the context which the headers choose.
    #[must_use]
    pub fn with_context(mut self) -> Self {
        self.context = true;
        self
    }

    /// For a route whose effect is not kept for a repetition: it refuses an `Idempotency-Key`.
    #[must_use]
    pub fn kept_for_no_repetition(mut self) -> Self {
        self.forgets = true;
        self
    }

    /// For a route that answers what somebody may do in the mandate of the header.
    #[must_use]
    pub fn asks_about_access(mut self) -> Self {
        self.asks = true;
        self.context = true;
        self.class(Class::Check)
    }
    /// For a route whose largest sensible body is larger than what the setting allows everywhere.
    #[must_use]
    pub fn body_up_to(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// Whether it remembers what it answered to an `Idempotency-Key`. A route that only asks has no
    /// effect.
    pub(crate) fn remembers(&self, method: &Method) -> bool {
        has_effect(method) && !self.is_public() && !self.forgets && !self.asks
    }

    /// The built-in feature in whose instance the route works.
    #[must_use]
    pub fn feature_code(&self) -> Option<&'static str> {
        self.clauses.iter().find_map(|clause| match clause {
            Clause::Table { feature, .. } => *feature,
            _ => None,
        })
    }

    fn or_clause(mut self, clause: Clause) -> Self {
        self.clauses.push(clause);
        self
    }

    #[must_use]
    pub fn is_public(&self) -> bool {
        self.clauses == [Clause::Public]
    }
    #[must_use]
    pub fn has(&self, clause: Clause) -> bool {
        self.clauses.contains(&clause)
    }

    /// The `x-access` extension of the operation.
    #[must_use]
    pub fn describe(&self, class: Class) -> Value {
        let class = if self.charging == Charging::Free { UNLIMITED } else { class.name() };
        if self.is_public() {
            return json!({ "access": "public", "class": class });
        }
        let any_of: Vec<Value> = self.clauses.iter().map(describe_clause).collect();
        json!({ "access": "guarded", "anyOf": any_of, "class": class })
    }
}

fn describe_clause(clause: &Clause) -> Value {
    match clause {
        Clause::Public => json!({ "principal": "anybody" }),
        Clause::User => json!({ "principal": "user" }),
        Clause::Sys => json!({ "principal": "sysAdmin" }),
        Clause::SysTemplates => json!({ "principal": "sysAdmin", "only": "templates" }),
        Clause::Oneself => json!({ "principal": "oneself" }),
        Clause::Table { table, operation, feature: None } => {
            json!({ "table": table, "operation": operation })
        }
        Clause::Table { table, operation, feature: Some(feature) } => {
            json!({ "table": table, "operation": operation, "feature": feature })
        }
    }
}
