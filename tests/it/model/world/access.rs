//! The access model as README.md words it: levels are 0 (`n`) to 3 (`a`); operations 0 to 3 (read,
//! create, update, delete).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Role, World};
use crate::core::tables::{MANDATE_TABLES, known};

pub const READ: usize = 0;
pub const CREATE: usize = 1;
pub const UPDATE: usize = 2;
pub const DELETE: usize = 3;
pub const OPERATIONS: [&str; 4] = ["read", "create", "update", "delete"];
/// How near a row is: mine, my groups', anybody's. The same numbers as the levels that reach it.
pub const MINE: u8 = 1;
pub const NEAR: u8 = 2;
pub const ALL: u8 = 3;

pub fn letter(level: u8) -> &'static str {
    ["n", "m", "g", "a"][usize::from(level)]
}

/// The least level above `n` that a table knows for an operation; `a` where it knows none.
pub fn least(table: &str, operation: usize) -> u8 {
    known(table, operation).iter().copied().find(|level| *level > 0).unwrap_or(ALL)
}

/// What a role says of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    pub view: bool,
    pub levels: [u8; 4],
}

impl Rule {
    pub fn answer(self) -> Value {
        let levels = OPERATIONS
            .iter()
            .zip(self.levels)
            .map(|(name, level)| ((*name).to_owned(), json!(letter(level))));
        std::iter::once(("view".to_owned(), json!(self.view)))
            .chain(levels)
            .collect::<Map<_, _>>()
            .into()
    }
    pub fn join(self, other: Self) -> Self {
        Self {
            view: self.view || other.view,
            levels: std::array::from_fn(|op| self.levels[op].max(other.levels[op])),
        }
    }
    pub fn within(self, other: Self) -> bool {
        (other.view || !self.view) && (0..4).all(|op| self.levels[op] <= other.levels[op])
    }
    /// `update` and `delete` never exceed `read`; without `view` all four are `n`.
    fn is_well_formed(self) -> bool {
        let [read, create, update, delete] = self.levels;
        update <= read && delete <= read && (self.view || (read, create) == (0, 0))
    }
}

/// The tables and views that roles of a scope can speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    pub tables: BTreeSet<String>,
    pub views: BTreeSet<String>,
}

impl Catalogue {
    /// Whether it knows a table; `*` is one.
    fn speaks_of(&self, table: &str) -> bool {
        table == "*" || self.tables.contains(table)
    }
    pub fn of_mandates() -> Self {
        Self {
            tables: MANDATE_TABLES.iter().map(|table| (*table).to_owned()).collect(),
            views: BTreeSet::new(),
        }
    }
}

/// All that a role permits; `*` is a table among the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    pub tables: BTreeMap<String, Rule>,
    pub views: BTreeMap<String, bool>,
}

