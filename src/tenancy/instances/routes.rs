//! `/api/features/instances`: the instances themselves.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::list::{self, Filter};
use super::{FeatureInstance, belongings, store};
use crate::access::tables::{Create, Delete, Instances, Read, Update};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::enter::{Reach, mandate_access_denied};
use crate::context::policy::Policy;
use crate::context::{Change, InstanceContext, Locks, MandateContext, Recorded};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::{Created, Json, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::http::patch;
use crate::http::paths::InstancePath;
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::ids::{MandateId, UserId};
use crate::kernel::missing::Thing;
use crate::kernel::names::{self, Name};
use crate::list_query;
use crate::tenancy::catalogue;
use crate::tenancy::roles::{self, Copy};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(list_feature_instances).guard(app, Policy::table::<Instances, Read>().or_sys()),
        )
        .routes(
            routes!(create_feature_instance)
                .refuses(&[Code::LabelTaken, Code::NotFound, Code::SelfEscalation])
                .guard(app, Policy::table::<Instances, Create>()),
        )
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

list_query! {
    InstancesQuery sorted by "label" {
        /// Only instances of this feature.
        feature_code: String,
        /// Only instances that are open to this user: their admission is there, and enabled.
        #[param(value_type = Option<Uuid>)]
        user_id: UserId,
        /// Only instances of this mandate. SysAdmins see those of all mandates where neither this
        /// nor `X-Mandate-Id` names one; where both do, they must agree.
        #[param(value_type = Option<Uuid>)]
        mandate_id: MandateId,
    }
}

/// The mandate's feature instances that the caller's level reaches; to SysAdmins those of all
/// mandates, or of one.
#[utoipa::path(get, path = "/api/features/instances", tag = "Instances", params(InstancesQuery),
    responses((status = 200, description = "A page of instances", body = Page<FeatureInstance>)))]
async fn list_feature_instances(
    reach: Reach,
    lister: Lister,
    Query(query): Query<InstancesQuery>,
) -> Result<PageAnswer<FeatureInstance>> {
    let paging = query.paging(&lister)?;
    let filter = &Filter { feature: query.feature_code.as_deref(), user: query.user_id };
    let rows = match reach {
        Reach::Mandate(context) => {
            require_same(query.mandate_id, context.mandate())?;
            let grant = context.grant::<Instances, Read>()?;
            let mut reading = context.read().await?;
            let rows = list::in_mandate(&mut reading, &grant, filter, &paging).await?;
            reading.finish().await?;
            rows
        }
        Reach::Everywhere(system, named) => {
            named.map_or(Ok(()), |named| require_same(query.mandate_id, named))?;
            let mandate = query.mandate_id.or(named);
            let mut reading = system.read().await?;
            let rows =
                list::everywhere(&mut reading, system.system(), mandate, filter, &paging).await?;
            reading.finish().await?;
            rows
        }
    };
    Ok(lister.answer(&paging, rows))
}

/// Query and header name the same mandate, where both do.
fn require_same(asked: Option<MandateId>, named: MandateId) -> Result<()> {
    if asked.is_none_or(|asked| asked == named) { Ok(()) } else { Err(mandate_access_denied()) }
}

/// A new instance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateInstance {
    #[schema(example = "trustee")]
    feature_code: String,
    /// Unique among the mandate's instances of the feature.
    #[schema(example = "Accounting 2027")]
    label: String,
    /// Whether the feature's template roles are copied; true when left out.
    copy_template_roles: Option<bool>,
    /// The label of a copied role that the creator is to hold; for admins.
    #[schema(example = "trustee-admin")]
    grant_creator_role: Option<String>,
}

/// Opens a feature in the mandate, with copies of the feature's template roles.
#[utoipa::path(post, path = "/api/features/instances", tag = "Instances",
    request_body = CreateInstance,
    responses((status = 201, description = "The instance", body = FeatureInstance),
              (status = 404, description = "No such feature or role: `errors` points to it")))]
async fn create_feature_instance(
    context: MandateContext,
    Json(body): Json<CreateInstance>,
) -> Result<Created<Versioned<FeatureInstance>>> {
    let label = Name::checked("/label", &body.label)?;
    let (context, body, label) = (&context, &body, &label);
    let instance = retrying(|| create(context, body, label)).await?;
    Ok(Created {
        location: format!("/api/features/instances/{}", instance.id),
        answer: Versioned(instance),
    })
}

