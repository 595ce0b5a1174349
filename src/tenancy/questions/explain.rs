//! Why, and what it would take: in words that an admin of a mandate understands. Nobody is told
//! about rules that they may not read; their own roles everybody is told.

use serde::Serialize;
use utoipa::ToSchema;

use super::Question;
use super::advice::{Need, Refused};
use crate::access::decision::{Target, Verdict, reaches};
use crate::access::{HeldRole, Level};
use crate::context::asking::AskedScope;
use crate::context::standing::{Closed, Standing};
use crate::kernel::ids::RoleId;
use crate::tenancy::groups::{Reaching, ReachingGroup};
use crate::tenancy::roles::Readable;

/// Why somebody may do something, or not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "allowed": false, "level": "n", "because": [],
    "blockedBy": [{ "reason": "no_permission",
        "detail": "No role that the user holds here permits `update` on `members`." }],
    "wouldNeed": { "table": "members", "operation": "update", "view": null, "level": "m",
        "role": null, "ways": [{ "steps": [{ "action": "give_role", "role": null,
            "detail": "Give a role with `update` on `members` at level `m` or higher." }] }],
        "detail": "Give a role with `update` on `members` at level `m` or higher." },
    "groups": null, "groupCount": null, "groupsDetail": null,
}))]
pub struct Explanation {
    pub allowed: bool,
    pub level: Level,
    /// What the level comes from, the highest first.
    pub because: Vec<Because>,
    /// What is in the way; empty where it is allowed.
    pub blocked_by: Vec<Obstacle>,
    /// What it would take; null where it is allowed.
    pub would_need: Option<Need>,
    /// Where the level is `g`: the groups through which it reaches the row's owner, or anybody
    /// where none is named. At most 20, by name; null where no group is needed. Empty: they share
    /// none.
    pub groups: Option<Vec<ReachingGroup>>,
    /// How many groups there are.
    pub group_count: Option<i64>,
    /// The same for people.
    #[schema(example = json!(null))]
    pub groups_detail: Option<String>,
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
    /// The membership (or, in an instance, the admission) is missing or disabled, or something
    /// above it is.
    NotAdmitted,
    /// None of the roles held permits the operation.
    NoPermission,
    /// The level does not reach the row.
    LevelTooLow,
}

/// A question with its answer, and what is known of it.
pub(super) struct Answered<'a> {
    pub question: &'a Question,
    pub scope: &'a AskedScope,
    pub verdict: Verdict,
    pub readable: &'a Readable,
    /// Where groups decide: which they are.
    pub groups: Option<Reaching>,
    /// Where it was refused: how the subject stands.
    pub refused: Option<Refused<'a>>,
}

impl Answered<'_> {
    pub fn explanation(self) -> Explanation {
        let Self { question, scope, verdict, readable, groups, refused } = self;
        Explanation {
            allowed: verdict.allowed,
            level: verdict.level,
            because: because(scope, question, readable),
            blocked_by: refused
                .iter()
                .map(|refused| obstacle(question, verdict, &refused.standing))
                .collect(),
            would_need: refused.map(|refused| refused.need()),
            group_count: groups.as_ref().map(|reaching| reaching.count),
            groups_detail: groups.as_ref().map(Reaching::told),
            groups: groups.map(|reaching| reaching.groups),
        }
    }
}

fn because(scope: &AskedScope, question: &Question, readable: &Readable) -> Vec<Because> {
    let target = question.target();
    let giving = scope
        .roles()
        .iter()
        .map(|role| (role, target.level_of(&role.permissions, &scope.catalogue)));
    let mut giving: Vec<(&HeldRole, Level)> =
        giving.filter(|(_, level)| reaches(*level, None)).collect();
    giving.sort_by(|(a, higher), (b, lower)| lower.cmp(higher).then_with(|| a.label.cmp(&b.label)));
    let told = |role: &HeldRole, level| Because {
        role: readable.tells(role).then(|| role.label.clone()),
        role_id: readable.tells(role).then_some(role.id),
        permission: permission(target),
        level,
        from: if is_named(target, role) { Source::Named } else { Source::Wildcard },
    };
    giving.into_iter().map(|(role, level)| told(role, level)).collect()
}

fn permission(target: Target<'_>) -> String {
    match target {
        Target::Rows(table, operation) => format!("{table}.{}", operation.name()),
        Target::View(view) => format!("views.{view}"),
    }
}

/// No wildcard reaches a view.
fn is_named(target: Target<'_>, role: &HeldRole) -> bool {
    match target {
        Target::Rows(table, _) => role.permissions.tables.contains_key(table),
        Target::View(_) => true,
    }
}

fn obstacle(question: &Question, verdict: Verdict, standing: &Standing) -> Obstacle {
    let (reason, detail) = match (verdict.level, question.target()) {
        _ if !standing.closed.is_empty() => (Reason::NotAdmitted, closed(&standing.closed)),
        (Level::None, Target::View(view)) => (
            Reason::NoPermission,
            format!("No role that the user holds here shows the view `{view}`."),
        ),
        (Level::None, Target::Rows(table, operation)) => (
            Reason::NoPermission,
            format!(
                "No role that the user holds here permits `{}` on `{table}`.",
                operation.name()
            ),
        ),
        (Level::My, _) => (
            Reason::LevelTooLow,
            "The level `m` reaches own rows only, and the row is somebody else's.".to_owned(),
        ),
        _ => (
            Reason::LevelTooLow,
            "The level `g` reaches rows of those who share a group with the user, and the row's \
                owner shares none."
                .to_owned(),
        ),
    };
    Obstacle { reason, detail }
}

fn closed(closed: &[Closed]) -> String {
    let told = closed.iter().map(|closed| match closed {
        Closed::Account => "The account is disabled.",
        Closed::Mandate => "The mandate is disabled.",
        Closed::NoMember => "The user is not a member of the mandate.",
        Closed::Membership => "The membership is disabled.",
        Closed::Instance => "The feature instance is disabled.",
        Closed::NotAdmitted => "The user is not admitted to the feature instance.",
        Closed::Admission => "The admission to the feature instance is disabled.",
    });
    told.collect::<Vec<_>>().join(" ")
}
