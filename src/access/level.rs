//! Levels and operations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which rows an operation reaches. The order of the variants is the order of the model; merging
/// takes the greater.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[schema(example = "a")]
pub enum Level {
    /// No row: the operation is refused.
    #[default]
    #[serde(rename = "n")]
    None,
    /// Rows that the caller owns.
    #[serde(rename = "m")]
    My,
    /// Rows owned by anybody who shares a group of the mandate with the caller, and the caller's
    /// own.
    #[serde(rename = "g")]
    Group,
    /// Every row of the mandate or instance.
    #[serde(rename = "a")]
    All,
}

impl Level {
    /// From weakest to strongest.
    pub const ORDER: [Level; 4] = [Level::None, Level::My, Level::Group, Level::All];

    /// Whether it depends on who shares a group with whom.
    #[must_use]
    pub const fn is_group(self) -> bool {
        matches!(self, Level::Group)
    }

    /// As the database stores it: 0 to 3.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Level::None => 0,
            Level::My => 1,
            Level::Group => 2,
            Level::All => 3,
        }
    }

    /// The level that the database stored; anything unknown is no access.
    #[must_use]
    pub const fn from_number(number: i16) -> Self {
        match number {
            1 => Level::My,
            2 => Level::Group,
            3 => Level::All,
            _ => Level::None,
        }
    }

    /// The letter of the level, as clients read it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Level::None => "n",
            Level::My => "m",
            Level::Group => "g",
            Level::All => "a",
        }
    }
}

/// What is done to a row.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Read,
    Create,
    Update,
    Delete,
}

impl Operation {
    /// All four, in the order in which they are written everywhere.
    pub const ALL: [Operation; 4] =
        [Operation::Read, Operation::Create, Operation::Update, Operation::Delete];

    /// The operation's name, as clients read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
        }
    }
}
