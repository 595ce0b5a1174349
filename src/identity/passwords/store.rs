//! Passwords in the database.

use sqlx::PgConnection;

use super::SetPassword;
use crate::context::{Account, System, Visitor};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

/// A password as it is known, and what it must not be like.
pub(super) struct OwnPassword {
    /// Which of those that were chosen one after the other it is.
    pub version: i64,
    /// Whatever its owner is called.
    pub names: Vec<String>,
}

pub(super) async fn own_password(
    connection: &mut PgConnection,
    account: Account,
) -> Result<OwnPassword> {
    let row = sqlx::query_as!(
        OwnPassword,
        r#"select password_version as version,
             array_remove(array[username, email, first_name, last_name], null) as "names!"
           from users where id = $1"#,
        account.user().uuid()
    );
    Ok(row.fetch_one(connection).await?)
}

/// Changes the password; whether it was still the one of before. Under the lock of the account's
/// row: whoever signs in at the same time has opened their session before, or is refused.
pub(super) async fn change_password(
    connection: &mut PgConnection,
    account: Account,
    before: &OwnPassword,
    hash: &str,
) -> Result<bool> {
    let changed = sqlx::query!(
        "with forgotten as (delete from tries_in_a_row where user_id = $1)
         update users set password_hash = $3, must_change_password = false
         where id = $1 and password_version = $2 and enabled and erased_at is null",
        account.user().uuid(),
        before.version,
        hash,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Whose password is chosen with a mailed token.
pub(super) struct Whose {
    /// Whatever they are called: what it must not be like.
    pub names: Vec<String>,
    /// What they sign in with, as it is compared.
    pub keys: Vec<String>,
    /// Whether they confirmed the address that the account has.
    pub is_confirmed: bool,
}

pub(super) async fn whose(
    connection: &mut PgConnection,
    _: &Visitor,
    user: UserId,
) -> Result<Option<Whose>> {
    let whose = sqlx::query_as!(
        Whose,
        r#"select array_remove(array[username, email, first_name, last_name], null) as "names!",
             array_remove(array[username_key, email_key], null) as "keys!",
             email_verified as "is_confirmed!"
           from users where id = $1"#,
        user.uuid()
    );
    Ok(whose.fetch_optional(connection).await?)
}

/// Sets another password, whatever the one before was; whether the account may still be signed in
/// to.
pub(super) async fn reset_password(
    connection: &mut PgConnection,
    account: Account,
    hash: &str,
) -> Result<bool> {
    let changed = sqlx::query!(
        "with forgotten as (delete from tries_in_a_row where user_id = $1)
         update users set password_hash = $2, must_change_password = false
         where id = $1 and enabled and erased_at is null",
        account.user().uuid(),
        hash,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Whose username it is, and whatever else they are called.
pub(super) async fn owner(
    connection: &mut PgConnection,
    _: System,
    username_key: &str,
) -> Result<Option<(UserId, Vec<String>)>> {
    let row = sqlx::query!(
        r#"select id, array_remove(array[username, email, first_name, last_name], null) as "names!"
           from users where username_key = $1 and erased_at is null"#,
        username_key
    );
    Ok(row.fetch_optional(connection).await?.map(|row| (row.id.into(), row.names)))
}

/// Sets a password that somebody else chose, whatever the one before was.
pub(super) async fn set_password(
    connection: &mut PgConnection,
    account: Account,
    password: SetPassword<'_>,
) -> Result<()> {
    sqlx::query!(
        "with forgotten as (delete from tries_in_a_row where user_id = $1)
         update users set password_hash = $2, must_change_password = $3
         where id = $1 and erased_at is null",
        account.user().uuid(),
        password.hash,
        password.must_change,
    )
    .execute(connection)
    .await?;
    Ok(())
}
