//! The one question that everything comes down to: does a level reach a row? Guards, checks and explanations all ask it here.

use std::collections::BTreeSet;

use super::level::{Level, Operation};
use super::merge::Merged;
use super::tables::{Mandate, Table, least_level};
use crate::ids::UserId;

/// An answer to whether somebody may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub level: Level,
    /// The least level that would do.
    pub needed: Level,
}

/// Whether somebody at `level` reaches a row that takes at least `needed`; without a row, whether they reach any at all.
#[must_use]
pub fn reaches(level: Level, needed: Option<Level>) -> bool {
    level > Level::None && needed.is_none_or(|needed| needed <= level)
}

/// The least level that reaches a row of this owner. Statements compute the same for rows that they find; here nothing is known
/// of the row but whose it is. `peers` share a group of the mandate with the user.
#[must_use]
pub fn nearness(table: &str, user: UserId, owner: UserId, peers: &BTreeSet<UserId>) -> Level {
    match owner {
        _ if table == Mandate::NAME => Level::All, // nobody's own
        owner if owner == user => Level::My,
        owner if peers.contains(&owner) => Level::Group,
        _ => Level::All,
    }
}

/// Whether somebody with this access may do it: to any row, or to one that is so near. Nothing is open where no access is alive.
#[must_use]
pub fn verdict(alive: Option<&Merged>, (table, operation): (&str, Operation), nearness: Option<Level>) -> Verdict {
    let level = alive.map_or(Level::None, |access| access.level(table, operation));
    let least = least_level(table, operation);
    Verdict { allowed: reaches(level, nearness), level, needed: nearness.unwrap_or(least).max(least) }
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
