//! The way in to lists of mandates' own things.

use super::context::{Context, Governed, OfTables};
use super::facts::RequestFacts;
use crate::context::mandate::MandateContext;
use crate::context::path::{Origin, RequestPath};
use crate::context::system::SystemContext;
use crate::context::terms::{Impersonation, Terms};
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// How far a list of mandates' own things goes.
#[derive(Debug, Clone)]
pub enum Reach {
    /// A member's, in their mandate.
    Mandate(MandateContext),
    /// A SysAdmin's: every mandate, or the one that a header named.
    Everywhere(SystemContext, Option<MandateId>),
}

impl Context for Reach {
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    /// A SysAdmin's mandate is the header's.
    fn passed_over(_: &Terms) -> &'static [Origin] {
        &[Origin::Mandate, Origin::Instance]
    }
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let authorizing = facts.with_session().await?;
        if authorizing.governs() {
            let named = authorizing.headers.mandate;
            return Ok(Self::Everywhere(SystemContext::of(authorizing.caller), named));
        }
        authorizing.mandate_of_member().await.map(Self::Mandate)
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        match self {
            Self::Mandate(mandate) => Some(mandate),
            Self::Everywhere(..) => None,
        }
    }
    fn works_in(&self, _: RequestPath<'_>) -> Option<MandateId> {
        match self {
            Self::Mandate(mandate) => Some(mandate.mandate()),
            Self::Everywhere(_, named) => *named,
        }
    }
}

impl OfTables for Reach {}
impl Governed for Reach {}
