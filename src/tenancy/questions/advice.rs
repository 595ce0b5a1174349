//! What it would take: steps that, done in their order, have the question answered with yes.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::Question;
use crate::access::decision::{Target, Verdict, reaches};
use crate::access::{HeldRole, Level, Merged, Operation};
use crate::context::asking::AskedScope;
use crate::context::standing::{Closed, Standing};
use crate::kernel::ids::RoleId;

/// What would be enough.
#[derive(Debug, Serialize, ToSchema)]
pub struct Need {
    /// Where a view was asked about: its name.
    #[schema(example = "playbooks")]
    pub table: String,
    /// Where a view was asked about: `read`.
    pub operation: Operation,
    /// The view that was asked about.
    #[schema(example = json!(null))]
    pub view: Option<String>,
    /// The least level that would do.
    pub level: Level,
    /// The role that would give it and permits the least besides, of those that the caller may
    /// read; null where there is none, and where the roles that are held would do.
    pub role: Option<NeededRole>,
    /// Each of them would do. None where nobody can.
    pub ways: Vec<Way>,
    /// The same for people.
    #[schema(example = "Enable the membership.")]
    pub detail: String,
}

/// A role that would be enough.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NeededRole {
    pub id: RoleId,
    #[schema(example = "playbooks-editor")]
    pub label: String,
}

/// Something that would be enough.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Way {
    /// All of them, in this order.
    pub steps: Vec<Step>,
}

/// Something to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Step {
    pub action: Action,
    /// The role to give; null in other steps, and where the caller may read none that would do.
    pub role: Option<NeededRole>,
    /// The same for people.
    #[schema(example = "Enable the membership.")]
    pub detail: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// By a SysAdmin.
    EnableAccount,
    /// By a SysAdmin.
    EnableMandate,
    AddMember,
    EnableMembership,
    EnableInstance,
    /// To the instance, with the role of the next step.
    Admit,
    EnableAdmission,
    GiveRole,
    /// Put the user and the row's owner into one group.
    ShareGroup,
}

impl Step {
    fn new(action: Action, detail: impl Into<String>) -> Self {
        Self { action, role: None, detail: detail.into() }
    }
}

impl From<Closed> for Step {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Account => {
                Self::new(Action::EnableAccount, "Enable the account, which a SysAdmin does.")
            }
            Closed::Mandate => {
                Self::new(Action::EnableMandate, "Enable the mandate, which a SysAdmin does.")
            }
            Closed::NoMember => Self::new(Action::AddMember, "Add the user to the mandate."),
            Closed::Membership => Self::new(Action::EnableMembership, "Enable the membership."),
            Closed::Instance => Self::new(Action::EnableInstance, "Enable the feature instance."),
            Closed::NotAdmitted => {
                Self::new(Action::Admit, "Admit the user to the feature instance.")
            }
            Closed::Admission => {
                Self::new(Action::EnableAdmission, "Enable the admission to the feature instance.")
            }
        }
    }
}

/// A question that was refused, and what is known of it.
pub(super) struct Refused<'a> {
    pub question: &'a Question,
    pub scope: &'a AskedScope,
    pub verdict: Verdict,
    pub standing: Standing,
    /// Roles that the caller may be told of; only looked at where [`Self::takes_more`].
    pub readable: Arc<Vec<HeldRole>>,
    /// Whether the row's owner is a member whom the caller may know of; only looked at where
    /// [`Self::is_a_matter_of_groups`].
    pub owner_is_known: bool,
}

impl Refused<'_> {
    pub fn need(&self) -> Need {
        let target = self.question.target();
        let (table, operation, view) = match target {
            Target::Rows(table, operation) => (table, operation, None),
            Target::View(view) => (view, Operation::Read, Some(view.to_owned())),
        };
        let possible = self.is_possible();
        let ways = if possible { self.ways() } else { Vec::new() };
        let role = ways.iter().flat_map(|way| &way.steps).find_map(|step| step.role.clone());
        let detail = if possible {
            told(&ways)
        } else {
            format!("Nobody can `{}` rows of `{table}`.", operation.name())
        };
        let level = self.verdict.needed;
        Need { table: table.to_owned(), operation, view, level, role, ways, detail }
    }

    /// Whether anybody can.
    fn is_possible(&self) -> bool {
        self.question.target().can_be(self.verdict.needed, &self.scope.catalogue)
    }

    /// Whether it would take more than is held.
    pub fn takes_more(&self) -> bool {
        self.is_possible() && !reaches(self.held(), Some(self.verdict.needed))
    }

    /// Whether it would do to be near the row's owner.
    pub fn is_a_matter_of_groups(&self) -> bool {
        self.takes_more() && self.held().is_group() && self.question.target().has_owners()
    }

    fn ways(&self) -> Vec<Way> {
        let opened = || self.standing.closed.iter().copied().map(Step::from);
        let and = |step: Step| Way { steps: opened().chain([step]).collect() };
        if !self.takes_more() {
            return vec![Way { steps: opened().collect() }];
        }
        let share = || {
            and(Step::new(Action::ShareGroup, "Put the user and the row's owner into one group."))
        };
        let near_would_do = self.is_a_matter_of_groups() && self.owner_is_known;
        std::iter::once(and(self.give_a_role())).chain(near_would_do.then(share)).collect()
    }

    /// The level that is held, once everything is open.
    fn held(&self) -> Level {
        let held = self.standing.held.iter().map(|role| &role.permissions);
        self.question.target().level(&Merged::of(held, &self.scope.catalogue))
    }

    fn give_a_role(&self) -> Step {
        let role = self.cheapest();
        let such_as =
            role.as_ref().map_or(String::new(), |role| format!(", such as `{}`", role.label));
        let that = match self.question.target() {
            Target::Rows(table, operation) => {
                format!(
                    "with `{}` on `{table}` at level `{}` or higher",
                    operation.name(),
                    self.verdict.needed.letter()
                )
            }
            Target::View(view) => format!("that shows the view `{view}`"),
        };
        Step { role, ..Step::new(Action::GiveRole, format!("Give a role {that}{such_as}.")) }
    }

    /// Of the roles that would do, the one that permits the least; of equals the first by label.
    /// None of them is held, since it would do.
    fn cheapest(&self) -> Option<NeededRole> {
        let (target, catalogue) = (self.question.target(), &self.scope.catalogue);
        let enough = |role: &&HeldRole| {
            reaches(target.level_of(&role.permissions, catalogue), Some(self.verdict.needed))
        };
        let weight = |role: &&HeldRole| {
            (
                role.protected,
                Merged::of([&role.permissions], catalogue).weight(),
                role.label.clone(),
            )
        };
        let found = self.readable.iter().filter(enough).min_by_key(weight)?;
        Some(NeededRole { id: found.id, label: found.label.clone() })
    }
}

/// The first way in full; of others what they end with.
fn told(ways: &[Way]) -> String {
    let Some((first, others)) = ways.split_first() else { return String::new() };
    let sentences =
        first.steps.iter().map(|step| step.detail.as_str()).collect::<Vec<_>>().join(" ");
    let others = others
        .iter()
        .filter_map(|way| way.steps.last())
        .map(|step| format!(" Or: {}", step.detail));
    std::iter::once(sentences).chain(others).collect()
}
