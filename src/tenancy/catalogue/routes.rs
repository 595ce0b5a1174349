//! `/api/features`: the catalogue.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::store::{self, NewFeature};
use super::{Feature, FeaturePath};
use crate::access::tables::{
    INSTANCE_TABLES, MANDATE_TABLES, MAX_TABLES, MAX_VIEWS, TABLES_TO_COME,
};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::judge::require_no_own_gain;
use crate::context::policy::Policy;
use crate::context::{Caller, Recorded, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::{Created, FromPath, Json, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::http::patch;
use crate::kernel::error::{Code, Error, FieldError, Result, keep};
use crate::kernel::names;
use crate::kernel::translations::Texts;
use crate::kernel::translations::{self, Kind, TextsPatch};
use crate::list_query;
use crate::tenancy::roles::{self, Template};

/// Segments under `/api/features` that mean something else.
const RESERVED: [&str; 3] = ["my", "instances", "templates"];
/// The longest name of a table or view, in bytes (and characters: they are ASCII).
const MAX_TABLE_NAME: usize = 128;
/// The largest body: all of these, and texts in all languages.
const MAX_BODY: usize = 256 * 1024;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_features).guard(app, Policy::user()))
        .routes(
            routes!(create_feature)
                .refuses(&[Code::CodeTaken])
                .guard(app, Policy::sys().body_up_to(MAX_BODY)),
        )
        .routes(routes!(get_feature).guard(app, Policy::user()))
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

list_query! {
    FeaturesQuery sorted by "code" {}
}

/// The features that there are.
#[utoipa::path(get, path = "/api/features", tag = "Features", params(FeaturesQuery),
    responses((status = 200, description = "A page of features", body = Page<Feature>)))]
async fn list_features(
    caller: Caller,
    lister: Lister,
    Query(query): Query<FeaturesQuery>,
) -> Result<PageAnswer<Feature>> {
    let paging = query.paging(&lister)?;
    let mut reading = caller.read().await?;
    let rows = store::list(&mut reading, caller.signed_in(), &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// A feature.
#[utoipa::path(get, path = "/api/features/{featureCode}", tag = "Features", params(FeaturePath),
    responses((status = 200, description = "The feature", body = Feature),
              (status = 304, description = "Not changed")))]
async fn get_feature(
    caller: Caller,
    headers: HeaderMap,
    FromPath(FeaturePath { feature_code: code }): FromPath<FeaturePath>,
) -> Result<Response> {
    let mut reading = caller.read().await?;
    let feature =
        store::find(&mut reading, caller.signed_in(), &code).await?.ok_or_else(Error::not_found)?;
    reading.finish().await?;
    Ok(resource_unless_known(&headers, &feature))
}

/// A new feature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateFeature {
    /// `[a-z][a-z0-9-]{1,62}`, not `my`, `instances` or `templates`.
    #[schema(example = "trustee", pattern = "^[a-z][a-z0-9-]{1,62}$")]
    code: String,
    /// By language. When left out: the code as a title, in `en` and `de`.
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({
        "en": "Trustee", "de": "Treuhand",
    }))]
    label: Option<Texts>,
    #[schema(example = "mdi-scale-balance")]
    icon: Option<String>,
    /// The tables that instance roles can speak of: at most 200, each
    /// `[A-Za-z][A-Za-z0-9_.:-]{0,127}`, compared exactly.
    #[schema(example = json!(["TrusteeContract"]))]
    tables: Option<Vec<String>>,
    /// The views that instance roles can allow: at most 500, named like tables.
    #[schema(example = json!(["ui.feature.trustee.dashboard"]))]
    views: Option<Vec<String>>,
}

fn checked_code(code: &str) -> std::result::Result<(), FieldError> {
    if RESERVED.contains(&code) {
        return Err(FieldError::new(
            "/code",
            "reserved",
            "must not be `my`, `instances` or `templates`",
        ));
    }
    if (2..=63).contains(&code.len()) && is_code(code) {
        Ok(())
    } else {
        Err(FieldError::new("/code", "invalid_code", "must match [a-z][a-z0-9-]{1,62}"))
    }
}

