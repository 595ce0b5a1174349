//! Members: users' memberships in a mandate, and the mandate roles that they carry.

mod access_routes;
mod named;
mod role_routes;
mod routes;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::http::app::App;
use crate::http::etag::Resource;
use crate::kernel::ids::{GroupId, MembershipId, RoleId, UserId};

pub use named::{NamedMember, named};
pub use store::{insert_first, nearness};

pub fn routes(app: &App) -> OpenApiRouter<App> {
    routes::routes(app).merge(role_routes::routes(app)).merge(access_routes::routes(app))
}

/// A membership. Address and names are null until the member has used the mandate: nobody collects them by adding strangers.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub user_mandate_id: MembershipId,
    pub user_id: UserId,
    #[schema(example = "bob")]
    pub username: String,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub role_ids: Vec<RoleId>,
    pub group_ids: Vec<GroupId>,
    pub enabled: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

impl Resource for Member {
    fn version(&self) -> i64 {
        self.version
    }
}
