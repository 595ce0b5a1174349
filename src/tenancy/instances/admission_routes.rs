//! `/api/features/instances/{instanceId}/users`: who is admitted, and with which roles.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{AdmissionPath, FeatureAccess, store};
use crate::access::Operation;
use crate::access::tables::{Access, Create, Delete, Instances, Op, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::judge::{Receiver, require_brings_instance_no_nearer, require_may_give};
use crate::context::policy::{Class, Policy};
use crate::context::{
    AccessPreview, Change, Concerned, Grant, InstanceContext, Locks, Opened, Outcome, Recorded,
    require_opens_nothing,
};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{Created, FromPath, Json, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::http::paths::InstancePath;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::missing::Thing;
use crate::list_query;
use crate::tenancy::roles::{self, NamedRole, NamedRoles};

pub(super) fn routes(app: &App) -> Routes {
    let write = |policy: Policy| policy.class(Class::MemberWrite);
    let manage = || Policy::table::<Instances, Update>();
    Routes::new()
        .routes(
            routes!(list_instance_users)
                .guard(app, Policy::table::<Instances, Read>().or::<Access, Read>()),
        )
        .routes(
            routes!(add_instance_user)
                .refuses(&[
                    Code::AlreadyHasAccess,
                    Code::SelfEscalation,
                    Code::GrantExceedsOwnAccess,
                ])
                .guard(app, write(manage().or::<Access, Create>())),
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
        .routes(
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
    let grant = context.grant_by_row::<Access, Read>("instances", Operation::Read)?;
    let mut reading = context.read().await?;
    let rows = store::list_accesses(&mut reading, &grant, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Leave over admissions: by the instance's row, or by the caller's own access in it.
fn leave<O: Op>(context: &InstanceContext) -> Result<Grant<Access, O>> {
    context.grant_by_row::<Access, O>("instances", Operation::Update)
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

/// The instance's roles of these ids; 404 where one is not a role of this instance.
async fn require_known<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    roles: &[RoleId],
) -> Result<Vec<NamedRole>> {
    let found = roles::find_named(connection, grant, roles).await?;
    if found.len() < roles.len() { Err(Error::not_found()) } else { Ok(found) }
}

fn ids(roles: &[NamedRole]) -> BTreeSet<RoleId> {
    roles.iter().map(|role| role.id).collect()
}

/// Whether the caller may give these roles to that user.
async fn may_give(
    change: &mut Change<InstanceContext>,
    target: UserId,
    roles: impl IntoIterator<Item = &NamedRole>,
) -> Result<()> {
    let context = change.context.clone();
    let receiver = Receiver::of(&context, target);
    let given: Vec<_> = roles.into_iter().map(|role| &role.permissions).collect();
    given
        .iter()
        .try_for_each(|permissions| require_may_give(&context, receiver, permissions, false))?;
    require_opens_nothing(change, &context, &[target], &given).await
}

fn labels(roles: &[NamedRole], of: &BTreeSet<RoleId>) -> Vec<String> {
    roles.iter().filter(|role| of.contains(&role.id)).map(|role| role.label.clone()).collect()
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
    let grant = leave::<Create>(&change.context)?;
    let found = store::find_member(&mut change, &grant, user).await?;
    let given = roles::find_named(&mut change, &grant, roles.ids()).await?;
    require_there(found.is_some(), roles, &given)?;
    let member = grant.open(found)?;
    may_give(&mut change, user, &given).await?;
    require_brings_instance_no_nearer(&change.context, member.nearness())?;
    change.as_tenant().await?;
    let access = store::insert_access(&mut change, &member, roles.ids(), context.now()).await?;
    let details = json!({ "after": { "roles": labels(&given, &ids(&given)), "enabled": true } });
    let event =
        Event::new(Action::InstanceAccessGranted, ResourceType::Instance, context.instance())
            .target(user)
            .details(details);
    let recorded = audit::record(&mut change, context, event).await?;
    change.conclude(recorded, Concerned::User(user), Versioned(access)).await
}

/// 404 that points to what is not there of all that the body names.
fn require_there(member: bool, roles: &NamedRoles, found: &[NamedRole]) -> Result<()> {
    let unknown = roles.unknown(&ids(found));
    match member {
        true if unknown.is_empty() => Ok(()),
        true => Err(Error::unknown(unknown)),
        false => Err(Error::unknown([vec![Thing::User.unknown("/userId")], unknown].concat())),
    }
}

/// Whether the admission counts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateInstanceUser {
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

/// An admission that is about to change: reached, at the expected version, and its holder within
/// the caller's own access.
async fn opened<O: Op>(
    change: &mut Change<InstanceContext>,
    grant: &Grant<Access, O>,
    user: UserId,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<Opened<Access, O, FeatureAccess>> {
    let access = grant.open(store::find_access(change, grant, user).await?)?;
    precondition.check_with(access.version, version)?;
    change.require_targets_within_own(&[user]).await?;
    Ok(access)
}

async fn set_enabled(
    context: &InstanceContext,
    user: UserId,
    precondition: &Precondition,
    body: &UpdateInstanceUser,
) -> Result<Outcome<Versioned<FeatureAccess>>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = leave::<Update>(&change.context)?;
    let before = opened(&mut change, &grant, user, precondition, body.version).await?;
    if body.enabled && !before.enabled {
        let held = require_known(&mut change, &grant, &before.role_ids).await?;
        may_give(&mut change, user, &held).await?;
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
    let after = store::set_access_enabled(&mut change, &before, body.enabled).await?;
    let details =
        json!({ "before": { "enabled": before.enabled }, "after": { "enabled": body.enabled } });
    let event =
        Event::new(Action::InstanceAccessUpdated, ResourceType::Instance, before.instance_id)
            .target(user)
            .details(details);
    let recorded = audit::record(&mut change, context, event).await?;
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
    let grant = leave::<Delete>(&change.context)?;
    let before = opened(&mut change, &grant, user, precondition, None).await?;
    let held = require_known(&mut change, &grant, &before.role_ids).await?;
    change.as_tenant().await?;
    store::delete_access(&mut change, &before).await?;
    let all = before.role_ids.iter().copied().collect();
    let details = json!({ "before": { "roles": labels(&held, &all), "enabled": before.enabled } });
    let event =
        Event::new(Action::InstanceAccessRevoked, ResourceType::Instance, before.instance_id)
            .target(user)
            .details(details);
    let recorded = audit::record(&mut change, context, event).await?;
    change.conclude(recorded, Concerned::User(user), NoContent).await
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
    let grant = leave::<Update>(&change.context)?;
    let before = opened(&mut change, &grant, user, precondition, version).await?;
    let (held, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (before.role_ids.iter().copied().collect(), roles.ids().iter().copied().collect());
    let either: Vec<RoleId> = held.union(&wanted).copied().collect();
    let concerned = roles::find_named(&mut change, &grant, &either).await?;
    roles.require_among(&ids(&concerned))?;
    let is_added = |role: &&NamedRole| wanted.contains(&role.id) && !held.contains(&role.id);
    may_give(&mut change, user, concerned.iter().filter(is_added)).await?;
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
    let after = store::set_access_roles(&mut change, &before, roles.ids()).await?;
    let details = json!({
        "before": { "roles": labels(&concerned, &held) },
        "after": { "roles": labels(&concerned, &wanted) },
    });
    let event =
        Event::new(Action::InstanceRoleAssigned, ResourceType::Instance, before.instance_id)
            .target(user)
            .details(details);
    let recorded = audit::record(&mut change, context, event).await?;
    change.conclude(recorded, Concerned::User(user), Versioned(after)).await
}
