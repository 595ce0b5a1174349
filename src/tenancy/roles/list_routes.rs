//! Roles that are made and listed: of a mandate (`/api/mandates/{mandateId}/roles`) and of an
//! instance (`/api/features/instances/{instanceId}/roles`). A role that exists is found under
//! `/api/roles`.

use serde_json::json;
use utoipa_axum::routes;

use super::list;
use super::request::CreateRole;
use super::role::Role;
use super::store::{self, NewRole};
use crate::access::tables::{Create, InstanceRoles, Read, Roles};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::policy::Policy;
use crate::context::{InstanceContext, MandateContext};
use crate::http::app::App;
use crate::http::etag::Versioned;
use crate::http::extract::{Created, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::http::paths::{InstancePath, MandatePath};
use crate::kernel::error::{Code, Result};
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_mandate_roles).guard(app, Policy::table::<Roles, Read>().or_sys()))
        .routes(
            routes!(create_mandate_role)
                .refuses(&[Code::LabelTaken])
                .guard(app, Policy::table::<Roles, Create>().or_sys()),
        )
        .routes(
            routes!(list_instance_roles)
                .guard(app, Policy::table::<Roles, Read>().or::<InstanceRoles, Read>()),
        )
        .routes(
            routes!(create_instance_role)
                .refuses(&[Code::LabelTaken])
                .guard(app, Policy::table::<Roles, Create>().or::<InstanceRoles, Create>()),
        )
}

list_query! {
    RolesQuery sorted by "label" {}
}

/// The mandate's own roles.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/roles", tag = "Roles",
    params(MandatePath, RolesQuery),
    responses((status = 200, description = "A page of roles", body = Page<Role>)))]
async fn list_mandate_roles(
    context: MandateContext,
    lister: Lister,
    Query(query): Query<RolesQuery>,
) -> Result<PageAnswer<Role>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Roles, Read>()?;
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Makes a role of the mandate. It permits nothing until permissions are put.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/roles", tag = "Roles", params(MandatePath),
    request_body = CreateRole,
    responses((status = 201, description = "The role", body = Role)))]
async fn create_mandate_role(
    context: MandateContext,
    Json(body): Json<CreateRole>,
) -> Result<Created<Versioned<Role>>> {
    let (label, description) = body.checked()?;
    let grant = context.grant::<Roles, Create>()?;
    let mut writing = context.write().await?;
    let new = NewRole {
        label: &label,
        description: &description,
        feature_code: None,
        now: context.now(),
    };
    let role = store::insert(&mut writing, &grant, &new).await?;
    let recorded = audit::record(&mut writing, &context, created(&role)).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/roles/{}", role.id), answer: Versioned(role) })
}

/// An instance's roles.
#[utoipa::path(get, path = "/api/features/instances/{instanceId}/roles", tag = "Instances",
    params(InstancePath, RolesQuery),
    responses((status = 200, description = "A page of roles", body = Page<Role>)))]
async fn list_instance_roles(
    context: InstanceContext,
    lister: Lister,
    Query(query): Query<RolesQuery>,
) -> Result<PageAnswer<Role>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant_through_level::<InstanceRoles, Read>()?;
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Makes a role of the instance. It permits nothing until permissions are put.
#[utoipa::path(post, path = "/api/features/instances/{instanceId}/roles", tag = "Instances",
    params(InstancePath),
    request_body = CreateRole,
    responses(
        (status = 201, description = "The role", body = Role)))]
async fn create_instance_role(
    context: InstanceContext,
    Json(body): Json<CreateRole>,
) -> Result<Created<Versioned<Role>>> {
    let (label, description) = body.checked()?;
    let grant = context.grant_through_level::<InstanceRoles, Create>()?;
    let mut writing = context.write().await?;
    let new = NewRole {
        label: &label,
        description: &description,
        feature_code: Some(context.feature_code()),
        now: context.now(),
    };
    let role = store::insert(&mut writing, &grant, &new).await?;
    let recorded = audit::record(&mut writing, &context, created(&role)).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/roles/{}", role.id), answer: Versioned(role) })
}

fn created(role: &Role) -> Event {
    Event::new(Action::RoleCreated, ResourceType::Role, role.id).details(json!({
        "after": { "label": role.label, "scope": role.scope, "instanceId": role.instance_id },
    }))
}
