//! What a guard lets into a handler.

use std::collections::HashMap;

use super::deferred::DeferredCaller;
use crate::context::asking::Asking;
use crate::context::caller::{Caller, SessionContext};
use crate::context::instance::InstanceContext;
use crate::context::mandate::MandateContext;
use crate::context::role::RoleContext;
use crate::context::system::SystemContext;
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
