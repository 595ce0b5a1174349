//! The way in of who is signed in, whatever they may do.

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::asking::Asking;
use crate::context::caller::{Caller, SessionContext};
use crate::context::mandate::MandateContext;
use crate::context::terms::{About, Impersonation};
use crate::kernel::error::Result;

impl Context for Caller {
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        Ok(facts.with_session().await?.caller)
    }
}

impl Context for SessionContext {
    const ABOUT: About = About::OwnSession;
    const IMPERSONATION: Impersonation = Impersonation::Nothing;
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        Ok(Self { caller: facts.with_session().await?.caller })
    }
}

impl Context for Asking {
    const ABOUT: About = About::Access;
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let authorizing = facts.with_session().await?;
        let mandate = authorizing.member().await?;
        let instance = authorizing.instance_if_named(&mandate).await?;
        Ok(Self { mandate, instance, epochs: authorizing.epochs })
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        Some(&self.mandate)
    }
}
