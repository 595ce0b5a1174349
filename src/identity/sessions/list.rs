//! Lists of sessions: one's own, and somebody's, for SysAdmins.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use utoipa::ToSchema;

use crate::context::Account;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::{AnyId, SessionId, UserId};

/// A sign-in that lasts.
#[derive(Debug, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub id: SessionId,
    pub created_at: DateTime<Utc>,
    /// When it was used last.
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub last_seen_at: DateTime<Utc>,
    /// When it is over, unless it is refreshed; 30 days after signing in at the latest.
    #[schema(example = "2026-03-09T08:15:00Z")]
    pub expires_at: DateTime<Utc>,
    /// What it was used with last, as that calls itself (`User-Agent`).
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")]
    pub device: Option<String>,
    /// From where it was used last.
    #[schema(example = "203.0.113.7")]
    pub address: Option<String>,
    /// Whether it is the one that asks.
    #[schema(example = true)]
    pub current: bool,
    /// The application that it is for; null where it is for this service's own API.
    #[schema(value_type = Option<Object>)]
    pub client: Option<AnyId>,
    /// The SysAdmin who acts in it as its user.
    pub impersonated_by: Option<UserId>,
}

const COLUMNS: &str = "s.id, s.created_at,
    date_trunc('minute', coalesce(r.last_seen_at, s.created_at)) as last_seen_at,
    session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until, u.is_sys_admin)
      as expires_at,
    case when r.session_id is null then s.user_agent else r.user_agent end as device,
    host(case when r.session_id is null then s.address else r.address end) as address,
    coalesce(s.id = $2, false) as current,
    null::uuid as client, s.impersonated_by";

const ALIVE: &str = "s.user_id = $1 and s.revoked_at is null
    and session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until, u.is_sys_admin)
      > $3";

/// The sessions of an account that are alive.
pub async fn list(
    connection: &mut PgConnection,
    account: Account,
    (current, now): (Option<SessionId>, DateTime<Utc>),
    paging: &Paging,
) -> Result<Rows<Session>> {
    let listing = Listing {
        columns: COLUMNS,
        // One that an older version opened, which ran beside this one, has no such row.
        from: "sessions s join users u on u.id = s.user_id
               left join session_refreshes r on r.session_id = s.id",
        beside: "",
        reach: ALIVE,
        filter: "true",
        order: Order::by(Key::Time("s.created_at"), "s.id"),
    };
    let values = Values::of(account.user().uuid()).and(current.map(SessionId::uuid)).and(now);
    listing.read(connection, paging, values).await
}