async fn create(
    context: &MandateContext,
    body: &CreateInstance,
    label: &Name,
) -> Result<FeatureInstance> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Instances, Create>()?;
    if body.grant_creator_role.is_some()
        && (!change.context.is_admin() || context.caller().is_sys_admin())
    {
        return Err(Error::new(
            Code::SelfEscalation,
            "`grantCreatorRole` is for admins of the mandate.",
        ));
    }
    let found = catalogue::find(&mut change, context.signed_in(), &body.feature_code).await?;
    found.ok_or_else(catalogue::unknown)?;
    let wanted = body.copy_template_roles.unwrap_or(true);
    let templates = if wanted {
        roles::templates(&mut change, context.signed_in(), Some(&body.feature_code)).await?
    } else {
        Vec::new()
    };
    change.as_tenant().await?;
    let instance =
        store::insert(&mut change, &grant, &body.feature_code, label, context.now()).await?;
    let furnished = grant.new_instance(instance.id);
    let made = roles::copy_templates(&mut change, furnished, &templates, context.now()).await?;
    if let Some(role) = &body.grant_creator_role {
        admit_creator(&mut change, &instance, &made, role).await?;
    }
    let details = json!({
        "after": described(&instance),
        "roles": made.iter().map(|copy| &copy.label).collect::<Vec<_>>(),
        "creatorRole": body.grant_creator_role,
    });
    let event =
        Event::new(Action::InstanceCreated, ResourceType::Instance, instance.id).details(details);
    let recorded = audit::record(&mut change, context, event).await?;
    change.commit(recorded).await?;
    Ok(instance)
}

async fn admit_creator(
    change: &mut Change<MandateContext>,
    instance: &FeatureInstance,
    made: &[Copy],
    role: &str,
) -> Result<()> {
    let key = names::key(role);
    let named = made
        .iter()
        .find(|copy| key.as_ref().is_some_and(|key| names::key_of_stored(&copy.label) == *key));
    let role = named.ok_or_else(|| Thing::Role.missing("/grantCreatorRole"))?.id;
    let grant = change.context.grant_over_new_instance(instance.id)?;
    let now = change.context.now();
    store::admit_creator(change, &grant, &[role], now).await
}

/// An instance.
#[utoipa::path(get, path = "/api/features/instances/{instanceId}", tag = "Instances",
    params(InstancePath),
    responses(
        (status = 200, description = "The instance", body = FeatureInstance),
        (status = 304, description = "Not changed")))]
async fn get_feature_instance(context: InstanceContext, headers: HeaderMap) -> Result<Response> {
    let grant = context.grant_row::<Instances, Read>()?;
    let mut reading = context.read().await?;
    let instance = store::find(&mut reading, &grant).await?.ok_or_else(Error::not_found)?;
    reading.finish().await?;
    Ok(resource_unless_known(&headers, &instance))
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
    #[schema(nullable = false)]
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
    let grant = change.context.grant_row::<Instances, Update>()?;
    if enabled == Some(true) {
        change.require_may_enable().await?;
    }
    change.as_tenant().await?;
    let found = store::find_for_change(&mut change, &grant).await?;
    let before = found.ok_or_else(Error::not_found)?;
    precondition.check_with(before.version, version)?;
    let is_renamed = label.is_some_and(|label| label.as_str() != before.label);
    if !is_renamed && enabled.is_none_or(|enabled| enabled == before.enabled) {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let after = store::update(&mut change, &grant, label, enabled).await?;
    let details = json!({ "before": described(&before), "after": described(&after) });
    let event =
        Event::new(Action::InstanceUpdated, ResourceType::Instance, after.id).details(details);
    let recorded = audit::record(&mut change, context, event).await?;
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
    let grant = change.context.grant_row::<Instances, Delete>()?;
    change.as_tenant().await?;
    let found = store::find_for_change(&mut change, &grant).await?;
    let before = found.ok_or_else(Error::not_found)?;
    precondition.check(before.version)?;
    let (roles, admissions) = (
        belongings::roles(&mut change, &grant).await?,
        belongings::admissions(&mut change, &grant).await?,
    );
    store::delete(&mut change, &grant).await?;
    let event = Event::new(Action::InstanceDeleted, ResourceType::Instance, before.id)
        .details(json!({ "before": described(&before) }));
    let event = event.listing("roles", "roleCount", &roles).listing(
        "admissions",
        "admissionCount",
        &admissions,
    );
    let recorded = audit::record(&mut change, context, event).await?;
    change.commit(recorded).await
}

fn described(instance: &FeatureInstance) -> serde_json::Value {
    json!({
        "featureCode": instance.feature_code, "label": instance.label, "enabled": instance.enabled,
    })
}
