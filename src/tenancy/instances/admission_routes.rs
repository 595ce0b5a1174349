//! `/api/features/instances/{instanceId}/users`: who is admitted, and with which roles.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::admission_change::{labels, may_give, opened, permission};
use super::{AdmissionPath, FeatureAccess, admission_list, admission_store};
use crate::access::tables::{Access, Delete, Instances, Read, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::judge::require_brings_instance_no_nearer;
use crate::context::policy::{Class, Policy};
use crate::context::{AccessPreview, Concerned, InstanceContext, Locks, Outcome, Recorded};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::http::paths::InstancePath;
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::UserId;
use crate::list_query;
use crate::tenancy::roles;

pub(super) fn routes(app: &App) -> Routes {
    let write = |policy: Policy<InstanceContext>| policy.class(Class::MemberWrite);
    let manage = || Policy::table::<Instances, Update>();
    Routes::new()
        .routes(
            routes!(list_instance_users)
                .guard(app, Policy::table::<Instances, Read>().or::<Access, Read>()),
        )
        .routes(
            routes!(update_instance_user)
                .refuses(&[
                    Code::SelfEscalation,
                    Code::GrantExceedsOwnAccess,
                    Code::TargetExceedsOwnAccess,
                ])
                .versioned()
                .guard(app, write(manage().or::<Access, Update>())),
        )
        .routes(
            routes!(remove_instance_user)
                .refuses(&[Code::TargetExceedsOwnAccess])
                .versioned()
                .guard(app, write(manage().or::<Access, Delete>())),
        )
}

list_query! {
    AccessesQuery sorted by "username" {}
}

/// Who is admitted to the instance.
#[utoipa::path(get, path = "/api/features/instances/{instanceId}/users", tag = "Instances",
    params(InstancePath, AccessesQuery),
    responses((status = 200, description = "A page of admissions", body = Page<FeatureAccess>)))]
async fn list_instance_users(
    context: InstanceContext,
    lister: Lister,
    Query(query): Query<AccessesQuery>,
) -> Result<PageAnswer<FeatureAccess>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant_through_row::<Access, Read>()?;
    let mut reading = context.read().await?;
    let rows = admission_list::list_accesses(&mut reading, &grant, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Whether the admission counts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateInstanceUser {
    #[schema(example = true)]
    enabled: bool,
    /// The version that is to be changed; 409 when it is another by now.
    version: Option<i64>,
}

/// Enables or disables an admission.
#[utoipa::path(patch, path = "/api/features/instances/{instanceId}/users/{userId}",
    tag = "Instances",
    params(AdmissionPath, DryRun),
    request_body = UpdateInstanceUser,
    responses((status = 200, description = "The admission", body = Outcome<FeatureAccess>)))]
async fn update_instance_user(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(AdmissionPath { user_id: user, .. }): FromPath<AdmissionPath>,
    Json(body): Json<UpdateInstanceUser>,
) -> Result<Outcome<Versioned<FeatureAccess>>> {
    let (context, precondition, body) = (&context, &precondition, &body);
    retrying(|| set_enabled(context, user, precondition, body)).await
}

async fn set_enabled(
    context: &InstanceContext,
    user: UserId,
    precondition: &Precondition,
    body: &UpdateInstanceUser,
) -> Result<Outcome<Versioned<FeatureAccess>>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = permission::<Update>(&change.context)?;
    let before = opened(&mut change, &grant, user, precondition, body.version).await?;
    if body.enabled && !before.enabled {
        let held = roles::require_known(&mut change, &grant, &before.role_ids).await?;
        let place = change.context.clone();
        may_give(&mut change, (&place, &grant), user, &held).await?;
        require_brings_instance_no_nearer(&change.context, before.nearness())?;
    }
    if body.enabled == before.enabled {
        return change
            .conclude(
                Recorded::nothing_changed(),
                Concerned::User(user),
                Versioned(before.into_row()),
            )
            .await;
    }
    change.as_tenant().await?;
    let after = admission_store::set_access_enabled(&mut change, &before, body.enabled).await?;
    let details =
        json!({ "before": { "enabled": before.enabled }, "after": { "enabled": body.enabled } });
    let event =
        Event::new(Action::InstanceAccessUpdated, ResourceType::Instance, before.instance_id)
            .target(user)
            .details(details);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::User(user), Versioned(after)).await
}

/// Ends an admission.
#[utoipa::path(delete, path = "/api/features/instances/{instanceId}/users/{userId}",
    tag = "Instances",
    params(AdmissionPath, DryRun),
    responses(
        (status = 204, description = "Ended"),
        (status = 200, description = "With `dryRun=true`: what would change",
            body = AccessPreview)))]
async fn remove_instance_user(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(AdmissionPath { user_id: user, .. }): FromPath<AdmissionPath>,
) -> Result<Outcome<NoContent>> {
    let (context, precondition) = (&context, &precondition);
    retrying(|| remove(context, user, precondition)).await
}

async fn remove(
    context: &InstanceContext,
    user: UserId,
    precondition: &Precondition,
) -> Result<Outcome<NoContent>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = permission::<Delete>(&change.context)?;
    let before = opened(&mut change, &grant, user, precondition, None).await?;
    let held = roles::require_known(&mut change, &grant, &before.role_ids).await?;
    change.as_tenant().await?;
    admission_store::delete_access(&mut change, &before).await?;
    let all = before.role_ids.iter().copied().collect();
    let details = json!({ "before": { "roles": labels(&held, &all), "enabled": before.enabled } });
    let event =
        Event::new(Action::InstanceAccessRevoked, ResourceType::Instance, before.instance_id)
            .target(user)
            .details(details);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::User(user), NoContent).await
}
