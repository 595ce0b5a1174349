//! Who sent a request.

use std::net::IpAddr;

use super::budgets::Who;
use crate::kernel::credentials::claims::Claims;

/// Who sent the request, as far as its token says; put there before any route is chosen.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub claims: Option<Claims>,
    pub address: Option<IpAddr>,
}

impl Identity {
    pub(super) fn who(&self) -> Who {
        // Who acts as somebody else uses up their own.
        let pays = |claims: Claims| Who::User(claims.impersonated_by.unwrap_or(claims.user));
        self.claims.map_or_else(|| self.place(), pays)
    }
    /// Whatever token was sent.
    pub(super) fn place(&self) -> Who {
        Who::at(self.address.unwrap_or_else(|| IpAddr::from([127, 0, 0, 1])))
    }
}
