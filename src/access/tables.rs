//! Which tables and views a scope knows, and which levels a table knows for an operation.
//!
//! The tables that guards name are types ([`Table`]), so that a grant for one cannot be used for
//! another; tables of features that live outside Bailiwick are only names.

use std::collections::BTreeSet;

use super::level::{Level, Operation};
use super::permission::Rule;

/// Stands for every table that a role does not name.
pub const WILDCARD: &str = "*";

/// How many tables a feature has at most. (A role speaks of two more, that every instance has, and
/// may have `*`.)
pub const MAX_TABLES: usize = 200;
/// How many views a feature has at most.
pub const MAX_VIEWS: usize = 500;

/// A table that guards and store functions name at compile time.
pub trait Table: Send + Sync + 'static {
    /// The name in permissions, in `x-access` and in refusals.
    const NAME: &'static str;
}

/// A table of a feature that comes with the service: reached inside an instance of that feature, by
/// roles held there. [`feature_tables!`](crate::feature_tables) declares them, in the feature's own
/// folder.
pub trait FeatureTable: Table {
    /// The feature's code.
    const FEATURE: &'static str;
}

/// Declares the tables of a built-in feature.
#[macro_export]
macro_rules! feature_tables {
    ($feature:literal { $($(#[$doc:meta])* $name:ident = $value:literal),+ $(,)? }) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl $crate::access::tables::Table for $name {
            const NAME: &'static str = $value;
        }
        impl $crate::access::tables::FeatureTable for $name {
            const FEATURE: &'static str = $feature;
        }
    )+};
}

/// An operation that guards and store functions name at compile time.
pub trait Op: Send + Sync + 'static {
    const OPERATION: Operation;
}

/// Where roles speak of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableScope {
    /// In every mandate.
    Mandate,
    /// In every instance, besides the tables of its feature.
    Instance,
}

/// A table of the core.
#[derive(Debug)]
pub struct CoreTable {
    pub name: &'static str,
    pub scope: TableScope,
    /// The levels that it knows for [`Operation::ALL`], in their order.
    levels: [&'static [Level]; 4],
}

const EVERY: &[Level] = &Level::ORDER;
/// Nobody's rows in particular.
const COARSE: &[Level] = &[Level::None, Level::All];
/// Nobody does it, whatever their role says.
const NEVER: &[Level] = &[Level::None];

/// Declares the tables of the core, a row each: the type that guards name, the name in permissions,
/// where it is, and the levels that it knows for reading, creating, updating and deleting.
macro_rules! core_tables {
    ($(
        $(#[$doc:meta])*
        $name:ident = $value:literal in every $scope:ident: $levels:expr
    ),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name;
            impl Table for $name {
                const NAME: &'static str = $value;
            }
        )+
        /// The tables of the core.
        pub const CORE_TABLES: &[CoreTable] =
            &[$(CoreTable { name: $value, scope: TableScope::$scope, levels: $levels }),+];
    };
}

core_tables! {
    /// The mandate's name and settings.
    Mandate = "mandate" in every Mandate: [COARSE, COARSE, COARSE, COARSE],
    /// Memberships, with the mandate roles that they carry.
    Members = "members" in every Mandate: [EVERY, COARSE, EVERY, EVERY],
    Groups = "groups" in every Mandate: [EVERY, EVERY, EVERY, EVERY],
    /// The mandate's roles and their permissions.
    Roles = "roles" in every Mandate: [EVERY, EVERY, EVERY, EVERY],
    /// Feature instances.
    Instances = "instances" in every Mandate: [EVERY, EVERY, EVERY, EVERY],
    Audit = "audit" in every Mandate: [EVERY, NEVER, NEVER, NEVER],
    /// Who is admitted to an instance, and with which roles.
    Access = "access" in every Instance: [EVERY, EVERY, EVERY, EVERY],
    /// An instance's roles and their permissions.
    InstanceRoles = "instance-roles" in every Instance: [EVERY, EVERY, EVERY, EVERY],
}

/// Tables of mandates that are still to come. A feature that has one of that name already keeps it.
pub const TABLES_TO_COME: [&str; 5] = ["webhooks", "events", "files", "usage", "api_keys"];

/// The tables of every mandate.
pub const MANDATE_TABLES: [&str; how_many(TableScope::Mandate)] = names(TableScope::Mandate);

/// The tables that every instance knows besides those of its feature.
pub const INSTANCE_TABLES: [&str; how_many(TableScope::Instance)] = names(TableScope::Instance);

const fn how_many(scope: TableScope) -> usize {
    let (mut count, mut row) = (0, 0);
    while row < CORE_TABLES.len() {
        count += (CORE_TABLES[row].scope as usize == scope as usize) as usize;
        row += 1;
    }
    count
}

const fn names<const COUNT: usize>(scope: TableScope) -> [&'static str; COUNT] {
    let (mut names, mut count, mut row) = ([""; COUNT], 0, 0);
    while row < CORE_TABLES.len() {
        if CORE_TABLES[row].scope as usize == scope as usize {
            names[count] = CORE_TABLES[row].name;
            count += 1;
        }
        row += 1;
    }
    names
}

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {$(
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl Op for $name {
            const OPERATION: Operation = Operation::$name;
        }
    )+};
}

