//! Opening a feature: a new instance, with copies of the feature's template roles.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::routes::described;
use super::{FeatureInstance, admission_store, store};
use crate::access::tables::{Create, Instances};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Change, Locks, MandateContext};
use crate::http::app::App;
use crate::http::etag::Versioned;
use crate::http::extract::{Created, Json};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::missing::Thing;
use crate::kernel::names::{self, Name};
use crate::tenancy::catalogue;
use crate::tenancy::roles::{self, Copy};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(create_feature_instance)
            .refuses(&[Code::LabelTaken, Code::NotFound, Code::SelfEscalation])
            .guard(app, Policy::table::<Instances, Create>()),
    )
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
    #[schema(example = true)]
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
        && (!change.context.is_admin() || change.context.caller().is_sys_admin())
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
    let now = change.context.now();
    let instance = store::insert(&mut change, &grant, &body.feature_code, label, now).await?;
    let furnished = grant.new_instance(instance.id);
    let made = roles::copy_templates(&mut change, furnished, &templates, now).await?;
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
    let recorded = change.record(event).await?;
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
    admission_store::admit_creator(change, &grant, &[role], now).await
}
