//! Sessions in the database. Their rows are locked before those of `session_refreshes`, by whoever
//! needs both.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use super::rotation::Rotation;
use super::{NewSession, UsedFrom};
use crate::context::{Account, SessionContext, Visitor};
use crate::kernel::credentials::refresh::RefreshToken;
use crate::kernel::credentials::token::SignedIn;
use crate::kernel::error::Result;
use crate::kernel::ids::{SessionId, UserId};

/// Whoever signs in once more ends the oldest: so many can be ended at once, whoever has to.
const MOST_ALIVE: i64 = 100;

/// Opens a session, if the account may still sign in, and with the same password.
pub(super) async fn open(
    connection: &mut PgConnection,
    _: &Visitor,
    session: &NewSession<'_>,
) -> Result<Option<SignedIn>> {
    let opened = sqlx::query!(
        r#"with account as (
             update users set last_login_at = $3, password_hash = coalesce($9, password_hash)
             where id = $2 and enabled and erased_at is null and password_version = $7
             returning id, is_sys_admin),
           known as (delete from tries_in_a_row where user_id in (select id from account)),
           crowded_out as (
             update sessions set revoked_at = $3
             where id = any (array(
               select s.id from sessions s join account a on a.id = s.user_id
               where s.revoked_at is null and s.impersonated_by is null
               order by s.id desc offset $10))),
           opened as (
             insert into sessions (id, user_id, created_at, expires_at, user_agent, address)
             select $1, id, $3, $4, $5, $6::text::inet from account returning id)
           insert into session_refreshes as r
             (session_id, refreshed_at, idle_until, last_seen_at, user_agent, address)
           select id, $3, $8, $3, $5, $6::text::inet from opened
           returning session_ends($3, $4, r.refreshed_at, r.idle_until,
             (select is_sys_admin from account)) as "ends_at!""#,
        session.id.uuid(),
        session.user.uuid(),
        session.now,
        session.now + session.life.whole,
        session.from.device.as_deref(),
        session.from.address.as_deref(),
        session.password.version,
        session.now + session.life.idle,
        session.password.stronger_hash.as_deref(),
        MOST_ALIVE - 1,
    )
    .fetch_optional(connection)
    .await?;
    Ok(opened.map(|row| SignedIn {
        user: session.user,
        session: session.id,
        at: session.now,
        ends_at: row.ends_at,
        impersonated_by: None,
    }))
}

