//! Finding somebody's admission.

use sqlx::PgConnection;

use super::FeatureAccess;
use crate::access::tables::{Access, Create, Op};
use crate::context::{Grant, Sealed};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{RoleId, UserId};

/// Somebody's admission to the instance of the grant.
pub(super) async fn find_access<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    user: UserId,
) -> Result<Option<Sealed<Access, FeatureAccess>>> {
    let row = access_row(connection, grant, user).await?;
    Ok(row.map(|(access, needed)| grant.seal(needed, access)))
}

/// An admission as this transaction has left it: told to whoever changed it, whatever they may
/// read.
pub(super) async fn changed_access<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    user: UserId,
) -> Result<FeatureAccess> {
    let row = access_row(connection, grant, user).await?;
    row.map(|(access, _)| access).ok_or_else(Error::not_found)
}

/// An admission, and the number of the least level that reaches it.
async fn access_row<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    user: UserId,
) -> Result<Option<(FeatureAccess, i16)>> {
    let row = sqlx::query!(
        r#"select a.user_id, m.username, m.username_key, a.instance_id, a.enabled, a.version,
                  array(select r.role_id from access_roles r
                        where r.mandate_id = a.mandate_id and r.instance_id = a.instance_id
                          and r.user_id = a.user_id order by 1) as "role_ids!: Vec<RoleId>",
                  case when a.user_id = $4 then 1::smallint
                       when exists (select 1 from group_peers($1, $4) p
                                    where p.user_id = a.user_id)
                         then 2::smallint
                       else 3::smallint end as "needed!"
           from feature_accesses a
           join memberships m on m.mandate_id = a.mandate_id and m.user_id = a.user_id
           where a.mandate_id = $1 and a.instance_id = $2 and a.user_id = $3"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        (
            FeatureAccess {
                user_id: row.user_id.into(),
                username: row.username,
                instance_id: row.instance_id.into(),
                role_ids: row.role_ids,
                enabled: row.enabled,
                version: row.version,
            },
            row.needed,
        )
    }))
}

/// Somebody who is no member yet: near to whoever is in a group that takes in new members.
pub(super) async fn newcomer(
    connection: &mut PgConnection,
    grant: &Grant<Access, Create>,
) -> Result<Sealed<Access, ()>> {
    let needed = sqlx::query_scalar!(
        r#"select case when exists (
               select 1 from groups g
               join group_members m on m.mandate_id = g.mandate_id and m.group_id = g.id
               where g.mandate_id = $1 and g.auto_join and m.user_id = $2)
             then 2::smallint else 3::smallint end as "needed!""#,
        grant.mandate_uuid(),
        grant.caller_uuid(),
    );
    Ok(grant.seal(needed.fetch_one(connection).await?, ()))
}
