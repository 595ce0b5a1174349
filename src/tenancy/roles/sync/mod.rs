//! Bringing an instance's roles in line with its feature's templates. Compared by template, not by
//! label; roles made by hand are never touched and roles that somebody holds never removed. What
//! would change is computed here, purely; `instances` applies it or, in a dry run, only answers it.

mod differences;
mod labels;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::copies::Template;
use super::{Role, Texts};
use crate::access::grant::Bound;
use crate::access::{Catalogue, Merged, Permissions};
use crate::kernel::ids::UserId;
use labels::Labels;

pub use differences::{PermissionChange, differences};

/// What a sync did, or would do.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SyncReport {
    /// Roles made from templates that had no copy.
    #[schema(example = 0)]
    pub added: usize,
    /// Copies removed, since their template is gone.
    #[schema(example = 0)]
    pub removed: usize,
    /// Copies left as they are; a changed one that `addOnly` spared counts here and is listed as
    /// `differs`.
    #[schema(example = 0)]
    pub unchanged: usize,
    /// Changed copies that were reset to their template.
    pub updated: usize,
    /// Copies whose template is gone but which somebody holds.
    #[schema(example = 0)]
    pub kept: usize,
    pub changes: Vec<RoleChange>,
}

impl SyncReport {
    /// Everybody who holds a role that is kept.
    pub fn holders(&self) -> Vec<UserId> {
        self.changes
            .iter()
            .flat_map(|change| &change.holders)
            .map(|holder| holder.user_id)
            .collect()
    }
    /// For an answer: of the holders only those.
    pub fn name_only(&mut self, nameable: &BTreeSet<UserId>) {
        for change in &mut self.changes {
            change.holders.retain(|holder| nameable.contains(&holder.user_id));
        }
    }
}

/// What happens to one role.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleChange {
    /// The role's label as it was.
    pub role: String,
    /// `added`, `updated`, `removed`, `kept`, `differs`, or `skipped: ` with the code of what is
    /// in the way.
    #[schema(example = "updated")]
    pub change: &'static str,
    /// Where the label changes, or would if no other role had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub label: Option<LabelChange>,
    /// Where the description changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<DescriptionChange>,
    pub permissions: Vec<PermissionChange>,
    /// For `kept`: who holds the role, as far as the caller may list them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    pub holders: Vec<Holder>,
}

impl RoleChange {
    fn of(role: &str, change: &'static str) -> Self {
        Self {
            role: role.to_owned(),
            change,
            label: None,
            description: None,
            permissions: Vec::new(),
            holders: Vec::new(),
        }
    }
}

/// A label before and after.
#[derive(Debug, Serialize, ToSchema, PartialEq)]
#[schema(example = json!({ "from": "clerk", "to": "accountant" }))]
pub struct LabelChange {
    pub from: String,
    pub to: String,
}

/// A description before and after, by language.
#[derive(Debug, Serialize, ToSchema, PartialEq)]
#[schema(example = json!({ "from": {}, "to": { "en": "Keeps the books" } }))]
pub struct DescriptionChange {
    #[schema(value_type = BTreeMap<String, String>)]
    pub from: Texts,
    #[schema(value_type = BTreeMap<String, String>)]
    pub to: Texts,
}

/// Somebody who holds a role.
#[derive(Debug, Clone, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    pub user_id: UserId,
    pub username: String,
}

/// A role of the instance, with who holds it.
#[derive(Debug, Clone)]
pub struct Present {
    pub role: Role,
    pub permissions: Permissions,
    pub holders: Vec<Holder>,
}

/// A copy that is to be as its template is.
#[derive(Debug)]
pub struct Reset {
    pub copy: Present,
    /// As far as the feature knows its tables and views.
    pub to: Permissions,
    /// Where they change.
    pub label: Option<String>,
    pub description: Option<Texts>,
}

impl Reset {
    /// Whether it would permit what it does not permit now.
    pub fn gives_more(&self, catalogue: &Catalogue) -> bool {
        !Bound::of([&self.to], catalogue).within(&Merged::of([&self.copy.permissions], catalogue))
    }
}

/// What is to be done, beside the report of it.
#[derive(Debug, Default)]
pub struct Plan {
    pub report: SyncReport,
    pub add: Vec<Template>,
    pub reset: Vec<Reset>,
    pub remove: Vec<Present>,
    /// Whether a role that the caller holds would permit more than before.
    pub raises_caller: bool,
}

impl Plan {
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.add.is_empty() && self.reset.is_empty() && self.remove.is_empty()
    }
}

