//! Replacing the roles that somebody holds in an instance.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::admission_change::{ids, labels, may_give, opened, permission};
use super::{AdmissionPath, FeatureAccess, admission_store};
use crate::access::tables::{Access, Instances, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Concerned, InstanceContext, Locks, Outcome, Recorded};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::{RoleId, UserId};
use crate::tenancy::roles::{self, NamedRole, NamedRoles};

pub(super) fn routes(app: &App) -> Routes {
    let write = |policy: Policy<InstanceContext>| policy.class(Class::MemberWrite);
    let manage = || Policy::table::<Instances, Update>();
    Routes::new().routes(
        routes!(replace_instance_user_roles)
            .refuses(&[
                Code::SelfEscalation,
                Code::GrantExceedsOwnAccess,
                Code::TargetExceedsOwnAccess,
            ])
            .versioned()
            .guard(app, write(manage().or::<Access, Update>())),
    )
}

/// The roles that somebody is to hold in the instance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplaceInstanceUserRoles {
    /// At least one role of the instance.
    #[schema(min_items = 1)]
    role_ids: Vec<RoleId>,
    /// The version that is to be changed; 409 when it is another by now.
    version: Option<i64>,
}

/// Replaces the roles that somebody holds in the instance.
#[utoipa::path(put, path = "/api/features/instances/{instanceId}/users/{userId}/roles",
    tag = "Instances",
    params(AdmissionPath, DryRun),
    request_body = ReplaceInstanceUserRoles,
    responses(
        (status = 200, description = "The admission", body = Outcome<FeatureAccess>),
        (status = 404, description = "Not admitted, or no such role: then `errors` points to it")))]
async fn replace_instance_user_roles(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(AdmissionPath { user_id: user, .. }): FromPath<AdmissionPath>,
    Json(body): Json<ReplaceInstanceUserRoles>,
) -> Result<Outcome<Versioned<FeatureAccess>>> {
    let (context, precondition, roles) =
        (&context, &precondition, &NamedRoles::checked(body.role_ids)?);
    retrying(|| replace(context, user, precondition, body.version, roles)).await
}

async fn replace(
    context: &InstanceContext,
    user: UserId,
    precondition: &Precondition,
    version: Option<i64>,
    roles: &NamedRoles,
) -> Result<Outcome<Versioned<FeatureAccess>>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = permission::<Update>(&change.context)?;
    let before = opened(&mut change, &grant, user, precondition, version).await?;
    let (held, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (before.role_ids.iter().copied().collect(), roles.ids().iter().copied().collect());
    let either: Vec<RoleId> = held.union(&wanted).copied().collect();
    let concerned = roles::find_named(&mut change, &grant, &either).await?;
    roles.require_among(&ids(&concerned))?;
    let is_added = |role: &&NamedRole| wanted.contains(&role.id) && !held.contains(&role.id);
    let place = change.context.clone();
    may_give(&mut change, (&place, &grant), user, concerned.iter().filter(is_added)).await?;
    if held == wanted {
        return change
            .conclude(
                Recorded::nothing_changed(),
                Concerned::User(user),
                Versioned(before.into_row()),
            )
            .await;
    }
    change.as_tenant().await?;
    let after = admission_store::set_access_roles(&mut change, &before, roles.ids()).await?;
    let details = json!({
        "before": { "roles": labels(&concerned, &held) },
        "after": { "roles": labels(&concerned, &wanted) },
    });
    let event =
        Event::new(Action::InstanceRoleAssigned, ResourceType::Instance, before.instance_id)
            .target(user)
            .details(details);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::User(user), Versioned(after)).await
}
