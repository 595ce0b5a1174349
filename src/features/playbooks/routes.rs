//! `/api/playbooks`: the playbooks themselves.

use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::find::{self, Named};
use super::list::{self, Filter};
use super::store::{self, Changes, NewPlaybook};
use super::{Playbook, PlaybookPath, Playbooks, RESTORABLE};
use crate::access::tables::{Create, Delete, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::policy::Policy;
use crate::context::{InstanceContext, Recorded};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::{Created, FromPath, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::http::patch;
use crate::kernel::error::{Code, Error, FieldError, Result, keep};
use crate::kernel::ids::{PlaybookId, UserId};
use crate::kernel::names::{self, Name};
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_playbooks).guard(app, Policy::feature::<Playbooks, Read>()))
        .routes(
            routes!(create_playbook)
                .refuses(&[Code::NameTaken])
                .guard(app, Policy::feature::<Playbooks, Create>()),
        )
        .routes(
            routes!(get_playbook)
                .refuses(&[Code::Gone])
                .guard(app, Policy::feature::<Playbooks, Read>()),
        )
        .routes(
            routes!(update_playbook)
                .refuses(&[Code::NameTaken, Code::Gone])
                .versioned()
                .guard(app, Policy::feature::<Playbooks, Update>()),
        )
        .routes(
            routes!(delete_playbook)
                .refuses(&[Code::Gone])
                .versioned()
                .guard(app, Policy::feature::<Playbooks, Delete>()),
        )
        .routes(
            routes!(restore_playbook)
                .refuses(&[Code::NotDeleted, Code::NameTaken])
                .guard(app, Policy::feature::<Playbooks, Delete>()),
        )
}

list_query! {
    /// What the list is narrowed to.
    PlaybooksQuery sorted by "name", "createdAt" {
        /// Part of a name or title.
        #[param(value_type = Option<String>)]
        q: Search,
        /// Only this user's.
        #[param(value_type = Option<Uuid>)]
        owner_id: UserId,
        /// Whether the deleted ones are wanted, which can still be restored.
        deleted: bool,
    }
}

/// The instance's playbooks that the caller's level reaches.
#[utoipa::path(get, path = "/api/playbooks", tag = "Playbooks", params(PlaybooksQuery),
    responses((status = 200, description = "A page of playbooks", body = Page<Playbook>)))]
async fn list_playbooks(
    context: InstanceContext,
    lister: Lister,
    Query(query): Query<PlaybooksQuery>,
) -> Result<PageAnswer<Playbook>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Playbooks, Read>()?;
    let filter = Filter {
        owner: query.owner_id.map(UserId::uuid),
        deleted: query.deleted.unwrap_or(false),
        text: query.q.map(Search::into_key),
        now: context.now(),
    };
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Names stand in paths beside ids, so that none may look like one, or like a step in a path.
fn checked_name(name: &str) -> std::result::Result<Name, FieldError> {
    let name = Name::checked("/name", name)?;
    let key = name.key();
    if key.parse::<Uuid>().is_ok() || key == "." || key == ".." {
        return Err(FieldError::new(
            "/name",
            "invalid_name",
            "must not look like a UUID, and not be `.` or `..`",
        ));
    }
    Ok(name)
}

/// A conflict does not leak: the other playbook's id is named to those only who may read it.
async fn naming_the_other(context: &InstanceContext, name: Option<&str>, refusal: Error) -> Error {
    let (Code::NameTaken, Some(name)) = (refusal.code(), name) else { return refusal };
    match readable(context, name).await {
        Ok(Some(other)) => refusal.with("id", other.to_string()),
        _ => refusal,
    }
}

async fn readable(context: &InstanceContext, name: &str) -> Result<Option<PlaybookId>> {
    let grant = context.grant::<Playbooks, Read>()?;
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &grant, &Named::of(name), context.now()).await?;
    reading.finish().await?;
    Ok(grant.open(found).ok().map(|playbook| playbook.id))
}

/// A new playbook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePlaybook {
    /// Unique among the living of the instance; not looking like a UUID.
    #[schema(example = "incident response")]
    name: String,
    #[schema(example = "What to do when the pager rings")]
    title: String,
    #[schema(example = "Read this before your first shift.")]
    description: Option<String>,
}

/// Makes a playbook, which is the caller's. It has no version yet.
#[utoipa::path(post, path = "/api/playbooks", tag = "Playbooks", request_body = CreatePlaybook,
    responses((status = 201, description = "The playbook", body = Playbook)))]
async fn create_playbook(
    context: InstanceContext,
    Json(body): Json<CreatePlaybook>,
) -> Result<Created<Versioned<Playbook>>> {
    let mut errors = Vec::new();
    let name = keep(checked_name(&body.name), &mut errors);
    let title = keep(Name::checked("/title", &body.title), &mut errors);
    let description = body
        .description
        .as_deref()
        .and_then(|text| keep(names::checked_description("/description", text), &mut errors));
    let (Some(name), Some(title), true) = (name, title, errors.is_empty()) else {
        return Err(Error::invalid(errors));
    };
    let grant = context.grant::<Playbooks, Create>()?;
    let mut writing = context.write().await?;
    let new = NewPlaybook {
        name: &name,
        title: &title,
        description: description.as_deref(),
        now: context.now(),
    };
    let playbook = match store::insert(&mut writing, &grant, &new).await {
        Ok(playbook) => playbook,
        Err(refusal) => {
            drop(writing);
            return Err(naming_the_other(&context, Some(name.as_str()), refusal).await);
        }
    };
    let event =
        event(Action::PlaybookCreated, &playbook).details(json!({ "after": described(&playbook) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/playbooks/{}", playbook.id), answer: Versioned(playbook) })
}

/// A playbook.
#[utoipa::path(get, path = "/api/playbooks/{playbook}", tag = "Playbooks", params(PlaybookPath),
    responses((status = 200, description = "The playbook", body = Playbook),
              (status = 304, description = "Not changed")))]
async fn get_playbook(
    context: InstanceContext,
    headers: HeaderMap,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
) -> Result<Response> {
    let grant = context.grant::<Playbooks, Read>()?;
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &grant, &Named::of(&name), context.now()).await?;
    reading.finish().await?;
    let playbook = find::living(&grant, found)?.into_row();
    Ok(resource_unless_known(&headers, &playbook))
}

