//! What a request pays with. It travels with the request, so that whatever becomes of it (a time
//! limit, a panic) its charges are known in the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use tower_governor::key_extractor::KeyExtractor;

use super::budgets::{Budgets, Charged, Charges, Payer, WhatFor, Who};
use super::headers;
use super::identity::Identity;
use super::route_charge::{AtTheDoor, RouteCharge};
use crate::context::policy::Class;
use crate::kernel::crypto::digest;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{MandateId, SessionId};

/// A handler that takes it can charge more than the door did.
#[derive(Clone)]
pub struct Purse {
    /// `None`: nothing is limited.
    budgets: Option<Arc<Budgets<AtTheDoor>>>,
    identity: Identity,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    charges: Charges,
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
    pub(super) fn new(budgets: Option<Arc<Budgets<AtTheDoor>>>, identity: Identity) -> Self {
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
        let charged = budgets.charge(class, Payer::within(who, state.member_of));
        state.charges.note(charged.clone());
        charged.allowed()?;
        drop(state);
        Ok(Deposit(Some((self.clone(), charged))))
    }

    /// Charges an attempt to sign in: to the address it comes from and the name that it is for. An
    /// attempt that names nobody who could be is for no name.
    pub fn charge_sign_in(&self, name: Option<&str>) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let name = digest(name.unwrap_or_default().as_bytes());
        let what_for = WhatFor::SigningInAs(name);
        self.take(budgets, Class::Auth, Payer { who: self.identity.place(), what_for })
    }

    /// Charges a session that is renewed, from wherever that is asked.
    pub fn charge_session(&self, session: SessionId) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let what_for = WhatFor::Refreshing(session);
        self.take(budgets, Class::Auth, Payer { who: Who::ANYWHERE, what_for })
    }

    /// Charges the address that the request comes from, whatever token it has.
    pub fn charge_address(&self, class: Class) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        self.take(budgets, class, Payer::within(self.identity.place(), None))
    }

    fn take(&self, budgets: &Budgets<AtTheDoor>, class: Class, payer: Payer) -> Result<()> {
        let charged = budgets.charge(class, payer);
        let outcome = charged.allowed();
        self.state().charges.note(charged);
        outcome
    }

    /// What the door of the route charges, before anything else is looked at.
    pub(crate) fn at_the_door(
        &self,
        route_charge: &Arc<RouteCharge>,
        request: &mut Request,
    ) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        request.extensions_mut().insert(route_charge.clone());
        let Some(class) = route_charge.class else {
            self.charge_nothing();
            return Ok(());
        };
        let payer = budgets.key().extract(&*request).map_err(Error::internal)?;
        let mut state = self.state();
        state.door = Some(class).filter(|_| route_charge.member(&self.identity).is_some());
        state.member_of = payer.mandate();
        let charged = budgets.charge(class, payer);
        let outcome = charged.allowed();
        state.charges.note(charged);
        outcome
    }

    /// Once it is known whether the request is a member's, before anything is done: whoever turns
    /// out to be one pays by the mandate's own limit, and whoever was one pays as everybody does.
    pub(crate) fn settle(&self, member_of: Option<MandateId>) -> Result<()> {
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
        let charged = budgets.charge(class, Payer::within(who, member_of));
        if let Some(door) = state.charges.of(class) {
            budgets.give_back(door);
        }
        let outcome = charged.allowed();
        state.charges.note(charged);
        outcome
    }

    pub(super) fn charge_nothing(&self) {
        self.state().charges.free = true;
    }

    /// What no route was charged for.
    pub(super) fn charge_unless_charged(&self, path: &str) -> Result<()> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let mut state = self.state();
        if state.charges.free || !state.charges.charges.is_empty() {
            return Ok(());
        }
        let (class, who) = if path.starts_with("/.well-known/") {
            (Class::Public, self.identity.place())
        } else if path.starts_with("/docs") {
            (Class::Default, self.identity.place())
        } else {
            (Class::Default, self.identity.who())
        };
        let charged = budgets.charge(class, Payer::within(who, None));
        let outcome = charged.allowed();
        state.charges.note(charged);
        outcome
    }

    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        headers::write(&self.state().charges, headers);
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
            purse.state().charges.strike(charged.class);
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Purse {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::internal("a request without a purse"))
    }
}
