//! Whose token was looked at, and whose session was not yet.

use crate::context::services::Services;
use crate::kernel::credentials::claims::Claims;

/// A caller whose token was verified and whose session was not yet.
#[derive(Debug, Clone)]
pub struct DeferredCaller {
    pub(super) claims: Claims,
    pub(super) services: Services,
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
