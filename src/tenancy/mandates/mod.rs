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
#[schema(example = json!({
    "id": "01900000-0000-7000-8000-00000000b001", "name": "Acme", "code": "acme", "language": "en",
        "enabled": true, "hasAdmin": true,
    "version": 1, "createdAt": "2026-01-15T09:30:00Z", "updatedAt": "2026-03-02T08:15:00Z",
}))]
pub struct Mandate {
    pub id: MandateId,
    #[schema(example = "Acme")]
    pub name: String,
    /// A unique slug.
    #[schema(example = "acme")]
    pub code: String,
    #[schema(example = "en")]
    pub language: String,
    pub enabled: bool,
    /// Whether there is an effective admin; until one is named, only SysAdmins manage the mandate.
    pub has_admin: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Only for deleted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Only for deleted ones: until when they can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub purge_at: Option<DateTime<Utc>>,
}

impl Resource for Mandate {
    fn version(&self) -> i64 {
        self.version
    }
}
