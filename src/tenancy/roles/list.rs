//! The list of a mandate's roles, or of an instance's.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::columns::{RoleTable, role_of, roles};
use super::role::Role;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;

/// Mandate roles, or an instance's, that the level reaches.
pub async fn list<T: RoleTable>(
    connection: &mut PgConnection,
    grant: &Grant<T, Read>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    macro_rules! listed {
        ($compare:tt, $order:tt) => {
            roles!(
                "select",
                [", r.label_sort
                 from roles r
                 where r.mandate_id = $1
                   and (r.instance_id = $2 or ($2::uuid is null and r.instance_id is null))
                   and ($3 = 3
                        or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                                      and (h.user_id = $4 or ($3 = 2 and h.user_id
                                          in (select p.user_id from group_peers($1, $4) p))))
                        or r.id in (select h.role_id from access_roles h where h.mandate_id = $1
                                      and (h.user_id = $4 or ($3 = 2 and h.user_id
                                          in (select p.user_id from group_peers($1, $4) p)))))
                   and (r.label_sort, r.id) " + $compare + " ($5, $6)
                 order by " + $order + " limit $7"],
                grant.mandate_uuid(),
                grant.instance_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (role_of!(row), row.label_sort))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        listed!("<", "r.label_sort desc, r.id desc").await?
    } else {
        listed!(">", "r.label_sort, r.id").await?
    };
    let total = if paging.count { Some(count(connection, grant).await?) } else { None };
    Ok(paging.cut(rows, total, |(role, key): (Role, String)| {
        let position = Position::new(key, role.id.uuid());
        (role, position)
    }))
}

async fn count<T: RoleTable>(connection: &mut PgConnection, grant: &Grant<T, Read>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from roles r
           where r.mandate_id = $1
             and (r.instance_id = $2 or ($2::uuid is null and r.instance_id is null))
             and ($3 = 3
                  or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                                and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id
                                    from group_peers($1, $4) p))))
                  or r.id in (select h.role_id from access_roles h where h.mandate_id = $1
                                and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id
                                    from group_peers($1, $4) p)))))"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
