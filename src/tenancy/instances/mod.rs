//! Feature instances: one use of a feature by one mandate, with its own roles and its own
//! admissions.

mod admission_add_routes;
mod admission_admit;
mod admission_change;
mod admission_find;
mod admission_list;
mod admission_role_routes;
mod admission_routes;
mod admission_store;
mod belongings;
mod create_routes;
mod find;
mod list;
mod list_routes;
mod routes;
mod store;
mod sync_routes;
mod sync_store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::http::app::App;
use crate::http::etag::Resource;
use crate::kernel::error::{Code, Error};
use crate::kernel::ids::{InstanceId, MandateId, RoleId, UserId};
use crate::path_params;

pub use admission_admit::{
    permission_to_admit, permission_to_offer, require_may_admit, require_may_offer,
};
pub use admission_store::insert_access;

path_params! {
    /// To somebody's admission.
    AdmissionPath {
        /// The instance
        #[param(inline)]
        instance_id: InstanceId,
        /// Who was admitted
        #[param(inline)]
        user_id: UserId,
    }
}

pub fn routes(app: &App) -> OpenApiRouter<App> {
    list_routes::routes(app)
        .merge(create_routes::routes(app))
        .merge(routes::routes(app))
        .merge(admission_routes::routes(app))
        .merge(admission_add_routes::routes(app))
        .merge(admission_role_routes::routes(app))
        .merge(sync_routes::routes(app))
}

/// A feature instance.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureInstance {
    pub id: InstanceId,
    #[schema(example = "trustee")]
    pub feature_code: String,
    pub mandate_id: MandateId,
    #[schema(example = "Accounting 2026")]
    pub label: String,
    #[schema(example = true)]
    pub enabled: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

impl Resource for FeatureInstance {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A user's admission to an instance.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureAccess {
    pub user_id: UserId,
    #[schema(example = "bob")]
    pub username: String,
    pub instance_id: InstanceId,
    pub role_ids: Vec<RoleId>,
    #[schema(example = true)]
    pub enabled: bool,
    pub version: i64,
}

impl Resource for FeatureAccess {
    fn version(&self) -> i64 {
        self.version
    }
}

fn label_taken() -> Error {
    Error::new(Code::LabelTaken, "Another instance of this feature in this mandate has this label.")
}
