//! In what one role's permissions differ from another's.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Object, OneOfBuilder, Schema, Type};

use crate::access::{Level, Operation, Permissions, Rule};

/// One difference: a level, whether a table is shown, or (with `table` null) whether a view is
/// allowed.
#[derive(Debug, Serialize, ToSchema, PartialEq)]
#[schema(example = json!({ "table": "contracts", "operation": "read", "from": "n", "to": "m" }))]
pub struct PermissionChange {
    #[schema(example = "contracts")]
    pub table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "dashboard")]
    pub view: Option<String>,
    /// `read`, `create`, `update`, `delete`, `view`; `allowed` for a view.
    #[schema(example = "read")]
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

impl PermissionChange {
    pub(super) fn of_view(view: &str, from: Value, to: Value) -> Self {
        Self { table: None, view: Some(view.to_owned()), operation: "allowed", from, to }
    }
}

/// The exact difference, permission by permission.
#[must_use]
pub fn differences(from: &Permissions, to: &Permissions) -> Vec<PermissionChange> {
    let mut changes = Vec::new();
    let tables: BTreeSet<_> = from.tables.keys().chain(to.tables.keys()).collect();
    for table in tables {
        let (a, b) = (from.tables.get(table).copied(), to.tables.get(table).copied());
        changes.extend(rule_differences(table, a, b));
    }
    let views: BTreeSet<_> = from.views.keys().chain(to.views.keys()).collect();
    for view in views {
        let (a, b) = (
            from.views.get(view).copied().unwrap_or(false),
            to.views.get(view).copied().unwrap_or(false),
        );
        if a != b {
            changes.push(PermissionChange::of_view(view, json!(a), json!(b)));
        }
    }
    changes
}

fn rule_differences(table: &str, from: Option<Rule>, to: Option<Rule>) -> Vec<PermissionChange> {
    let (a, b) = (from.unwrap_or_default(), to.unwrap_or_default());
    let change = |operation, from: Value, to: Value| PermissionChange {
        table: Some(table.to_owned()),
        view: None,
        operation,
        from,
        to,
    };
    let mut changes = Vec::new();
    // A named rule that permits nothing is not the same as none: it withholds what `*` would give.
    if a.view != b.view || (a == b && from.is_some() != to.is_some()) {
        changes.push(change(
            "view",
            from.map_or(Value::Null, |_| json!(a.view)),
            to.map_or(Value::Null, |_| json!(b.view)),
        ));
    }
    for operation in Operation::ALL {
        let (before, after) = (a.level(operation), b.level(operation));
        if before != after {
            changes.push(change(operation.name(), json!(before), json!(after)));
        }
    }
    changes
}
