//! `/api/mandates/{mandateId}/users/{userId}/roles`: which mandate roles a member holds.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Member, MemberPath, MemberRolePath, find, store};
use crate::access::tables::{Members, Op, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::judge::{Receiver, require_may_give};
use crate::context::policy::{Class, Policy};
use crate::context::{
    Change, Concerned, Grant, Locks, MandateContext, Opened, Outcome, Recorded,
    require_opens_nothing,
};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{RoleId, UserId};
use crate::tenancy::roles::{self, NamedRole, NamedRoles};

pub(super) fn routes(app: &App) -> Routes {
    let policy = || Policy::table::<Members, Update>().or_sys().class(Class::MemberWrite);
    Routes::new()
        .routes(
            routes!(replace_member_roles)
                .refuses(&[
                    Code::LastMandateAdmin,
                    Code::SelfEscalation,
                    Code::GrantExceedsOwnAccess,
                    Code::TargetExceedsOwnAccess,
                ])
                .versioned()
                .guard(app, policy()),
        )
        .routes(
            routes!(assign_member_role)
                .refuses(&[
                    Code::LastMandateAdmin,
                    Code::SelfEscalation,
                    Code::GrantExceedsOwnAccess,
                    Code::TargetExceedsOwnAccess,
                ])
                .versioned()
                .guard(app, policy()),
        )
        .routes(
            routes!(revoke_member_role)
                .refuses(&[
                    Code::LastRole,
                    Code::LastMandateAdmin,
                    Code::SelfEscalation,
                    Code::TargetExceedsOwnAccess,
                ])
                .versioned()
                .guard(app, policy()),
        )
}

impl NamedRole {
    /// 403 where the caller may not give it to this user.
    pub(super) fn require_grantable(&self, context: &MandateContext, target: UserId) -> Result<()> {
        self.require_grantable_to(context, Receiver::of(context, target))
    }
    /// The same before it is looked up who the others are: what is refused does not depend on it.
    pub(super) fn require_grantable_to(
        &self,
        context: &MandateContext,
        receiver: Receiver,
    ) -> Result<()> {
        require_may_give(context, receiver, &self.permissions, self.protected)
    }
}

/// Those that a body names; 404 that points to what is not a role of this mandate. Also before
/// anything is locked.
pub(super) async fn require_named<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    roles: &NamedRoles,
) -> Result<Vec<NamedRole>> {
    let found = roles::find_named(connection, grant, roles.ids()).await?;
    roles.require_among(&found.iter().map(|role| role.id).collect())?;
    Ok(found)
}

/// The roles that a member is to hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplaceRoles {
    /// At least one role of the mandate.
    #[schema(min_items = 1)]
    pub role_ids: Vec<RoleId>,
    /// The version that is to be changed; 409 when it is another by now.
    pub version: Option<i64>,
}

/// How the set of roles is to change.
enum WantedRoles<'a> {
    Exactly(&'a NamedRoles),
    With(RoleId),
    Without(RoleId),
}

impl WantedRoles<'_> {
    fn applied_to(&self, held: &[RoleId]) -> BTreeSet<RoleId> {
        let mut roles: BTreeSet<RoleId> = held.iter().copied().collect();
        match self {
            WantedRoles::Exactly(roles) => return roles.ids().iter().copied().collect(),
            WantedRoles::With(role) => roles.insert(*role),
            WantedRoles::Without(role) => roles.remove(role),
        };
        roles
    }
    /// 404 where one is not a role of this mandate.
    async fn require_known(
        &self,
        connection: &mut PgConnection,
        grant: &Grant<Members, Update>,
    ) -> Result<()> {
        match self {
            WantedRoles::Exactly(roles) => require_named(connection, grant, roles).await.map(drop),
            WantedRoles::With(role) | WantedRoles::Without(role) => {
                roles::require_known(connection, grant, &[*role]).await.map(drop)
            }
        }
    }
}

/// Replaces a member's roles.
#[utoipa::path(put, path = "/api/mandates/{mandateId}/users/{userId}/roles", tag = "Members",
    params(MemberPath, DryRun),
    request_body = ReplaceRoles,
    responses(
        (status = 200, description = "The member", body = Outcome<Member>),
        (status = 404,
            description = "No such member, or no such role: then `errors` points to it")))]
async fn replace_member_roles(
    context: MandateContext,
    precondition: Precondition,
    FromPath(MemberPath { user_id: user, .. }): FromPath<MemberPath>,
    Json(body): Json<ReplaceRoles>,
) -> Result<Outcome<Versioned<Member>>> {
    let roles = NamedRoles::checked(body.role_ids)?;
    let (context, precondition, wanted) = (&context, &precondition, &WantedRoles::Exactly(&roles));
    retrying(|| change_roles(context, user, precondition, body.version, wanted)).await
}

