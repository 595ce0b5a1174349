//! `/api/roles/{roleId}/permissions`: what a role permits.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::routes;

use super::open::{OpenRole, open_in_instance, open_in_mandate};
use super::{Role, RolePath, copies, described, routes as role_routes};
use crate::access::tables::{InstanceRoles, Read, Roles, Update};
use crate::access::{Catalogue, Level, Permissions, Rule, Stale};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Outcome, Recorded, RoleContext, System, SystemContext};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Resource, Versioned, resource_unless_known};
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::http::patch;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::RoleId;

/// The largest body: rules for every table and view that a feature can have.
const MAX_BODY: usize = 256 * 1024;

pub(super) fn routes(app: &App) -> Routes {
    let change = || {
        Policy::table::<Roles, Update>()
            .or::<InstanceRoles, Update>()
            .or_sys_for_templates()
            .body_up_to(MAX_BODY)
    };
    Routes::new()
        .routes(routes!(get_role_permissions).guard(
            app,
            Policy::table::<Roles, Read>().or::<InstanceRoles, Read>().or_sys_for_templates(),
        ))
        .routes(
            routes!(replace_role_permissions)
                .refuses(&[Code::RoleProtected, Code::GrantExceedsOwnAccess, Code::SelfEscalation])
                .versioned()
                .guard(app, change()),
        )
        .routes(
            routes!(update_role_permissions)
                .refuses(&[Code::RoleProtected, Code::GrantExceedsOwnAccess, Code::SelfEscalation])
                .versioned()
                .guard(app, change()),
        )
}

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
    fn of(permissions: &Permissions, catalogue: &Catalogue, version: i64) -> Self {
        let Permissions { tables, views } = permissions.known_to(catalogue);
        Self { tables, views, stale: permissions.stale(catalogue), version }
    }
}

impl Resource for RolePermissions {
    fn version(&self) -> i64 {
        self.version
    }
}

/// What a role permits.
#[utoipa::path(get, path = "/api/roles/{roleId}/permissions", tag = "Roles", params(RolePath),
    responses((status = 200, description = "The role's permissions", body = RolePermissions),
              (status = 304, description = "Not changed")))]
async fn get_role_permissions(context: RoleContext, headers: HeaderMap) -> Result<Response> {
    let found = role_routes::read(&context).await?;
    let catalogue = match &context {
        RoleContext::Template(system, _) => {
            let mut reading = system.read().await?;
            let catalogue = of_template(&mut reading, system.system(), &found.role).await?;
            reading.finish().await?;
            catalogue
        }
        RoleContext::Mandate(..) => Catalogue::mandate(),
        RoleContext::Instance(context, _) => context.catalogue().clone(),
    };
    Ok(resource_unless_known(
        &headers,
        &RolePermissions::of(&found.permissions, &catalogue, found.role.version),
    ))
}

/// What a template can speak of.
async fn of_template(
    connection: &mut PgConnection,
    system: System,
    template: &Role,
) -> Result<Catalogue> {
    match &template.feature_code {
        Some(code) => {
            let found = copies::catalogue_of(connection, system, code).await?;
            found.ok_or_else(Error::not_found)
        }
        None => Ok(Catalogue::mandate()),
    }
}

/// How the permissions are to change.
enum Wanted<'a> {
    All(&'a Permissions, Option<i64>),
    Some(&'a PermissionsPatch),
}

impl Wanted<'_> {
    fn version(&self) -> Option<i64> {
        match self {
            Wanted::All(_, version) => *version,
            Wanted::Some(patch) => patch.version,
        }
    }
    /// What the role permits then. Only what was sent is looked at: what is stale stands in
    /// nobody's way.
    fn applied_to(&self, before: &Permissions, catalogue: &Catalogue) -> Result<Permissions> {
        let (after, sent) = match self {
            Wanted::All(permissions, _) => ((*permissions).clone(), (*permissions).clone()),
            Wanted::Some(patch) => {
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
    tables: BTreeMap<String, Rule>,
    /// For each named view, whether it is allowed.
    #[serde(default)]
    #[schema(example = json!({}))]
    views: BTreeMap<String, bool>,
    /// The role's version that is to be changed; 409 when it is another by now.
    version: Option<i64>,
}

/// Some of a rule: what is left out stays as it is, or is `n` where there was no rule.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulePatch {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
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

/// Replaces all that a role permits.
#[utoipa::path(put, path = "/api/roles/{roleId}/permissions", tag = "Roles",
    params(RolePath, DryRun),
    request_body = ReplacePermissions,
    responses(
        (status = 200, description = "The role's permissions", body = Outcome<RolePermissions>)))]
async fn replace_role_permissions(
    context: RoleContext,
    precondition: Precondition,
    Json(body): Json<ReplacePermissions>,
) -> Result<Outcome<Versioned<RolePermissions>>> {
    let permissions = Permissions { tables: body.tables, views: body.views };
    change_permissions(&context, &precondition, &Wanted::All(&permissions, body.version)).await
}

/// Adds, changes or removes some of what a role permits.
#[utoipa::path(patch, path = "/api/roles/{roleId}/permissions", tag = "Roles",
    params(RolePath, DryRun),
    request_body = PermissionsPatch,
    responses(
        (status = 200, description = "The role's permissions", body = Outcome<RolePermissions>)))]
