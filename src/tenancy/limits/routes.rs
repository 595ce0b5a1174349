//! `/api/mandates/{mandateId}/limits`: what members of a mandate may ask of the service.

use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{ClassLimits, MandateLimits, store};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Locks, Recorded, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::http::patch;
use crate::http::paths::MandatePath;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::MandateId;

pub fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(get_mandate_limits).guard(app, Policy::sys()))
        .routes(routes!(replace_mandate_limits).versioned().guard(app, Policy::sys()))
}

/// The limits that were set for a mandate; for every other class the settings hold.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/limits", tag = "Mandates",
    params(MandatePath),
    responses(
        (status = 200, description = "The limits", body = MandateLimits)))]
async fn get_mandate_limits(
    system: SystemContext,
    FromPath(MandatePath { mandate_id: mandate }): FromPath<MandatePath>,
) -> Result<Versioned<MandateLimits>> {
    let mut reading = system.read().await?;
    let limits =
        store::find(&mut reading, system.system(), mandate).await?.ok_or_else(Error::not_found)?;
    reading.finish().await?;
    Ok(Versioned(limits))
}

/// What members of a mandate may ask of the service.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceMandateLimits {
    /// All of them: a class that is left out has what the settings say.
    classes: ClassLimits,
    /// The mandate's version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

/// Sets the limits of a mandate's members: of each of them, for requests whose `X-Mandate-Id` names
/// it. In force at once on the node that answers, and on others within seconds.
#[utoipa::path(put, path = "/api/mandates/{mandateId}/limits", tag = "Mandates",
    params(MandatePath),
    request_body = ReplaceMandateLimits,
    responses(
        (status = 200, description = "The limits", body = MandateLimits)))]
async fn replace_mandate_limits(
    State(app): State<App>,
    system: SystemContext,
    precondition: Precondition,
    FromPath(MandatePath { mandate_id: mandate }): FromPath<MandatePath>,
    Json(body): Json<ReplaceMandateLimits>,
) -> Result<Versioned<MandateLimits>> {
    let (system, precondition, body) = (&system, &precondition, &body);
    let limits = retrying(|| replace(system, mandate, precondition, body)).await?;
    app.limits().set_mandate(mandate, limits.classes.per_minute());
    Ok(Versioned(limits))
}

async fn replace(
    system: &SystemContext,
    mandate: MandateId,
    precondition: &Precondition,
    body: &ReplaceMandateLimits,
) -> Result<MandateLimits> {
    let mut change = system.change(Locks::default().and_mandate(mandate)).await?;
    let before =
        store::find(&mut change, system.system(), mandate).await?.ok_or_else(Error::not_found)?;
    precondition.check_with(before.version, body.version)?;
    if body.classes == before.classes {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let now = change.context.now();
    let after = store::replace(&mut change, system.system(), mandate, &body.classes, now).await?;
    let event = Event::new(Action::MandateLimitsChanged, ResourceType::Mandate, mandate).details(
        json!({ "before": { "limits": before.classes }, "after": { "limits": after.classes } }),
    );
    let recorded = change.record_everywhere(&[mandate], event).await?;
    change.commit(recorded).await?;
    Ok(after)
}
