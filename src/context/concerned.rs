//! Whom a change of access concerns.

use super::change::Change;
use super::effective::{EffectiveAccess, effective_access};
use crate::kernel::error::Result;
use crate::kernel::ids::{GroupId, MandateId, RoleId, UserId};

/// Whose access a change concerns.
#[derive(Debug, Clone, Copy)]
pub enum Concerned {
    /// What somebody may do.
    User(UserId),
    /// What somebody may do who becomes a member or is one no more, and who is in which group with
    /// them.
    Membership(UserId),
    HoldersOf(RoleId),
    /// Who is in this group.
    Group(GroupId),
    /// A group, but nobody in it: its name, or whom it takes in from now on.
    Nobody,
}

impl Concerned {
    pub(super) fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) | Self::Membership(user) => Some(user),
            Self::HoldersOf(_) | Self::Group(_) | Self::Nobody => None,
        }
    }
    pub(super) fn role(self) -> Option<RoleId> {
        if let Self::HoldersOf(role) = self { Some(role) } else { None }
    }
    pub(super) async fn levels<C>(
        self,
        change: &mut Change<C>,
        mandate: MandateId,
    ) -> Result<EffectiveAccess> {
        let users: Vec<UserId> = self.user().into_iter().collect();
        if users.is_empty() && self.role().is_none() {
            return Ok(EffectiveAccess::new());
        }
        effective_access(change, mandate, &users, self.role()).await
    }
}
