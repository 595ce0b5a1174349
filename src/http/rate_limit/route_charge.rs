//! What the door of a route charges, and whom.

use std::sync::Arc;

use axum::http::{HeaderMap, Request as AnyRequest};
use tower_governor::GovernorError;
use tower_governor::key_extractor::KeyExtractor;

use super::budgets::Payer;
use super::identity::Identity;
use crate::context::Services;
use crate::context::policy::{Charging, Class, Terms};
use crate::kernel::ids::{MandateId, UserId};

/// What the door of a route charges.
#[derive(Debug)]
pub struct RouteCharge {
    /// `None`: nothing.
    pub(super) class: Option<Class>,
    /// Whatever token is sent.
    by_address: bool,
    /// Whether its requests can be those of a mandate's members.
    in_mandates: bool,
    services: Services,
}

impl RouteCharge {
    pub(super) fn of(services: &Services, class: Class, terms: &Terms) -> Self {
        let class = match terms.charging {
            Charging::AtTheDoor => Some(class),
            Charging::ByTheHandler { door } => door,
            Charging::Free => None,
        };
        Self {
            class,
            by_address: terms.is_public(),
            in_mandates: terms.works_in_mandates(),
            services: services.clone(),
        }
    }

    /// Who may turn out to be a mandate's member.
    pub(super) fn member(&self, identity: &Identity) -> Option<UserId> {
        identity.claims.map(|claims| claims.user).filter(|_| self.in_mandates)
    }
}

/// Who pays at the door. By a mandate's own limit only where this node let the user in lately: to
/// others the mandate that they name is as good as none.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtTheDoor;

impl KeyExtractor for AtTheDoor {
    type Key = Payer;
    fn extract<T>(&self, request: &AnyRequest<T>) -> Result<Payer, GovernorError> {
        let of_route = request.extensions().get::<Arc<RouteCharge>>();
        let (Some(route_charge), Some(identity)) =
            (of_route, request.extensions().get::<Identity>())
        else {
            return Err(GovernorError::UnableToExtractKey);
        };
        let who = if route_charge.by_address { identity.place() } else { identity.who() };
        let member_of = route_charge.member(identity).and_then(|user| {
            named_mandate(request.headers())
                .filter(|mandate| route_charge.services.lets_in(user, *mandate))
        });
        Ok(Payer::within(who, member_of))
    }
}

/// The mandate that a request names, if it is one that could be.
pub fn named_mandate(headers: &HeaderMap) -> Option<MandateId> {
    headers.get("x-mandate-id")?.to_str().ok()?.parse().ok()
}
