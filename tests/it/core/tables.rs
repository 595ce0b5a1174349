//! The tables that roles speak of, in the product's words: which levels each knows, and whose its
//! rows are. Written down once for all tests, and apart from the service, whose own list a gate
//! compares with it ([`crate::gates::tables`]).

use std::sync::LazyLock;

use super::ALL;
use crate::gates::cases::{Case, mentioned};

/// Levels as the database has them: 0 none, 1 my, 2 group, 3 all.
pub type Levels = &'static [u8];
pub const EVERY: Levels = &[0, 1, 2, 3];
/// Nobody's own: all or nothing.
pub const COARSE: Levels = &[0, 3];
/// What nobody does, whatever their role says.
pub const NEVER: Levels = &[0];

/// Operations, in the order in which levels are listed.
const OPERATIONS: [&str; 4] = ["read", "create", "update", "delete"];

/// Where roles speak of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Mandates,
    /// Every instance, whatever its feature.
    Instances,
}

/// A table of the core.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub scope: Scope,
    /// What it knows for reading, creating, updating and deleting.
    pub levels: [Levels; 4],
    pub rows: &'static [Row],
}

/// A row that cases aim at, by its name in them.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub whose: Whose,
}

/// How a row comes to be somebody's.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// It is somebody: mine where that is me, near where they share a group with me.
    Person,
    /// By a statement that makes it `$owner`'s.
    By(&'static str),
}

pub const fn person(name: &'static str) -> Row {
    Row { name, whose: Whose::Person }
}

pub const fn row(name: &'static str, made_owners: &'static str) -> Row {
    Row { name, whose: Whose::By(made_owners) }
}

/// All tables of the core.
pub fn all() -> impl Iterator<Item = &'static Table> {
    ALL.iter().flat_map(|slice| slice.tables)
}

fn names(scope: Scope) -> Vec<&'static str> {
    all().filter(|table| table.scope == scope).map(|table| table.name).collect()
}

/// The tables of every mandate.
pub static MANDATE_TABLES: LazyLock<Vec<&'static str>> = LazyLock::new(|| names(Scope::Mandates));

/// The tables that every instance has besides those of its feature.
pub static INSTANCE_TABLES: LazyLock<Vec<&'static str>> = LazyLock::new(|| names(Scope::Instances));

/// The levels that a table knows for an operation; one of a feature, or `*`, knows every level.
pub fn known(table: &str, operation: usize) -> Levels {
    all().find(|known| known.name == table).map_or(EVERY, |known| known.levels[operation])
}

/// The same by the operation's name.
pub fn known_to(table: &str, operation: &str) -> Levels {
    known(table, OPERATIONS.iter().position(|name| *name == operation).unwrap())
}

/// The highest level that a table knows and that is not above another.
pub fn lowered(table: &str, operation: usize, level: u8) -> u8 {
    known(table, operation).iter().copied().filter(|known| *known <= level).max().unwrap_or(0)
}

/// The row among these that a case aims at: what its path names, else what it names elsewhere.
pub fn aimed_at(rows: &'static [Row], case: &Case) -> Option<&'static Row> {
    let path = mentioned(case.uri.split('?').next().unwrap());
    let in_path = rows.iter().find(|row| path.contains(row.name));
    in_path.or_else(|| rows.iter().find(|row| case.mentions(row.name)))
}

/// The rows of a table of the core.
pub fn rows_of(table: &str) -> &'static [Row] {
    all().find(|known| known.name == table).map_or(&[], |known| known.rows)
}
