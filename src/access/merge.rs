//! What several roles allow together: for each table and operation the highest level, views OR-ed.
//! Merging is a join in a lattice (commutative, associative, idempotent, monotone); the tests below
//! prove it by property.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::level::{Level, Operation};
use super::permission::{Permissions, Rule};
use super::tables::{Catalogue, WILDCARD};
use crate::kernel::ids::RoleId;

/// A role as somebody holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRole {
    pub id: RoleId,
    pub label: String,
    /// The role `admin` of the mandate.
    #[serde(default)]
    pub protected: bool,
    #[serde(flatten)]
    pub permissions: Permissions,
}

/// Somebody's access in one context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// A rule for every table that the context knows.
    pub tables: BTreeMap<String, Rule>,
    /// For every view that the context knows, whether it is allowed.
    pub views: BTreeMap<String, bool>,
    /// The union of the roles' `*` rules: a table of its own when grants are compared.
    pub wildcard: Rule,
}

impl Merged {
    /// The union over roles. Within one role the named table beats `*`; across roles the highest
    /// level wins.
    #[must_use]
    pub fn of<'a>(roles: impl IntoIterator<Item = &'a Permissions>, catalogue: &Catalogue) -> Self {
        let mut merged = Self {
            tables: catalogue.tables().map(|table| (table.to_owned(), Rule::default())).collect(),
            views: catalogue.views().map(|view| (view.to_owned(), false)).collect(),
            wildcard: Rule::default(),
        };
        for role in roles {
            merged.add(role, catalogue);
        }
        merged
    }

    fn add(&mut self, role: &Permissions, catalogue: &Catalogue) {
        for (table, rule) in &mut self.tables {
            *rule = rule.join(role.rule_for(table, catalogue));
        }
        for (view, allowed) in &mut self.views {
            *allowed |= role.views.get(view).copied().unwrap_or(false);
        }
        if let Some(wildcard) = role.tables.get(WILDCARD) {
            self.wildcard = self.wildcard.join(*wildcard);
        }
    }

    /// The union of two accesses in the same context.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        for (table, rule) in &other.tables {
            let mine = self.tables.entry(table.clone()).or_default();
            *mine = mine.join(*rule);
        }
        for (view, allowed) in &other.views {
            *self.views.entry(view.clone()).or_default() |= allowed;
        }
        self.wildcard = self.wildcard.join(other.wildcard);
        self
    }

    /// The level of an operation on a table; `n` for a table that the context does not know.
    #[must_use]
    pub fn level(&self, table: &str, operation: Operation) -> Level {
        self.tables.get(table).map_or(Level::None, |rule| rule.level(operation))
    }

    /// Whether it reaches anything at level `g`: whom it reaches then depends on groups.
    #[must_use]
    pub fn looks_at_groups(&self) -> bool {
        self.tables.values().any(|rule| {
            Operation::ALL.into_iter().any(|operation| rule.level(operation) == Level::Group)
        })
    }

    /// Whether `other` allows all that this access allows, `*` counting as a table of its own.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        let none = Rule::default();
        let tables = self
            .tables
            .iter()
            .all(|(table, rule)| rule.within(other.tables.get(table).unwrap_or(&none)));
        let views = self
            .views
            .iter()
            .all(|(view, allowed)| !allowed || other.views.get(view).copied().unwrap_or(false));
        tables && views && self.wildcard.within(&other.wildcard)
    }

    /// The same where the catalogue has grown: `*` was given for tables that were yet to come.
    #[must_use]
    pub fn with_wildcard_for(mut self, catalogue: &Catalogue) -> Self {
        for table in catalogue.tables() {
            let wildcard = catalogue.lowered(table, self.wildcard);
            self.tables.entry(table.to_owned()).or_insert(wildcard);
        }
        self
    }

    /// How much this access grants, for naming the role that grants the most: the sum of levels,
    /// then of views.
    #[must_use]
    pub fn weight(&self) -> usize {
        let levels = |rule: &Rule| {
            Operation::ALL
                .iter()
                .map(|op| usize::from(rule.level(*op).number().unsigned_abs()))
                .sum::<usize>()
        };
        let tables: usize =
            self.tables.values().map(|rule| levels(rule) + usize::from(rule.view)).sum();
        tables + self.views.values().filter(|allowed| **allowed).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::access::tables::{MANDATE_TABLES, WILDCARD};

    fn level() -> impl Strategy<Value = Level> {
        prop::sample::select(Level::ORDER.to_vec())
    }
    fn rule() -> impl Strategy<Value = Rule> {
        (any::<bool>(), level(), level(), level(), level()).prop_map(
            |(view, read, create, update, delete)| Rule { view, read, create, update, delete },
        )
    }
    fn permissions() -> impl Strategy<Value = Permissions> {
        let tables: Vec<&str> = std::iter::once(WILDCARD).chain(MANDATE_TABLES).collect();
        let table = prop::sample::select(tables);
        btree_map(table.prop_map(str::to_owned), rule(), 0..5)
            .prop_map(|tables| Permissions { tables, views: BTreeMap::new() })
    }
    fn merged(roles: &[Permissions]) -> Merged {
        Merged::of(roles, &Catalogue::mandate())
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent(a in vec(permissions(), 0..4),
            b in vec(permissions(), 0..4), c in vec(permissions(), 0..4)) {
            let (a, b, c) = (merged(&a), merged(&b), merged(&c));
            prop_assert_eq!(a.clone().join(&b), b.clone().join(&a));
            prop_assert_eq!(a.clone().join(&b).join(&c), a.clone().join(&b.clone().join(&c)));
            prop_assert_eq!(a.clone().join(&a), a.clone());
        }

        #[test]
        fn merging_is_monotone_and_the_least_upper_bound(a in vec(permissions(), 0..4),
            b in vec(permissions(), 0..4), c in vec(permissions(), 0..4)) {
            let (a, b, c) = (merged(&a), merged(&b), merged(&c));
            let joined = a.clone().join(&b);
            prop_assert!(a.within(&joined) && b.within(&joined));
            prop_assert!(!(a.within(&c) && b.within(&c)) || joined.within(&c));
        }

        #[test]
        fn merging_roles_one_by_one_equals_merging_them_together(a in vec(permissions(), 0..4),
            b in vec(permissions(), 0..4)) {
            let together: Vec<_> = a.iter().chain(&b).cloned().collect();
            prop_assert_eq!(merged(&together), merged(&a).join(&merged(&b)));
        }

        #[test]
        fn the_wildcard_never_gives_a_level_that_a_table_does_not_know(a in permissions()) {
            let catalogue = Catalogue::mandate();
            for table in catalogue.tables().filter(|table| !a.tables.contains_key(*table)) {
                let rule = a.rule_for(table, &catalogue);
                for operation in Operation::ALL {
                    prop_assert!(catalogue.knows(table, operation, rule.level(operation)));
                }
            }
        }
    }

    #[test]
    fn within_one_role_the_named_table_beats_the_wildcard_and_across_roles_the_highest_wins() {
        let all =
            Permissions { tables: [("*".to_owned(), Rule::ALL)].into(), views: BTreeMap::new() };
        let mut but_members = all.clone();
        but_members.tables.insert("members".to_owned(), Rule::default());
        assert_eq!(
            merged(std::slice::from_ref(&but_members)).level("members", Operation::Read),
            Level::None
        );
        assert_eq!(merged(&[but_members, all]).level("members", Operation::Read), Level::All);
    }
}
