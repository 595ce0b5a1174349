//! Accounts of the platform. An account has no access to anything by itself.

mod columns;
mod email_routes;
mod erase_routes;
mod erasure;
mod find;
mod import_routes;
mod last;
mod list;
mod list_routes;
mod lookup_routes;
mod own_address;
mod own_password;
mod reference;
mod request;
mod reset_routes;
mod routes;
mod session_routes;
mod store;

use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use utoipa::ToSchema;

use chrono::{DateTime, Utc};

use crate::context::Caller;
use crate::context::authorize::unauthenticated;
use crate::http::app::App;
use crate::http::etag::Resource;
use crate::http::guard::Routes;
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;
use crate::path_params;

pub use email_routes::{confirm_address, confirm_present};
pub use find::{find, find_for_change};
pub use own_password::require_password;
pub use reference::{UserReference, is_named, resolve};
pub use request::checked_email;
pub use store::{NewUser, insert, mandates_of, username_taken};

path_params! {
    /// To an account.
    AccountPath {
        /// The account
        #[param(inline)]
        user_id: UserId,
    }
}

pub fn routes(app: &App) -> Routes {
    list_routes::routes(app)
        .merge(import_routes::routes(app))
        .merge(routes::routes(app))
        .merge(email_routes::routes(app))
        .merge(reset_routes::routes(app))
        .merge(erase_routes::routes(app))
        .merge(lookup_routes::routes(app))
        .merge(session_routes::routes(app))
}

/// An account. Never a hash.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: UserId,
    #[schema(example = "bob")]
    pub username: String,
    #[schema(example = "bob@acme.example")]
    pub email: Option<String>,
    #[schema(example = "Bob")]
    pub first_name: Option<String>,
    #[schema(example = "Brunner")]
    pub last_name: Option<String>,
    #[schema(example = "en")]
    pub language: String,
    #[schema(example = true)]
    pub enabled: bool,
    pub is_sys_admin: bool,
    #[schema(example = true)]
    pub email_verified: bool,
    /// Somebody else chose the password: until it is changed, sessions reach `GET /api/auth/me`,
    /// `PUT /api/auth/password`, `POST /api/auth/refresh` and `POST /api/auth/logout`.
    pub must_change_password: bool,
    // There are no second factors yet, so nobody has one.
    pub mfa_enabled: bool,
    pub created_at: DateTime<Utc>,
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub last_login_at: Option<DateTime<Utc>>,
    pub version: i64,
}

impl User {
    /// Without what those do not know of somebody who share a mandate with them: how they sign in,
    /// and, where they have not used any, what they are called and where they are reached.
    #[must_use]
    pub fn as_mandates_see_it(self, is_known: bool) -> Self {
        let known = |text: Option<String>| text.filter(|_| is_known);
        Self {
            email: known(self.email),
            first_name: known(self.first_name),
            last_name: known(self.last_name),
            email_verified: self.email_verified && is_known,
            must_change_password: false,
            mfa_enabled: false,
            last_login_at: None,
            ..self
        }
    }
}

impl Resource for User {
    fn version(&self) -> i64 {
        self.version
    }
}

/// As much of an account as those learn who may add it to a mandate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KnownUser {
    pub id: UserId,
    #[schema(example = "bob")]
    pub username: String,
}

/// The caller's own account. Erased since the request came in, it ended the session too.
pub async fn find_own(connection: &mut PgConnection, caller: &Caller) -> Result<User> {
    find::find(connection, caller.account()).await?.ok_or_else(unauthenticated)
}
