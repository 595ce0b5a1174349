//! Groups: named sets of members of one mandate. They decide whom level `g` reaches.

mod find;
mod list;
mod member_routes;
mod member_store;
mod reaching;
mod routes;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::http::app::App;
use crate::http::etag::Resource;
use crate::kernel::error::{Code, Error};
use crate::kernel::ids::{GroupId, MandateId, UserId};
use crate::path_params;

pub use reaching::{Reaching, ReachingGroup};

path_params! {
    /// To a group.
    GroupPath {
        /// The mandate
        #[param(inline)]
        mandate_id: MandateId,
        /// The group
        #[param(inline)]
        group_id: GroupId,
    }
}

path_params! {
    /// To a member of a group.
    GroupMemberPath {
        /// The mandate
        #[param(inline)]
        mandate_id: MandateId,
        /// The group
        #[param(inline)]
        group_id: GroupId,
        /// The member
        #[param(inline)]
        user_id: UserId,
    }
}

pub fn routes(app: &App) -> OpenApiRouter<App> {
    routes::routes(app).merge(member_routes::routes(app))
}

/// A group.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub id: GroupId,
    #[schema(example = "everyone")]
    pub name: String,
    #[schema(example = "All members")]
    pub description: Option<String>,
    /// Whether new members of the mandate join it automatically.
    #[schema(example = true)]
    pub auto_join: bool,
    #[schema(example = 3)]
    pub member_count: i64,
    /// Rises with every change of the group or of its members.
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

impl Resource for Group {
    fn version(&self) -> i64 {
        self.version
    }
}

fn name_taken() -> Error {
    Error::new(Code::NameTaken, "Another group of this mandate has this name.")
}
