//! `/api/mandates/{mandateId}/groups`: the groups themselves.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::store::{self, Changes};
use super::{Group, GroupPath, find, list, member_store};
use crate::access::tables::{Create, Delete, Groups, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{AccessPreview, Concerned, Grant, Locks, MandateContext, Outcome, Recorded};
use crate::http::app::App;
use crate::http::dry_run::DryRun;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{Created, FromPath, Json, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::http::patch;
use crate::http::paths::MandatePath;
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::ids::GroupId;
use crate::kernel::names::{self, Name};
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_groups).guard(app, Policy::table::<Groups, Read>().or_sys()))
        .routes(
            routes!(create_group)
                .refuses(&[Code::SelfEscalation, Code::NameTaken])
                .guard(app, Policy::table::<Groups, Create>()),
        )
        .routes(routes!(get_group).guard(app, Policy::table::<Groups, Read>()))
        .routes(
            routes!(update_group)
                .refuses(&[Code::SelfEscalation, Code::NameTaken])
                .versioned()
                .guard(app, Policy::table::<Groups, Update>()),
        )
        .routes(
            routes!(delete_group)
                .refuses(&[Code::TargetExceedsOwnAccess])
                .versioned()
                .guard(app, Policy::table::<Groups, Delete>()),
        )
}

list_query! {
    GroupsQuery sorted by "name" {
        /// Part of a name.
        #[param(value_type = Option<String>, example = "ac")]
        q: Search,
    }
}

/// The mandate's groups.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/groups", tag = "Groups",
    params(MandatePath, GroupsQuery),
    responses((status = 200, description = "A page of groups", body = Page<Group>)))]
async fn list_groups(
    context: MandateContext,
    lister: Lister,
    Query(query): Query<GroupsQuery>,
) -> Result<PageAnswer<Group>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Groups, Read>()?;
    let text = query.q.map(Search::into_key);
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, text.as_deref(), &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// A conflict does not leak: the other group's id is named to those only who may read it.
async fn naming_the_other(context: &MandateContext, name: Option<&Name>, refusal: Error) -> Error {
    let (Code::NameTaken, Some(name), Ok(grant)) =
        (refusal.code(), name, context.grant::<Groups, Read>())
    else {
        return refusal;
    };
    match readable(context, grant, name).await {
        Ok(Some(other)) => refusal.with("id", other.to_string()),
        _ => refusal,
    }
}

async fn readable(
    context: &MandateContext,
    grant: Grant<Groups, Read>,
    name: &Name,
) -> Result<Option<GroupId>> {
    let mut reading = context.read().await?;
    let Some(id) = find::named(&mut reading, &grant, name.key()).await? else { return Ok(None) };
    let found = find::find(&mut reading, &grant, id).await?;
    reading.finish().await?;
    Ok(grant.open(found).ok().map(|group| group.id))
}

/// A new group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateGroup {
    #[schema(example = "accounting")]
    name: String,
    #[schema(example = "Whoever keeps the books")]
    description: Option<String>,
    /// Whether new members of the mandate join it automatically; set by admins only.
    auto_join: Option<bool>,
}

/// Makes a group. Whoever is to be in it is put there by its members.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/groups", tag = "Groups", params(MandatePath),
    request_body = CreateGroup,
    responses((status = 201, description = "The group", body = Group)))]
async fn create_group(
    context: MandateContext,
    Json(body): Json<CreateGroup>,
) -> Result<Created<Versioned<Group>>> {
    let mut errors = Vec::new();
    let name = keep(Name::checked("/name", &body.name), &mut errors);
    let description = body
        .description
        .as_deref()
        .and_then(|text| keep(names::checked_description("/description", text), &mut errors));
    let Some(name) = name.filter(|_| errors.is_empty()) else {
        return Err(Error::invalid(errors));
    };
    let grant = context.grant::<Groups, Create>()?;
    let auto_join = body.auto_join.unwrap_or(false);
    if auto_join {
        context.require_may_set_auto_join()?;
    }
    let mut writing = context.write().await?;
    let group = match store::insert(
        &mut writing,
        &grant,
        &name,
        description.as_deref(),
        auto_join,
        context.now(),
    )
    .await
    {
        Ok(group) => group,
        Err(refusal) => {
            drop(writing);
            return Err(naming_the_other(&context, Some(&name), refusal).await);
        }
    };
    let event = Event::new(Action::GroupCreated, ResourceType::Group, group.id)
        .details(json!({ "after": described(&group) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Created {
        location: format!("/api/mandates/{}/groups/{}", context.mandate(), group.id),
        answer: Versioned(group),
    })
}

/// A group.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/groups/{groupId}", tag = "Groups",
    params(GroupPath),
    responses((status = 200, description = "The group", body = Group)))]
