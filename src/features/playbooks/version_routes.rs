//! `/api/playbooks/{playbook}/versions`: the numbered versions of a playbook. Whoever works with
//! them must be able to read the playbook; whose a version is decides about the rest.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::find::{self, PlaybookReference};
use super::playbook::{PlaybookContent, PlaybookVersion, not_deleted};
use super::version_find::{self, FoundVersion};
use super::version_request::{self, CreatePlaybookVersion, MAX_BODY};
use super::{
    PlaybookPath, PlaybookVersions, Playbooks, RESTORABLE, VersionPath, version_read,
    version_store as store,
};
use crate::access::tables::{Create, Delete, Read};
use crate::context::InstanceContext;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{Created, FromPath, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::PlaybookId;
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(list_playbook_versions)
                .refuses(&[Code::Gone])
                .guard(app, Policy::feature::<PlaybookVersions, Read>()),
        )
        .routes(
            routes!(create_playbook_version)
                .refuses(&[Code::VersionExists, Code::Gone])
                .guard(app, Policy::feature::<PlaybookVersions, Create>().body_up_to(MAX_BODY)),
        )
        .routes(
            routes!(get_playbook_version)
                .refuses(&[Code::Gone])
                .guard(app, Policy::feature::<PlaybookVersions, Read>()),
        )
        .routes(
            routes!(delete_playbook_version)
                .refuses(&[Code::Gone])
                .versioned()
                .guard(app, Policy::feature::<PlaybookVersions, Delete>()),
        )
        .routes(
            routes!(restore_playbook_version)
                .refuses(&[Code::NotDeleted, Code::Gone])
                .guard(app, Policy::feature::<PlaybookVersions, Delete>()),
        )
}

list_query! {
    VersionsQuery sorted by "-number" {}
}

/// The playbook's versions that the caller's level reaches, without their content.
#[utoipa::path(get, path = "/api/playbooks/{playbook}/versions", tag = "Playbooks",
    params(PlaybookPath, VersionsQuery),
    responses((status = 200, description = "A page of versions", body = Page<PlaybookVersion>)))]
async fn list_playbook_versions(
    context: InstanceContext,
    lister: Lister,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
    Query(query): Query<VersionsQuery>,
) -> Result<PageAnswer<PlaybookVersion>> {
    let paging = query.paging(&lister)?;
    let (playbooks, grant) =
        (context.grant::<Playbooks, Read>()?, context.grant::<PlaybookVersions, Read>()?);
    let mut reading = context.read().await?;
    let rows = version_read::list(
        &mut reading,
        &playbooks,
        &grant,
        &PlaybookReference::of(&name),
        &paging,
        context.now(),
    )
    .await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Adds a version, which is the caller's.
#[utoipa::path(post, path = "/api/playbooks/{playbook}/versions", tag = "Playbooks",
    params(PlaybookPath),
    request_body = CreatePlaybookVersion,
    responses(
        (status = 201, description = "The version", body = PlaybookContent)))]
async fn create_playbook_version(
    context: InstanceContext,
    FromPath(PlaybookPath { playbook: name }): FromPath<PlaybookPath>,
    Json(body): Json<CreatePlaybookVersion>,
) -> Result<Created<Versioned<PlaybookContent>>> {
    version_request::checked_content(&body.content)?;
    let number = body.checked_number()?;
    let (playbooks, grant) =
        (context.grant::<Playbooks, Read>()?, context.grant::<PlaybookVersions, Create>()?);
    let mut writing = context.write().await?;
    let now = context.now();
    let parent =
        find::open_for_change(&mut writing, &playbooks, &PlaybookReference::of(&name), now).await?;
    grant.require_within(&parent)?;
    let playbook = parent.id;
    if let Some(number) = number {
        store::free_number(&mut writing, &grant, (playbook, number), now).await?;
    }
    let version = store::insert(&mut writing, &grant, playbook, number, &body.content, now).await?;
    store::note_latest(&mut writing, &grant, playbook, now).await?;
    let event = event(Action::PlaybookVersionCreated, playbook)
        .details(json!({ "after": described(&version) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    let location = format!("/api/playbooks/{playbook}/versions/{}", version.number);
    Ok(Created { location, answer: Versioned(PlaybookContent { version, content: body.content }) })
}

/// A version with its content.
#[utoipa::path(get, path = "/api/playbooks/{playbook}/versions/{number}", tag = "Playbooks",
    params(VersionPath),
    responses((status = 200, description = "The version", body = PlaybookContent)))]
async fn get_playbook_version(
    context: InstanceContext,
    FromPath(VersionPath { playbook: name, number }): FromPath<VersionPath>,
) -> Result<Versioned<PlaybookContent>> {
    let (playbooks, grant) =
        (context.grant::<Playbooks, Read>()?, context.grant::<PlaybookVersions, Read>()?);
    let mut reading = context.read().await?;
    let version = version_read::read(
        &mut reading,
        &playbooks,
        &grant,
        (&PlaybookReference::of(&name), number),
        context.now(),
    )
    .await?;
    reading.finish().await?;
    Ok(Versioned(version))
}

/// A version that was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionDeletion {
    #[schema(example = 3)]
    number: i32,
    #[schema(example = "2026-03-02T08:15:00Z")]
    deleted_at: DateTime<Utc>,
    /// Until then it can be restored.
    #[schema(example = "2026-04-01T08:15:00Z")]
    purge_at: DateTime<Utc>,
}

