//! What an access token says of a request, once it is verified.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::ids::{SessionId, UserId};

/// Who a verified token speaks for. Whether the session is still alive is asked of the database on
/// every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub user: UserId,
    pub session: SessionId,
    /// The SysAdmin who acts as this user, as the token says.
    pub impersonated_by: Option<UserId>,
    /// When they last showed who they are, to the second.
    pub authenticated_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}
