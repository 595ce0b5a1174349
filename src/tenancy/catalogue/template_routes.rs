//! `/api/features/templates/roles`: the roles that new mandates and instances get copies of.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::find;
use crate::context::SystemContext;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::etag::Versioned;
use crate::http::extract::{Created, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::translations::{self, Kind, Texts};
use crate::list_query;
use crate::tenancy::roles::{self, Role, checked_label};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_template_roles).refuses(&[Code::NotFound]).guard(app, Policy::sys()))
        .routes(
            routes!(create_template_role)
                .refuses(&[Code::NotFound, Code::LabelTaken])
                .guard(app, Policy::sys()),
        )
}

list_query! {
    TemplatesQuery sorted by "label" {
        /// The feature whose templates are wanted; all templates when left out.
        #[param(example = "trustee")]
        feature_code: String,
    }
}

/// All templates, or those of a feature.
#[utoipa::path(get, path = "/api/features/templates/roles", tag = "Roles", params(TemplatesQuery),
    responses((status = 200, description = "A page of templates", body = Page<Role>),
              (status = 404, description = "No such feature")))]
async fn list_template_roles(
    system: SystemContext,
    lister: Lister,
    Query(query): Query<TemplatesQuery>,
) -> Result<PageAnswer<Role>> {
    let paging = query.paging(&lister)?;
    let mut reading = system.read().await?;
    if let Some(code) = &query.feature_code {
        let found = find::find(&mut reading, system.system().into(), code).await?;
        found.ok_or_else(Error::not_found)?;
    }
    let feature = query.feature_code.as_deref();
    let rows = roles::list_templates(&mut reading, system.system(), feature, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// A new template role. It permits nothing until permissions are put.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateTemplateRole {
    #[schema(example = "trustee-auditor")]
    role_label: String,
    /// The feature; a template of mandates when left out.
    #[schema(example = "trustee")]
    feature_code: Option<String>,
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({
        "en": "Reads the books",
    }))]
    description: Option<Texts>,
}

/// Makes a template role. Mandates and instances that exist are not changed.
#[utoipa::path(post, path = "/api/features/templates/roles", tag = "Roles",
    request_body = CreateTemplateRole,
    responses((status = 201, description = "The template", body = Role),
              (status = 404, description = "No such feature: `errors` points to it")))]
async fn create_template_role(
    system: SystemContext,
    Json(body): Json<CreateTemplateRole>,
) -> Result<Created<Versioned<Role>>> {
    let mut errors = Vec::new();
    let label = keep(checked_label("/roleLabel", &body.role_label), &mut errors);
    let description = keep(
        translations::checked(
            "/description",
            body.description.unwrap_or_default(),
            Kind::Descriptions,
        ),
        &mut errors,
    );
    let (Some(label), Some(description), true) = (label, description, errors.is_empty()) else {
        return Err(Error::invalid(errors));
    };
    let mut writing = system.write().await?;
    let role = roles::insert_template(
        &mut writing,
        system.system(),
        body.feature_code.as_deref(),
        &label,
        &description,
        system.now(),
    )
    .await?;
    let event = Event::new(Action::RoleCreated, ResourceType::Role, role.id)
        .details(json!({ "after": { "label": role.label, "scope": role.scope } }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/roles/{}", role.id), answer: Versioned(role) })
}
