//! Sessions in which somebody else acts. They hang on the session that they were begun in: triggers
//! of migration 0036 end them with it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::context::{Account, System};
use crate::kernel::error::Result;
use crate::kernel::ids::{SessionId, UserId};

/// Somebody whom a SysAdmin wants to act as.
pub(super) struct Target {
    pub is_sys_admin: bool,
    pub enabled: bool,
}

/// `None`: there is no such account.
pub(super) async fn target(
    connection: &mut PgConnection,
    account: Account,
) -> Result<Option<Target>> {
    let found = sqlx::query_as!(
        Target,
        "select is_sys_admin, enabled from users where id = $1 and erased_at is null",
        account.user().uuid(),
    );
    Ok(found.fetch_optional(connection).await?)
}

/// The session of a SysAdmin in which one is begun.
pub(super) struct Parent {
    pub id: SessionId,
    pub by: UserId,
    pub authenticated_at: DateTime<Utc>,
    /// Unless it is renewed.
    pub ends_at: DateTime<Utc>,
}

/// Where it has not ended: it does not end meanwhile.
pub(super) async fn hold(
    connection: &mut PgConnection,
    _: System,
    (by, parent): (UserId, SessionId),
) -> Result<Option<Parent>> {
    let found = sqlx::query!(
        r#"select coalesce(s.authenticated_at, s.created_at) as "authenticated_at!",
             session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until,
                          true) as "ends_at!"
           from sessions s left join session_refreshes r on r.session_id = s.id
           where s.id = $1 and s.user_id = $2 and s.revoked_at is null
             and s.impersonated_by is null for share of s"#,
        parent.uuid(),
        by.uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|row| Parent {
        id: parent,
        by,
        authenticated_at: row.authenticated_at,
        ends_at: row.ends_at,
    }))
}

/// Opens a session of this account's that hangs on that one. It knows no device and no address:
/// these are the SysAdmin's, and would be told to the user.
pub(super) async fn open(
    connection: &mut PgConnection,
    account: Account,
    (id, parent): (SessionId, &Parent),
    (now, ends_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<()> {
    sqlx::query!(
        "insert into sessions
           (id, user_id, created_at, expires_at, impersonated_by, impersonated_in)
         values ($1, $2, $3, $4, $5, $6)",
        id.uuid(),
        account.user().uuid(),
        now,
        ends_at,
        parent.by.uuid(),
        parent.id.uuid(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends what somebody does as this account; how many sessions those were.
pub(super) async fn end(
    connection: &mut PgConnection,
    account: Account,
    (by, now): (UserId, DateTime<Utc>),
) -> Result<u64> {
    let ended = sqlx::query!(
        "update sessions set revoked_at = $3
         where user_id = $1 and impersonated_by = $2 and revoked_at is null and expires_at > $3",
        account.user().uuid(),
        by.uuid(),
        now,
    );
    Ok(ended.execute(connection).await?.rows_affected())
}
