//! What stands between requests and budgets.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use super::budgets::Budgets;
use super::identity::Identity;
use super::purse::Purse;
use super::route_charge::{AtTheDoor, RouteCharge};
use crate::context::Services;
use crate::context::policy::{Class, PerMinute, Terms};
use crate::kernel::config::Settings;
use crate::kernel::error::Error;
use crate::kernel::ids::MandateId;

/// The budgets of one node.
#[derive(Clone)]
pub struct Limits(Option<Arc<Budgets<AtTheDoor>>>);

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limits({})", if self.0.is_some() { "on" } else { "off" })
    }
}

/// On the answer to a browser's question before the request that it is about (CORS): asked without
/// credentials, by everybody behind an address alike, and free.
#[derive(Debug, Clone, Copy)]
pub struct Free;

impl Limits {
    /// The budgets that the settings ask for.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self(settings.rate_limits.then(|| Arc::new(Budgets::new(settings, AtTheDoor))))
    }

    /// What the door of a route charges, where anything is limited.
    pub(crate) fn at_the_door(
        &self,
        class: Class,
        terms: &Terms,
        services: &Services,
    ) -> Option<Arc<RouteCharge>> {
        self.0.as_ref().map(|_| Arc::new(RouteCharge::of(services, class, terms)))
    }

    /// What a request pays with.
    pub(crate) fn purse(&self, identity: &Identity) -> Purse {
        Purse::new(self.0.clone(), identity.clone())
    }

    /// Writes the `RateLimit` headers. What no route was charged for (unknown routes, wrong
    /// methods, the documentation page) is charged here, so that guessing routes is limited too.
    pub(crate) fn write_headers(
        &self,
        purse: &Purse,
        path: &str,
        mut response: Response,
    ) -> Response {
        if self.0.is_none() {
            return response;
        }
        if response.extensions().get::<Free>().is_some() {
            purse.charge_nothing();
        }
        if let Err(refusal) = purse.charge_unless_charged(path) {
            refuse(&mut response, refusal);
        }
        purse.write_headers(response.headers_mut());
        response
    }

    /// Forgets callers whose budget is full again; called now and then.
    pub fn forget_idle(&self) {
        if let Some(budgets) = &self.0 {
            budgets.forget_idle();
        }
    }

    /// A mandate's own limits, instead of those that it had.
    pub(crate) fn set_mandate(&self, mandate: MandateId, limits: PerMinute) {
        if let Some(budgets) = &self.0 {
            budgets.set_mandate(mandate, limits);
        }
    }

    /// Those of all mandates.
    pub(crate) fn set_mandates(&self, limits: impl Iterator<Item = (MandateId, PerMinute)>) {
        if let Some(budgets) = &self.0 {
            budgets.set_mandates(limits);
        }
    }

    /// How many nodes share the budgets.
    pub(crate) fn set_nodes(&self, alive: u32) {
        if let Some(budgets) = &self.0 {
            budgets.set_nodes(alive);
        }
    }
}

/// Turns an answer into the refusal; what its headers tell a browser stays.
fn refuse(response: &mut Response, refusal: Error) {
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.extensions_mut().insert(Arc::new(refusal));
}
