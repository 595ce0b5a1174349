//! How far what a guard let in goes, where that hangs on who it is.

use crate::context::caller::Caller;
use crate::context::mandate::MandateContext;
use crate::context::system::SystemContext;
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

/// Whose accounts somebody may see and change.
#[expect(clippy::large_enum_variant, reason = "as with what it is taken from, one a request")]
#[derive(Debug, Clone)]
pub enum Accounts {
    /// Everybody's: a SysAdmin's.
    Any(SystemContext),
    /// The caller's own, which is the one that the path names.
    Own(Caller),
}

impl Accounts {
    pub fn system(&self) -> Option<&SystemContext> {
        match self {
            Self::Any(system) => Some(system),
            Self::Own(_) => None,
        }
    }
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Any(system) => system.caller(),
            Self::Own(caller) => Some(caller),
        }
    }
}
