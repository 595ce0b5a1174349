//! `/api/mandates/{mandateId}/groups/{groupId}/members`: who is in a group.

use std::collections::BTreeSet;

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::member_store::{self, GroupMember};
use super::{Group, GroupMemberPath, GroupPath, find};
use crate::access::tables::{Groups, Read, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{
    AccessPreview, Change, Concerned, Locks, MandateContext, Opened, Outcome, Recorded, Regrouping,
};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::Precondition;
use crate::http::extract::{FromPath, Json, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::db::page::{PageRequest, Paging, Rows};
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::{GroupId, UserId};
use crate::kernel::missing::Thing;
use crate::list_query;

/// The largest group that can be put at once.
const MAX_MEMBERS: usize = 20_000;
/// The body that names them, with room for white space.
const MAX_BODY: usize = 1024 * 1024;

pub(super) fn routes(app: &App) -> Routes {
    let policy = || Policy::table::<Groups, Update>().class(Class::MemberWrite);
    Routes::new()
        .routes(routes!(list_group_members).guard(app, Policy::table::<Groups, Read>()))
        .routes(
            routes!(replace_group_members)
                .refuses(&[
                    Code::SelfEscalation,
                    Code::TargetExceedsOwnAccess,
                    Code::GrantExceedsOwnAccess,
                ])
                .versioned()
                .guard(app, policy().body_up_to(MAX_BODY)),
        )
        .routes(
            routes!(add_group_member)
                .refuses(&[
                    Code::SelfEscalation,
                    Code::TargetExceedsOwnAccess,
                    Code::GrantExceedsOwnAccess,
                ])
                .versioned()
                .guard(app, policy()),
        )
        .routes(
            routes!(remove_group_member)
                .refuses(&[Code::TargetExceedsOwnAccess])
                .versioned()
                .guard(app, policy()),
        )
}

list_query! {
    GroupMembersQuery sorted by "username" {}
}

/// Who is in a group.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/groups/{groupId}/members", tag = "Groups",
    params(GroupPath, GroupMembersQuery),
    responses((status = 200, description = "A page of members", body = Page<GroupMember>)))]
async fn list_group_members(
    context: MandateContext,
    lister: Lister,
    FromPath(GroupPath { group_id: group, .. }): FromPath<GroupPath>,
    Query(query): Query<GroupMembersQuery>,
) -> Result<PageAnswer<GroupMember>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Groups, Read>()?;
    let mut reading = context.read().await?;
    let group = grant.open(find::find(&mut reading, &grant, group).await?)?;
    let rows = member_store::members(&mut reading, &group, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Who is to be in the group: all of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplaceGroupMembers {
    user_ids: Vec<UserId>,
    /// The group's version that is to be changed; 409 when it is another by now.
    version: Option<i64>,
}

/// Replaces a group's members. Answers the first page of them; the next ones come from the list.
#[utoipa::path(put, path = "/api/mandates/{mandateId}/groups/{groupId}/members", tag = "Groups",
    params(GroupPath, DryRun),
    request_body = ReplaceGroupMembers,
    responses(
        (status = 200, description = "The first page of the group's members",
            body = Outcome<Page<GroupMember>>),
        (status = 404,
            description = "No such group, or no member of the mandate: then `errors` points there"
        )))]
async fn replace_group_members(
    context: MandateContext,
    lister: Lister,
    precondition: Precondition,
    FromPath(GroupPath { group_id: group, .. }): FromPath<GroupPath>,
    Json(body): Json<ReplaceGroupMembers>,
) -> Result<Outcome<PageAnswer<GroupMember>>> {
    if body.user_ids.len() > MAX_MEMBERS {
        return Err(FieldError::new(
            "/userIds",
            "too_many",
            format!("must have at most {MAX_MEMBERS} entries"),
        )
        .into());
    }
    let paging = lister.paging(GroupMembersQuery::SORTS, PageRequest::default())?;
    let (context, precondition, body, first) = (&context, &precondition, &body, &paging);
    let outcome = retrying(|| replace(context, group, precondition, body, first)).await?;
    Ok(outcome.map(|rows| lister.answer(&paging, rows)))
}

async fn replace(
    context: &MandateContext,
    group: GroupId,
    precondition: &Precondition,
    body: &ReplaceGroupMembers,
    first: &Paging,
) -> Result<Outcome<Rows<GroupMember>>> {
    let (mut change, opened) = begin(context, group, precondition, body.version).await?;
    let wanted = WantedMembers::Exactly(&body.user_ids);
    let recorded = regroup(&mut change, &opened, &wanted).await?;
    let after = member_store::members(&mut change, &opened, first).await?;
    change.conclude(recorded, Concerned::Group(group), after).await
}

