//! What one role allows, and when such a rule is well-formed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::level::{Level, Operation};
use super::tables::{Catalogue, INSTANCE_TABLES, MAX_TABLES, MAX_VIEWS, WILDCARD};
use crate::kernel::error::{FieldError, pointer_to};

/// A permission for one table: whether it is shown, and a level for each operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whether the table is shown at all; without it all four levels are `n`.
    pub view: bool,
    pub read: Level,
    pub create: Level,
    pub update: Level,
    pub delete: Level,
}

impl Rule {
    /// Everything, at the highest level.
    pub const ALL: Rule = Rule {
        view: true,
        read: Level::All,
        create: Level::All,
        update: Level::All,
        delete: Level::All,
    };

    /// A rule that shows its table, with a level for each operation.
    #[must_use]
    pub const fn of(read: Level, create: Level, update: Level, delete: Level) -> Self {
        Rule { view: true, read, create, update, delete }
    }

    /// The level of one operation.
    #[must_use]
    pub const fn level(&self, operation: Operation) -> Level {
        match operation {
            Operation::Read => self.read,
            Operation::Create => self.create,
            Operation::Update => self.update,
            Operation::Delete => self.delete,
        }
    }

    /// The same rule with every level passed through `change`.
    #[must_use]
    pub fn map(self, change: impl Fn(Operation, Level) -> Level) -> Self {
        Self {
            view: self.view,
            read: change(Operation::Read, self.read),
            create: change(Operation::Create, self.create),
            update: change(Operation::Update, self.update),
            delete: change(Operation::Delete, self.delete),
        }
    }

    /// The least rule that allows what either allows.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let joined = self.map(|operation, level| level.max(other.level(operation)));
        Self { view: self.view || other.view, ..joined }
    }

    /// Whether `other` allows all that this rule allows.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        (other.view || !self.view)
            && Operation::ALL.iter().all(|op| self.level(*op) <= other.level(*op))
    }

    /// `update` and `delete` never exceed `read`; without `view` all four are `n`.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let read_first = self.update <= self.read && self.delete <= self.read;
        let view_first = self.view || (self.read == Level::None && self.create == Level::None);
        read_first && view_first
    }
}

/// A rule for each named table.
pub type Rules = BTreeMap<String, Rule>;
/// For each named view, whether it is allowed.
pub type Views = BTreeMap<String, bool>;

/// What one role allows: tables (one of them may be `*`) and views.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// A rule for each named table; `*` stands for every table that is not named.
    #[serde(default)]
    pub tables: Rules,
    /// For each named view, whether it is allowed.
    #[serde(default)]
    pub views: Views,
}

/// Tables and views of which a role speaks and which are not there any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stale {
    #[schema(example = json!([]))]
    pub tables: Vec<String>,
    #[schema(example = json!([]))]
    pub views: Vec<String>,
}

impl Stale {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.views.is_empty()
    }
}

impl Permissions {
    /// The rule that the role has for a table: the named one, else that of `*`, lowered to levels
    /// that the table knows.
    #[must_use]
    pub fn rule_for(&self, table: &str, catalogue: &Catalogue) -> Rule {
        match self.tables.get(table) {
            Some(named) => *named,
            None => self
                .tables
                .get(WILDCARD)
                .map_or_else(Rule::default, |wildcard| catalogue.lowered(table, *wildcard)),
        }
    }

    /// What speaks of tables and views that the scope does not know any more: it permits nothing.
    #[must_use]
    pub fn stale(&self, catalogue: &Catalogue) -> Stale {
        Stale {
            tables: self
                .tables
                .keys()
                .filter(|table| *table != WILDCARD && !catalogue.has_table(table))
                .cloned()
                .collect(),
            views: self.views.keys().filter(|view| !catalogue.has_view(view)).cloned().collect(),
        }
    }

    /// The rest.
    #[must_use]
    pub fn known_to(&self, catalogue: &Catalogue) -> Self {
        let Stale { tables, views } = self.stale(catalogue);
        let mut known = self.clone();
        known.tables.retain(|table, _| !tables.contains(table));
        known.views.retain(|view, _| !views.contains(view));
        known
    }

    /// Everything that is wrong with the permissions in a scope; empty when they may be stored. Of
    /// more than any scope has, only that.
    #[must_use]
    pub fn problems(&self, catalogue: &Catalogue) -> Vec<FieldError> {
        for (pointer, count, most) in [
            ("/tables", self.tables.len(), MAX_TABLES + INSTANCE_TABLES.len() + 1),
            ("/views", self.views.len(), MAX_VIEWS),
        ] {
            if count > most {
                return vec![FieldError::new(
                    pointer,
                    "too_many",
                    format!("must have at most {most} entries"),
                )];
            }
        }
        let tables =
            self.tables.iter().flat_map(|(table, rule)| table_problems(table, *rule, catalogue));
        let views = self.views.keys().filter(|view| !catalogue.has_view(view)).map(|view| {
            FieldError::new(
                pointer_to("/views", view),
                "unknown_view",
                format!("is not a view of this scope; known are: {}", catalogue.view_names()),
            )
        });
        tables.chain(views).collect()
    }
}

fn table_problems(table: &str, rule: Rule, catalogue: &Catalogue) -> Vec<FieldError> {
    let at = pointer_to("/tables", table);
    if table != WILDCARD && !catalogue.has_table(table) {
        return vec![FieldError::new(
            at,
            "unknown_table",
            format!("is not a table of this scope; known are: {}", catalogue.table_names()),
        )];
    }
    let mut problems = Vec::new();
    if !rule.view && (rule.read > Level::None || rule.create > Level::None) {
        problems.push(FieldError::new(
            format!("{at}/view"),
            "not_well_formed",
            "must be true where a level is above `n`",
        ));
    }
    for operation in [Operation::Update, Operation::Delete] {
        if rule.level(operation) > rule.read {
            problems.push(FieldError::new(
                format!("{at}/{}", operation.name()),
                "not_well_formed",
                "must not exceed `read`",
            ));
        }
    }
    if table != WILDCARD {
        problems.extend(unknown_levels(&at, table, rule, catalogue));
    }
    problems
}

fn unknown_levels(at: &str, table: &str, rule: Rule, catalogue: &Catalogue) -> Vec<FieldError> {
    let unknown =
        Operation::ALL.into_iter().filter(|op| !catalogue.knows(table, *op, rule.level(*op)));
    unknown
        .map(|operation| {
            let letters: Vec<_> = catalogue
                .levels(table, operation)
                .iter()
                .map(|l| format!("`{}`", l.letter()))
                .collect();
            let detail = format!(
                "must be {}: the table does not know another level for this operation",
                letters.join(" or ")
            );
            FieldError::new(format!("{at}/{}", operation.name()), "unknown_level", detail)
        })
        .collect()
}
