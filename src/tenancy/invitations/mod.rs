//! Invitations: somebody is to become a member who may have no account yet. A mail asks them, and
//! whoever reads the mail of the address accepts. Address, roles and instances stand in the row of
//! the invitation; the token that is mailed names it and says nothing. What is promised is judged
//! when it is promised and when it is given, as adding the member by hand would be, and both times
//! in the name of whoever invites. Whether an address has an account is looked at by nobody who
//! invites.

mod accept;
mod accept_routes;
mod find;
mod import_routes;
mod list;
mod list_routes;
mod promise;
mod purge;
mod request;
mod routes;
mod store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::etag::Resource;
use crate::http::guard::Routes;
use crate::kernel::ids::{InstanceId, InvitationId, MandateId, RoleId, UserId};
use crate::path_params;

pub use purge::FORGET_INVITATIONS;

path_params! {
    /// To an invitation.
    InvitationPath {
        /// The mandate
        #[param(inline)]
        mandate_id: MandateId,
        /// The invitation
        #[param(inline)]
        invitation_id: InvitationId,
    }
}

pub fn routes(app: &App) -> Routes {
    list_routes::routes(app)
        .merge(routes::routes(app))
        .merge(import_routes::routes(app))
        .merge(accept_routes::routes(app))
}

/// How an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum InvitationStatus {
    Pending,
    Accepted,
    Expired,
    Revoked,
}

impl InvitationStatus {
    pub(self) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// An instance to which an invitation admits, and with which of its roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InvitedInstance {
    pub instance_id: InstanceId,
    /// At least one role of the instance.
    #[schema(min_items = 1)]
    pub role_ids: Vec<RoleId>,
}

/// Why somebody who had the token could not accept.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationRefusal {
    /// As adding the member by hand would be refused.
    #[schema(example = "grant_exceeds_own_access")]
    pub code: String,
    #[schema(example = "The role permits more than your own access here does.")]
    pub detail: String,
    pub at: DateTime<Utc>,
}

/// An invitation. Who accepts it becomes a member with these roles, and is admitted to these
/// instances.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    pub id: InvitationId,
    pub mandate_id: MandateId,
    #[schema(example = "erin@acme.example")]
    pub email: String,
    pub role_ids: Vec<RoleId>,
    #[schema(value_type = Vec<InvitedInstance>)]
    pub instances: Json<Vec<InvitedInstance>>,
    pub status: InvitationStatus,
    /// In whose name it is: whoever sent it last. What they may no longer give, nobody gets.
    pub invited_by: UserId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub accepted_by: Option<UserId>,
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub accepted_at: Option<DateTime<Utc>>,
    /// Why it could not be accepted when somebody last would have. They were told only that the
    /// token is good no more.
    #[schema(value_type = Option<InvitationRefusal>)]
    pub refusal: Option<Value>,
    pub version: i64,
}

impl Resource for Invitation {
    fn version(&self) -> i64 {
        self.version
    }
}