operations!(Read, Create, Update, Delete);

fn known_levels(table: &str, operation: Operation) -> &'static [Level] {
    CORE_TABLES
        .iter()
        .find(|known| known.name == table)
        .map_or(EVERY, |known| known.levels[operation as usize])
}

impl CoreTable {
    /// The levels that it knows for an operation, ascending.
    #[must_use]
    pub fn levels(&self, operation: Operation) -> &'static [Level] {
        self.levels[operation as usize]
    }
}

/// The lowest level above `n` that a table knows for an operation: what a refusal names as needed.
#[must_use]
pub fn least_level(table: &str, operation: Operation) -> Level {
    known_levels(table, operation)
        .iter()
        .copied()
        .find(|level| *level > Level::None)
        .unwrap_or(Level::All)
}

/// The tables and views of one scope: of every mandate, or of the instances of one feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    tables: BTreeSet<String>,
    views: BTreeSet<String>,
}

impl Catalogue {
    /// What mandate roles can speak of.
    #[must_use]
    pub fn mandate() -> Self {
        Self {
            tables: MANDATE_TABLES.iter().map(|t| (*t).to_owned()).collect(),
            views: BTreeSet::new(),
        }
    }

    /// What instance roles of a feature can speak of: its tables and views, and the two that every
    /// instance has.
    pub fn instance(
        tables: impl IntoIterator<Item = String>,
        views: impl IntoIterator<Item = String>,
    ) -> Self {
        let own = INSTANCE_TABLES.iter().map(|t| (*t).to_owned());
        Self { tables: tables.into_iter().chain(own).collect(), views: views.into_iter().collect() }
    }

    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(String::as_str)
    }
    pub fn views(&self) -> impl Iterator<Item = &str> {
        self.views.iter().map(String::as_str)
    }
    #[must_use]
    pub fn has_table(&self, table: &str) -> bool {
        self.tables.contains(table)
    }
    #[must_use]
    pub fn has_view(&self, view: &str) -> bool {
        self.views.contains(view)
    }
    /// For messages.
    #[must_use]
    pub fn table_names(&self) -> String {
        listed(&self.tables)
    }
    /// For messages.
    #[must_use]
    pub fn view_names(&self) -> String {
        listed(&self.views)
    }

    /// The levels that a table knows for an operation, ascending.
    #[must_use]
    pub fn levels(&self, table: &str, operation: Operation) -> &'static [Level] {
        known_levels(table, operation)
    }

    /// Whether a table knows a level for an operation.
    #[must_use]
    pub fn knows(&self, table: &str, operation: Operation, level: Level) -> bool {
        self.levels(table, operation).contains(&level)
    }

    /// A wildcard's rule, lowered for each operation to the next level that the table knows.
    #[must_use]
    pub fn lowered(&self, table: &str, wildcard: Rule) -> Rule {
        wildcard.map(|operation, level| {
            self.levels(table, operation)
                .iter()
                .copied()
                .filter(|known| *known <= level)
                .max()
                .unwrap_or(Level::None)
        })
    }
}

/// How many names a message lists.
const LISTED: usize = 20;

fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let list =
        names.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}