/// Deletes a version: hidden at once, and restorable for 7 days.
#[utoipa::path(delete, path = "/api/playbooks/{playbook}/versions/{number}", tag = "Playbooks",
    params(VersionPath),
    responses(
        (status = 200, description = "Deleted, until purged restorable", body = VersionDeletion)))]
async fn delete_playbook_version(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(VersionPath { playbook: name, number }): FromPath<VersionPath>,
) -> Result<Json<VersionDeletion>> {
    let (playbooks, grant) =
        (context.grant::<Playbooks, Read>()?, context.grant::<PlaybookVersions, Delete>()?);
    let mut writing = context.write().await?;
    let now = context.now();
    let playbook =
        find::open_for_change(&mut writing, &playbooks, &PlaybookReference::of(&name), now)
            .await?
            .id;
    let found = version_find::find(&mut writing, &grant, playbook, number, now).await?;
    let before = &version_find::living(&grant, found)?.into_row().version;
    precondition.check(i64::from(before.revision))?;
    let deletion = VersionDeletion { number, deleted_at: now, purge_at: now + RESTORABLE };
    store::delete(&mut writing, &grant, (playbook, number), now, deletion.purge_at).await?;
    store::note_latest(&mut writing, &grant, playbook, now).await?;
    let details = json!({ "before": described(before), "purgeAt": deletion.purge_at });
    let recorded = audit::record(
        &mut writing,
        &context,
        event(Action::PlaybookVersionDeleted, playbook).details(details),
    )
    .await?;
    writing.commit(recorded).await?;
    Ok(Json(deletion))
}

/// Restores a deleted version.
#[utoipa::path(post, path = "/api/playbooks/{playbook}/versions/{number}/restore",
    tag = "Playbooks",
    params(VersionPath),
    responses((status = 200, description = "The version", body = PlaybookContent)))]
async fn restore_playbook_version(
    context: InstanceContext,
    FromPath(VersionPath { playbook: name, number }): FromPath<VersionPath>,
) -> Result<Versioned<PlaybookContent>> {
    let (playbooks, grant) =
        (context.grant::<Playbooks, Read>()?, context.grant::<PlaybookVersions, Delete>()?);
    let mut writing = context.write().await?;
    let now = context.now();
    let playbook =
        find::open_for_change(&mut writing, &playbooks, &PlaybookReference::of(&name), now)
            .await?
            .id;
    let found = version_find::find(&mut writing, &grant, playbook, number, now).await?;
    let FoundVersion { version, purge_at } = grant.open(found)?.into_row();
    if purge_at.is_none() {
        return Err(not_deleted());
    }
    let restored = store::restore(&mut writing, &grant, (playbook, number)).await?;
    store::note_latest(&mut writing, &grant, playbook, now).await?;
    let event = event(Action::PlaybookVersionRestored, playbook)
        .details(json!({ "after": described(&version) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Versioned(PlaybookContent { version, content: restored }))
}

/// An event of a version. It is told under the playbook's id; `details` have the version's number.
pub(super) fn event(action: Action, playbook: PlaybookId) -> Event {
    Event::new(action, ResourceType::PlaybookVersion, playbook)
}

pub(super) fn described(version: &PlaybookVersion) -> serde_json::Value {
    json!({ "number": version.number, "revision": version.revision, "size": version.size })
}