async fn get_group(
    context: MandateContext,
    FromPath(GroupPath { group_id: group, .. }): FromPath<GroupPath>,
) -> Result<Versioned<Group>> {
    let grant = context.grant::<Groups, Read>()?;
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &grant, group).await?;
    reading.finish().await?;
    Ok(Versioned(grant.open(found)?.into_row()))
}

/// What to change of a group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateGroup {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "bookkeepers")]
    name: Option<String>,
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>, example = "Whoever keeps the books")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    auto_join: Option<bool>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

/// Changes a group. `autoJoin` is for whoever comes later, and changes nobody's access now.
#[utoipa::path(patch, path = "/api/mandates/{mandateId}/groups/{groupId}", tag = "Groups",
    params(GroupPath, DryRun),
    request_body = UpdateGroup,
    responses((status = 200, description = "The group", body = Outcome<Group>)))]
async fn update_group(
    context: MandateContext,
    precondition: Precondition,
    FromPath(GroupPath { group_id: group, .. }): FromPath<GroupPath>,
    Json(body): Json<UpdateGroup>,
) -> Result<Outcome<Versioned<Group>>> {
    let mut errors = Vec::new();
    let name =
        body.name.as_deref().and_then(|name| keep(Name::checked("/name", name), &mut errors));
    let description = body.description.as_ref().map(|text| {
        text.as_deref()
            .and_then(|text| keep(names::checked_description("/description", text), &mut errors))
    });
    if !errors.is_empty() {
        return Err(Error::invalid(errors));
    }
    let changes = &Changes { name, description, auto_join: body.auto_join };
    let (context, precondition) = (&context, &precondition);
    match retrying(|| update(context, group, precondition, body.version, changes)).await {
        Err(refusal) => Err(naming_the_other(context, changes.name.as_ref(), refusal).await),
        outcome => outcome,
    }
}

async fn update(
    context: &MandateContext,
    group: GroupId,
    precondition: &Precondition,
    version: Option<i64>,
    changes: &Changes,
) -> Result<Outcome<Versioned<Group>>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Groups, Update>()?;
    change.as_tenant().await?;
    let before = grant.open(find::find_for_change(&mut change, &grant, group).await?)?;
    precondition.check_with(before.version, version)?;
    if changes.auto_join.is_some_and(|wanted| wanted != before.auto_join) {
        change.context.require_may_set_auto_join()?;
    }
    if !changes.alter(&before) {
        return change
            .conclude(Recorded::nothing_changed(), Concerned::Nobody, Versioned(before.into_row()))
            .await;
    }
    let after = store::update(&mut change, &before, changes).await?;
    let details = json!({ "before": described(&before), "after": described(&after) });
    let event = Event::new(Action::GroupUpdated, ResourceType::Group, group).details(details);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::Nobody, Versioned(after)).await
}

/// Deletes a group; its members stay members of the mandate.
#[utoipa::path(delete, path = "/api/mandates/{mandateId}/groups/{groupId}", tag = "Groups",
    params(GroupPath, DryRun),
    responses(
        (status = 204, description = "Deleted"),
        (status = 200, description = "With `dryRun=true`: what would change",
            body = AccessPreview)))]
async fn delete_group(
    context: MandateContext,
    precondition: Precondition,
    FromPath(GroupPath { group_id: group, .. }): FromPath<GroupPath>,
) -> Result<Outcome<NoContent>> {
    let (context, precondition) = (&context, &precondition);
    retrying(|| delete(context, group, precondition)).await
}

async fn delete(
    context: &MandateContext,
    group: GroupId,
    precondition: &Precondition,
) -> Result<Outcome<NoContent>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Groups, Delete>()?;
    let before = grant.open(find::find_for_change(&mut change, &grant, group).await?)?;
    precondition.check(before.version)?;
    // With the group everybody is taken out of it.
    let members = member_store::member_ids(&mut change, &before).await?;
    change.require_targets_within_own(&members).await?;
    change.as_tenant().await?;
    store::delete(&mut change, &before).await?;
    let event = Event::new(Action::GroupDeleted, ResourceType::Group, group)
        .details(json!({ "before": described(&before) }));
    let event = event.listing("userIds", "count", &members);
    let recorded = change.record(event).await?;
    change.conclude(recorded, Concerned::Group(group), NoContent).await
}

fn described(group: &Group) -> serde_json::Value {
    json!({ "name": group.name, "description": group.description, "autoJoin": group.auto_join })
}
