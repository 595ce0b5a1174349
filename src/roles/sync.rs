//! Bringing an instance's roles in line with its feature's templates. Compared by template, not by label; roles made by hand
//! are never touched and roles that somebody holds never removed. What would change is computed here, purely; `instances`
//! applies it or, in a dry run, only answers it.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Object, OneOfBuilder, Schema, Type};

use super::Role;
use super::copies::Template;
use crate::access::{Catalogue, Level, Merged, Operation, Permissions, Rule};
use crate::ids::{RoleId, UserId};
use crate::names;

/// What a sync did, or would do.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SyncReport {
    /// Roles made from templates that had no copy.
    #[schema(example = 0)]
    pub added: usize,
    /// Copies removed, since their template is gone.
    #[schema(example = 0)]
    pub removed: usize,
    /// Copies left as they are; a changed one that `addOnly` spared counts here and is listed as `differs`.
    #[schema(example = 0)]
    pub unchanged: usize,
    /// Changed copies that were reset to their template.
    pub updated: usize,
    /// Copies whose template is gone but which somebody holds.
    #[schema(example = 0)]
    pub kept: usize,
    pub changes: Vec<RoleChange>,
}

/// What happens to one role.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleChange {
    /// The role's label.
    pub role: String,
    /// `added`, `updated`, `removed`, `kept`, `differs`, or `skipped: label_taken`.
    #[schema(example = "updated")]
    pub change: &'static str,
    pub permissions: Vec<PermissionChange>,
    /// For `kept`: who holds the role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    pub holders: Vec<Holder>,
}

/// Somebody who holds a role.
#[derive(Debug, Clone, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    pub user_id: UserId,
    pub username: String,
}

/// One difference: a level, whether a table is shown, or (with `table` null) whether a view is allowed.
#[derive(Debug, Serialize, ToSchema, PartialEq)]
#[schema(example = json!({ "table": "contracts", "operation": "read", "from": "n", "to": "m" }))]
pub struct PermissionChange {
    pub table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub view: Option<String>,
    /// `read`, `create`, `update`, `delete`, `view`; `allowed` for a view.
    pub operation: &'static str,
    #[schema(schema_with = level_before)]
    pub from: Value,
    #[schema(schema_with = level_after)]
    pub to: Value,
}

fn level_before() -> Schema {
    level_or_flag(Level::None)
}

fn level_after() -> Schema {
    level_or_flag(Level::My)
}

/// Operations have a level; `view` and `allowed` are so or not, `view` null where there is no rule.
fn level_or_flag(example: Level) -> Schema {
    let level = Ref::from_schema_name("Level");
    OneOfBuilder::new()
        .item(level)
        .item(Object::with_type(Type::Boolean))
        .item(Object::with_type(Type::Null))
        .examples([json!(example)])
        .build()
        .into()
}

/// A role of the instance, with who holds it.
#[derive(Debug, Clone)]
pub struct Present {
    pub role: Role,
    pub permissions: Permissions,
    pub holders: Vec<Holder>,
}

/// What is to be done, beside the report of it.
#[derive(Debug, Default)]
pub struct Plan {
    pub report: SyncReport,
    pub add: Vec<Template>,
    /// The copy to reset, and the template that it is reset to; the label only where no other role has it.
    pub reset: Vec<(Role, Template, bool)>,
    pub remove: Vec<Role>,
    /// Whether a role that the caller holds would permit more than before.
    pub raises_caller: bool,
}

/// Compares an instance's roles with the templates.
#[must_use]
pub fn plan(templates: &[Template], present: &[Present], catalogue: &Catalogue, add_only: bool, caller: UserId) -> Plan {
    let mut plan = Plan::default();
    for template in templates {
        match present.iter().find(|p| p.role.template_role_id == Some(template.role.id)) {
            None => plan.missing(template, present),
            Some(copy) => plan.copied(template, copy, present, catalogue, add_only, caller),
        }
    }
    let known: Vec<RoleId> = templates.iter().map(|template| template.role.id).collect();
    for orphan in present.iter().filter(|p| p.role.template_role_id.is_some_and(|id| !known.contains(&id))) {
        plan.orphaned(orphan, add_only);
    }
    plan
}

