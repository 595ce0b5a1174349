//! `/api/journal`.

use bailiwick::access::tables::{Create, Delete, Read, Update};
use bailiwick::context::audit::{self, Action, Event, ResourceType};
use bailiwick::context::policy::Policy;
use bailiwick::context::{InstanceContext, Recorded};
use bailiwick::http::app::App;
use bailiwick::http::etag::{Precondition, Resource, Versioned};
use bailiwick::http::extract::{Created, FromPath, Json, NoContent, Query};
use bailiwick::http::guard::{Guard, Routes};
use bailiwick::http::list::{Lister, Page, PageAnswer};
use bailiwick::kernel::error::Result;
use bailiwick::kernel::ids::AnyId;
use bailiwick::kernel::names;
use bailiwick::{list_query, path_params};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Entries;
use super::store::{self, Entry};

pub fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_entries).guard(app, Policy::feature::<Entries, Read>()))
        .routes(routes!(create_entry).guard(app, Policy::feature::<Entries, Create>()))
        .routes(routes!(get_entry).guard(app, Policy::feature::<Entries, Read>()))
        .routes(routes!(replace_entry).versioned().guard(app, Policy::feature::<Entries, Update>()))
        .routes(routes!(delete_entry).versioned().guard(app, Policy::feature::<Entries, Delete>()))
}

impl Resource for Entry {
    fn version(&self) -> i64 {
        self.version
    }
}

path_params! {
    /// To an entry.
    EntryPath {
        /// The entry
        #[param(inline)]
        entry_id: AnyId,
    }
}

list_query! {
    EntriesQuery sorted by "createdAt" {}
}

/// What an entry says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WriteEntry {
    #[schema(example = "Dear diary")]
    text: String,
    #[schema(example = 1)]
    version: Option<i64>,
}

/// The entries.
#[utoipa::path(get, path = "/api/journal", tag = "Journal", params(EntriesQuery),
    responses((status = 200, description = "A page", body = Page<Entry>)))]
async fn list_entries(
    context: InstanceContext,
    lister: Lister,
    Query(query): Query<EntriesQuery>,
) -> Result<PageAnswer<Entry>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Entries, Read>()?;
    let mut reading = context.read().await?;
    let rows = store::list(&mut reading, &grant, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// A new entry.
#[utoipa::path(post, path = "/api/journal", tag = "Journal", request_body = WriteEntry,
    responses((status = 201, description = "The entry", body = Entry)))]
async fn create_entry(
    context: InstanceContext,
    Json(body): Json<WriteEntry>,
) -> Result<Created<Versioned<Entry>>> {
    let text = names::checked("/text", &body.text)?;
    let grant = context.grant::<Entries, Create>()?;
    let mut writing = context.write().await?;
    let entry = store::insert(&mut writing, &grant, &text).await?;
    let recorded = audit::record(
        &mut writing,
        &context,
        Event::new(Action::PlaybookCreated, ResourceType::Playbook, entry.id),
    )
    .await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/journal/{}", entry.id), answer: Versioned(entry) })
}

/// An entry.
#[utoipa::path(get, path = "/api/journal/{entryId}", tag = "Journal", params(EntryPath),
    responses((status = 200, description = "The entry", body = Entry)))]
async fn get_entry(
    context: InstanceContext,
    FromPath(EntryPath { entry_id: entry }): FromPath<EntryPath>,
) -> Result<Versioned<Entry>> {
    let grant = context.grant::<Entries, Read>()?;
    let mut reading = context.read().await?;
    let found = store::find(&mut reading, &grant, entry.uuid()).await?;
    reading.finish().await?;
    Ok(Versioned(grant.open(found)?.into_row()))
}

/// Says something else.
#[utoipa::path(put, path = "/api/journal/{entryId}", tag = "Journal", params(EntryPath),
    request_body = WriteEntry, responses((status = 200, description = "The entry", body = Entry)))]
async fn replace_entry(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(EntryPath { entry_id: entry }): FromPath<EntryPath>,
    Json(body): Json<WriteEntry>,
) -> Result<Versioned<Entry>> {
    let entry = entry.uuid();
    let text = names::checked("/text", &body.text)?;
    let grant = context.grant::<Entries, Update>()?;
    let mut writing = context.write().await?;
    let before = grant.open(store::find_for_change(&mut writing, &grant, entry).await?)?;
    precondition.check_with(before.version, body.version)?;
    if text == before.text {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(Versioned(before.into_row()));
    }
    let after = store::replace(&mut writing, &before, &text).await?;
    let recorded = audit::record(
        &mut writing,
        &context,
        Event::new(Action::PlaybookUpdated, ResourceType::Playbook, entry),
    )
    .await?;
    writing.commit(recorded).await?;
    Ok(Versioned(after))
}

/// Tears an entry out.
#[utoipa::path(delete, path = "/api/journal/{entryId}", tag = "Journal", params(EntryPath),
    responses((status = 204, description = "Deleted")))]
async fn delete_entry(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(EntryPath { entry_id: entry }): FromPath<EntryPath>,
) -> Result<NoContent> {
    let entry = entry.uuid();
    let grant = context.grant::<Entries, Delete>()?;
    let mut writing = context.write().await?;
    let before = grant.open(store::find_for_change(&mut writing, &grant, entry).await?)?;
    precondition.check(before.version)?;
    store::delete(&mut writing, &before).await?;
    let recorded = audit::record(
        &mut writing,
        &context,
        Event::new(Action::PlaybookDeleted, ResourceType::Playbook, entry),
    )
    .await?;
    writing.commit(recorded).await?;
    Ok(NoContent)
}
