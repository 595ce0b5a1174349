//! Another address for one's own account, in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::User;
use super::columns::{user_of, users};
use crate::context::Account;
use crate::context::mailed::token_gone;
use crate::kernel::error::{OnConstraint, Result};
use crate::kernel::ids::SessionId;

/// An address that somebody wants.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub email: &'a str,
    pub email_key: &'a str,
    /// In which they ask for it.
    pub session: SessionId,
    pub expires_at: DateTime<Utc>,
}

/// Keeps the address that somebody wants, in place of one that they wanted before.
pub(super) async fn keep_wanted(
    connection: &mut PgConnection,
    account: Account,
    wanted: &Wanted<'_>,
) -> Result<()> {
    sqlx::query!(
        "insert into address_changes (user_id, email, email_key, session_id, expires_at)
         values ($1, $2, $3, $4, $5)
         on conflict (user_id) do update
           set email = excluded.email, email_key = excluded.email_key,
             session_id = excluded.session_id, expires_at = excluded.expires_at",
        account.user().uuid(),
        wanted.email,
        wanted.email_key,
        wanted.session.uuid(),
        wanted.expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives the account the address that was wanted for it, confirmed by a token that was mailed to
/// that one. 410 where another is wanted by now, or none, or another account was faster.
pub(super) async fn confirm(
    connection: &mut PgConnection,
    account: Account,
    (email_key, now): (&str, DateTime<Utc>),
) -> Result<User> {
    let row = users!(
        "with wanted as (
           delete from address_changes where user_id = $1 and email_key = $3 and expires_at > $2
             returning email, email_key)
         update users u set email = w.email, email_key = w.email_key, email_verified = true,
           version = u.version + 1
         from wanted w where u.id = $1 and u.enabled and u.erased_at is null returning",
        [""],
        account.user().uuid(),
        now,
        email_key,
    )
    .map(|row| user_of!(row))
    .fetch_optional(connection)
    .await;
    row.on_constraint("users_email_key", token_gone)?.ok_or_else(token_gone)
}

/// Confirms the address that the account has, by a token that was mailed to it.
pub(super) async fn confirm_present(
    connection: &mut PgConnection,
    account: Account,
) -> Result<User> {
    let row = users!(
        "update users u set email_verified = true, version = u.version + 1
         where u.id = $1 and u.enabled and u.erased_at is null returning",
        [""],
        account.user().uuid(),
    )
    .map(|row| user_of!(row))
    .fetch_optional(connection)
    .await;
    row?.ok_or_else(token_gone)
}
