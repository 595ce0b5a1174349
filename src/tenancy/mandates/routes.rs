//! `/api/mandates/{mandateId}`: one tenant.

use serde_json::json;
use utoipa_axum::routes;

use super::request::UpdateMandate;
use super::store::{self, Changes};
use super::{Mandate, find};
use crate::access::tables::{Mandate as MandateTable, Read, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::authorize::not_in_their_place;
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
                .refuses(&[Code::CodeTaken, Code::OperationNotAllowed])
                .versioned()
                .guard(app, Policy::table::<MandateTable, Update>().or_sys().while_impersonating()),
        )
        .routes(
            routes!(put_mandate)
                .refuses(&[Code::CodeTaken, Code::OperationNotAllowed])
                .versioned()
                .guard(app, Policy::table::<MandateTable, Update>().or_sys().while_impersonating()),
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

/// Changes a mandate. Its name and language are its own people's to change; its code, and whether
/// it is enabled, SysAdmins'; whether SysAdmins may act as its members, its admins'.
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
    require_may_allow(context, &changes)?;
    match context.as_system() {
        Some(system) => {
            let (system, changes) = (&system, &changes);
            retrying(|| {
                change_as_sys_admin(system, context.mandate(), precondition, body.version, changes)
            })
            .await
        }
        None => retrying(|| change_as_member(context, precondition, body.version, &changes)).await,
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

/// Under the mandate's lock: whoever lets others act as its members is an admin at that moment.
async fn change_as_member(
    context: &MandateContext,
    precondition: &Precondition,
    version: Option<i64>,
    changes: &Changes,
) -> Result<Mandate> {
    if changes.code.is_some() || changes.enabled.is_some() {
        return Err(only_for("`code` and `enabled` are changed by SysAdmins only.", "sysAdmin"));
    }
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<MandateTable, Update>()?;
    require_may_allow(&change.context, changes)?;
    change.as_tenant().await?;
    let before = grant.open(find::find_for_change(&mut change, &grant).await?)?;
    precondition.check_with(before.version, version)?;
    if !changes.alter(&before) {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before.into_row());
    }
    let now = change.context.now();
    let after = store::update_as_member(&mut change, &before, changes, now).await?;
    let recorded = change.record(updated(&before, &after)).await?;
    change.commit(recorded).await?;
    Ok(after)
}

fn only_for(detail: &'static str, needed: &str) -> Error {
    Error::new(Code::PermissionDenied, detail)
        .with("table", "mandate")
        .with("operation", "update")
        .with("needed", needed)
}

/// Whether SysAdmins may act as the mandate's members is for its admins alone to say: not for
/// SysAdmins, and not for who acts as an admin.
fn require_may_allow(context: &MandateContext, changes: &Changes) -> Result<()> {
    if changes.allow_impersonation.is_none() {
        return Ok(());
    }
    if context.caller().impersonated_by().is_some() {
        return Err(not_in_their_place());
    }
    if context.is_admin() {
        return Ok(());
    }
    Err(only_for("`allowImpersonation` is changed by the mandate's admins only.", "admin"))
}

fn updated(before: &Mandate, after: &Mandate) -> Event {
    let described = |m: &Mandate| {
        json!({
            "name": m.name, "code": m.code, "language": m.language, "enabled": m.enabled,
            "allowImpersonation": m.allow_impersonation,
        })
    };
    Event::new(Action::MandateUpdated, ResourceType::Mandate, after.id)
        .details(json!({ "before": described(before), "after": described(after) }))
}