/// A lower-case letter, then letters, digits and hyphens.
fn is_code(code: &str) -> bool {
    code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What applications call their tables and views: `TrusteeContract`, `trustee.home`,
/// `ui:feature:trustee`.
fn is_table_name(name: &str) -> bool {
    name.len() <= MAX_TABLE_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
}

fn checked_names(
    pointer: &str,
    names: &[String],
    most: usize,
    forbidden: &[&str],
) -> std::result::Result<Vec<String>, FieldError> {
    if names.len() > most {
        return Err(FieldError::new(
            pointer,
            "too_many",
            format!("must have at most {most} entries"),
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let at = format!("{pointer}/{index}");
        if !is_table_name(name) {
            return Err(FieldError::new(
                at,
                "invalid_name",
                "must match [A-Za-z][A-Za-z0-9_.:-]{0,127}",
            ));
        }
        if forbidden.contains(&name.as_str()) {
            let detail = "must not be the name of a mandate table (some are still to come), \
                `access` or `instance-roles`";
            return Err(FieldError::new(at, "reserved", detail));
        }
        if !seen.insert(name) {
            return Err(FieldError::new(at, "duplicate", "is named twice"));
        }
    }
    Ok(names.to_vec())
}

fn checked_tables(
    tables: &[String],
    before: &[String],
) -> std::result::Result<Vec<String>, FieldError> {
    let to_come = TABLES_TO_COME.iter().filter(|name| !before.iter().any(|had| had == *name));
    let forbidden: Vec<&str> =
        MANDATE_TABLES.iter().chain(&INSTANCE_TABLES).chain(to_come).copied().collect();
    checked_names("/tables", tables, MAX_TABLES, &forbidden)
}

fn checked_views(views: &[String]) -> std::result::Result<Vec<String>, FieldError> {
    checked_names("/views", views, MAX_VIEWS, &[])
}

fn checked_icon(icon: &str) -> std::result::Result<String, FieldError> {
    let icon = names::checked("/icon", icon)?;
    if icon.chars().count() > 100 {
        Err(FieldError::new("/icon", "too_long", "must have at most 100 characters"))
    } else {
        Ok(icon)
    }
}

/// `my-feature` → "My Feature", in the two languages of the product.
fn titled(code: &str) -> Texts {
    let words = code.split('-').filter(|word| !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    let title = words.collect::<Vec<_>>().join(" ");
    [("en".to_owned(), title.clone()), ("de".to_owned(), title)].into()
}

/// Registers a feature.
#[utoipa::path(post, path = "/api/features", tag = "Features", request_body = CreateFeature,
    responses((status = 201, description = "The feature", body = Feature)))]
async fn create_feature(
    system: SystemContext,
    Json(body): Json<CreateFeature>,
) -> Result<Created<Versioned<Feature>>> {
    let mut errors = Vec::new();
    keep(checked_code(&body.code), &mut errors);
    let label = match body.label {
        Some(label) => keep(translations::checked("/label", label, Kind::Labels), &mut errors),
        // Only of a code that is one: it has no other characters than ASCII.
        None => errors.is_empty().then(|| titled(&body.code)),
    };
    let icon = keep(checked_icon(body.icon.as_deref().unwrap_or("mdi-puzzle")), &mut errors);
    let tables = keep(checked_tables(&body.tables.unwrap_or_default(), &[]), &mut errors);
    let views = keep(checked_views(&body.views.unwrap_or_default()), &mut errors);
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

/// What to change of a feature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateFeature {
    /// Some of its languages: those named change, null takes one away. The last one stays.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(value_type = BTreeMap<String, Option<String>>, nullable = false, example = json!({
        "de": "Treuhand", "fr": null,
    }))]
    label: Option<TextsPatch>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    icon: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    tables: Option<Vec<String>>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    views: Option<Vec<String>>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

impl UpdateFeature {
    fn applied_to(self, before: &Feature) -> Result<Feature> {
        let mut errors = Vec::new();
        let mut after = before.clone();
        let merged = |patch: TextsPatch| {
            patch.checked("/label", Kind::Labels)?.applied_to("/label", &before.label, Kind::Labels)
        };
        if let Some(label) = self.label.and_then(|patch| keep(merged(patch), &mut errors)) {
            after.label = label;
        }
        if let Some(icon) = self.icon.and_then(|icon| keep(checked_icon(&icon), &mut errors)) {
            after.icon = icon;
        }
        if let Some(tables) = self
            .tables
            .and_then(|tables| keep(checked_tables(&tables, &before.tables), &mut errors))
        {
            after.tables = tables;
        }
        if let Some(views) = self.views.and_then(|views| keep(checked_views(&views), &mut errors)) {
            after.views = views;
        }
        if errors.is_empty() { Ok(after) } else { Err(Error::invalid(errors)) }
    }
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
    let found = store::find_for_change(&mut writing, system.system(), &code).await?;
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
    let found = store::find_for_change(&mut writing, system.system(), &code).await?;
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
