//! Whose token was looked at, and whose session was not yet.

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::services::Services;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::error::Result;

/// A caller whose token was verified and whose session was not yet.
#[derive(Debug, Clone)]
pub struct DeferredCaller {
    claims: Claims,
    services: Services,
}

impl DeferredCaller {
    /// Of a token that was verified.
    pub fn claims(&self) -> Claims {
        self.claims
    }
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }
}

impl Context for DeferredCaller {
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let (claims, _) = facts.claimed()?;
        Ok(Self { claims, services: facts.services.clone() })
    }
}
