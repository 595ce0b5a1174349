//! `/api/mandates/{mandateId}/users/{userId}`: one member.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Member, MemberPath, belongings, find, store};
use crate::access::tables::{Delete, Members, Read, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{AccessPreview, Concerned, Locks, MandateContext, Outcome, Recorded};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;
use crate::tenancy::roles;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(get_member).guard(app, Policy::table::<Members, Read>().or_sys()))
        .routes(
            routes!(update_member)
                .refuses(&[
                    Code::LastMandateAdmin,
                    Code::SelfEscalation,
                    Code::GrantExceedsOwnAccess,
                    Code::TargetExceedsOwnAccess,
                ])
                .versioned()
                .guard(app, Policy::table::<Members, Update>().or_sys().class(Class::MemberWrite)),
        )
        .routes(
            routes!(remove_member)
                .refuses(&[Code::TargetExceedsOwnAccess, Code::LastMandateAdmin])
                .versioned()
                .guard(
                    app,
                    Policy::table::<Members, Delete>()
                        .or_sys()
                        .or_oneself()
                        .class(Class::MemberWrite),
                ),
        )
}

/// A member.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/users/{userId}", tag = "Members",
    params(MemberPath),
    responses((status = 200, description = "The member", body = Member)))]
async fn get_member(
    context: MandateContext,
    FromPath(MemberPath { user_id: user, .. }): FromPath<MemberPath>,
) -> Result<Versioned<Member>> {
    let grant = context.grant::<Members, Read>()?;
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &grant, user).await?;
    reading.finish().await?;
    Ok(Versioned(grant.open(found)?.into_row()))
}

/// Whether the membership counts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateMember {
    #[schema(example = true)]
    enabled: bool,
    /// The version that is to be changed; 409 when it is another by now.
    version: Option<i64>,
}

/// Enables or disables a membership.
#[utoipa::path(patch, path = "/api/mandates/{mandateId}/users/{userId}", tag = "Members",
    params(MemberPath, DryRun),
    request_body = UpdateMember,
    responses((status = 200, description = "The member", body = Outcome<Member>)))]
async fn update_member(
    context: MandateContext,
    precondition: Precondition,
    FromPath(MemberPath { user_id: user, .. }): FromPath<MemberPath>,
    Json(body): Json<UpdateMember>,
) -> Result<Outcome<Versioned<Member>>> {
    let (context, precondition, body) = (&context, &precondition, &body);
    retrying(|| set_enabled(context, user, precondition, body)).await
}

async fn set_enabled(
    context: &MandateContext,
    user: UserId,
    precondition: &Precondition,
    body: &UpdateMember,
) -> Result<Outcome<Versioned<Member>>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Members, Update>()?;
    let member = grant.open(find::find(&mut change, &grant, user).await?)?;
    precondition.check_with(member.version, body.version)?;
    if body.enabled && user == change.context.caller().user() && !member.enabled {
        return Err(Error::new(Code::SelfEscalation, "Nobody enables their own membership."));
    }
    change.require_targets_within_own(&[user]).await?;
    if body.enabled && !member.enabled {
        change.require_revival_opens_nothing(user).await?;
    }
    if !body.enabled && store::is_last_admin(&mut change, &member).await? {
        return Err(Error::last_mandate_admin());
    }
    if body.enabled == member.enabled {
        return change
            .conclude(
                Recorded::nothing_changed(),
                Concerned::User(user),
                Versioned(member.into_row()),
            )
            .await;
    }
    change.as_tenant().await?;
    let after = store::set_enabled(&mut change, &member, body.enabled).await?;
    let details =
        json!({ "before": { "enabled": member.enabled }, "after": { "enabled": body.enabled } });
    let event =
        Event::new(Action::MemberUpdated, ResourceType::Member, user).target(user).details(details);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::User(user), Versioned(after)).await
}

/// Removes a member, or leaves. Feature accesses and places in groups of this mandate go too.
#[utoipa::path(delete, path = "/api/mandates/{mandateId}/users/{userId}", tag = "Members",
    params(MemberPath, DryRun),
    responses(
        (status = 204, description = "Removed"),
        (status = 200, description = "With `dryRun=true`: what would change",
            body = AccessPreview)))]
async fn remove_member(
    context: MandateContext,
    precondition: Precondition,
    FromPath(MemberPath { user_id: user, .. }): FromPath<MemberPath>,
) -> Result<Outcome<NoContent>> {
    let (context, precondition) = (&context, &precondition);
    retrying(|| remove(context, user, precondition)).await
}

async fn remove(
    context: &MandateContext,
    user: UserId,
    precondition: &Precondition,
) -> Result<Outcome<NoContent>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let leaves = user == change.context.caller().user();
    let grant = if leaves {
        change.context.grant_over_oneself::<Delete>()?
    } else {
        change.context.grant::<Members, Delete>()?
    };
    let member = grant.open(find::find(&mut change, &grant, user).await?)?;
    precondition.check(member.version)?;
    change.require_targets_within_own(&[user]).await?;
    if store::is_last_admin(&mut change, &member).await? {
        return Err(Error::last_mandate_admin());
    }
    let held = roles::require_known(&mut change, &grant, &member.role_ids).await?;
    let admissions = belongings::admissions(&mut change, &member).await?;
    change.as_tenant().await?;
    store::delete(&mut change, &member).await?;
    let labels: Vec<_> = held.iter().map(|role| role.label.as_str()).collect();
    let details = json!({ "before": { "roles": labels, "enabled": member.enabled } });
    let event = Event::new(Action::UserRemovedFromMandate, ResourceType::Member, user)
        .target(user)
        .details(details);
    let event = event.listing("groupIds", "groupCount", &member.group_ids).listing(
        "admissions",
        "admissionCount",
        &admissions,
    );
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::Membership(user), NoContent).await
}
