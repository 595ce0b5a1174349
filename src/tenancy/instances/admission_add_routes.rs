//! Admitting a member of the mandate to an instance.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::admission_admit::{permission_to_admit, require_may_admit};
use super::{FeatureAccess, admission_store};
use crate::access::tables::{Access, Create, Instances, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{AccessPreview, Concerned, InstanceContext, Locks, Outcome};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::Versioned;
use crate::http::extract::{Created, Json};
use crate::http::guard::{Guard, Routes};
use crate::http::paths::InstancePath;
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::{RoleId, UserId};
use crate::tenancy::roles::NamedRoles;

pub(super) fn routes(app: &App) -> Routes {
    let write = |policy: Policy<InstanceContext>| policy.class(Class::MemberWrite);
    let manage = || Policy::table::<Instances, Update>();
    Routes::new().routes(
        routes!(add_instance_user)
            .refuses(&[Code::AlreadyHasAccess, Code::SelfEscalation, Code::GrantExceedsOwnAccess])
            .guard(app, write(manage().or::<Access, Create>())),
    )
}

/// Whom to admit, and with which roles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AddInstanceUser {
    user_id: UserId,
    /// At least one role of the instance.
    #[schema(min_items = 1)]
    role_ids: Vec<RoleId>,
}

/// Admits a member of the mandate to the instance.
#[utoipa::path(post, path = "/api/features/instances/{instanceId}/users", tag = "Instances",
    params(InstancePath, DryRun),
    request_body = AddInstanceUser,
    responses(
        (status = 201, description = "The admission", body = FeatureAccess),
        (status = 200, description = "With `dryRun=true`: what would change", body = AccessPreview),
        (status = 404, description = "Not a member, or no such role: `errors` points to it")))]
async fn add_instance_user(
    context: InstanceContext,
    Json(body): Json<AddInstanceUser>,
) -> Result<Outcome<Created<Versioned<FeatureAccess>>>> {
    let (context, roles) = (&context, &NamedRoles::checked(body.role_ids)?);
    let outcome = retrying(|| add(context, body.user_id, roles)).await?;
    let location = format!("/api/features/instances/{}/users/{}", context.instance(), body.user_id);
    Ok(outcome.map(|answer| Created { location, answer }))
}

async fn add(
    context: &InstanceContext,
    user: UserId,
    roles: &NamedRoles,
) -> Result<Outcome<Versioned<FeatureAccess>>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let place = change.context.clone();
    let grant = permission_to_admit(&place)?;
    let (member, given) = require_may_admit(&mut change, (&place, &grant), user, roles).await?;
    change.as_tenant().await?;
    let access =
        admission_store::insert_access(&mut change, &member, roles.ids(), place.now()).await?;
    let details = json!({ "after": { "roles": given, "enabled": true } });
    let event =
        Event::new(Action::InstanceAccessGranted, ResourceType::Instance, context.instance())
            .target(user)
            .details(details);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::User(user), Versioned(access)).await
}