/// Compares an instance's roles with the templates. What is planned comes to rest: once it is done,
/// nothing is left to do.
#[must_use]
pub fn plan(
    templates: &[Template],
    present: &[Present],
    catalogue: &Catalogue,
    add_only: bool,
    caller: UserId,
) -> Plan {
    let labels = Labels::of(templates, present, add_only);
    let mut plan = Plan::default();
    for template in templates {
        let template = Template {
            role: template.role.clone(),
            permissions: template.permissions.known_to(catalogue),
        };
        match copy_of(&template, present) {
            None => plan.missing(&template, &labels),
            Some(copy) if add_only => plan.compared(&template, copy, catalogue),
            Some(copy) => plan.copied(&template, copy, &labels, catalogue, caller),
        }
    }
    for orphan in present.iter().filter(|role| is_orphan(role, templates)) {
        plan.orphaned(orphan, add_only);
    }
    plan
}

fn copy_of<'a>(template: &Template, present: &'a [Present]) -> Option<&'a Present> {
    present.iter().find(|role| role.role.template_role_id == Some(template.role.id))
}

/// Whether the template that a role was copied from is gone.
fn is_orphan(role: &Present, templates: &[Template]) -> bool {
    role.role
        .template_role_id
        .is_some_and(|id| !templates.iter().any(|template| template.role.id == id))
}

impl Plan {
    fn missing(&mut self, template: &Template, labels: &Labels) {
        let label = &template.role.label;
        if labels.withholds(template) {
            self.report.changes.push(RoleChange::of(label, "skipped: label_taken"));
            return;
        }
        let permissions = differences(&Permissions::default(), &template.permissions);
        self.report.changes.push(RoleChange { permissions, ..RoleChange::of(label, "added") });
        self.report.added += 1;
        self.add.push(template.clone());
    }

    /// Where nothing is to be changed.
    fn compared(&mut self, template: &Template, copy: &Present, catalogue: &Catalogue) {
        self.report.unchanged += 1;
        let change = change_of("differs", copy, template, catalogue);
        if change.label.is_some() || change.description.is_some() || !change.permissions.is_empty()
        {
            self.report.changes.push(change);
        }
    }

    fn copied(
        &mut self,
        template: &Template,
        copy: &Present,
        labels: &Labels,
        catalogue: &Catalogue,
        caller: UserId,
    ) {
        let mut change = change_of("updated", copy, template, catalogue);
        let withheld = labels.withholds(template);
        let wanted = if withheld { change.label.take() } else { None };
        if change.label.is_none() && change.description.is_none() && change.permissions.is_empty() {
            self.report.unchanged += 1;
            if wanted.is_some() {
                self.report.changes.push(RoleChange {
                    label: wanted,
                    ..RoleChange::of(&copy.role.label, "skipped: label_taken")
                });
            }
            return;
        }
        self.report.updated += 1;
        let held_by_caller = copy.holders.iter().any(|holder| holder.user_id == caller);
        let (before, after) = (
            Merged::of([&copy.permissions], catalogue),
            Merged::of([&template.permissions], catalogue),
        );
        self.raises_caller |= held_by_caller && !after.within(&before);
        self.reset.push(Reset {
            copy: copy.clone(),
            to: template.permissions.clone(),
            label: change.label.as_ref().map(|label| label.to.clone()),
            description: change.description.as_ref().map(|description| description.to.clone()),
        });
        self.report.changes.push(change);
    }

    fn orphaned(&mut self, orphan: &Present, add_only: bool) {
        let label = &orphan.role.label;
        if add_only {
            self.report.unchanged += 1;
        } else if orphan.holders.is_empty() {
            self.report.removed += 1;
            let permissions = differences(&orphan.permissions, &Permissions::default());
            self.report
                .changes
                .push(RoleChange { permissions, ..RoleChange::of(label, "removed") });
            self.remove.push(orphan.clone());
        } else {
            self.report.kept += 1;
            self.report.changes.push(RoleChange {
                holders: orphan.holders.clone(),
                ..RoleChange::of(label, "kept")
            });
        }
    }
}

/// All in which a copy is not as its template.
fn change_of(
    change: &'static str,
    copy: &Present,
    template: &Template,
    catalogue: &Catalogue,
) -> RoleChange {
    let (is, to) = (&copy.role, &template.role);
    let label = || LabelChange { from: is.label.clone(), to: to.label.clone() };
    let description =
        || DescriptionChange { from: is.description.clone(), to: to.description.clone() };
    let mut permissions = differences(&copy.permissions, &template.permissions);
    // Not allowed is as good as not named, but for a view that is not there.
    let gone = copy
        .permissions
        .views
        .iter()
        .filter(|(view, allowed)| !**allowed && !catalogue.has_view(view));
    permissions
        .extend(gone.map(|(view, _)| PermissionChange::of_view(view, json!(false), Value::Null)));
    RoleChange {
        label: (is.label != to.label).then(label),
        description: (is.description != to.description).then(description),
        permissions,
        ..RoleChange::of(&is.label, change)
    }
}
