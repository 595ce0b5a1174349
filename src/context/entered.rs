//! What a guard lets into a handler.

use std::collections::HashMap;

use super::asking::Asking;
use super::{
    Caller, InstanceContext, MandateContext, RoleContext, Services, SessionContext, SystemContext,
};
use crate::kernel::credentials::claims::Claims;
use crate::kernel::ids::MandateId;

/// What a guard lets into a handler.
#[expect(
    clippy::large_enum_variant,
    reason = "one a request, moved into its extensions at once: a box would cost more"
)]
#[derive(Debug, Clone)]
pub enum Entered {
    Anonymous,
    /// A signed-in user; the contexts only where the route asked for them and the headers named
    /// them.
    User(Caller, Option<MandateContext>, Option<InstanceContext>),
    Session(SessionContext),
    System(SystemContext),
    /// A SysAdmin on a route of mandates' own things that names none of them; and the mandate that
    /// a header named.
    Everywhere(SystemContext, Option<MandateId>),
    Mandate(MandateContext),
    Instance(InstanceContext),
    Role(RoleContext),
    Asking(Asking),
    /// Signed, but not yet checked against the session: for a handler whose one statement does it.
    Deferred(DeferredCaller),
}

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

impl Entered {
    /// The mandate as whose member it is.
    pub(crate) fn member_of(&self) -> Option<MandateId> {
        self.context().filter(|mandate| !mandate.is_sys_admin()).map(MandateContext::mandate)
    }

    /// The mandate that it works in; of a SysAdmin's route the one that the path names, if it names
    /// one.
    pub(crate) fn mandate(&self, path: &HashMap<String, String>) -> Option<MandateId> {
        let governed = || match self {
            Self::System(_) => path.get("mandateId")?.parse().ok(),
            Self::Everywhere(_, named) => *named,
            _ => None,
        };
        self.context().map(MandateContext::mandate).or_else(governed)
    }

    fn context(&self) -> Option<&MandateContext> {
        match self {
            Self::User(_, mandate, _) => mandate.as_ref(),
            Self::Mandate(mandate) | Self::Role(RoleContext::Mandate(mandate, _)) => Some(mandate),
            Self::Instance(instance) | Self::Role(RoleContext::Instance(instance, _)) => {
                Some(instance.mandate())
            }
            Self::Asking(asking) => Some(&asking.mandate),
            Self::Anonymous
            | Self::Session(_)
            | Self::System(_)
            | Self::Everywhere(..)
            | Self::Role(RoleContext::Template(..))
            | Self::Deferred(_) => None,
        }
    }
}

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
