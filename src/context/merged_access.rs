//! What the roles that somebody holds allow together: in a mandate, and in an instance.

use crate::access::{Catalogue, HeldRole, Merged};
use crate::kernel::ids::InstanceId;

/// A member's merged access in a mandate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MandateAccess {
    pub roles: Vec<HeldRole>,
    pub merged: Merged,
    /// Holds the protected role `admin`.
    pub is_admin: bool,
    /// The mandate's admins let SysAdmins act as its members.
    pub(super) allows_impersonation: bool,
}

impl MandateAccess {
    pub(super) fn of(roles: Vec<HeldRole>) -> Self {
        let merged = Merged::of(roles.iter().map(|role| &role.permissions), &Catalogue::mandate());
        let is_admin = roles.iter().any(|role| role.protected);
        Self { is_admin, merged, roles, allows_impersonation: false }
    }
    pub(super) fn which_may_be_impersonated(self, allows_impersonation: bool) -> Self {
        Self { allows_impersonation, ..self }
    }
}

/// A user's merged access in a feature instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAccess {
    pub instance: InstanceId,
    pub feature_code: String,
    pub roles: Vec<HeldRole>,
    pub merged: Merged,
}

impl InstanceAccess {
    pub(super) fn of(
        instance: InstanceId,
        feature_code: String,
        roles: Vec<HeldRole>,
        catalogue: &Catalogue,
    ) -> Self {
        let merged = Merged::of(roles.iter().map(|role| &role.permissions), catalogue);
        Self { instance, feature_code, roles, merged }
    }
}
