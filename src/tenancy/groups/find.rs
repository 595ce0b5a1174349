//! Finding one group.

use sqlx::PgConnection;

use super::Group;
use crate::access::tables::{Groups, Op, Read};
use crate::context::{Grant, Sealed};
use crate::kernel::error::Result;
use crate::kernel::ids::GroupId;

/// A group by its id.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Groups, O>,
    group: GroupId,
) -> Result<Option<Sealed<Groups, Group>>> {
    let row = sqlx::query!(
        r#"select g.id, g.name, g.description, g.auto_join, g.version, g.created_at,
                  (select count(*) from group_members c
                   where c.mandate_id = g.mandate_id and c.group_id = g.id) as "member_count!",
                  case when exists (select 1 from group_members o
                                    where o.mandate_id = $1 and o.group_id = g.id
                                      and o.user_id = $3)
                         then 1::smallint
                       when exists (select 1 from group_members o
                                    where o.mandate_id = $1 and o.group_id = g.id
                                      and o.user_id in (select p.user_id
                                                        from group_peers($1, $3) p))
                         then 2::smallint
                       else 3::smallint end as "needed!"
           from groups g where g.mandate_id = $1 and g.id = $2"#,
        grant.mandate_uuid(),
        group.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let group = Group {
            id: row.id.into(),
            name: row.name,
            description: row.description,
            auto_join: row.auto_join,
            member_count: row.member_count,
            version: row.version,
            created_at: row.created_at,
        };
        grant.seal(row.needed, group)
    }))
}

/// The same, locked until the transaction ends: what a change begins with. The lock comes first, so
/// that what is then read is what another change left.
pub(super) async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Groups, O>,
    group: GroupId,
) -> Result<Option<Sealed<Groups, Group>>> {
    sqlx::query!(
        "select id from groups where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        group.uuid()
    )
    .fetch_optional(&mut *connection)
    .await?;
    find(connection, grant, group).await
}

/// The group of this name, wherever the caller's level reaches.
pub(super) async fn named(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Read>,
    name_key: &str,
) -> Result<Option<GroupId>> {
    let id = sqlx::query_scalar!(
        "select id from groups where mandate_id = $1 and name_key = $2",
        grant.mandate_uuid(),
        name_key
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(GroupId::from))
}
