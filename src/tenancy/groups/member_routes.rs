//! `/api/mandates/{mandateId}/groups/{groupId}/members`: who is in a group.

use std::collections::BTreeSet;

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::GroupPath;
use super::store::{self, GroupMember};
use crate::access::tables::{Groups, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Concerned, Locks, MandateContext, Outcome, Recorded, Regrouping};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::Precondition;
use crate::http::extract::{FromPath, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::db::page::{Asked, Paging, Rows};
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::{GroupId, UserId};
use crate::kernel::missing::Thing;
use crate::list_query;

/// The largest group that can be put at once.
const MAX_MEMBERS: usize = 20_000;
/// The body that names them, with room for white space.
const MAX_BODY: usize = 1024 * 1024;

pub(super) fn routes(app: &App) -> Routes {
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
                .guard(
                    app,
                    Policy::table::<Groups, Update>()
                        .class(Class::MemberWrite)
                        .body_up_to(MAX_BODY),
                ),
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
    let group = grant.open(store::find(&mut reading, &grant, group).await?)?;
    let rows = store::members(&mut reading, &group, &paging).await?;
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
    let paging = lister.paging(GroupMembersQuery::SORTS, Asked::default())?;
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
    let members: &BTreeSet<UserId> = &body.user_ids.iter().copied().collect();
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Groups, Update>()?;
    let opened = grant.open(store::find_for_change(&mut change, &grant, group).await?)?;
    precondition.check_with(opened.version, body.version)?;
    let before: BTreeSet<UserId> =
        store::member_ids(&mut change, &opened).await?.into_iter().collect();
    let regrouping = Regrouping { nearness: opened.nearness(), before: &before, after: members };
    let (added, removed) = (regrouping.added(), regrouping.removed());
    let strangers = store::strangers(&mut change, &grant, &added).await?;
    if !strangers.is_empty() {
        return Err(Error::unknown(Thing::User.unknown_among(
            "/userIds",
            &body.user_ids,
            |user| !strangers.contains(&user),
        )));
    }
    change.require_may_regroup(&regrouping).await?;
    change.as_tenant().await?;
    let mut recorded = Recorded::nothing_changed();
    if *members != before {
        store::set_members(&mut change, &opened, &members.iter().copied().collect::<Vec<_>>())
            .await?;
        let event = Event::new(Action::GroupMembersChanged, ResourceType::Group, group);
        let event = event.listing("added", "addedCount", &added).listing(
            "removed",
            "removedCount",
            &removed,
        );
        recorded = audit::record(&mut change, context, event).await?;
    }
    let after = store::members(&mut change, &opened, first).await?;
    change.conclude(recorded, Concerned::Group(group), after).await
}
