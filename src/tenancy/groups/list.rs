//! The list of a mandate's groups.

use sqlx::PgConnection;

use super::Group;
use super::find::group_of;
use crate::access::tables::{Groups, Read};
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;

/// The groups that the grant reaches: all, those of group peers, or one's own.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Read>,
    text: Option<&str>,
    paging: &Paging,
) -> Result<Rows<Group>> {
    macro_rules! groups {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                r#"select g.id, g.name, g.name_sort, g.description, g.auto_join, g.version,
                     g.created_at,
                          (select count(*) from group_members c where c.mandate_id = g.mandate_id
                              and c.group_id = g.id) as "member_count!"
                   from groups g
                   where g.mandate_id = $1
                     and ($2 = 3 or g.id in (select o.group_id from group_members o
                         where o.mandate_id = $1
                           and (o.user_id = $3 or ($2 = 2 and o.user_id in (select p.user_id
                               from group_peers($1, $3) p)))))
                     and ($4::text is null or strpos(g.name_key, $4) > 0)
                     and (g.name_sort, g.id) "# + $compare + " ($5, $6)
                   order by " + $order + " limit $7",
                grant.mandate_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                text,
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (group_of!(row), row.name_sort))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        groups!("<", "g.name_sort desc, g.id desc").await?
    } else {
        groups!(">", "g.name_sort, g.id").await?
    };
    let total = if paging.count { Some(count(connection, grant, text).await?) } else { None };
    Ok(paging.cut(rows, total, |(group, key): (Group, String)| {
        let position = Position::new(key, group.id.uuid());
        (group, position)
    }))
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Read>,
    text: Option<&str>,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from groups g
           where g.mandate_id = $1
             and ($2 = 3 or g.id in (select o.group_id from group_members o where o.mandate_id = $1
                   and (o.user_id = $3 or ($2 = 2 and o.user_id in (select p.user_id
                       from group_peers($1, $3) p)))))
             and ($4::text is null or strpos(g.name_key, $4) > 0)"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        text,
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