/// What to change of a playbook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlaybook {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "incident response")]
    name: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "When the pager rings")]
    title: Option<String>,
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = 1)]
    version: Option<i64>,
}

impl UpdatePlaybook {
    fn checked(&self) -> Result<Changes> {
        let mut errors = Vec::new();
        let name = self.name.as_deref().and_then(|name| keep(checked_name(name), &mut errors));
        let title = self
            .title
            .as_deref()
            .and_then(|title| keep(Name::checked("/title", title), &mut errors));
        let text = |text: &Option<String>| {
            text.as_deref().map(|text| names::checked_description("/description", text)).transpose()
        };
        let description =
            self.description.as_ref().and_then(|description| keep(text(description), &mut errors));
        if errors.is_empty() {
            Ok(Changes { name, title, description })
        } else {
            Err(Error::invalid(errors))
        }
    }
}

/// Changes a playbook's name, title or description.
#[utoipa::path(patch, path = "/api/playbooks/{playbook}", tag = "Playbooks", params(PlaybookPath),
    request_body = UpdatePlaybook,
    responses((status = 200, description = "The playbook", body = Playbook)))]
async fn update_playbook(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
    Json(body): Json<UpdatePlaybook>,
) -> Result<Versioned<Playbook>> {
    let changes = body.checked()?;
    let grant = context.grant::<Playbooks, Update>()?;
    let now = context.now();
    let mut writing = context.write().await?;
    let before = find::open_for_change(&mut writing, &grant, &Named::of(&name), now).await?;
    precondition.check_with(before.version, body.version)?;
    if !changes.alter(&before) {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(Versioned(before.into_row()));
    }
    let after = match store::update(&mut writing, &before, &changes, now).await {
        Ok(after) => after,
        Err(refusal) => {
            drop(writing);
            return Err(naming_the_other(
                &context,
                changes.name.as_ref().map(Name::as_str),
                refusal,
            )
            .await);
        }
    };
    let event = event(Action::PlaybookUpdated, &after)
        .details(json!({ "before": described(&before), "after": described(&after) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Versioned(after))
}

/// A playbook that was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaybookDeletion {
    id: PlaybookId,
    deleted_at: DateTime<Utc>,
    /// Until then it can be restored.
    purge_at: DateTime<Utc>,
}

/// Deletes a playbook with its versions: hidden at once, and restorable for 7 days.
#[utoipa::path(delete, path = "/api/playbooks/{playbook}", tag = "Playbooks", params(PlaybookPath),
    responses(
        (status = 200, description = "Deleted, until purged restorable", body = PlaybookDeletion)))]
async fn delete_playbook(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
) -> Result<Json<PlaybookDeletion>> {
    let grant = context.grant::<Playbooks, Delete>()?;
    let now = context.now();
    let mut writing = context.write().await?;
    let before = find::open_for_change(&mut writing, &grant, &Named::of(&name), now).await?;
    precondition.check(before.version)?;
    let deletion = PlaybookDeletion { id: before.id, deleted_at: now, purge_at: now + RESTORABLE };
    store::delete(&mut writing, &before, now, deletion.purge_at).await?;
    let details = json!({ "before": described(&before), "purgeAt": deletion.purge_at });
    let recorded = audit::record(
        &mut writing,
        &context,
        event(Action::PlaybookDeleted, &before).details(details),
    )
    .await?;
    writing.commit(recorded).await?;
    Ok(Json(deletion))
}

/// Restores a deleted playbook with its versions. By a name: the one of that name that was deleted
/// last.
#[utoipa::path(post, path = "/api/playbooks/{playbook}/restore", tag = "Playbooks",
    params(PlaybookPath),
    responses(
        (status = 200, description = "The playbook", body = Playbook)))]
async fn restore_playbook(
    context: InstanceContext,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
) -> Result<Versioned<Playbook>> {
    let grant = context.grant::<Playbooks, Delete>()?;
    let now = context.now();
    let mut writing = context.write().await?;
    let before = find::deleted_for_change(&mut writing, &grant, &Named::of(&name), now).await?;
    let after = match store::restore(&mut writing, &before, now).await {
        Ok(after) => after,
        Err(refusal) => {
            drop(writing);
            return Err(naming_the_other(&context, Some(&before.name), refusal).await);
        }
    };
    let event =
        event(Action::PlaybookRestored, &after).details(json!({ "after": described(&after) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Versioned(after))
}

fn event(action: Action, playbook: &Playbook) -> Event {
    Event::new(action, ResourceType::Playbook, playbook.id)
}

fn described(playbook: &Playbook) -> serde_json::Value {
    json!({ "instanceId": playbook.instance_id, "name": playbook.name, "title": playbook.title })
}
