//! Finding one account, and telling why there is none.

use sqlx::PgConnection;

use super::User;
use super::columns::{user_of, users};
use crate::context::Account;
use crate::kernel::error::{Code, Error, Result};

/// An account that was not erased.
pub async fn find(connection: &mut PgConnection, account: Account) -> Result<Option<User>> {
    let row = users!(
        "select",
        ["from users u where u.id = $1 and u.erased_at is null"],
        account.user().uuid()
    );
    Ok(row.map(|row| user_of!(row)).fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends: what a change begins with.
pub async fn find_for_change(
    connection: &mut PgConnection,
    account: Account,
) -> Result<Option<User>> {
    let row = users!(
        "select",
        ["from users u where u.id = $1 and u.erased_at is null for no key update"],
        account.user().uuid()
    );
    Ok(row.map(|row| user_of!(row)).fetch_optional(connection).await?)
}

/// Why an account was not found, for SysAdmins: 410 where it was erased, else 404.
pub(super) async fn missing(connection: &mut PgConnection, account: Account) -> Result<Error> {
    let erased = sqlx::query_scalar!(
        r#"select true as "erased!" from users where id = $1 and erased_at is not null"#,
        account.user().uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(erased.map_or_else(Error::not_found, |_| Error::new(Code::Gone, "The account was erased.")))
}
