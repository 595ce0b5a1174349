//! The one question that everything comes down to: does a level reach a row? Guards, checks and
//! explanations all ask it here.

use std::collections::BTreeSet;

use super::level::{Level, Operation};
use super::merge::Merged;
use super::permission::Permissions;
use super::tables::{Catalogue, Mandate, Table, least_level};
use crate::kernel::ids::UserId;

/// What somebody may be allowed: an operation on a table's rows, or to be shown a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    Rows(&'a str, Operation),
    View(&'a str),
}

impl Target<'_> {
    /// The merged level; of a view it is `a` or `n`.
    #[must_use]
    pub fn level(self, access: &Merged) -> Level {
        match self {
            Self::Rows(table, operation) => access.level(table, operation),
            Self::View(view) => shown(access.views.get(view)),
        }
    }

    /// The level that one role gives.
    #[must_use]
    pub fn level_of(self, role: &Permissions, catalogue: &Catalogue) -> Level {
        match self {
            Self::Rows(table, operation) => role.rule_for(table, catalogue).level(operation),
            Self::View(view) => shown(role.views.get(view)),
        }
    }

    /// The least level above `n` that there is.
    #[must_use]
    pub fn least(self) -> Level {
        match self {
            Self::Rows(table, operation) => least_level(table, operation),
            Self::View(_) => Level::All,
        }
    }

    /// Whether there is such a level, or a higher one.
    #[must_use]
    pub fn can_be(self, needed: Level, catalogue: &Catalogue) -> bool {
        match self {
            Self::Rows(table, operation) => {
                catalogue.levels(table, operation).iter().any(|level| *level >= needed)
            }
            Self::View(_) => true,
        }
    }

    /// Whether a scope knows it.
    #[must_use]
    pub fn is_known(self, catalogue: &Catalogue) -> bool {
        match self {
            Self::Rows(table, _) => catalogue.has_table(table),
            Self::View(view) => catalogue.has_view(view),
        }
    }

    /// Whether rows are somebody's own.
    #[must_use]
    pub fn has_owners(self) -> bool {
        !matches!(self, Self::View(_) | Self::Rows(Mandate::NAME, _))
    }
}

fn shown(allowed: Option<&bool>) -> Level {
    if allowed.copied().unwrap_or(false) { Level::All } else { Level::None }
}

/// An answer to whether somebody may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub level: Level,
    /// The least level that would do.
    pub needed: Level,
}

/// Whether somebody at `level` reaches a row that takes at least `needed`; without a row, whether
/// they reach any at all.
#[must_use]
pub fn reaches(level: Level, needed: Option<Level>) -> bool {
    level > Level::None && needed.is_none_or(|needed| needed <= level)
}

/// The least level that reaches a row of this owner. Statements compute the same for rows that they
/// find; here nothing is known of the row but whose it is. `peers` share a group of the mandate
/// with the user.
#[must_use]
pub fn nearness(
    target: Target<'_>,
    user: UserId,
    owner: UserId,
    peers: &BTreeSet<UserId>,
) -> Level {
    match owner {
        _ if !target.has_owners() => Level::All,
        owner if owner == user => Level::My,
        owner if peers.contains(&owner) => Level::Group,
        _ => Level::All,
    }
}

/// Whether somebody with this access may do it: to any row, or to one that is so near. Nothing is
/// open where no access is alive.
#[must_use]
pub fn verdict(alive: Option<&Merged>, target: Target<'_>, nearness: Option<Level>) -> Verdict {
    let level = alive.map_or(Level::None, |access| target.level(access));
    let least = target.least();
    Verdict {
        allowed: reaches(level, nearness),
        level,
        needed: nearness.unwrap_or(least).max(least),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_reaches_nothing_and_a_level_reaches_what_takes_no_more() {
        for level in Level::ORDER {
            assert_eq!(reaches(level, None), level != Level::None);
            for needed in [Level::My, Level::Group, Level::All] {
                assert_eq!(reaches(level, Some(needed)), level >= needed, "{level:?} {needed:?}");
            }
        }
    }
}
