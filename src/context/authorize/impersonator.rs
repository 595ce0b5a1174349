//! The way in of whoever may end an impersonation.

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::impersonation::Impersonator;
use crate::context::refusals::for_sys_admins;
use crate::context::terms::Impersonation;
use crate::kernel::error::Result;

impl Context for Impersonator {
    const IMPERSONATION: Impersonation = Impersonation::Everything;
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        Self::of(facts.with_session().await?.caller).ok_or_else(for_sys_admins)
    }
}
