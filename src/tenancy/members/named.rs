//! Members whom a request names by id or username: only those whom the caller may read are found.

use sqlx::PgConnection;

use crate::access::tables::{Members, Read};
use crate::context::Grant;
use crate::kernel::error::Result;
use crate::kernel::ids::{UserId, uuids};

/// A member who was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMember {
    pub user: UserId,
    pub username_key: String,
}

/// Those of these whom the grant reaches, in one statement.
pub async fn named(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    users: &[UserId],
    username_keys: &[String],
) -> Result<Vec<NamedMember>> {
    let rows = sqlx::query!(
        "select m.user_id, u.username_key
           from memberships m join users u on u.id = m.user_id
           where m.mandate_id = $1 and (m.user_id = any ($4) or u.username_key = any ($5))
             and ($2 = 3 or m.user_id = $3 or ($2 = 2 and m.user_id in (select p.user_id
                 from group_peers($1, $3) p)))",
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        &uuids(users),
        username_keys,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| NamedMember { user: row.user_id.into(), username_key: row.username_key })
        .collect())
}
