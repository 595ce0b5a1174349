//! The way in of who is signed in, whatever they may do.

use super::arrival::Arrival;
use super::context::Context;
use crate::context::asking::Asking;
use crate::context::caller::{Caller, SessionContext};
use crate::context::mandate::MandateContext;
use crate::context::terms::About;
use crate::kernel::error::Result;

impl Context for Caller {
    async fn enter(arrival: Arrival<'_>) -> Result<Self> {
        Ok(arrival.with_session().await?.caller)
    }
}

impl Context for SessionContext {
    const ABOUT: About = About::OwnSession;
    async fn enter(arrival: Arrival<'_>) -> Result<Self> {
        Ok(Self { caller: arrival.with_session().await?.caller })
    }
}

impl Context for Asking {
    const ABOUT: About = About::Access;
    async fn enter(arrival: Arrival<'_>) -> Result<Self> {
        let entrance = arrival.with_session().await?;
        let mandate = entrance.member().await?;
        let instance = entrance.instance_if_named(&mandate).await?;
        Ok(Self { mandate, instance, epochs: entrance.epochs })
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        Some(&self.mandate)
    }
}
