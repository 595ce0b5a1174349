//! The roles that a body names.

use std::collections::BTreeSet;

use crate::kernel::error::{Error, FieldError, Result};
use crate::kernel::ids::RoleId;
use crate::kernel::missing::Thing;

/// Where bodies name them that name nothing else.
const POINTER: &str = "/roleIds";
/// The most that one body names.
const MAX_ROLES: usize = 200;

/// The `roleIds` of a body: at least one.
#[derive(Debug, Clone)]
pub struct NamedRoles {
    pointer: String,
    as_named: Vec<RoleId>,
    ids: Vec<RoleId>,
}

impl NamedRoles {
    pub fn checked(as_named: Vec<RoleId>) -> Result<Self> {
        Ok(Self::checked_at(POINTER, as_named)?)
    }

    /// The same where they stand elsewhere in the body.
    pub fn checked_at(pointer: &str, as_named: Vec<RoleId>) -> Result<Self, FieldError> {
        match as_named.len() {
            0 => Err(FieldError::new(pointer, "too_few", "must name at least one role")),
            1..=MAX_ROLES => {
                let ids = as_named.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
                Ok(Self { pointer: pointer.to_owned(), as_named, ids })
            }
            _ => {
                let detail = format!("must name at most {MAX_ROLES} roles");
                Err(FieldError::new(pointer, "too_many", detail))
            }
        }
    }

    /// Each of them once, in order.
    #[must_use]
    pub fn ids(&self) -> &[RoleId] {
        &self.ids
    }

    /// Those that were not found, where the body names them.
    #[must_use]
    pub fn unknown(&self, found: &BTreeSet<RoleId>) -> Vec<FieldError> {
        Thing::Role.unknown_among(&self.pointer, &self.as_named, |role| found.contains(&role))
    }

    /// 404 that names those that were not found.
    pub fn require_among(&self, found: &BTreeSet<RoleId>) -> Result<()> {
        let unknown = self.unknown(found);
        if unknown.is_empty() { Ok(()) } else { Err(Error::unknown(unknown)) }
    }
}
