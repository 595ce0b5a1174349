//! Whose token was looked at, and whose session was not yet, since it is asked about together with
//! what the handler keeps.

use std::sync::Arc;

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::load::{Epochs, Fresh, Mandates, Question};
use crate::context::moment::Moment;
use crate::context::services::Services;
use crate::context::terms::GoodFor;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::db::Reader;
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// A caller whose token was verified and whose session was not yet: good for looking at what is
/// kept of them, and for nothing that leaves the service.
#[derive(Debug, Clone)]
pub struct DeferredCaller {
    claims: Claims,
    good_for: GoodFor,
    moment: Moment,
    services: Services,
}

/// A caller whose session is alive.
#[derive(Debug)]
pub struct CheckedCaller {
    user: UserId,
    epochs: Epochs,
    services: Services,
}

impl DeferredCaller {
    /// Of a token that was verified.
    pub fn user(&self) -> UserId {
        self.claims.user
    }
    /// Whether the session is alive, and the present epochs, for these mandates together.
    pub async fn check(self, mandates: Arc<[MandateId]>) -> Result<CheckedCaller> {
        let Claims { session, user, .. } = self.claims;
        let mandates = Mandates::Of(mandates);
        let question = Question { session, user, mandates, at: self.moment.now() };
        let Fresh { epochs, .. } = self.services.fresh(question, self.good_for).await?;
        Ok(CheckedCaller { user, epochs, services: self.services })
    }
}

impl CheckedCaller {
    pub fn user(&self) -> UserId {
        self.user
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
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let (claims, _) = facts.claimed()?;
        let (good_for, services) = (facts.terms.good_for, facts.services.clone());
        Ok(Self { claims, good_for, moment: facts.moment, services })
    }
}
