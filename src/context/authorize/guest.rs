//! The way in of anybody, who may say who they are.

use axum::http::header::AUTHORIZATION;

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::guest::Guest;
use crate::context::refusals::unauthenticated;
use crate::context::terms::{About, Impersonation};
use crate::context::visitor::Visitor;
use crate::kernel::error::Result;

impl Context for Guest {
    const ABOUT: About = About::Guests;
    const IMPERSONATION: Impersonation = Impersonation::Nothing;
    /// Whoever says who they are has to show it: somebody whose session is over is not let in as
    /// nobody, to be told something that is true of nobody only.
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let visitor = Visitor::new(facts.services.clone(), facts.meta.clone());
        if facts.claims.is_some() {
            let caller = facts.with_session().await?.caller;
            return Ok(Self { visitor, caller: Some(caller) });
        }
        if facts.headers.contains_key(AUTHORIZATION) {
            return Err(unauthenticated());
        }
        Ok(Self { visitor, caller: None })
    }
}
