//! What is to be done, so that the roles are as the templates are.

use serde_json::{Value, json};

use super::differences::{PermissionChange, differences};
use super::labels::Labels;
use super::present::{self, Present};
use super::report::{DescriptionChange, LabelChange, RoleChange, SyncReport};
use crate::access::grant::Bound;
use crate::access::{Catalogue, Merged, Permissions};
use crate::kernel::ids::UserId;
use crate::kernel::translations::Texts;
use crate::tenancy::roles::role::Template;

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
        match present::copy_of(&template, present) {
            None => plan.missing(&template, &labels),
            Some(copy) if add_only => plan.compared(&template, copy, catalogue),
            Some(copy) => plan.copied(&template, copy, &labels, catalogue, caller),
        }
    }
    for orphan in present.iter().filter(|role| present::is_orphan(role, templates)) {
        plan.orphaned(orphan, add_only);
    }
    plan
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
