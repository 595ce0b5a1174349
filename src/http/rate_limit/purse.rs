//! What a request pays with. It travels with the request, so that whatever becomes of it (a time
//! limit, a panic) its charges are known in the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::bill::{Bill, Charged};
use super::budgets::Budgets;
use super::{Identity, Toll, WhatFor, named_mandate};
use crate::context::policy::Class;
use crate::http::app::App;
use crate::kernel::crypto::digest;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::MandateId;

/// A handler that takes it can charge more than the door did.
#[derive(Clone)]
pub struct Purse {
    /// `None`: nothing is limited.
    budgets: Option<Arc<Budgets>>,
    identity: Identity,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    bill: Bill,
    /// What the door charged, where it can be a mandate's own budget.
    door: Option<Class>,
    /// Of which mandate the caller is known to be a member, in this request.
    member_of: Option<MandateId>,
}

impl std::fmt::Debug for Purse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purse").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Purse {
    pub(super) fn new(budgets: Option<Arc<Budgets>>, identity: Identity) -> Self {
        Self { budgets, identity, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges the caller for a class that is not the route's.
    pub fn charge(&self, class: Class) -> Result<()> {
        self.deposit(class).map(|_| ())
    }

    /// Charges the caller, for now: what is not given back stays charged. 429 where nothing is
    /// left.
    pub fn deposit(&self, class: Class) -> Result<Deposit> {
        let Some(budgets) = &self.budgets else { return Ok(Deposit(None)) };
        let who = self.identity.who();
        let mut state = self.state();
        let charged = match state.member_of {
            Some(mandate) => budgets.charge_within(class, who, mandate),
            None => budgets.charge(class, who, WhatFor::Anything),
        };
        state.bill.note(charged.clone());
        charged.allowed()?;
        drop(state);
        Ok(Deposit(Some((self.clone(), charged))))
    }

    /// Charges an attempt to sign in: to the address it comes from and the name that it is for. An
    /// attempt that names nobody who could be is for no name.
    pub fn charge_sign_in(&self, name: Option<&str>) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let name = digest(name.unwrap_or_default().as_bytes());
        let charged =
            budgets.charge(Class::Auth, self.identity.place(), WhatFor::SigningInAs(name));
        let outcome = charged.allowed();
        self.state().bill.note(charged);
        outcome
    }

    /// What the door of the route charges. By a mandate's own limit only where this node let the
    /// user in lately: to others the mandate that they name is as good as none.
    pub(super) fn at_the_door(&self, toll: &Toll, headers: &HeaderMap) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let Some(class) = toll.class else {
            self.charge_nothing();
            return Ok(());
        };
        let mut state = self.state();
        let who = if toll.by_address { self.identity.place() } else { self.identity.who() };
        let user = self.identity.claims.map(|claims| claims.user).filter(|_| toll.in_mandates);
        let known = user.and_then(|user| {
            named_mandate(headers).filter(|mandate| toll.services.lets_in(user, *mandate))
        });
        let charged = match known {
            Some(mandate) => budgets.charge_within(class, who, mandate),
            None => budgets.charge(class, who, WhatFor::Anything),
        };
        state.door = Some(class).filter(|_| user.is_some());
        state.member_of = known;
        let outcome = charged.allowed();
        state.bill.note(charged);
        outcome
    }

    /// Once it is known whether the request is a member's, before anything is done: whoever turns
    /// out to be one pays by the mandate's own limit, and whoever was one pays as everybody does.
    pub(in super::super) fn settle(&self, member_of: Option<MandateId>) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let mut state = self.state();
        let before = std::mem::replace(&mut state.member_of, member_of);
        let Some(class) = state.door.filter(|_| before != member_of) else { return Ok(()) };
        let own = |mandate: Option<MandateId>| {
            mandate.is_some_and(|mandate| budgets.own(mandate, class).is_some())
        };
        if !own(before) && !own(member_of) {
            return Ok(());
        }
        let who = self.identity.who();
        let charged = match member_of {
            Some(mandate) => budgets.charge_within(class, who, mandate),
            None => budgets.charge(class, who, WhatFor::Anything),
        };
        if let Some(door) = state.bill.of(class) {
            budgets.give_back(door);
        }
        let outcome = charged.allowed();
        state.bill.note(charged);
        outcome
    }

    pub(super) fn charge_nothing(&self) {
        self.state().bill.free = true;
    }

    /// What no route was charged for.
    pub(super) fn charge_unless_charged(&self, path: &str) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let mut state = self.state();
        if state.bill.free || !state.bill.charges.is_empty() {
            return Ok(());
        }
        let (class, who) = if path.starts_with("/.well-known/") {
            (Class::Public, self.identity.place())
        } else if path.starts_with("/docs") {
            (Class::Default, self.identity.place())
        } else {
            (Class::Default, self.identity.who())
        };
        let charged = budgets.charge(class, who, WhatFor::Anything);
        let outcome = charged.allowed();
        state.bill.note(charged);
        outcome
    }

    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        self.state().bill.write_headers(headers);
    }
}

/// Something that was charged and may be given back.
#[derive(Debug)]
#[must_use = "what is not given back stays charged"]
pub struct Deposit(Option<(Purse, Charged)>);

impl Deposit {
    /// It was not owed.
    pub fn give_back(self) {
        let Some((purse, charged)) = self.0 else { return };
        if let Some(budgets) = &purse.budgets {
            budgets.give_back(&charged);
            purse.state().bill.strike(charged.class);
        }
    }
}

impl FromRequestParts<App> for Purse {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::internal("a request without a purse"))
    }
}