impl Plan {
    fn missing(&mut self, template: &Template, present: &[Present]) {
        let key = names::key(&template.role.label);
        let taken = present.iter().any(|p| names::key(&p.role.label) == key);
        let permissions = if taken { Vec::new() } else { differences(&Permissions::default(), &template.permissions) };
        let change = if taken { "skipped: label_taken" } else { "added" };
        self.report.changes.push(RoleChange { role: template.role.label.clone(), change, permissions, holders: Vec::new() });
        if !taken {
            self.report.added += 1;
            self.add.push(template.clone());
        }
    }

    fn copied(&mut self, template: &Template, copy: &Present, present: &[Present], catalogue: &Catalogue, add_only: bool, caller: UserId) {
        let same_text = copy.role.label == template.role.label && copy.role.description == template.role.description;
        let permissions = differences(&copy.permissions, &template.permissions);
        if same_text && permissions.is_empty() {
            self.report.unchanged += 1;
            return;
        }
        let change = if add_only { "differs" } else { "updated" };
        self.report.changes.push(RoleChange { role: copy.role.label.clone(), change, permissions, holders: Vec::new() });
        if add_only {
            self.report.unchanged += 1;
            return;
        }
        self.report.updated += 1;
        let held_by_caller = copy.holders.iter().any(|holder| holder.user_id == caller);
        let (before, after) = (Merged::of([&copy.permissions], catalogue), Merged::of([&template.permissions], catalogue));
        self.raises_caller |= held_by_caller && !after.within(&before);
        let key = names::key(&template.role.label);
        let free = !present.iter().any(|p| p.role.id != copy.role.id && names::key(&p.role.label) == key);
        self.reset.push((copy.role.clone(), template.clone(), free));
    }

    fn orphaned(&mut self, orphan: &Present, add_only: bool) {
        let listed = |change, holders| RoleChange { role: orphan.role.label.clone(), change, permissions: Vec::new(), holders };
        if add_only {
            self.report.unchanged += 1;
        } else if orphan.holders.is_empty() {
            self.report.removed += 1;
            let permissions = differences(&orphan.permissions, &Permissions::default());
            self.report.changes.push(RoleChange { permissions, ..listed("removed", Vec::new()) });
            self.remove.push(orphan.role.clone());
        } else {
            self.report.kept += 1;
            self.report.changes.push(listed("kept", orphan.holders.clone()));
        }
    }
}

/// The exact difference, permission by permission.
#[must_use]
pub fn differences(from: &Permissions, to: &Permissions) -> Vec<PermissionChange> {
    let mut changes = Vec::new();
    let tables: std::collections::BTreeSet<_> = from.tables.keys().chain(to.tables.keys()).collect();
    for table in tables {
        let (a, b) = (from.tables.get(table).copied(), to.tables.get(table).copied());
        changes.extend(rule_differences(table, a, b));
    }
    let views: std::collections::BTreeSet<_> = from.views.keys().chain(to.views.keys()).collect();
    for view in views {
        let (a, b) = (from.views.get(view).copied().unwrap_or(false), to.views.get(view).copied().unwrap_or(false));
        if a != b {
            changes.push(PermissionChange { table: None, view: Some(view.clone()), operation: "allowed", from: json!(a), to: json!(b) });
        }
    }
    changes
}

fn rule_differences(table: &str, from: Option<Rule>, to: Option<Rule>) -> Vec<PermissionChange> {
    let (a, b) = (from.unwrap_or_default(), to.unwrap_or_default());
    let change = |operation, from: Value, to: Value| PermissionChange { table: Some(table.to_owned()), view: None, operation, from, to };
    let mut changes = Vec::new();
    // A named rule that permits nothing is not the same as none: it withholds what `*` would give.
    if a.view != b.view || (a == b && from.is_some() != to.is_some()) {
        changes.push(change("view", from.map_or(Value::Null, |_| json!(a.view)), to.map_or(Value::Null, |_| json!(b.view))));
    }
    for operation in Operation::ALL {
        let (before, after) = (a.level(operation), b.level(operation));
        if before != after {
            changes.push(change(operation.name(), json!(before), json!(after)));
        }
    }
    changes
}