async fn update_role_permissions(
    context: RoleContext,
    precondition: Precondition,
    Json(body): Json<PermissionsPatch>,
) -> Result<Outcome<Versioned<RolePermissions>>> {
    change_permissions(&context, &precondition, &Wanted::Some(&body)).await
}

async fn change_permissions(
    context: &RoleContext,
    precondition: &Precondition,
    wanted: &Wanted<'_>,
) -> Result<Outcome<Versioned<RolePermissions>>> {
    match context {
        RoleContext::Template(system, role) => {
            change_template(system, *role, precondition, wanted).await
        }
        RoleContext::Mandate(context, role) => {
            retrying(|| async {
                change_held(
                    open_in_mandate(context, *role, precondition, wanted.version()).await?,
                    wanted,
                )
                .await
            })
            .await
        }
        RoleContext::Instance(context, role) => {
            retrying(|| async {
                change_held(
                    open_in_instance(context, *role, precondition, wanted.version()).await?,
                    wanted,
                )
                .await
            })
            .await
        }
    }
}

async fn change_held(
    mut open: OpenRole<Update>,
    wanted: &Wanted<'_>,
) -> Result<Outcome<Versioned<RolePermissions>>> {
    let within = &mut open.within;
    let (catalogue, before) = (within.catalogue(), within.full().clone());
    let (role, before) = (before.role, before.permissions);
    let after = wanted.applied_to(&before, &catalogue)?;
    within.require_within_own(&after)?;
    within.require_no_own_raise(&after)?;
    within.require_opens_nothing(&open.holders, &after).await?;
    if after == before {
        let same = RolePermissions::of(&after, &catalogue, role.version);
        return open.within.conclude(Recorded::nothing_changed(), Versioned(same)).await;
    }
    within.replace_permissions(&after).await?;
    let recorded = within.record(repermitted(&role, &before, &after)).await?;
    let changed = RolePermissions::of(&after, &catalogue, role.version + 1);
    open.within.conclude(recorded, Versioned(changed)).await
}

async fn change_template(
    system: &SystemContext,
    role: RoleId,
    precondition: &Precondition,
    wanted: &Wanted<'_>,
) -> Result<Outcome<Versioned<RolePermissions>>> {
    let mut writing = system.write().await?;
    let found = copies::template_for_change(&mut writing, system.system(), role).await?;
    let before = found.ok_or_else(Error::not_found)?;
    if before.role.protected {
        return Err(copies::protected());
    }
    precondition.check_with(before.role.version, wanted.version())?;
    let catalogue = of_template(&mut writing, system.system(), &before.role).await?;
    let after = wanted.applied_to(&before.permissions, &catalogue)?;
    if after == before.permissions {
        let same = RolePermissions::of(&after, &catalogue, before.role.version);
        return writing.conclude(Recorded::nothing_changed(), Versioned(same)).await;
    }
    copies::replace_permissions(&mut writing, system.system(), &before.role, &after).await?;
    let recorded = audit::record_platform(
        &mut writing,
        system,
        repermitted(&before.role, &before.permissions, &after),
    )
    .await?;
    writing
        .conclude(
            recorded,
            Versioned(RolePermissions::of(&after, &catalogue, before.role.version + 1)),
        )
        .await
}

fn repermitted(role: &Role, before: &Permissions, after: &Permissions) -> Event {
    Event::new(Action::RolePermissionsChanged, ResourceType::Role, role.id).details(
        json!({ "role": role.label, "before": described(before), "after": described(after) }),
    )
}
