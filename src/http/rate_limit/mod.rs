//! Rate limits per caller and route class: a user by id, anybody else by address (IPv6 by /64), and
//! on public routes everybody by address. For a class in which a SysAdmin set a limit of a mandate,
//! its members have a budget of their own for requests in its context. A budget is divided by the
//! nodes that are alive, each of which gives its share: approximate, since nobody asks another node
//! before an answer.
//!
//! A request is charged at the door, before anything else is looked at ([`Toll`]); by the guard
//! once more where it comes to know that the request is a mandate's member's, or no longer is; and
//! by a handler where a budget hangs on what the request says ([`Purse`]). What it was charged for
//! is what its headers tell.

mod bill;
mod budgets;
mod purse;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use self::budgets::Budgets;
pub use self::purse::{Deposit, Purse};
use crate::context::Services;
use crate::context::policy::{Charging, Class, PerMinute, Policy};
use crate::http::app::App;
use crate::kernel::config::Settings;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::error::{Code, Error};
use crate::kernel::ids::{MandateId, UserId};

/// Who sent the request, as far as its token says; put there before any route is chosen.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub claims: Option<Claims>,
    pub address: Option<IpAddr>,
}

/// Whose budget a request is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Payer {
    who: Who,
    what_for: WhatFor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    User(UserId),
    Address(IpAddr),
}

/// Budgets that one payer has beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum WhatFor {
    Anything,
    /// As its member, where the mandate has a limit of its own.
    Within(MandateId),
    /// By the digest of the name, which may be somebody's, and as long as it likes.
    SigningInAs([u8; 32]),
}

impl Identity {
    fn who(&self) -> Who {
        self.claims.map_or_else(|| self.place(), |claims| Who::User(claims.user))
    }
    /// Whatever token was sent.
    fn place(&self) -> Who {
        Who::Address(self.address.map_or_else(|| IpAddr::from([127, 0, 0, 1]), network_of))
    }
}

/// One customer of an IPv6 provider has a whole /64.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        IpAddr::V4(_) => address,
    }
}

/// The budgets of one node.
#[derive(Clone)]
pub struct Limits(Option<Arc<Budgets>>);

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limits({})", if self.0.is_some() { "on" } else { "off" })
    }
}

/// On the answer to a browser's question before the request that it is about (CORS): asked without
/// credentials, by everybody behind an address alike, and free.
#[derive(Debug, Clone, Copy)]
pub(super) struct Free;

/// What the door of a route charges.
#[derive(Debug)]
struct Toll {
    /// `None`: nothing.
    class: Option<Class>,
    /// Whatever token is sent.
    by_address: bool,
    /// Whether its requests can be those of a mandate's members.
    in_mandates: bool,
    services: Services,
}

impl Toll {
    fn of(services: &Services, class: Class, policy: &Policy) -> Self {
        let class = match policy.charging {
            Charging::AtTheDoor => Some(class),
            Charging::ByTheHandler { door } => Some(door),
            Charging::Free => None,
        };
        Self {
            class,
            by_address: policy.is_public(),
            in_mandates: policy.works_in_mandates(),
            services: services.clone(),
        }
    }
}

impl Limits {
    /// The budgets that the settings ask for.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self(settings.rate_limits.then(|| Arc::new(Budgets::new(settings))))
    }

    /// Charges the routes of `router` to a class.
    pub(super) fn layer(
        &self,
        router: MethodRouter<App>,
        class: Class,
        policy: &Policy,
        services: &Services,
    ) -> MethodRouter<App> {
        match &self.0 {
            Some(_) => router.route_layer(from_fn_with_state(
                Arc::new(Toll::of(services, class, policy)),
                at_the_door,
            )),
            None => router,
        }
    }

    /// What a request pays with.
    pub(super) fn purse(&self, identity: &Identity) -> Purse {
        Purse::new(self.0.clone(), identity.clone())
    }

    /// Writes the `RateLimit` headers. What no route was charged for (unknown routes, wrong
    /// methods, the documentation page) is charged here, so that guessing routes is limited too.
    pub(super) fn write_headers(
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

async fn at_the_door(State(toll): State<Arc<Toll>>, request: Request, next: Next) -> Response {
    let purse = request.extensions().get::<Purse>().cloned();
    match purse.map(|purse| purse.at_the_door(&toll, request.headers())) {
        Some(Err(refusal)) => refusal.into_response(),
        _ => next.run(request).await,
    }
}

/// The mandate that a request names, if it is one that could be.
pub(super) fn named_mandate(headers: &HeaderMap) -> Option<MandateId> {
    headers.get("x-mandate-id")?.to_str().ok()?.parse().ok()
}

/// Turns an answer into the refusal; what its headers tell a browser stays.
fn refuse(response: &mut Response, refusal: Error) {
    *response.status_mut() = axum::http::StatusCode::TOO_MANY_REQUESTS;
    response.extensions_mut().insert(Arc::new(refusal));
}

fn too_many(seconds: u64) -> Error {
    Error::new(
        Code::TooManyRequests,
        format!("The limit of this class of routes is used up; try again in {seconds} s."),
    )
    .retry_after(seconds)
}
