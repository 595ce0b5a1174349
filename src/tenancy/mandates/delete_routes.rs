//! Deleting a mandate, and restoring it while that is possible.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Mandate, find, store};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Locks, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::http::paths::MandatePath;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::MandateId;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(routes!(delete_mandate).versioned().guard(app, Policy::sys())).routes(
        routes!(restore_mandate)
            .refuses(&[Code::NotDeleted, Code::CodeTaken])
            .guard(app, Policy::sys()),
    )
}

/// How long a deleted mandate can be restored.
const RESTORABLE: Duration = Duration::days(30);

/// A soft deletion.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    id: MandateId,
    #[schema(example = "2026-03-02T08:15:00Z")]
    deleted_at: DateTime<Utc>,
    /// Until then it can be restored.
    #[schema(example = "2026-04-01T08:15:00Z")]
    purge_at: DateTime<Utc>,
}

/// Deletes a mandate: everything in it becomes unreachable at once, and can be restored for 30
/// days.
#[utoipa::path(delete, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    responses((status = 200, description = "Deleted, until purged restorable", body = Deletion)))]
async fn delete_mandate(
    system: SystemContext,
    precondition: Precondition,
    FromPath(MandatePath { mandate_id: mandate }): FromPath<MandatePath>,
) -> Result<Json<Deletion>> {
    let (system, precondition) = (&system, &precondition);
    retrying(|| delete(system, mandate, precondition)).await.map(Json)
}

async fn delete(
    system: &SystemContext,
    mandate: MandateId,
    precondition: &Precondition,
) -> Result<Deletion> {
    let mut change = system.change(Locks::default().and_mandate(mandate)).await?;
    let before = find::living(find::find_as_system(&mut change, system.system(), mandate).await?)?;
    precondition.check(before.version)?;
    let now = change.context.now();
    let deletion = Deletion { id: mandate, deleted_at: now, purge_at: now + RESTORABLE };
    store::delete(&mut change, system.system(), mandate, now, deletion.purge_at).await?;
    let event = Event::new(Action::MandateDeleted, ResourceType::Mandate, mandate).details(json!({
        "before": { "name": before.name, "code": before.code }, "purgeAt": deletion.purge_at,
    }));
    let recorded = change.record_everywhere(&[mandate], event).await?;
    change.commit(recorded).await?;
    Ok(deletion)
}

/// Restores a deleted mandate with everything in it.
#[utoipa::path(post, path = "/api/mandates/{mandateId}/restore", tag = "Mandates",
    params(MandatePath),
    responses(
        (status = 200, description = "The mandate", body = Mandate)))]
async fn restore_mandate(
    system: SystemContext,
    FromPath(MandatePath { mandate_id: mandate }): FromPath<MandatePath>,
) -> Result<Versioned<Mandate>> {
    let system = &system;
    retrying(|| restore(system, mandate)).await.map(Versioned)
}

async fn restore(system: &SystemContext, mandate: MandateId) -> Result<Mandate> {
    let mut change = system.change(Locks::default().and_mandate(mandate)).await?;
    let now = change.context.now();
    let before = find::find_as_system(&mut change, system.system(), mandate)
        .await?
        .ok_or_else(Error::not_found)?;
    match before.purge_at {
        None => return Err(Error::new(Code::NotDeleted, "The mandate is not deleted.")),
        Some(purge_at) if purge_at <= now => return Err(Error::not_found()),
        Some(_) => {}
    }
    let after = store::restore(&mut change, system.system(), mandate, now).await?;
    let event = Event::new(Action::MandateRestored, ResourceType::Mandate, mandate)
        .details(json!({ "after": { "name": after.name, "code": after.code } }));
    let recorded = change.record_everywhere(&[mandate], event).await?;
    change.commit(recorded).await?;
    Ok(after)
}