/// Puts a member of the mandate into a group; nothing changes where they are in it.
#[utoipa::path(put, path = "/api/mandates/{mandateId}/groups/{groupId}/members/{userId}",
    tag = "Groups",
    params(GroupMemberPath, DryRun),
    responses(
        (status = 204, description = "In the group"),
        (status = 200, description = "With `dryRun=true`: what would change",
            body = AccessPreview)))]
async fn add_group_member(
    context: MandateContext,
    precondition: Precondition,
    FromPath(GroupMemberPath { group_id: group, user_id: user, .. }): FromPath<GroupMemberPath>,
) -> Result<Outcome<NoContent>> {
    let (context, precondition, wanted) = (&context, &precondition, &WantedMembers::With(user));
    retrying(|| change_one(context, group, precondition, wanted)).await
}

/// Takes a member of the mandate out of a group; nothing changes where they are not in it.
#[utoipa::path(delete, path = "/api/mandates/{mandateId}/groups/{groupId}/members/{userId}",
    tag = "Groups",
    params(GroupMemberPath, DryRun),
    responses(
        (status = 204, description = "Not in the group"),
        (status = 200, description = "With `dryRun=true`: what would change",
            body = AccessPreview)))]
async fn remove_group_member(
    context: MandateContext,
    precondition: Precondition,
    FromPath(GroupMemberPath { group_id: group, user_id: user, .. }): FromPath<GroupMemberPath>,
) -> Result<Outcome<NoContent>> {
    let (context, precondition, wanted) = (&context, &precondition, &WantedMembers::Without(user));
    retrying(|| change_one(context, group, precondition, wanted)).await
}

async fn change_one(
    context: &MandateContext,
    group: GroupId,
    precondition: &Precondition,
    wanted: &WantedMembers<'_>,
) -> Result<Outcome<NoContent>> {
    let (mut change, opened) = begin(context, group, precondition, None).await?;
    let recorded = regroup(&mut change, &opened, wanted).await?;
    change.conclude(recorded, Concerned::Group(group), NoContent).await
}

/// How it is to change who is in a group.
enum WantedMembers<'a> {
    Exactly(&'a [UserId]),
    With(UserId),
    Without(UserId),
}

impl WantedMembers<'_> {
    fn applied_to(&self, before: &BTreeSet<UserId>) -> BTreeSet<UserId> {
        let mut members = before.clone();
        match self {
            WantedMembers::Exactly(members) => return members.iter().copied().collect(),
            WantedMembers::With(user) => members.insert(*user),
            WantedMembers::Without(user) => members.remove(user),
        };
        members
    }

    /// 404 where one is no member of the mandate. (Who is in the group is one.)
    async fn require_known(
        &self,
        change: &mut Change<MandateContext>,
        group: &Opened<Groups, Update, Group>,
        regrouping: &Regrouping<'_>,
    ) -> Result<()> {
        match self {
            WantedMembers::Exactly(members) => {
                let added = regrouping.added();
                let strangers = member_store::strangers(change, group.grant(), &added).await?;
                let unknown = Thing::User
                    .unknown_among("/userIds", members, |user| !strangers.contains(&user));
                if unknown.is_empty() { Ok(()) } else { Err(Error::unknown(unknown)) }
            }
            WantedMembers::With(user) | WantedMembers::Without(user) => {
                if regrouping.before.contains(user) {
                    return Ok(());
                }
                let strangers = member_store::strangers(change, group.grant(), &[*user]).await?;
                if strangers.is_empty() { Ok(()) } else { Err(Error::not_found()) }
            }
        }
    }
}

/// Begins a change of who is in a group, with the group opened for it.
async fn begin(
    context: &MandateContext,
    group: GroupId,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<(Change<MandateContext>, Opened<Groups, Update, Group>)> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Groups, Update>()?;
    let opened = grant.open(find::find_for_change(&mut change, &grant, group).await?)?;
    precondition.check_with(opened.version, version)?;
    Ok((change, opened))
}

/// Changes who is in a group, where the caller may: each way of doing so is judged here.
async fn regroup(
    change: &mut Change<MandateContext>,
    group: &Opened<Groups, Update, Group>,
    wanted: &WantedMembers<'_>,
) -> Result<Recorded> {
    let before: BTreeSet<UserId> =
        member_store::member_ids(change, group).await?.into_iter().collect();
    let after = wanted.applied_to(&before);
    let regrouping = Regrouping { nearness: group.nearness(), before: &before, after: &after };
    let (added, removed) = (regrouping.added(), regrouping.removed());
    wanted.require_known(change, group, &regrouping).await?;
    change.require_may_regroup(&regrouping).await?;
    change.as_tenant().await?;
    if after == before {
        return Ok(Recorded::nothing_changed());
    }
    member_store::change_members(change, group, &added, &removed).await?;
    let event = Event::new(Action::GroupMembersChanged, ResourceType::Group, group.id);
    let event =
        event.listing("added", "addedCount", &added).listing("removed", "removedCount", &removed);
    change.record(event).await
}
