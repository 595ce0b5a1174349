//! Features: global definitions of what instances are made of. Some are built in ([`BuiltIn`]);
//! SysAdmins register others for applications that live outside Bailiwick.

mod builtin;
mod find;
mod list;
mod list_routes;
mod request;
mod routes;
mod spelling;
mod store;
mod template_routes;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::access::Catalogue;
use crate::http::app::App;
use crate::http::etag::Resource;
use crate::kernel::error::{Code, Error};
use crate::kernel::ids::{InstanceId, MandateId};
use crate::kernel::missing::Thing;
use crate::kernel::translations::Texts;
use crate::path_params;

pub use builtin::{Bilingual, BuiltIn, TemplateRole, bring_up_to_date};
pub use find::find;

path_params! {
    /// To a feature.
    FeaturePath {
        /// The feature's code
        #[param(example = "trustee")]
        feature_code: String,
    }
}

pub fn routes(app: &App) -> OpenApiRouter<App> {
    list_routes::routes(app).merge(routes::routes(app)).merge(template_routes::routes(app))
}

/// A feature.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    #[schema(example = "trustee")]
    pub code: String,
    /// By language.
    #[schema(value_type = BTreeMap<String, String>, example = json!({
        "en": "Trustee", "de": "Treuhand",
    }))]
    #[sqlx(json)]
    pub label: Texts,
    #[schema(example = "mdi-scale-balance")]
    pub icon: String,
    /// The tables that instance roles can speak of, besides `access` and `instance-roles`.
    #[schema(example = json!(["contracts"]))]
    pub tables: Vec<String>,
    /// The views (pages, buttons) that instance roles can allow.
    #[schema(example = json!(["dashboard"]))]
    pub views: Vec<String>,
    pub built_in: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

impl Feature {
    /// What permissions of this feature's roles can speak of.
    #[must_use]
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::instance(self.tables.iter().cloned(), self.views.iter().cloned())
    }
}

/// The refusal of a body whose `featureCode` is no feature's.
pub fn unknown() -> Error {
    Thing::Feature.missing("/featureCode")
}

impl Resource for Feature {
    fn version(&self) -> i64 {
        self.version
    }
}

/// One of the instances that keep a feature from going.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InUse {
    id: InstanceId,
    label: String,
    mandate_id: MandateId,
}

/// How many of them a refusal names.
const MAX_IN_USE: i64 = 50;

fn in_use(instances: &[InUse]) -> Error {
    Error::new(Code::FeatureInUse, "Mandates have instances of this feature.")
        .with("instances", json!(instances))
}