/// Gives the next refresh token for this one, where this one is the present one of a session that
/// is alive.
pub(super) async fn renew(
    connection: &mut PgConnection,
    _: &Visitor,
    presented: RefreshToken,
    from: &UsedFrom,
    (now, idle): (DateTime<Utc>, Duration),
) -> Result<Option<SignedIn>> {
    let renewed = sqlx::query!(
        r#"with alive as (
             select s.id, s.user_id, s.created_at, s.expires_at, s.authenticated_at, u.is_sys_admin
             from sessions s join users u on u.id = s.user_id
             where s.id = $1 and s.revoked_at is null and u.enabled and u.erased_at is null
             for share of s)
           update session_refreshes r
           set number = r.number + 1, refreshed_at = $3, idle_until = $4,
             last_seen_at = greatest(r.last_seen_at, $3), user_agent = $5,
             address = $6::text::inet
           from alive a
           where r.session_id = a.id and r.number = $2
             and $3 < session_ends(a.created_at, a.expires_at, r.refreshed_at, r.idle_until,
                                   a.is_sys_admin)
           returning a.user_id, coalesce(a.authenticated_at, a.created_at) as "at!",
             session_ends(a.created_at, a.expires_at, r.refreshed_at, r.idle_until,
                          a.is_sys_admin) as "ends_at!""#,
        presented.session.uuid(),
        presented.number,
        now,
        now + idle,
        from.device.as_deref(),
        from.address.as_deref(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(renewed.map(|row| SignedIn {
        user: row.user_id.into(),
        session: presented.session,
        at: row.at,
        ends_at: row.ends_at,
        impersonated_by: None,
    }))
}

/// A session that is alive, and how far its refresh tokens have come. It does not end meanwhile.
pub(super) async fn rotation(
    connection: &mut PgConnection,
    _: &Visitor,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<(SignedIn, Rotation)>> {
    let found = sqlx::query!(
        r#"select s.user_id, coalesce(s.authenticated_at, s.created_at) as "at!", r.number,
             r.refreshed_at,
             session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until,
                          u.is_sys_admin) as "ends_at!"
           from sessions s join users u on u.id = s.user_id
           join session_refreshes r on r.session_id = s.id
           where s.id = $1 and s.revoked_at is null and u.enabled and u.erased_at is null
           for share of s"#,
        session.uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.filter(|row| now < row.ends_at).map(|row| {
        let (user, at, ends_at) = (row.user_id.into(), row.at, row.ends_at);
        let rotation = Rotation { number: row.number, at: row.refreshed_at };
        (SignedIn { user, session, at, ends_at, impersonated_by: None }, rotation)
    }))
}

/// Notes that the holder of the session showed anew who they are; `None` where it is over.
pub(super) async fn step_up(
    connection: &mut PgConnection,
    context: &SessionContext,
    now: DateTime<Utc>,
) -> Result<Option<SignedIn>> {
    let (session, user) = (context.session(), context.caller().user());
    let stepped_up = sqlx::query!(
        r#"update sessions s set authenticated_at = $2
           from users u, session_refreshes r
           where s.id = $1 and s.revoked_at is null and u.id = s.user_id and u.enabled
             and u.erased_at is null and r.session_id = s.id
             and $2 < session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until,
                                   u.is_sys_admin)
           returning session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until,
                                  u.is_sys_admin) as "ends_at!""#,
        session.uuid(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(stepped_up.map(|row| SignedIn {
        user,
        session,
        at: now,
        ends_at: row.ends_at,
        impersonated_by: None,
    }))
}

/// Ends a session whose refresh token was used twice; whose it was, if it had not ended yet.
pub(super) async fn end_stolen(
    connection: &mut PgConnection,
    _: &Visitor,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<UserId>> {
    let ended = sqlx::query_scalar!(
        "with unwanted as (delete from address_changes where session_id = $1)
         update sessions set revoked_at = $2 where id = $1 and revoked_at is null
         returning user_id",
        session.uuid(),
        now
    );
    Ok(ended.fetch_optional(connection).await?.map(UserId::from))
}

/// Ends the session that this is asked in; whether it had not ended yet.
pub(super) async fn end_own(
    connection: &mut PgConnection,
    context: &SessionContext,
) -> Result<bool> {
    let ended = sqlx::query!(
        "update sessions set revoked_at = $2 where id = $1 and revoked_at is null",
        context.session().uuid(),
        context.caller().now()
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends a session of an account; whether there was such a one, and it was not over.
pub(super) async fn end_one(
    connection: &mut PgConnection,
    account: Account,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let ended = sqlx::query!(
        "with unwanted as (delete from address_changes where session_id = $1 and user_id = $2)
         update sessions s set revoked_at = $3
         from users u left join session_refreshes r on r.session_id = $1
         where s.id = $1 and s.user_id = $2 and u.id = s.user_id and s.revoked_at is null
           and session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until,
                            u.is_sys_admin) > $3",
        session.uuid(),
        account.user().uuid(),
        now
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends the sessions of an account, for good: all, or all but one; how many. Under the lock of the
/// account's row: whoever signs in at that moment locks it too, and either came before, and is
/// ended with the others, or finds the account as it became. And before the row is changed: that
/// holds the account's epoch, for which whoever signs out has to wait with their session locked.
pub async fn end_all(
    connection: &mut PgConnection,
    account: Account,
    but: Option<SessionId>,
    now: DateTime<Utc>,
) -> Result<u64> {
    // Those that have expired are left alone: they are over, and the purge may have them locked.
    let ended = sqlx::query!(
        "with unwanted as (
           delete from address_changes where user_id = $1 and session_id is distinct from $2)
         update sessions set revoked_at = $3
         where user_id = $1 and id is distinct from $2 and revoked_at is null and expires_at > $3",
        account.user().uuid(),
        but.map(SessionId::uuid),
        now
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected())
}

/// Ends the sessions that are over as those of a SysAdmin, before the account is one no more: what
/// would last longer then does not come back. With them those in which they act as others, which a
/// trigger would end only when the account has changed, and its epoch is held.
pub async fn end_what_is_over(
    connection: &mut PgConnection,
    account: Account,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "with acted as (
           update sessions set revoked_at = $2
           where impersonated_by = $1 and revoked_at is null and expires_at > $2)
         update sessions s set revoked_at = $2
         from users u, session_refreshes r
         where s.user_id = $1 and u.id = $1 and r.session_id = s.id and s.revoked_at is null
           and session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until,
                            u.is_sys_admin) <= $2",
        account.user().uuid(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}