impl Permissions {
    /// What is stale is told by name only.
    pub fn answer(&self, catalogue: &Catalogue) -> Value {
        let (known, stale): (Vec<_>, Vec<_>) =
            self.tables.iter().partition(|(table, _)| catalogue.speaks_of(table));
        let (known_views, stale_views): (Vec<_>, Vec<_>) =
            self.views.iter().partition(|(view, _)| catalogue.views.contains(*view));
        let tables: Map<String, Value> =
            known.into_iter().map(|(table, rule)| (table.clone(), rule.answer())).collect();
        let views: Map<String, Value> =
            known_views.into_iter().map(|(view, allowed)| (view.clone(), json!(allowed))).collect();
        let names = |names: Vec<&String>| json!(names);
        let stale = json!({
            "tables": names(stale.into_iter().map(|row| row.0).collect()),
            "views": names(stale_views.into_iter().map(|row| row.0).collect()),
        });
        json!({ "tables": tables, "views": views, "stale": stale })
    }
    /// The rules for tables that are not there any more.
    pub fn stale_rules(&self, catalogue: &Catalogue) -> impl Iterator<Item = Rule> {
        self.tables.iter().filter(|(table, _)| !catalogue.speaks_of(table)).map(|(_, rule)| *rule)
    }
    /// Without what is stale.
    pub fn known_to(&self, catalogue: &Catalogue) -> Self {
        let tables = self
            .tables
            .iter()
            .filter(|(table, _)| catalogue.speaks_of(table))
            .map(|(table, rule)| (table.clone(), *rule));
        let views = self
            .views
            .iter()
            .filter(|(view, _)| catalogue.views.contains(*view))
            .map(|(view, allowed)| (view.clone(), *allowed));
        Self { tables: tables.collect(), views: views.collect() }
    }
    /// The named table beats `*`, which falls to the next lower level that the table knows.
    pub fn rule(&self, table: &str) -> Rule {
        let lowered = |star: &Rule| {
            let fall = |op: usize| {
                known(table, op)
                    .iter()
                    .copied()
                    .filter(|known| *known <= star.levels[op])
                    .max()
                    .unwrap_or(0)
            };
            Rule { view: star.view, levels: std::array::from_fn(fall) }
        };
        self.tables
            .get(table)
            .copied()
            .or_else(|| self.tables.get("*").map(lowered))
            .unwrap_or_default()
    }
    /// Whether what was sent may be stored: well-formed, of tables, views and levels that are
    /// known.
    pub fn is_valid(
        &self,
        catalogue: &Catalogue,
        tables: &BTreeSet<String>,
        views: &BTreeSet<String>,
    ) -> bool {
        let known_levels =
            |table: &str, rule: &Rule| (0..4).all(|op| known(table, op).contains(&rule.levels[op]));
        let table_is_valid = |table: &str, rule: &Rule| {
            rule.is_well_formed()
                && (table == "*" || (catalogue.tables.contains(table) && known_levels(table, rule)))
        };
        let sent = self.tables.iter().filter(|(table, _)| tables.contains(*table));
        let mut sent_views = self.views.keys().filter(|view| views.contains(*view));
        sent.into_iter().all(|(table, rule)| table_is_valid(table, rule))
            && sent_views.all(|view| catalogue.views.contains(view))
    }
    /// Compared table by table and level by level, `*` counting as a table of its own. A table that
    /// the feature no longer has is given only by somebody whose own `*` reaches it, and such a
    /// view by nobody.
    pub fn within(&self, own: &Merged, catalogue: &Catalogue) -> bool {
        let stale_view =
            self.views.iter().any(|(view, allowed)| *allowed && !catalogue.views.contains(view));
        Merged::of([self], catalogue).within(own)
            && self.stale_rules(catalogue).all(|rule| rule.within(own.star))
            && !stale_view
    }
}

/// The union over roles.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    pub tables: BTreeMap<String, Rule>,
    pub views: BTreeMap<String, bool>,
    pub star: Rule,
}

impl Merged {
    pub fn of<'a>(roles: impl IntoIterator<Item = &'a Permissions>, catalogue: &Catalogue) -> Self {
        let roles: Vec<&Permissions> = roles.into_iter().collect();
        let union = |rule: &dyn Fn(&Permissions) -> Rule| {
            roles.iter().fold(Rule::default(), |sum, role| sum.join(rule(role)))
        };
        let allowed =
            |view: &String| roles.iter().any(|role| role.views.get(view).copied().unwrap_or(false));
        Self {
            tables: catalogue
                .tables
                .iter()
                .map(|table| (table.clone(), union(&|role| role.rule(table))))
                .collect(),
            views: catalogue.views.iter().map(|view| (view.clone(), allowed(view))).collect(),
            star: union(&|role| role.tables.get("*").copied().unwrap_or_default()),
        }
    }
    pub fn level(&self, table: &str, operation: usize) -> u8 {
        self.tables.get(table).map_or(0, |rule| rule.levels[operation])
    }
    pub fn within(&self, other: &Self) -> bool {
        let theirs = |table: &String| other.tables.get(table).copied().unwrap_or_default();
        let views = self
            .views
            .iter()
            .all(|(view, allowed)| !allowed || other.views.get(view).copied().unwrap_or(false));
        self.tables.iter().all(|(table, rule)| rule.within(theirs(table)))
            && views
            && self.star.within(other.star)
    }
    /// How much it grants: the sum of levels and of what is shown.
    pub fn weight(&self) -> usize {
        let rule = |rule: &Rule| {
            usize::from(rule.view)
                + rule.levels.iter().map(|level| usize::from(*level)).sum::<usize>()
        };
        self.tables.values().map(rule).sum::<usize>()
            + self.views.values().filter(|allowed| **allowed).count()
    }
    pub fn tables_answer(&self) -> Map<String, Value> {
        self.tables.iter().map(|(table, rule)| (table.clone(), rule.answer())).collect()
    }
}

impl World {
    /// Whether somebody's mandate roles count: user, membership and mandate enabled and not
    /// deleted.
    pub fn is_alive(&self, mandate: Uuid, user: Uuid) -> bool {
        let mandate_lives = self.living_mandate(mandate).is_some_and(|row| row.enabled);
        mandate_lives
            && self.user(user).active()
            && self.member(mandate, user).is_some_and(|row| row.enabled)
    }
    /// Whether somebody's instance roles count: beside that, instance and admission enabled.
    pub fn is_admitted(&self, instance: Uuid, user: Uuid) -> bool {
        let Some(found) = self.find_instance(instance) else { return false };
        found.enabled
            && self.is_alive(found.mandate, user)
            && self.admission(instance, user).is_some_and(|row| row.enabled)
    }

