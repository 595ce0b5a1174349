//! `/api/features`: the catalogue.

use serde_json::json;
use utoipa_axum::routes;

use super::request::{self, CreateFeature, UpdateFeature};
use super::store::{self, NewFeature};
use super::{Feature, FeaturePath, find, spelling};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::judge::require_no_own_gain;
use crate::context::policy::Policy;
use crate::context::{Recorded, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{Created, FromPath, Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::translations::{self, Kind};
use crate::tenancy::roles::{self, Template};

/// The largest body: all of these, and texts in all languages.
const MAX_BODY: usize = 256 * 1024;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(create_feature)
                .refuses(&[Code::CodeTaken])
                .guard(app, Policy::sys().body_up_to(MAX_BODY)),
        )
        .routes(
            routes!(update_feature)
                .refuses(&[Code::SelfEscalation, Code::FeatureBuiltIn, Code::FeatureInUse])
                .versioned()
                .guard(app, Policy::sys().body_up_to(MAX_BODY)),
        )
        .routes(
            routes!(delete_feature)
                .refuses(&[Code::FeatureInUse, Code::FeatureBuiltIn])
                .versioned()
                .guard(app, Policy::sys()),
        )
}

/// Registers a feature.
#[utoipa::path(post, path = "/api/features", tag = "Features", request_body = CreateFeature,
    responses((status = 201, description = "The feature", body = Feature)))]
async fn create_feature(
    system: SystemContext,
    Json(body): Json<CreateFeature>,
) -> Result<Created<Versioned<Feature>>> {
    let mut errors = Vec::new();
    keep(spelling::checked_code(&body.code), &mut errors);
    let label = match body.label {
        Some(label) => keep(translations::checked("/label", label, Kind::Labels), &mut errors),
        // Only of a code that is one: it has no other characters than ASCII.
        None => errors.is_empty().then(|| request::titled(&body.code)),
    };
    let icon =
        keep(spelling::checked_icon(body.icon.as_deref().unwrap_or("mdi-puzzle")), &mut errors);
    let tables = keep(spelling::checked_tables(&body.tables.unwrap_or_default(), &[]), &mut errors);
    let views = keep(spelling::checked_views(&body.views.unwrap_or_default()), &mut errors);
    let (Some(label), Some(icon), Some(tables), Some(views), true) =
        (label, icon, tables, views, errors.is_empty())
    else {
        return Err(Error::invalid(errors));
    };
    let mut writing = system.write().await?;
    let new = NewFeature {
        code: &body.code,
        label: &label,
        icon: &icon,
        tables: &tables,
        views: &views,
        now: system.now(),
    };
    let feature = store::insert(&mut writing, system.system(), &new).await?;
    let event = Event::new(Action::FeatureCreated, ResourceType::Feature, &feature.code)
        .details(json!({ "after": described(&feature) }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/features/{}", feature.code), answer: Versioned(feature) })
}

fn built_in() -> Error {
    Error::new(Code::FeatureBuiltIn, "Built-in features change with the service.")
}

/// Changes a feature. Tables and views that instances may use are only added.
#[utoipa::path(patch, path = "/api/features/{featureCode}", tag = "Features", params(FeaturePath),
    request_body = UpdateFeature,
    responses((status = 200, description = "The feature", body = Feature)))]
async fn update_feature(
    system: SystemContext,
    precondition: Precondition,
    FromPath(FeaturePath { feature_code: code }): FromPath<FeaturePath>,
    Json(body): Json<UpdateFeature>,
) -> Result<Versioned<Feature>> {
    let mut writing = system.write().await?;
    let found = find::find_for_change(&mut writing, system.system(), &code).await?;
    let before = found.ok_or_else(Error::not_found)?;
    precondition.check_with(before.version, body.version)?;
    let wanted = body.applied_to(&before)?;
    if before.built_in {
        return Err(built_in());
    }
    let loses = |was: &[String], is: &[String]| was.iter().any(|name| !is.contains(name));
    let narrowed = loses(&before.tables, &wanted.tables) || loses(&before.views, &wanted.views);
    if narrowed {
        store::require_unused(&mut writing, system.system(), &code).await?;
    }
    require_no_own_gain(&mut writing, &system, &code, (&before.catalogue(), &wanted.catalogue()))
        .await?;
    if described(&wanted) == described(&before) {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(Versioned(before));
    }
    let after = store::update(&mut writing, system.system(), &wanted).await?;
    let event = Event::new(Action::FeatureUpdated, ResourceType::Feature, &code)
        .details(json!({ "before": described(&before), "after": described(&after) }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(Versioned(after))
}

/// Deletes a feature that no mandate has an instance of, and its templates.
#[utoipa::path(delete, path = "/api/features/{featureCode}", tag = "Features", params(FeaturePath),
    responses((status = 204, description = "Deleted")))]
async fn delete_feature(
    system: SystemContext,
    precondition: Precondition,
    FromPath(FeaturePath { feature_code: code }): FromPath<FeaturePath>,
) -> Result<NoContent> {
    let mut writing = system.write().await?;
    let found = find::find_for_change(&mut writing, system.system(), &code).await?;
    let before = found.ok_or_else(Error::not_found)?;
    precondition.check(before.version)?;
    if before.built_in {
        return Err(built_in());
    }
    store::require_unused(&mut writing, system.system(), &code).await?;
    let templates = roles::templates(&mut writing, system.system().into(), Some(&code)).await?;
    store::delete(&mut writing, system.system(), &code).await?;
    let event = Event::new(Action::FeatureDeleted, ResourceType::Feature, &code)
        .details(json!({ "before": described(&before) }));
    let event = event.listing(
        "templates",
        "templateCount",
        &templates.iter().map(Template::told).collect::<Vec<_>>(),
    );
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(NoContent)
}

fn described(feature: &Feature) -> serde_json::Value {
    json!({
        "label": feature.label, "icon": feature.icon, "tables": feature.tables,
        "views": feature.views,
    })
}
