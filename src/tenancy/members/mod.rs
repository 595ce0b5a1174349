//! Members: users' memberships in a mandate, and the mandate roles that they carry.

mod access_routes;
mod add_routes;
mod admit;
mod belongings;
mod find;
mod insert;
mod list;
mod list_routes;
mod role_routes;
mod routes;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::http::app::App;
use crate::http::etag::Resource;
use crate::kernel::ids::{GroupId, MandateId, MembershipId, RoleId, UserId};
use crate::path_params;

pub use admit::{admit, require_may_offer};
pub use find::{found, is_member, with_address};
pub use insert::{already_member, insert_first};

path_params! {
    /// To a member.
    MemberPath {
        /// The mandate
        #[param(inline)]
        mandate_id: MandateId,
        /// The member
        #[param(inline)]
        user_id: UserId,
    }
}

path_params! {
    /// To a role of a member.
    MemberRolePath {
        /// The mandate
        #[param(inline)]
        mandate_id: MandateId,
        /// The member
        #[param(inline)]
        user_id: UserId,
        /// The role
        #[param(inline)]
        role_id: RoleId,
    }
}

pub fn routes(app: &App) -> OpenApiRouter<App> {
    list_routes::routes(app)
        .merge(add_routes::routes(app))
        .merge(routes::routes(app))
        .merge(role_routes::routes(app))
        .merge(access_routes::routes(app))
}

/// A membership. Address and names are null until the member has used the mandate: nobody collects
/// them by adding strangers.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub user_mandate_id: MembershipId,
    pub user_id: UserId,
    #[schema(example = "bob")]
    pub username: String,
    #[schema(example = "bob@acme.example")]
    pub email: Option<String>,
    #[schema(example = "Bob")]
    pub first_name: Option<String>,
    #[schema(example = "Brunner")]
    pub last_name: Option<String>,
    pub role_ids: Vec<RoleId>,
    pub group_ids: Vec<GroupId>,
    #[schema(example = true)]
    pub enabled: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

impl Resource for Member {
    fn version(&self) -> i64 {
        self.version
    }
}