    /// The mandate roles that count, by label.
    pub fn mandate_roles(&self, mandate: Uuid, user: Uuid) -> Vec<&Role> {
        let held = self
            .member(mandate, user)
            .filter(|_| self.is_alive(mandate, user))
            .map(|row| &row.roles);
        self.by_label(held.into_iter().flatten())
    }
    /// The instance roles that count, by label.
    pub fn instance_roles(&self, instance: Uuid, user: Uuid) -> Vec<&Role> {
        let held = self
            .admission(instance, user)
            .filter(|_| self.is_admitted(instance, user))
            .map(|row| &row.roles);
        self.by_label(held.into_iter().flatten())
    }
    pub fn by_label<'a>(&self, roles: impl Iterator<Item = &'a Uuid>) -> Vec<&Role> {
        let mut roles: Vec<&Role> = roles.map(|id| self.role(*id).unwrap()).collect();
        roles.sort_by_key(|role| super::key(&role.label));
        roles
    }

    pub fn catalogue_of(&self, instance: Uuid) -> Catalogue {
        self.feature(&self.instance(instance).feature).unwrap().catalogue()
    }
    pub fn in_mandate(&self, mandate: Uuid, user: Uuid) -> Merged {
        Merged::of(
            self.mandate_roles(mandate, user).into_iter().map(|role| &role.permissions),
            &Catalogue::of_mandates(),
        )
    }
    pub fn in_instance(&self, instance: Uuid, user: Uuid) -> Merged {
        let roles = self.instance_roles(instance, user);
        Merged::of(roles.into_iter().map(|role| &role.permissions), &self.catalogue_of(instance))
    }
    pub fn is_admin(&self, mandate: Uuid, user: Uuid) -> bool {
        self.mandate_roles(mandate, user).iter().any(|role| role.protected)
    }

    /// Who shares a group of the mandate with somebody.
    pub fn peers(&self, mandate: Uuid, user: Uuid) -> BTreeSet<Uuid> {
        let shared = self
            .groups
            .iter()
            .filter(|group| group.mandate == mandate && group.members.contains(&user));
        shared.flat_map(|group| group.members.iter().copied()).collect()
    }
    /// How near a row of one of these owners is to somebody.
    pub fn nearness(&self, mandate: Uuid, user: Uuid, owners: &BTreeSet<Uuid>) -> u8 {
        if owners.contains(&user) {
            return MINE;
        }
        if self.peers(mandate, user).intersection(owners).next().is_some() { NEAR } else { ALL }
    }
    pub fn nearness_of(&self, mandate: Uuid, user: Uuid, owner: Uuid) -> u8 {
        self.nearness(mandate, user, &[owner].into())
    }

    /// Whether all that one member was given in the mandate, enabled or not, is within what another
    /// has at this moment; or only what they were given in one instance.
    pub fn whole_within(&self, mandate: Uuid, target: Uuid, own: Uuid, only: Option<Uuid>) -> bool {
        let held = self.member(mandate, target).map(|row| row.roles.clone()).unwrap_or_default();
        let within = |roles: &BTreeSet<Uuid>, own: &Merged, catalogue: &Catalogue| {
            let given: Vec<&Permissions> =
                roles.iter().map(|role| &self.role(*role).unwrap().permissions).collect();
            // Together, since `*` of one role and a name of another are more than each; and each,
            // for what is stale.
            Merged::of(given.iter().copied(), catalogue).within(own)
                && given.iter().all(|role| role.within(own, catalogue))
        };
        let is_admin = held.iter().any(|role| self.role(*role).unwrap().protected);
        let in_mandate = || {
            let admin_within = !is_admin || self.is_admin(mandate, own);
            admin_within && within(&held, &self.in_mandate(mandate, own), &Catalogue::of_mandates())
        };
        let concerned =
            self.admissions.iter().filter(|row| (row.mandate, row.user) == (mandate, target));
        let mut concerned = concerned.filter(|row| only.is_none_or(|only| only == row.instance));
        (only.is_some() || in_mandate())
            && concerned.all(|row| {
                within(
                    &row.roles,
                    &self.in_instance(row.instance, own),
                    &self.catalogue_of(row.instance),
                )
            })
    }
}
