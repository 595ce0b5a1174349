//! The way in of anybody, signed in or not.

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::visitor::Visitor;
use crate::kernel::error::Result;

impl Context for Visitor {
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        Ok(Self::new(facts.services.clone(), facts.meta))
    }
}
