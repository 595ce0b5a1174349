//! What a role permits, as it is told and as it is to change.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::access::{Catalogue, Level, Permissions, Rule, Stale};
use crate::http::etag::Resource;
use crate::http::patch;
use crate::kernel::error::{Error, Result};

/// What a role permits; its version is the role's.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolePermissions {
    /// A rule for each named table; `*` stands for every table that is not named.
    #[schema(example = json!({
        "members": {"view": true, "read": "a", "create": "n", "update": "g", "delete": "n"},
    }))]
    tables: BTreeMap<String, Rule>,
    /// For each named view, whether it is allowed.
    #[schema(example = json!({}))]
    views: BTreeMap<String, bool>,
    /// What the role has rules for although the feature no longer has it: it permits nothing, is
    /// not sent back in, and goes when all permissions are replaced, when it is removed by name, or
    /// by a sync with the templates.
    stale: Stale,
    #[serde(skip)]
    version: i64,
}

impl RolePermissions {
    pub(super) fn of(permissions: &Permissions, catalogue: &Catalogue, version: i64) -> Self {
        let Permissions { tables, views } = permissions.known_to(catalogue);
        Self { tables, views, stale: permissions.stale(catalogue), version }
    }
}

impl Resource for RolePermissions {
    fn version(&self) -> i64 {
        self.version
    }
}

/// How the permissions are to change.
pub(super) enum WantedPermissions<'a> {
    All(&'a Permissions, Option<i64>),
    Some(&'a PermissionsPatch),
}

impl WantedPermissions<'_> {
    pub(super) fn version(&self) -> Option<i64> {
        match self {
            WantedPermissions::All(_, version) => *version,
            WantedPermissions::Some(patch) => patch.version,
        }
    }
    /// What the role permits then. Only what was sent is looked at: what is stale stands in
    /// nobody's way.
    pub(super) fn applied_to(
        &self,
        before: &Permissions,
        catalogue: &Catalogue,
    ) -> Result<Permissions> {
        let (after, sent) = match self {
            WantedPermissions::All(permissions, _) => {
                ((*permissions).clone(), (*permissions).clone())
            }
            WantedPermissions::Some(patch) => {
                let after = patch.applied_to(before);
                let sent = patch.named_in(&after);
                (after, sent)
            }
        };
        let problems = sent.problems(catalogue);
        if problems.is_empty() { Ok(after) } else { Err(Error::invalid(problems)) }
    }
}

/// Some permissions of a role: those named change, null removes (RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionsPatch {
    #[serde(default)]
    #[schema(schema_with = rule_patches)]
    tables: BTreeMap<String, Option<RulePatch>>,
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<bool>>, example = json!({}))]
    views: BTreeMap<String, Option<bool>>,
    /// The role's version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

/// For each named table a patch of its rule, or null.
fn rule_patches() -> Object {
    let mut patch = RulePatch::schema();
    if let RefOr::T(Schema::Object(patch)) = &mut patch {
        patch.schema_type = SchemaType::from_iter([Type::Object, Type::Null]);
    }
    let example = json!({ "members": { "view": true, "read": "g" }, "groups": null });
    ObjectBuilder::new().additional_properties(Some(patch)).examples([example]).build()
}

/// All that a role is to permit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplacePermissions {
    /// A rule for each named table; `*` stands for every table that is not named.
    #[serde(default)]
    #[schema(example = json!({
        "members": {"view": true, "read": "a", "create": "n", "update": "g", "delete": "n"},
    }))]
    pub(super) tables: BTreeMap<String, Rule>,
    /// For each named view, whether it is allowed.
    #[serde(default)]
    #[schema(example = json!({}))]
    pub(super) views: BTreeMap<String, bool>,
    /// The role's version that is to be changed; 409 when it is another by now.
    pub(super) version: Option<i64>,
}

/// Some of a rule: what is left out stays as it is, or is `n` where there was no rule.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulePatch {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = true)]
    view: Option<bool>,
    #[serde(default, deserialize_with = "level")]
    #[schema(nullable = false)]
    read: Option<Level>,
    #[serde(default, deserialize_with = "level")]
    #[schema(nullable = false)]
    create: Option<Level>,
    #[serde(default, deserialize_with = "level")]
    #[schema(nullable = false)]
    update: Option<Level>,
    #[serde(default, deserialize_with = "level")]
    #[schema(nullable = false)]
    delete: Option<Level>,
}

/// A level, or the advice that whoever sends null needs: it takes a whole rule away, and no level
/// of one.
fn level<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Level>, D::Error> {
    let advice = "another form, expected `n`, `m`, `g` or `a`: `n` takes the operation away, and \
        null in the table's place its whole rule";
    Option::<Level>::deserialize(deserializer)?
        .map_or_else(|| Err(serde::de::Error::custom(advice)), |level| Ok(Some(level)))
}

impl PermissionsPatch {
    fn applied_to(&self, before: &Permissions) -> Permissions {
        let mut after = before.clone();
        for (table, patch) in &self.tables {
            match patch {
                None => drop(after.tables.remove(table)),
                Some(patch) => {
                    let rule = after.tables.entry(table.clone()).or_default();
                    *rule = patch.applied_to(*rule);
                }
            }
        }
        for (view, allowed) in &self.views {
            match allowed {
                None => drop(after.views.remove(view)),
                Some(allowed) => drop(after.views.insert(view.clone(), *allowed)),
            }
        }
        after
    }

    /// The part of the permissions that the patch names.
    fn named_in(&self, permissions: &Permissions) -> Permissions {
        let mut named = permissions.clone();
        named.tables.retain(|table, _| self.tables.contains_key(table));
        named.views.retain(|view, _| self.views.contains_key(view));
        named
    }
}

impl RulePatch {
    fn applied_to(self, rule: Rule) -> Rule {
        Rule {
            view: self.view.unwrap_or(rule.view),
            read: self.read.unwrap_or(rule.read),
            create: self.create.unwrap_or(rule.create),
            update: self.update.unwrap_or(rule.update),
            delete: self.delete.unwrap_or(rule.delete),
        }
    }
}
