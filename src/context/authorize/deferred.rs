//! Whose token was looked at, and whose session was not yet, since it is asked about together with
//! what the handler keeps.

use std::sync::Arc;

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::load::{Epochs, Fresh, Mandates};
use crate::context::moment::Moment;
use crate::context::services::{Door, Services};
use crate::context::terms::Impersonation;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::db::Reader;
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// A caller whose token was verified and whose session was not yet: good for looking at what is
/// kept of them, and for nothing that leaves the service.
#[derive(Debug, Clone)]
pub struct DeferredCaller {
    claims: Claims,
    door: Door,
    moment: Moment,
    services: Services,
}

/// A caller whose session is alive.
#[derive(Debug)]
pub struct CheckedCaller {
    user: UserId,
    is_impersonated: bool,
    epochs: Epochs,
    services: Services,
}

impl DeferredCaller {
    /// Of a token that was verified.
    pub fn user(&self) -> UserId {
        self.claims.user
    }
    /// Whether somebody else acts as that user.
    pub fn is_impersonated(&self) -> bool {
        self.claims.impersonated_by.is_some()
    }
    /// Whether the session is alive, and the present epochs, for these mandates together.
    pub async fn check(self, mandates: Arc<[MandateId]>) -> Result<CheckedCaller> {
        let about = (Mandates::Of(mandates), self.moment.now());
        let Fresh { epochs, .. } = self.services.fresh(&self.claims, about, self.door).await?;
        let (user, is_impersonated) = (self.user(), self.is_impersonated());
        Ok(CheckedCaller { user, is_impersonated, epochs, services: self.services })
    }
}

impl CheckedCaller {
    pub fn user(&self) -> UserId {
        self.user
    }
    /// Whether somebody else acts as this user, and so only where the mandate lets them.
    pub fn is_impersonated(&self) -> bool {
        self.is_impersonated
    }
    pub fn epochs(&self) -> Epochs {
        self.epochs
    }
    /// For one statement, in the caller's own turn.
    pub(crate) async fn reader(&self) -> Result<Reader<'_>> {
        self.services.reader(self.user, None).await
    }
}

impl Context for DeferredCaller {
    const IS_CHECKED: bool = false;
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let (claims, _) = facts.claimed()?;
        let (door, services) = (facts.door(), facts.services.clone());
        Ok(Self { claims, door, moment: facts.moment, services })
    }
}
