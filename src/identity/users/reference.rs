//! Whom a request names: by id, or by a username or address that may be nobody's. As the system:
//! accounts belong to no mandate.

use sqlx::PgConnection;

use super::KnownUser;
use crate::access::tables::{Create, Members};
use crate::context::{Account, Grant};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

/// How a request names a user.
#[derive(Debug, Clone)]
pub enum UserReference {
    Id(UserId),
    UsernameKey(String),
    EmailKey(String),
}

/// The account that a request names: by existence on the platform, not by what the caller may list.
/// That it exists is told only to those who may add members.
pub(super) async fn lookup(
    connection: &mut PgConnection,
    _: &Grant<Members, Create>,
    named: &UserReference,
) -> Result<Option<KnownUser>> {
    let (id, username, email) = match named {
        UserReference::Id(id) => (Some(id.uuid()), None, None),
        UserReference::UsernameKey(key) => (None, Some(key.as_str()), None),
        UserReference::EmailKey(key) => (None, None, Some(key.as_str())),
    };
    let found = sqlx::query!(
        "select id, username from users
         where erased_at is null and (($1::uuid is not null and id = $1)
             or ($2::text is not null and username_key = $2)
               or ($3::text is not null and email_key = $3))",
        id,
        username,
        email
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|row| KnownUser { id: row.id.into(), username: row.username }))
}

/// Whether it is this account that the request names.
pub async fn is_named(
    connection: &mut PgConnection,
    account: Account,
    named: &UserReference,
) -> Result<bool> {
    let (username, email) = match named {
        UserReference::Id(id) => return Ok(*id == account.user()),
        UserReference::UsernameKey(key) => (Some(key.as_str()), None),
        UserReference::EmailKey(key) => (None, Some(key.as_str())),
    };
    let is = sqlx::query_scalar!(
        r#"select exists (select 1 from users
             where id = $1 and erased_at is null and (($2::text is not null and username_key = $2)
                 or ($3::text is not null and email_key = $3)))
             as "is!""#,
        account.user().uuid(),
        username,
        email
    )
    .fetch_one(connection)
    .await?;
    Ok(is)
}

/// The id of the account that a request names.
pub async fn resolve(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    named: &UserReference,
) -> Result<Option<UserId>> {
    Ok(lookup(connection, grant, named).await?.map(|user| user.id))
}
