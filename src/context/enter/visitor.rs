//! The way in of anybody, signed in or not.

use super::arrival::Arrival;
use super::context::Context;
use crate::context::visitor::Visitor;
use crate::kernel::error::Result;

impl Context for Visitor {
    async fn enter(arrival: Arrival<'_>) -> Result<Self> {
        Ok(Self::new(arrival.services.clone(), arrival.meta))
    }
}
