//! Sessions in which somebody else acts. They hang on the session that they were begun in: triggers
//! of migration 0036 end them with it.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::context::Account;
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

/// A session that is to be opened: as whom, by whom, and in which session of theirs.
pub(super) struct NewImpersonation {
    pub id: SessionId,
    pub by: UserId,
    pub parent: SessionId,
    pub now: DateTime<Utc>,
    pub lasts: Duration,
}

pub(super) struct Opened {
    pub ends_at: DateTime<Utc>,
    /// When the SysAdmin signed in.
    pub signed_in_at: DateTime<Utc>,
}

/// Opens it, where the session that it hangs on has not ended; that one does not end meanwhile. It
/// knows no device and no address: these are the SysAdmin's, and would be told to the user.
pub(super) async fn open(
    connection: &mut PgConnection,
    account: Account,
    new: &NewImpersonation,
) -> Result<Option<Opened>> {
    let opened = sqlx::query_as!(
        Opened,
        r#"with parent as (
             select s.id, s.user_id, s.created_at, s.expires_at, r.refreshed_at, r.idle_until
             from sessions s left join session_refreshes r on r.session_id = s.id
             where s.id = $2 and s.user_id = $3 and s.revoked_at is null
               and s.impersonated_by is null for share of s)
           insert into sessions
             (id, user_id, created_at, expires_at, impersonated_by, impersonated_in)
           select $1, $4, $5,
             least($6, session_ends(p.created_at, p.expires_at, p.refreshed_at, p.idle_until,
                                    true)),
             p.user_id, p.id from parent p
           returning expires_at as ends_at,
             (select created_at from parent) as "signed_in_at!""#,
        new.id.uuid(),
        new.parent.uuid(),
        new.by.uuid(),
        account.user().uuid(),
        new.now,
        new.now + new.lasts,
    );
    Ok(opened.fetch_optional(connection).await?)
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
