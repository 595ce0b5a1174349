//! The operations that are tried: every one of the document that has an effect, by those for whom
//! the document says that it is, as the cases of its slice call it.

use std::sync::LazyLock;

use super::super::super::cases::{self, Case};
use super::super::super::operations::Operation;
use crate::features;

/// Who is let in at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum For {
    SysAdmins,
    Both,
    Members,
    Anybody,
}
use For::{Anybody, Both, Members, SysAdmins};

/// How often operations are called beside the others, where it is not [`USUALLY`]. Rare: what costs
/// a password hash, and what ends the sequence for its caller or for all.
const OFTEN: [(&str, u32); 46] = [
    ("POST /api/auth/impersonate", 14),
    ("POST /api/mandates", 9),
    ("PATCH /api/mandates/{mandateId}", 12),
    ("PUT /api/mandates/{mandateId}", 13),
    ("DELETE /api/mandates/{mandateId}", 5),
    ("POST /api/mandates/{mandateId}/restore", 6),
    ("PUT /api/mandates/{mandateId}/limits", 6),
    ("POST /api/mandates/{mandateId}/users", 25),
    ("POST /api/mandates/{mandateId}/invitations", 16),
    ("POST /api/invitations/accept", 16),
    ("POST /api/mandates/{mandateId}/invitations/{invitationId}/resend", 12),
    ("DELETE /api/mandates/{mandateId}/invitations/{invitationId}", 12),
    ("PATCH /api/mandates/{mandateId}/users/{userId}", 20),
    ("DELETE /api/mandates/{mandateId}/users/{userId}", 8),
    ("PUT /api/mandates/{mandateId}/users/{userId}/roles", 50),
    ("PUT /api/mandates/{mandateId}/users/{userId}/roles/{roleId}", 50),
    ("DELETE /api/mandates/{mandateId}/users/{userId}/roles/{roleId}", 25),
    ("POST /api/mandates/{mandateId}/groups", 7),
    ("PATCH /api/mandates/{mandateId}/groups/{groupId}", 9),
    ("DELETE /api/mandates/{mandateId}/groups/{groupId}", 12),
    ("PUT /api/mandates/{mandateId}/groups/{groupId}/members", 60),
    ("PUT /api/mandates/{mandateId}/groups/{groupId}/members/{userId}", 30),
    ("DELETE /api/mandates/{mandateId}/groups/{groupId}/members/{userId}", 20),
    ("POST /api/mandates/{mandateId}/roles", 8),
    ("PATCH /api/roles/{roleId}", 15),
    ("DELETE /api/roles/{roleId}", 24),
    ("PUT /api/roles/{roleId}/permissions", 60),
    ("PATCH /api/roles/{roleId}/permissions", 60),
    ("POST /api/features", 6),
    ("PATCH /api/features/{featureCode}", 11),
    ("DELETE /api/features/{featureCode}", 17),
    ("POST /api/features/instances", 14),
    ("PATCH /api/features/instances/{instanceId}", 7),
    ("DELETE /api/features/instances/{instanceId}", 9),
    ("POST /api/features/instances/{instanceId}/sync-roles", 25),
    ("POST /api/features/instances/{instanceId}/roles", 7),
    ("POST /api/features/instances/{instanceId}/users", 40),
    ("PATCH /api/features/instances/{instanceId}/users/{userId}", 30),
    ("DELETE /api/features/instances/{instanceId}/users/{userId}", 19),
    ("PUT /api/features/instances/{instanceId}/users/{userId}/roles", 50),
    ("POST /api/features/templates/roles", 6),
    ("POST /api/users", 4),
    ("PATCH /api/users/{userId}", 30),
    ("DELETE /api/users/{userId}", 3),
    ("POST /api/auth/login", 2),
    ("POST /api/auth/logout", 2),
];
const USUALLY: u32 = 8;

/// An operation that is tried.
#[derive(Debug)]
pub struct Tried {
    /// As `METHOD path`.
    pub name: &'static str,
    pub class: For,
    pub weight: u32,
    /// How it is called, where nothing greedier is known.
    pub case: Case,
}

impl Tried {
    fn of(operation: &Operation, case: Case) -> Self {
        let name = format!("{} {}", operation.method, operation.path).leak() as &str;
        let weight = OFTEN.iter().find(|(known, _)| *known == name).map_or(USUALLY, |(_, w)| *w);
        Self { name, class: For::of(operation), weight, case }
    }
}

/// Whom an operation is for, as the document says.
impl For {
    fn of(operation: &Operation) -> Self {
        let by_table = !operation.tables().is_empty();
        let governs = operation.admits("sysAdmin") && !operation.admits_for_templates_only();
        match (by_table, governs) {
            (true, true) => Both,
            (true, false) => Members,
            (false, true) if !operation.admits("oneself") => SysAdmins,
            (false, _) => Anybody,
        }
    }
}

fn tried(is_of_feature: bool) -> Vec<Tried> {
    let all = cases::all().into_iter().filter(|(operation, case)| {
        operation.has_effect() && features::of(case).is_some() == is_of_feature
    });
    all.map(|(operation, case)| Tried::of(&operation, case)).collect()
}

/// Every operation of the core that has an effect, once.
pub static OF_CORE: LazyLock<Vec<Tried>> = LazyLock::new(|| {
    let mut all = tried(false);
    all.sort_by_key(|tried| tried.name);
    all.dedup_by_key(|tried| tried.name);
    all
});

/// Those of features, in every way in which they are called.
pub static OF_FEATURES: LazyLock<Vec<Tried>> = LazyLock::new(|| tried(true));

/// The operations that are tried, as `METHOD path`.
pub fn operations() -> impl Iterator<Item = &'static str> {
    OF_CORE.iter().chain(OF_FEATURES.iter()).map(|tried| tried.name)
}
