//! `/api/features/instances/{instanceId}`: one instance.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{FeatureInstance, belongings, find, store};
use crate::access::tables::{Delete, Instances, Read, Update};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{InstanceContext, Locks, Recorded};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::http::patch;
use crate::http::paths::InstancePath;
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::names::Name;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(get_feature_instance).guard(app, Policy::table::<Instances, Read>().or_sys()),
        )
        .routes(
            routes!(update_feature_instance)
                .refuses(&[Code::SelfEscalation, Code::GrantExceedsOwnAccess, Code::LabelTaken])
                .versioned()
                .guard(app, Policy::table::<Instances, Update>().or_sys()),
        )
        .routes(
            routes!(delete_feature_instance)
                .versioned()
                .guard(app, Policy::table::<Instances, Delete>().or_sys()),
        )
}

/// An instance.
#[utoipa::path(get, path = "/api/features/instances/{instanceId}", tag = "Instances",
    params(InstancePath),
    responses(
        (status = 200, description = "The instance", body = FeatureInstance),
        (status = 304, description = "Not changed")))]
async fn get_feature_instance(context: InstanceContext, headers: HeaderMap) -> Result<Response> {
    let grant = context.grant_over_itself::<Read>()?;
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &grant).await?;
    reading.finish().await?;
    Ok(resource_unless_known(&headers, &*grant.open(found)?))
}

/// What to change of an instance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateInstance {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "Accounting 2027")]
    label: Option<String>,
    /// Where false, nobody's roles in it count.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = true)]
    enabled: Option<bool>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

/// Renames, enables or disables an instance.
#[utoipa::path(patch, path = "/api/features/instances/{instanceId}", tag = "Instances",
    params(InstancePath),
    request_body = UpdateInstance,
    responses(
        (status = 200, description = "The instance", body = FeatureInstance)))]
async fn update_feature_instance(
    context: InstanceContext,
    precondition: Precondition,
    Json(body): Json<UpdateInstance>,
) -> Result<Versioned<FeatureInstance>> {
    let mut errors = Vec::new();
    let label =
        body.label.as_deref().and_then(|label| keep(Name::checked("/label", label), &mut errors));
    if !errors.is_empty() {
        return Err(Error::invalid(errors));
    }
    let (context, precondition, label) = (&context, &precondition, label.as_ref());
    retrying(|| change(context, precondition, body.version, label, body.enabled))
        .await
        .map(Versioned)
}

async fn change(
    context: &InstanceContext,
    precondition: &Precondition,
    version: Option<i64>,
    label: Option<&Name>,
    enabled: Option<bool>,
) -> Result<FeatureInstance> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant_over_itself::<Update>()?;
    if enabled == Some(true) {
        change.require_may_enable().await?;
    }
    change.as_tenant().await?;
    let before = grant.open(find::find_for_change(&mut change, &grant).await?)?;
    precondition.check_with(before.version, version)?;
    let is_renamed = label.is_some_and(|label| label.as_str() != before.label);
    if !is_renamed && enabled.is_none_or(|enabled| enabled == before.enabled) {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before.into_row());
    }
    let after = store::update(&mut change, &before, label, enabled).await?;
    let details = json!({ "before": described(&before), "after": described(&after) });
    let event =
        Event::new(Action::InstanceUpdated, ResourceType::Instance, after.id).details(details);
    let recorded = change.record(event).await?;
    change.commit(recorded).await?;
    Ok(after)
}

/// Deletes an instance with its roles, admissions and data.
#[utoipa::path(delete, path = "/api/features/instances/{instanceId}", tag = "Instances",
    params(InstancePath),
    responses(
        (status = 204, description = "Deleted")))]
async fn delete_feature_instance(
    context: InstanceContext,
    precondition: Precondition,
) -> Result<NoContent> {
    let (context, precondition) = (&context, &precondition);
    retrying(|| delete(context, precondition)).await?;
    Ok(NoContent)
}

async fn delete(context: &InstanceContext, precondition: &Precondition) -> Result<()> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant_over_itself::<Delete>()?;
    change.as_tenant().await?;
    let before = grant.open(find::find_for_change(&mut change, &grant).await?)?;
    precondition.check(before.version)?;
    let (roles, admissions) = (
        belongings::roles(&mut change, &before).await?,
        belongings::admissions(&mut change, &before).await?,
    );
    store::delete(&mut change, &before).await?;
    let event = Event::new(Action::InstanceDeleted, ResourceType::Instance, before.id)
        .details(json!({ "before": described(&before) }));
    let event = event.listing("roles", "roleCount", &roles).listing(
        "admissions",
        "admissionCount",
        &admissions,
    );
    let recorded = change.record(event).await?;
    change.commit(recorded).await
}

pub(super) fn described(instance: &FeatureInstance) -> serde_json::Value {
    json!({
        "featureCode": instance.feature_code, "label": instance.label, "enabled": instance.enabled,
    })
}
