//! `/api/mandates/{mandateId}`: one tenant.

use serde_json::json;
use utoipa_axum::routes;

use super::request::UpdateMandate;
use super::store::{self, Changes};
use super::{Mandate, find};
use crate::access::tables::{Mandate as MandateTable, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Locks, MandateContext, Recorded, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::http::paths::MandatePath;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::MandateId;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(get_mandate).guard(
                app,
                Policy::table::<MandateTable, Read>().or_sys().class(Class::ListMandates),
            ),
        )
        .routes(
            routes!(update_mandate)
                .refuses(&[Code::CodeTaken])
                .versioned()
                .guard(app, Policy::table::<MandateTable, Update>().or_sys()),
        )
        .routes(
            routes!(put_mandate)
                .refuses(&[Code::CodeTaken])
                .versioned()
                .guard(app, Policy::table::<MandateTable, Update>().or_sys()),
        )
}

/// A mandate.
#[utoipa::path(get, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    responses((status = 200, description = "The mandate", body = Mandate)))]
async fn get_mandate(context: MandateContext) -> Result<Versioned<Mandate>> {
    let grant = context.grant::<MandateTable, Read>()?;
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &grant).await?;
    reading.finish().await?;
    Ok(Versioned(grant.open(found)?.into_row()))
}

/// Changes a mandate: its name and language by its admins, its code and whether it is enabled by
/// SysAdmins.
#[utoipa::path(patch, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    request_body = UpdateMandate,
    responses((status = 200, description = "The mandate", body = Mandate)))]
async fn update_mandate(
    context: MandateContext,
    precondition: Precondition,
    Json(body): Json<UpdateMandate>,
) -> Result<Versioned<Mandate>> {
    change(&context, &precondition, &body).await.map(Versioned)
}

/// The same as PATCH: what is left out stays.
#[utoipa::path(put, path = "/api/mandates/{mandateId}", tag = "Mandates", params(MandatePath),
    request_body = UpdateMandate,
    responses((status = 200, description = "The mandate", body = Mandate)))]
async fn put_mandate(
    context: MandateContext,
    precondition: Precondition,
    Json(body): Json<UpdateMandate>,
) -> Result<Versioned<Mandate>> {
    change(&context, &precondition, &body).await.map(Versioned)
}

async fn change(
    context: &MandateContext,
    precondition: &Precondition,
    body: &UpdateMandate,
) -> Result<Mandate> {
    let changes = body.checked()?;
    match context.as_system() {
        Some(system) => {
            let (system, changes) = (&system, &changes);
            retrying(|| {
                change_as_sys_admin(system, context.mandate(), precondition, body.version, changes)
            })
            .await
        }
        None => change_as_member(context, precondition, body.version, &changes).await,
    }
}

async fn change_as_sys_admin(
    system: &SystemContext,
    mandate: MandateId,
    precondition: &Precondition,
    version: Option<i64>,
    changes: &Changes,
) -> Result<Mandate> {
    let mut change = system.change(Locks::default().and_mandate(mandate)).await?;
    let before = find::living(find::find_as_system(&mut change, system.system(), mandate).await?)?;
    precondition.check_with(before.version, version)?;
    if !changes.alter(&before) {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let now = change.context.now();
    let after = store::update(&mut change, system.system(), mandate, changes, now).await?;
    let recorded = change.record_everywhere(&[mandate], updated(&before, &after)).await?;
    change.commit(recorded).await?;
    Ok(after)
}

async fn change_as_member(
    context: &MandateContext,
    precondition: &Precondition,
    version: Option<i64>,
    changes: &Changes,
) -> Result<Mandate> {
    if changes.code.is_some() || changes.enabled.is_some() {
        let refusal = Error::new(
            Code::PermissionDenied,
            "`code` and `enabled` are changed by SysAdmins only.",
        );
        return Err(refusal
            .with("table", "mandate")
            .with("operation", "update")
            .with("needed", "sysAdmin"));
    }
    let grant = context.grant::<MandateTable, Update>()?;
    let mut writing = context.write().await?;
    let before = grant.open(find::find_for_change(&mut writing, &grant).await?)?;
    precondition.check_with(before.version, version)?;
    if !changes.alter(&before) {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(before.into_row());
    }
    let after = store::rename(
        &mut writing,
        &before,
        changes.name.as_ref(),
        changes.language.as_deref(),
        context.now(),
    )
    .await?;
    let recorded = audit::record(&mut writing, context, updated(&before, &after)).await?;
    writing.commit(recorded).await?;
    Ok(after)
}

fn updated(before: &Mandate, after: &Mandate) -> Event {
    let described = |m: &Mandate| {
        json!({
            "name": m.name, "code": m.code, "language": m.language, "enabled": m.enabled,
        })
    };
    Event::new(Action::MandateUpdated, ResourceType::Mandate, after.id)
        .details(json!({ "before": described(before), "after": described(after) }))
}