/// Gives a member one role; nothing changes where they hold it.
#[utoipa::path(put, path = "/api/mandates/{mandateId}/users/{userId}/roles/{roleId}",
    tag = "Members",
    params(MemberRolePath, DryRun),
    responses((status = 200, description = "The member", body = Outcome<Member>)))]
async fn assign_member_role(
    context: MandateContext,
    precondition: Precondition,
    FromPath(MemberRolePath { user_id: user, role_id: role, .. }): FromPath<MemberRolePath>,
) -> Result<Outcome<Versioned<Member>>> {
    let (context, precondition, wanted) = (&context, &precondition, &WantedRoles::With(role));
    retrying(|| change_roles(context, user, precondition, None, wanted)).await
}

/// Takes one role from a member; nothing changes where they do not hold it. The last one cannot go.
#[utoipa::path(delete, path = "/api/mandates/{mandateId}/users/{userId}/roles/{roleId}",
    tag = "Members",
    params(MemberRolePath, DryRun),
    responses((status = 200, description = "The member", body = Outcome<Member>)))]
async fn revoke_member_role(
    context: MandateContext,
    precondition: Precondition,
    FromPath(MemberRolePath { user_id: user, role_id: role, .. }): FromPath<MemberRolePath>,
) -> Result<Outcome<Versioned<Member>>> {
    let (context, precondition, wanted) = (&context, &precondition, &WantedRoles::Without(role));
    retrying(|| change_roles(context, user, precondition, None, wanted)).await
}

async fn change_roles(
    context: &MandateContext,
    user: UserId,
    precondition: &Precondition,
    version: Option<i64>,
    wanted: &WantedRoles<'_>,
) -> Result<Outcome<Versioned<Member>>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Members, Update>()?;
    let member = grant.open(find::find(&mut change, &grant, user).await?)?;
    precondition.check_with(member.version, version)?;
    if change.context.is_sys_admin() && user == change.context.caller().user() {
        return Err(Error::new(Code::SelfEscalation, "SysAdmins do not change their own roles."));
    }
    wanted.require_known(&mut change, &grant).await?;
    let before: BTreeSet<RoleId> = member.role_ids.iter().copied().collect();
    let after = wanted.applied_to(&member.role_ids);
    if after == before {
        return change
            .conclude(
                Recorded::nothing_changed(),
                Concerned::User(user),
                Versioned(member.into_row()),
            )
            .await;
    }
    let either: Vec<RoleId> = before.union(&after).copied().collect();
    let concerned = roles::require_known(&mut change, &grant, &either).await?;
    may_change(&mut change, &member, &concerned, &before, &after).await?;
    change.as_tenant().await?;
    let held: Vec<RoleId> = after.iter().copied().collect();
    let changed = store::set_roles(&mut change, &member, &held).await?;
    let labels = |of: &BTreeSet<RoleId>| {
        concerned
            .iter()
            .filter(|role| of.contains(&role.id))
            .map(|role| role.label.clone())
            .collect::<Vec<_>>()
    };
    let details =
        json!({ "before": { "roles": labels(&before) }, "after": { "roles": labels(&after) } });
    let event =
        Event::new(Action::RoleAssigned, ResourceType::Member, user).target(user).details(details);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::User(user), Versioned(changed)).await
}

/// Whether the caller may change the roles that way; under the locks.
async fn may_change(
    change: &mut Change<MandateContext>,
    member: &Opened<Members, Update, Member>,
    concerned: &[NamedRole],
    before: &BTreeSet<RoleId>,
    after: &BTreeSet<RoleId>,
) -> Result<()> {
    for role in
        concerned.iter().filter(|role| after.contains(&role.id) && !before.contains(&role.id))
    {
        role.require_grantable(&change.context, member.user_id)?;
    }
    change.require_targets_within_own(&[member.user_id]).await?;
    let added =
        concerned.iter().filter(|role| after.contains(&role.id) && !before.contains(&role.id));
    let given: Vec<_> = added.map(|role| &role.permissions).collect();
    let context = change.context.clone();
    require_opens_nothing(change, &context, &[member.user_id], &given).await?;
    if after.is_empty() {
        return Err(Error::new(Code::LastRole, "This is the member's last role."));
    }
    let loses_admin = concerned
        .iter()
        .any(|role| role.protected && before.contains(&role.id) && !after.contains(&role.id));
    if loses_admin && store::is_last_admin(change, member).await? {
        return Err(Error::last_mandate_admin());
    }
    Ok(())
}
