//! The way in of anybody, signed in or not.

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::terms::Impersonation;
use crate::context::visitor::Visitor;
use crate::kernel::error::Result;

impl Context for Visitor {
    const IS_CHECKED: bool = false;
    const IMPERSONATION: Impersonation = Impersonation::Nothing;
    /// A visitor's time begins when it is asked. The reading for the token, if one came along,
    /// decides nothing here.
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        Ok(Self::new(facts.services.clone(), facts.meta))
    }
}
