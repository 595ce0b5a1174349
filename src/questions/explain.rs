//! Why, and what it would take: in words that an admin of a mandate understands. Nobody is told about rules that they may not
//! read; their own roles everybody is told.

use serde::Serialize;
use utoipa::ToSchema;

use super::Question;
use crate::access::decision::{Verdict, reaches};
use crate::access::tables::least_level;
use crate::access::{Catalogue, HeldRole, Level, Merged, Operation};
use crate::context::asking::Scope;
use crate::ids::RoleId;
use crate::roles::Readable;

/// Why somebody may do something, or not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    #[schema(example = false)]
    pub allowed: bool,
    pub level: Level,
    /// What the level comes from, the highest first.
    pub because: Vec<Because>,
    /// What is in the way; empty where it is allowed.
    pub blocked_by: Vec<Obstacle>,
    /// What it would take; null where it is allowed.
    pub would_need: Option<Need>,
}

/// A role that gives a level.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Because {
    /// Its label; null where the caller may not read the role.
    #[schema(example = "playbooks-viewer")]
    pub role: Option<String>,
    pub role_id: Option<RoleId>,
    #[schema(example = "playbooks.read")]
    pub permission: String,
    pub level: Level,
    /// Whether the role names the table, or its `*` reaches it.
    pub from: Source,
}

/// Where in a role a permission stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Named,
    Wildcard,
}

/// Something that is in the way.
#[derive(Debug, Serialize, ToSchema)]
pub struct Obstacle {
    pub reason: Reason,
    /// The same for people.
    #[schema(example = "The level `m` reaches own rows only, and the row is somebody else's.")]
    pub detail: String,
}

/// What can be in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The membership (or, in an instance, the admission) is missing or disabled, or something above it is.
    NotAdmitted,
    /// None of the roles held permits the operation.
    NoPermission,
    /// The level does not reach the row.
    LevelTooLow,
}

/// What would be enough.
#[derive(Debug, Serialize, ToSchema)]
pub struct Need {
    #[schema(example = "playbooks")]
    pub table: String,
    pub operation: Operation,
    /// The least level that would do.
    pub level: Level,
    /// The role that would give it and permits the least besides, of those that the caller may read; null where there is none.
    pub role: Option<NeededRole>,
    /// The same for people.
    pub detail: String,
}

/// A role that would be enough.
#[derive(Debug, Serialize, ToSchema)]
pub struct NeededRole {
    pub id: RoleId,
    #[schema(example = "playbooks-editor")]
    pub label: String,
}

pub(super) fn explain(scope: &Scope, question: &Question, verdict: Verdict, readable: &Readable) -> Explanation {
    Explanation {
        allowed: verdict.allowed,
        level: verdict.level,
        because: because(scope, question, readable),
        blocked_by: if verdict.allowed { Vec::new() } else { vec![obstacle(scope, question, verdict)] },
        would_need: (!verdict.allowed).then(|| need(scope, question, verdict, readable)),
    }
}

fn because(scope: &Scope, question: &Question, readable: &Readable) -> Vec<Because> {
    let (table, operation) = question.asked();
    let giving = scope.roles().iter().map(|role| (role, role.permissions.rule_for(table, &scope.catalogue).level(operation)));
    let mut giving: Vec<(&HeldRole, Level)> = giving.filter(|(_, level)| reaches(*level, None)).collect();
    giving.sort_by(|(a, higher), (b, lower)| lower.cmp(higher).then_with(|| a.label.cmp(&b.label)));
    let told = |role: &HeldRole, level| Because {
        role: readable.tells(role).then(|| role.label.clone()),
        role_id: readable.tells(role).then_some(role.id),
        permission: format!("{table}.{}", operation.name()),
        level,
        from: if role.permissions.tables.contains_key(table) { Source::Named } else { Source::Wildcard },
    };
    giving.into_iter().map(|(role, level)| told(role, level)).collect()
}

fn obstacle(scope: &Scope, question: &Question, verdict: Verdict) -> Obstacle {
    let (table, operation) = (&question.table, question.operation.name());
    let (reason, detail) = match verdict.level {
        _ if !scope.is_alive() && scope.instance.is_some() => (
            Reason::NotAdmitted,
            "The user is not admitted to the feature instance, or the admission, the instance or the membership is disabled.".to_owned(),
        ),
        _ if !scope.is_alive() => (Reason::NotAdmitted, "The user's membership or account is disabled.".to_owned()),
        Level::None => (Reason::NoPermission, format!("No role that the user holds here permits `{operation}` on `{table}`.")),
        Level::My => (Reason::LevelTooLow, "The level `m` reaches own rows only, and the row is somebody else's.".to_owned()),
        _ => (
            Reason::LevelTooLow,
            "The level `g` reaches rows of those who share a group with the user, and the row's owner does not.".to_owned(),
        ),
    };
    Obstacle { reason, detail }
}

fn need(scope: &Scope, question: &Question, verdict: Verdict, readable: &Readable) -> Need {
    let (table, operation) = question.asked();
    let possible = scope.catalogue.levels(table, operation).iter().any(|level| *level >= verdict.needed);
    let role = cheapest(&readable.roles, question, verdict.needed, &scope.catalogue);
    let letter = verdict.needed.letter();
    let detail = match &role {
        _ if !possible => format!("Nobody can `{}` rows of `{table}`.", operation.name()),
        Some(role) => format!("A role with `{}` on `{table}` at level `{letter}` or higher, such as `{}`.", operation.name(), role.label),
        None => format!("A role with `{}` on `{table}` at level `{letter}` or higher.", operation.name()),
    };
    Need { table: table.to_owned(), operation, level: verdict.needed.max(least_level(table, operation)), role, detail }
}

/// Of the roles that would do, the one that permits the least; of equals the first by label.
fn cheapest(roles: &[HeldRole], question: &Question, needed: Level, catalogue: &Catalogue) -> Option<NeededRole> {
    let (table, operation) = question.asked();
    let enough = |role: &&HeldRole| reaches(role.permissions.rule_for(table, catalogue).level(operation), Some(needed));
    let weight = |role: &&HeldRole| (role.protected, Merged::of([&role.permissions], catalogue).weight(), role.label.clone());
    let found = roles.iter().filter(enough).min_by_key(weight)?;
    Some(NeededRole { id: found.id, label: found.label.clone() })
}
