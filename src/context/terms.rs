//! What a route asks of its caller, whichever context it gives.

use std::collections::HashMap;
use std::num::NonZeroU32;

use axum::http::Method;
use serde_json::{Value, json};

use crate::access::Operation;

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
    /// Another class, or nothing; the route's own is charged by the handler, which knows what its
    /// budget hangs on.
    ByTheHandler { door: Option<Class> },
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
    /// Whoever acts as somebody else.
    Impersonator,
    /// Merged access above `n`. A table of a feature is looked up in an instance of that feature,
    /// which `X-Instance-Id` names.
    Table { table: &'static str, operation: Operation, feature: Option<&'static str> },
}

/// What a route's context is about beyond what its clauses say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Clauses,
    /// The context that the headers choose, where they are sent.
    ChosenContext,
    /// The session that it is called in, and no other session of the caller's: its handler gets it.
    OwnSession,
    /// What somebody may do: its context knows how to look at others' access.
    Access,
    /// What anybody may ask for, and who is signed in as whom they are.
    Guests,
}

/// What a session may be good for on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoodFor {
    Anything,
    /// Changing a password that somebody else chose, and what leads to it: the route is open to
    /// sessions that are good for nothing more.
    ChangingThePassword,
}

/// What somebody may do on a route who acts as somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impersonation {
    /// It is the person's own: their account, their sessions, their powers over the platform.
    Nothing,
    /// It tells what the person may know.
    Reading,
    /// Its effects give and take nobody any access.
    Everything,
}

/// Who has to have shown lately who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepUp {
    Nobody,
    /// SysAdmins, who may do this to anybody's.
    SysAdmins,
    Everybody,
}

impl StepUp {
    /// As `x-access` tells it.
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::SysAdmins => Some("sysAdmin"),
            Self::Everybody => Some("everybody"),
        }
    }
}

/// What a policy asks, whichever context it gives.
#[derive(Debug, Clone)]
pub struct Terms {
    pub clauses: Vec<Clause>,
    /// `None`: `read` for GET, else `write`.
    pub class: Option<Class>,
    pub charging: Charging,
    pub about: About,
    pub good_for: GoodFor,
    pub impersonation: Impersonation,
    /// Its effects are for who showed lately who they are, and not only those of SysAdmins.
    pub wants_recent: bool,
    /// The route has an effect that is not kept for a repetition.
    pub forgets: bool,
    /// The largest body that the route takes, where that is more than the setting for all routes.
    pub body_limit: Option<usize>,
}

impl Terms {
    /// Whether it looks at the context headers although no clause of it does.
    pub(crate) fn looks_at_headers(&self) -> bool {
        matches!(self.about, About::ChosenContext | About::Access)
    }

    /// Whether its requests can be those of members, in the mandate that `X-Mandate-Id` names.
    pub(crate) fn works_in_mandates(&self) -> bool {
        self.looks_at_headers() || self.clauses.iter().any(|c| matches!(c, Clause::Table { .. }))
    }

    /// Whether it remembers what it answered to an `Idempotency-Key`. A route that only asks has no
    /// effect.
    pub(crate) fn remembers(&self, method: &Method) -> bool {
        has_effect(method) && !self.is_public() && !self.forgets && self.about != About::Access
    }

    /// The built-in feature in whose instance the route works.
    #[must_use]
    pub fn feature_code(&self) -> Option<&'static str> {
        self.clauses.iter().find_map(|clause| match clause {
            Clause::Table { feature, .. } => *feature,
            _ => None,
        })
    }

    /// Whether requests with this method may come from who acts as somebody else.
    pub(crate) fn let_impersonate(&self, method: &Method) -> bool {
        match self.impersonation {
            Impersonation::Nothing => false,
            Impersonation::Reading => !has_effect(method),
            Impersonation::Everything => true,
        }
    }

    /// Who has to have shown lately who they are, for requests with this method: whatever a
    /// SysAdmin does as one asks for it.
    pub(crate) fn step_up(&self, method: &Method) -> StepUp {
        let is_of_sys_admins = self.has(Clause::Sys) || self.has(Clause::SysTemplates);
        // Whoever acts as somebody else gives that up without more ado.
        if !has_effect(method) || self.has(Clause::Impersonator) {
            StepUp::Nobody
        } else if self.wants_recent {
            StepUp::Everybody
        } else if is_of_sys_admins {
            StepUp::SysAdmins
        } else {
            StepUp::Nobody
        }
    }

    /// Whether it matters who is signed in.
    pub(crate) fn looks_at_tokens(&self) -> bool {
        !self.is_public() || self.about == About::Guests
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
    pub fn describe(&self, method: &Method, class: Class) -> Value {
        let class = if self.charging == Charging::Free { UNLIMITED } else { class.name() };
        if self.is_public() {
            return json!({ "access": "public", "class": class });
        }
        let any_of: Vec<Value> = self.clauses.iter().map(describe_clause).collect();
        let mut described = json!({
            "access": "guarded", "anyOf": any_of, "class": class,
            "whileImpersonating": self.let_impersonate(method),
        });
        if let Some(whose) = self.step_up(method).name() {
            described["stepUp"] = json!(whose);
        }
        described
    }
}

fn describe_clause(clause: &Clause) -> Value {
    match clause {
        Clause::Public => json!({ "principal": "anybody" }),
        Clause::User => json!({ "principal": "user" }),
        Clause::Sys => json!({ "principal": "sysAdmin" }),
        Clause::SysTemplates => json!({ "principal": "sysAdmin", "only": "templates" }),
        Clause::Oneself => json!({ "principal": "oneself" }),
        Clause::Impersonator => json!({ "principal": "impersonator" }),
        Clause::Table { table, operation, feature: None } => {
            json!({ "table": table, "operation": operation })
        }
        Clause::Table { table, operation, feature: Some(feature) } => {
            json!({ "table": table, "operation": operation, "feature": feature })
        }
    }
}
