//! Deleting a playbook, and restoring it while that is possible.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::find::{self, PlaybookReference};
use super::playbook::Playbook;
use super::{PlaybookPath, Playbooks, RESTORABLE, routes, store};
use crate::access::tables::Delete;
use crate::context::InstanceContext;
use crate::context::audit::{self, Action};
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::PlaybookId;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
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

/// A playbook that was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaybookDeletion {
    id: PlaybookId,
    #[schema(example = "2026-03-02T08:15:00Z")]
    deleted_at: DateTime<Utc>,
    /// Until then it can be restored.
    #[schema(example = "2026-04-01T08:15:00Z")]
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
    let mut writing = context.write().await?;
    let now = context.now();
    let before =
        find::open_for_change(&mut writing, &grant, &PlaybookReference::of(&name), now).await?;
    precondition.check(before.version)?;
    let deletion = PlaybookDeletion { id: before.id, deleted_at: now, purge_at: now + RESTORABLE };
    store::delete(&mut writing, &before, now, deletion.purge_at).await?;
    let details = json!({ "before": routes::described(&before), "purgeAt": deletion.purge_at });
    let recorded = audit::record(
        &mut writing,
        &context,
        routes::event(Action::PlaybookDeleted, &before).details(details),
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
    let mut writing = context.write().await?;
    let now = context.now();
    let before =
        find::deleted_for_change(&mut writing, &grant, &PlaybookReference::of(&name), now).await?;
    let after = match store::restore(&mut writing, &before, now).await {
        Ok(after) => after,
        Err(refusal) => {
            drop(writing);
            return Err(routes::naming_the_other(&context, Some(&before.name), refusal).await);
        }
    };
    let event = routes::event(Action::PlaybookRestored, &after)
        .details(json!({ "after": routes::described(&after) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Versioned(after))
}
