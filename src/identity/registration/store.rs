//! Registrations in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::context::Visitor;
use crate::context::mailed::{TRIES, token_gone};
use crate::identity::users::username_taken;
use crate::kernel::error::{OnConstraint, Result};
use crate::kernel::ids::UserId;

/// A registration that is to be kept.
#[derive(Debug)]
pub(super) struct NewRegistration<'a> {
    pub id: Uuid,
    pub username: &'a str,
    pub email: &'a str,
    pub email_key: &'a str,
    pub language: &'a str,
    pub password_hash: &'a str,
    pub now: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Whether an account or a registration has the username. A look only, before a password is hashed:
/// [`insert`] judges.
pub async fn is_taken(
    connection: &mut PgConnection,
    visitor: &Visitor,
    username: &str,
) -> Result<bool> {
    let is_taken = sqlx::query_scalar!(
        r#"select exists (select 1 from users where username_key = $1)
             or exists (select 1 from registrations
                        where username = $1 and expires_at > $2 and tries < $3) as "is_taken!""#,
        username,
        visitor.now(),
        TRIES,
    );
    Ok(is_taken.fetch_one(connection).await?)
}

/// Keeps it; whether the username was free. One that nobody confirmed in time makes room.
pub(super) async fn insert(
    connection: &mut PgConnection,
    _: &Visitor,
    new: &NewRegistration<'_>,
) -> Result<bool> {
    let kept = sqlx::query!(
        "insert into registrations as r
           (id, username, email, email_key, language, password_hash, created_at, expires_at)
         select $1, $2, $3, $4, $8, $5, $6, $7
         where not exists (select 1 from users where username_key = $2)
         on conflict (username) do update
           set id = excluded.id, email = excluded.email, email_key = excluded.email_key,
             language = excluded.language, password_hash = excluded.password_hash, tries = 0,
             created_at = excluded.created_at, expires_at = excluded.expires_at
           where r.expires_at <= $6 or r.tries >= $9",
        new.id,
        new.username,
        new.email,
        new.email_key,
        new.password_hash,
        new.now,
        new.expires_at,
        new.language,
        TRIES,
    )
    .execute(connection)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// A registration whose password somebody tries.
#[derive(Debug)]
pub(super) struct Tried {
    pub id: Uuid,
    pub password_hash: String,
    /// Nobody may try after this.
    pub was_the_last: bool,
}

/// Notes that somebody tries a password with this token, before it is looked at: of many at once no
/// more are let try than of some one after the other.
pub(super) async fn try_with(
    connection: &mut PgConnection,
    visitor: &Visitor,
    registration: Uuid,
) -> Result<Option<Tried>> {
    let tried = sqlx::query_as!(
        Tried,
        r#"update registrations set tries = tries + 1
           where id = $1 and expires_at > $2 and tries < $3
           returning id, password_hash, tries >= $3 as "was_the_last!""#,
        registration,
        visitor.now(),
        TRIES,
    );
    Ok(tried.fetch_optional(connection).await?)
}

/// It has nothing to wait for any more.
pub(super) async fn forget(
    connection: &mut PgConnection,
    _: &Visitor,
    registration: Uuid,
) -> Result<()> {
    sqlx::query!(
        "with ended as (delete from mailed_tokens where subject = $1)
         delete from registrations where id = $1",
        registration
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes the account of a registration, with the address confirmed. The token is used up: of two
/// who confirm at once, one does. `None` where it is good no more; 410 where somebody else has the
/// address by now.
pub(super) async fn confirm(
    connection: &mut PgConnection,
    visitor: &Visitor,
    (registration, hash): (Uuid, &[u8]),
) -> Result<Option<UserId>> {
    // Before the token, as who mails it does: then nobody waits for the other.
    sqlx::query!("select id from registrations where id = $1 for update", registration)
        .fetch_optional(&mut *connection)
        .await?;
    let id = UserId::new();
    let made = sqlx::query_scalar!(
        r#"with used as (
             delete from mailed_tokens where hash = $2 and subject = $1 returning subject),
           confirmed as (
             delete from registrations r using used where r.id = used.subject
               returning r.username, r.email, r.email_key, r.language, r.password_hash)
           insert into users (id, username, username_key, email, email_key, email_verified,
             language, password_hash, created_at)
           select $3, username, username, email, email_key, true, language, password_hash, $4
             from confirmed
           returning id as "id: UserId""#,
        registration,
        hash,
        id.uuid(),
        visitor.now(),
    )
    .fetch_optional(connection)
    .await
    .on_constraint("users_username_key", username_taken)
    // Somebody with another registration of this address was faster.
    .on_constraint("users_email_key", token_gone)?;
    Ok(made)
}
