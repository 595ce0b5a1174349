//! `/api/roles/{roleId}/permissions`: what a role permits.

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use sqlx::PgConnection;
use utoipa_axum::routes;

use super::open::{OpenRole, open_in_instance, open_in_mandate};
use super::permission_request::{
    PermissionsPatch, ReplacePermissions, RolePermissions, WantedPermissions,
};
use super::role::{Role, described};
use super::{RolePath, routes as role_routes, template_find, template_store};
use crate::access::tables::{InstanceRoles, Read, Roles, Update};
use crate::access::{Catalogue, Permissions};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Outcome, Recorded, RoleContext, System, SystemContext};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
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
            let found = template_find::catalogue_of(connection, system, code).await?;
            found.ok_or_else(Error::not_found)
        }
        None => Ok(Catalogue::mandate()),
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
    change_permissions(&context, &precondition, &WantedPermissions::All(&permissions, body.version))
        .await
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
    change_permissions(&context, &precondition, &WantedPermissions::Some(&body)).await
}

async fn change_permissions(
    context: &RoleContext,
    precondition: &Precondition,
    wanted: &WantedPermissions<'_>,
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
    wanted: &WantedPermissions<'_>,
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
    wanted: &WantedPermissions<'_>,
) -> Result<Outcome<Versioned<RolePermissions>>> {
    let mut writing = system.write().await?;
    let found = template_find::template_for_change(&mut writing, system.system(), role).await?;
    let before = found.ok_or_else(Error::not_found)?;
    if before.role.protected {
        return Err(template_find::protected());
    }
    precondition.check_with(before.role.version, wanted.version())?;
    let catalogue = of_template(&mut writing, system.system(), &before.role).await?;
    let after = wanted.applied_to(&before.permissions, &catalogue)?;
    if after == before.permissions {
        let same = RolePermissions::of(&after, &catalogue, before.role.version);
        return writing.conclude(Recorded::nothing_changed(), Versioned(same)).await;
    }
    template_store::replace_permissions(&mut writing, system.system(), &before.role, &after)
        .await?;
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
