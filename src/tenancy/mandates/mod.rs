//! Mandates: the tenants. SysAdmins make, disable, delete and restore them; their admins rename
//! them.

mod code;
mod delete_routes;
mod find;
mod insert;
mod list;
mod list_routes;
mod purge;
mod request;
mod routes;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::etag::Resource;
use crate::http::guard::Routes;
use crate::kernel::ids::MandateId;

pub use purge::{FIND_DELETED, PURGE};

pub fn routes(app: &App) -> Routes {
    list_routes::routes(app).merge(routes::routes(app)).merge(delete_routes::routes(app))
}

/// A mandate.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mandate {
    pub id: MandateId,
    #[schema(example = "Acme")]
    pub name: String,
    /// A unique slug.
    #[schema(example = "acme")]
    pub code: String,
    #[schema(example = "en")]
    pub language: String,
    #[schema(example = true)]
    pub enabled: bool,
    /// Whether there is an effective admin; until one is named, only SysAdmins manage the mandate.
    #[schema(example = true)]
    pub has_admin: bool,
    /// Whether its admins let SysAdmins act as its members (`POST /api/auth/impersonate`).
    #[schema(example = false)]
    pub allow_impersonation: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Only for deleted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2026-03-02T08:15:00Z")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Only for deleted ones: until when they can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2026-04-01T08:15:00Z")]
    pub purge_at: Option<DateTime<Utc>>,
}

impl Resource for Mandate {
    fn version(&self) -> i64 {
        self.version
    }
}
