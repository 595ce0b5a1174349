//! The way in to lists of mandates' own things.

use super::arrival::Arrival;
use super::context::{Context, Governed, OfTables};
use crate::context::mandate::MandateContext;
use crate::context::system::SystemContext;
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// How far a list of mandates' own things goes.
#[expect(clippy::large_enum_variant, reason = "as with what it is taken from, one a request")]
#[derive(Debug, Clone)]
pub enum Reach {
    /// A member's, in their mandate.
    Mandate(MandateContext),
    /// A SysAdmin's: every mandate, or the one that a header named.
    Everywhere(SystemContext, Option<MandateId>),
}

impl Context for Reach {
    async fn enter(arrival: Arrival<'_>) -> Result<Self> {
        let entrance = arrival.with_session().await?;
        if entrance.governs() {
            let named = entrance.headers.mandate;
            return Ok(Self::Everywhere(SystemContext::of(entrance.caller), named));
        }
        entrance.mandate_of_member().await.map(Self::Mandate)
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        match self {
            Self::Mandate(mandate) => Some(mandate),
            Self::Everywhere(..) => None,
        }
    }
    fn works_in(&self, _: Option<MandateId>) -> Option<MandateId> {
        match self {
            Self::Mandate(mandate) => Some(mandate.mandate()),
            Self::Everywhere(_, named) => *named,
        }
    }
}

impl OfTables for Reach {}
impl Governed for Reach {}
