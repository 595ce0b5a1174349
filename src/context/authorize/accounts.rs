//! The way in to accounts.

use super::context::Context;
use super::facts::RequestFacts;
use crate::context::caller::Caller;
use crate::context::path::Origin;
use crate::context::refusals::{for_oneself, for_sys_admins};
use crate::context::system::SystemContext;
use crate::context::terms::{Impersonation, Terms};
use crate::kernel::error::Result;
use crate::kernel::ids::SessionId;

/// Whose accounts somebody may see and change.
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

impl Context for Accounts {
    const IMPERSONATION: Impersonation = Impersonation::Nothing;
    fn origin(_: &Terms) -> Option<Origin> {
        Some(Origin::User)
    }
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let authorizing = facts.with_session().await?;
        if authorizing.caller.is_sys_admin {
            Ok(Self::Any(SystemContext::of(authorizing.caller)))
        } else if authorizing.is_oneself()? {
            Ok(Self::Own(authorizing.caller))
        } else {
            Err(for_sys_admins())
        }
    }
}

/// One's own account, which is the one that the path names: for what nobody does for others.
#[derive(Debug, Clone)]
pub struct OwnAccount(Caller);

impl OwnAccount {
    pub fn caller(&self) -> &Caller {
        &self.0
    }
    /// What is begun in it ends with it.
    pub fn session(&self) -> SessionId {
        self.0.session
    }
}

impl Context for OwnAccount {
    const IMPERSONATION: Impersonation = Impersonation::Nothing;
    fn origin(_: &Terms) -> Option<Origin> {
        Some(Origin::User)
    }
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let authorizing = facts.with_session().await?;
        if authorizing.is_oneself()? { Ok(Self(authorizing.caller)) } else { Err(for_oneself()) }
    }
}
