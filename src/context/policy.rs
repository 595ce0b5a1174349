//! What a route asks of its caller: one declaration that installs the guard, writes the OpenAPI
//! security and `x-access`, and picks the rate limit. Which context it gives is its type, and the
//! route takes no handler that asks for another.

use std::marker::PhantomData;

use super::asking::Asking;
use super::authorize::{
    Accounts, ChosenContext, Context, DeferredCaller, Governed, OfTables, OwnAccount,
};
use super::caller::{Caller, SessionContext};
use super::guest::Guest;
use super::impersonation::Impersonator;
use super::instance::InstanceContext;
use super::mandate::MandateContext;
use super::role::RoleContext;
use super::system::SystemContext;
use super::visitor::Visitor;
use crate::access::tables::{FeatureTable, Op, Table};

pub(crate) use super::terms::has_effect;
pub use super::terms::{
    About, Charging, Class, Clause, GoodFor, Impersonation, PerMinute, StepUp, Terms, UNLIMITED,
};

/// A route's policy, which gives its handler the context `C`.
#[derive(Debug, Clone)]
pub struct Policy<C> {
    terms: Terms,
    gives: PhantomData<fn() -> C>,
}

impl<C: Context> Policy<C> {
    fn of(clauses: Vec<Clause>) -> Self {
        Self::on(Terms {
            clauses,
            class: None,
            charging: Charging::AtTheDoor,
            about: C::ABOUT,
            good_for: GoodFor::Anything,
            impersonation: C::IMPERSONATION,
            wants_recent: false,
            forgets: false,
            body_limit: None,
        })
    }
    fn on(terms: Terms) -> Self {
        Self { terms, gives: PhantomData }
    }
    fn or_clause(mut self, clause: Clause) -> Self {
        self.terms.clauses.push(clause);
        self
    }
    #[must_use]
    pub fn terms(self) -> Terms {
        self.terms
    }

    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.terms.class = Some(class);
        self
    }
    /// For a handler that charges the route's class itself; the door charges this one, if any.
    #[must_use]
    pub fn charged_by_the_handler(mut self, door: impl Into<Option<Class>>) -> Self {
        self.terms.charging = Charging::ByTheHandler { door: door.into() };
        self
    }
    /// For a route that is open to who acts as somebody else, though those like it are not: it
    /// gives and takes nobody any access.
    #[must_use]
    pub fn while_impersonating(mut self) -> Self {
        self.terms.impersonation = Impersonation::Everything;
        self
    }
    /// For effects that a session which somebody may have found open, or a token that leaked, is
    /// not enough for: whoever showed who they are longer ago does it anew. (So it is for whatever
    /// SysAdmins do as such, without this.)
    #[must_use]
    pub fn after_a_step_up(mut self) -> Self {
        self.terms.wants_recent = true;
        self
    }
    /// For probes.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.terms.charging = Charging::Free;
        self
    }
    /// For a route whose effect is not kept for a repetition: it refuses an `Idempotency-Key`.
    #[must_use]
    pub fn kept_for_no_repetition(mut self) -> Self {
        self.terms.forgets = true;
        self
    }
    /// For a route whose largest sensible body is larger than what the setting allows everywhere.
    #[must_use]
    pub fn body_up_to(mut self, bytes: usize) -> Self {
        self.terms.body_limit = Some(bytes);
        self
    }
}

impl Policy<Visitor> {
    #[must_use]
    pub fn public() -> Self {
        Self::of(vec![Clause::Public])
    }
}

impl Policy<Guest> {
    /// Anybody; who they are, where they are signed in.
    #[must_use]
    pub fn anybody() -> Self {
        Self::of(vec![Clause::Public])
    }
}

impl Policy<Caller> {
    #[must_use]
    pub fn user() -> Self {
        Self::of(vec![Clause::User])
    }
}

impl Policy<ChosenContext> {
    /// Any signed-in user, in the context which the headers choose when they are sent.
    #[must_use]
    pub fn user_with_context() -> Self {
        Self::of(vec![Clause::User])
    }
}

impl Policy<Asking> {
    /// Any signed-in user, for a route that answers what somebody may do in the mandate of the
    /// header.
    #[must_use]
    pub fn asking_about_access() -> Self {
        Self::of(vec![Clause::User]).class(Class::Check).while_impersonating()
    }
}

impl Policy<DeferredCaller> {
    /// Any signed-in user, for a handler that asks for more than one mandate's epochs when it has
    /// the session checked (navigation).
    #[must_use]
    pub fn user_checked_by_the_handler() -> Self {
        Self::of(vec![Clause::User])
    }
}

impl Policy<SessionContext> {
    /// Any signed-in user, about the session of the token.
    #[must_use]
    pub fn own_session() -> Self {
        Self::of(vec![Clause::User])
    }
    /// Also whoever has to change their password first.
    #[must_use]
    pub fn before_the_password_is_changed(mut self) -> Self {
        self.terms.good_for = GoodFor::ChangingThePassword;
        self
    }
}

impl Policy<Impersonator> {
    /// Whoever acts as somebody else, or a SysAdmin, who might.
    #[must_use]
    pub fn impersonator() -> Self {
        Self::of(vec![Clause::Sys, Clause::Impersonator])
    }
}

impl Policy<SystemContext> {
    #[must_use]
    pub fn sys() -> Self {
        Self::of(vec![Clause::Sys])
    }
}

impl Policy<Accounts> {
    /// A SysAdmin, or the user whom the path names.
    #[must_use]
    pub fn sys_or_oneself() -> Self {
        Self::of(vec![Clause::Sys, Clause::Oneself])
    }
}

impl Policy<OwnAccount> {
    /// The user whom the path names, and nobody in their place.
    #[must_use]
    pub fn oneself() -> Self {
        Self::of(vec![Clause::Oneself])
    }
}

impl<C: OfTables> Policy<C> {
    #[must_use]
    pub fn table<T: Table, O: Op>() -> Self {
        Self::of(Vec::new()).or::<T, O>()
    }
    #[must_use]
    pub fn or<T: Table, O: Op>(self) -> Self {
        self.or_clause(Clause::Table { table: T::NAME, operation: O::OPERATION, feature: None })
    }
}

impl<C: Governed> Policy<C> {
    #[must_use]
    pub fn or_sys(self) -> Self {
        self.or_clause(Clause::Sys)
    }
}

impl Policy<InstanceContext> {
    /// A table of a built-in feature; in the class of work with feature data unless another is
    /// named.
    #[must_use]
    pub fn feature<T: FeatureTable, O: Op>() -> Self {
        Self::of(vec![Clause::Table {
            table: T::NAME,
            operation: O::OPERATION,
            feature: Some(T::FEATURE),
        }])
        .class(Class::Work)
        .while_impersonating()
    }
}

impl Policy<MandateContext> {
    /// Also the member whom the path names.
    #[must_use]
    pub fn or_oneself(self) -> Self {
        self.or_clause(Clause::Oneself)
    }
}

impl Policy<RoleContext> {
    #[must_use]
    pub fn or_sys_for_templates(self) -> Self {
        self.or_clause(Clause::SysTemplates)
    }
}
