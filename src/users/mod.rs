//! Accounts of the platform. An account has no access to anything by itself.

mod routes;
pub mod store;

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use chrono::{DateTime, Utc};

use crate::context::Caller;
use crate::error::{Error, Result};
use crate::http::etag::Resource;
use crate::ids::UserId;

pub use routes::routes;

/// An account. Never a hash.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    #[schema(example = "en")]
    pub language: String,
    pub enabled: bool,
    pub is_sys_admin: bool,
    pub email_verified: bool,
    pub mfa_enabled: bool,
    pub created_at: DateTime<Utc>,
    pub last_login_at: Option<DateTime<Utc>>,
    pub version: i64,
}

impl Resource for User {
    fn version(&self) -> i64 {
        self.version
    }
}

/// The caller's own account.
pub async fn find_own(connection: &mut PgConnection, caller: &Caller) -> Result<User> {
    store::find(connection, caller.user()).await?.ok_or_else(Error::not_found)
}
