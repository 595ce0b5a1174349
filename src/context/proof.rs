//! What a store function takes where there is no table of a mandate to be granted: proof that the
//! platform itself acts, or that somebody acts on what is theirs. Each is made by contexts of its
//! kind only, and holds nothing but what it speaks of:
//!
//! ```compile_fail
//! let forged = bailiwick::context::System(()); // nobody else makes one
//! ```
//! ```compile_fail
//! use bailiwick::context::{MandateContext, System};
//! // Nor does whoever is in a mandate.
//! fn governed(context: &MandateContext) -> System { context.system() }
//! ```
//! ```
//! use bailiwick::context::{System, SystemContext};
//! fn governed(context: &SystemContext) -> System { context.system() }
//! ```

use super::caller::Caller;
use super::grant::Grant;
use super::instance::InstanceContext;
use super::mailed::{Redeemed, Redemption};
use super::mandate::MandateContext;
use super::system::SystemContext;
use crate::access::Level;
use crate::access::tables::{Create, InstanceRoles, Instances, Update};
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// The platform itself acts: a SysAdmin who governs it, a job or a command.
#[derive(Debug, Clone, Copy)]
pub struct System(());

/// Somebody is signed in, or the platform acts: for what belongs to no mandate and everybody may
/// read, as the catalogue does.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn(());

/// An account: one's own, one whose mailed token was redeemed, or, for the platform, any.
#[derive(Debug, Clone, Copy)]
pub struct Account(UserId);

/// An account may be made: the platform makes it, or somebody was invited who has none.
#[derive(Debug)]
pub struct MayBeMade(());

impl From<System> for MayBeMade {
    fn from(_: System) -> Self {
        Self(())
    }
}
impl From<Redemption> for MayBeMade {
    fn from(_: Redemption) -> Self {
        Self(())
    }
}

/// A mandate or an instance that gets copies of template roles: one that is just being made, or an
/// instance that is brought in line with the templates.
#[derive(Debug, Clone, Copy)]
pub struct Furnished {
    mandate: MandateId,
    instance: Option<InstanceId>,
}

impl Account {
    #[must_use]
    pub fn user(self) -> UserId {
        self.0
    }
}

impl Furnished {
    #[must_use]
    pub fn mandate(self) -> MandateId {
        self.mandate
    }
    #[must_use]
    pub fn instance(self) -> Option<InstanceId> {
        self.instance
    }
}

impl System {
    #[must_use]
    pub fn account(self, user: UserId) -> Account {
        Account(user)
    }
    /// A mandate that this transaction makes.
    #[must_use]
    pub fn new_mandate(self, mandate: MandateId) -> Furnished {
        Furnished { mandate, instance: None }
    }
}

impl SystemContext {
    pub fn system(&self) -> System {
        System(())
    }
}

impl Caller {
    /// The caller's own account.
    pub fn account(&self) -> Account {
        Account(self.user)
    }
    pub fn signed_in(&self) -> SignedIn {
        SignedIn(())
    }
}

impl Redeemed {
    /// The account whose owner was mailed the token.
    #[must_use]
    pub fn account(&self) -> Account {
        Account(self.user())
    }
}

impl MandateContext {
    pub fn signed_in(&self) -> SignedIn {
        SignedIn(())
    }
}

impl InstanceContext {
    pub fn signed_in(&self) -> SignedIn {
        SignedIn(())
    }
}

impl Grant<Instances, Create> {
    /// An instance that this transaction makes.
    pub fn new_instance(&self, instance: InstanceId) -> Furnished {
        Furnished { mandate: self.mandate(), instance: Some(instance) }
    }
}

impl Grant<InstanceRoles, Update> {
    /// The grant's instance, where it reaches every role of it.
    pub fn whole_instance(&self) -> Result<Furnished> {
        self.admit(Level::All)?;
        Ok(Furnished { mandate: self.mandate(), instance: self.instance() })
    }
}

/// Whoever was granted anything is signed in.
impl<T, O> From<&Grant<T, O>> for SignedIn {
    fn from(_: &Grant<T, O>) -> Self {
        Self(())
    }
}

impl From<Furnished> for SignedIn {
    fn from(_: Furnished) -> Self {
        Self(())
    }
}

impl From<System> for SignedIn {
    fn from(_: System) -> Self {
        Self(())
    }
}
