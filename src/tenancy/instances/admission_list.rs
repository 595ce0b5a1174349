//! The list of an instance's admissions.

use sqlx::PgConnection;

use super::FeatureAccess;
use super::admission_find::access_of;
use crate::access::tables::{Access, Read};
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::RoleId;

/// The admissions that the grant reaches, by username.
pub(super) async fn list_accesses(
    connection: &mut PgConnection,
    grant: &Grant<Access, Read>,
    paging: &Paging,
) -> Result<Rows<FeatureAccess>> {
    macro_rules! accesses {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                r#"select a.user_id, u.username, u.username_key, a.instance_id, a.enabled,
                     a.version,
                          array(select r.role_id from access_roles r
                                where r.mandate_id = a.mandate_id and r.instance_id = a.instance_id
                                  and r.user_id = a.user_id order by 1) as "role_ids!: Vec<RoleId>"
                   from feature_accesses a join users u on u.id = a.user_id
                   where a.mandate_id = $1 and a.instance_id = $2
                     and ($3 = 3 or a.user_id = $4
                          or ($3 = 2
                              and a.user_id in (select p.user_id from group_peers($1, $4) p)))
                     and (u.username_key, u.id) "# + $compare + " ($5, $6)
                   order by " + $order + " limit $7",
                grant.mandate_uuid(),
                grant.instance_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (access_of!(row), row.username_key))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        accesses!("<", "u.username_key desc, u.id desc").await?
    } else {
        accesses!(">", "u.username_key, u.id").await?
    };
    let total = if paging.count { Some(count_accesses(connection, grant).await?) } else { None };
    Ok(paging.cut(rows, total, |(access, key): (FeatureAccess, String)| {
        let position = Position::new(key, access.user_id.uuid());
        (access, position)
    }))
}

async fn count_accesses(connection: &mut PgConnection, grant: &Grant<Access, Read>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from feature_accesses a
           where a.mandate_id = $1 and a.instance_id = $2
             and ($3 = 3 or a.user_id = $4
                  or ($3 = 2
                      and a.user_id in (select p.user_id from group_peers($1, $4) p)))"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
