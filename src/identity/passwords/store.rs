//! Passwords in the database.

use sqlx::PgConnection;

use crate::context::{Account, Visitor};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

/// A password as it is kept, and what it must not be like.
pub(super) struct OwnPassword {
    pub hash: Option<String>,
    /// Whatever its owner is called.
    pub names: Vec<String>,
}

pub(super) async fn own_password(
    connection: &mut PgConnection,
    account: Account,
) -> Result<OwnPassword> {
    let row = sqlx::query_as!(
        OwnPassword,
        r#"select password_hash as hash,
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
        "update users set password_hash = $3
         where id = $1 and password_hash = $2 and enabled and erased_at is null",
        account.user().uuid(),
        before.hash,
        hash,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// What a password must not be like that is chosen with a mailed token.
pub(super) async fn own_names(
    connection: &mut PgConnection,
    _: &Visitor,
    user: UserId,
) -> Result<Vec<String>> {
    let names = sqlx::query_scalar!(
        r#"select array_remove(array[username, email, first_name, last_name], null) as "names!"
           from users where id = $1"#,
        user.uuid()
    );
    Ok(names.fetch_one(connection).await?)
}

/// Sets another password, whatever the one before was; whether the account may still be signed in
/// to.
pub(super) async fn reset_password(
    connection: &mut PgConnection,
    account: Account,
    hash: &str,
) -> Result<bool> {
    let changed = sqlx::query!(
        "update users set password_hash = $2 where id = $1 and enabled and erased_at is null",
        account.user().uuid(),
        hash,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}
