//! Finding one role, and who holds it.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::columns::{RoleTable, role_of, roles};
use super::role::FullRole;
use crate::access::tables::Op;
use crate::access::{Permissions, Rules, Views};
use crate::context::{Grant, Opened, Sealed};
use crate::kernel::error::Result;
use crate::kernel::ids::{RoleId, UserId};

/// A role by its id, in the mandate (or instance) of the grant: mine where the caller holds it, of
/// my groups where a peer does.
pub async fn find<T: RoleTable, O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<T, O>,
    role: RoleId,
) -> Result<Option<Sealed<T, FullRole>>> {
    let row = roles!(
        "select",
        [r#", role_tables(r.id) as "tables!: Json<Rules>",
              role_view_flags(r.id) as "views!: Json<Views>",
              case when exists (select 1 from member_roles h
                                where h.mandate_id = r.mandate_id and h.role_id = r.id
                                  and h.user_id = $3)
                     or exists (select 1 from access_roles h
                                where h.mandate_id = r.mandate_id and h.role_id = r.id
                                  and h.user_id = $3)
                   then 1::smallint
                   when exists (select 1 from member_roles h
                                where h.mandate_id = r.mandate_id and h.role_id = r.id
                                  and h.user_id in (select p.user_id from group_peers($1, $3) p))
                     or exists (select 1 from access_roles h
                                where h.mandate_id = r.mandate_id and h.role_id = r.id
                                  and h.user_id in (select p.user_id from group_peers($1, $3) p))
                   then 2::smallint else 3::smallint end as "needed!"
           from roles r
           where r.mandate_id = $1 and r.id = $4
             and (r.instance_id = $2 or ($2::uuid is null and r.instance_id is null))"#],
        grant.mandate_uuid(),
        grant.instance_uuid(),
        grant.caller_uuid(),
        role.uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let permissions = Permissions { tables: row.tables.0, views: row.views.0 };
        grant.seal(row.needed, FullRole { role: role_of!(row), permissions })
    }))
}

/// The same, locked until the transaction ends: what a change begins with. The lock comes first, so
/// that what is then read is what another change left.
pub async fn find_for_change<T: RoleTable, O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<T, O>,
    role: RoleId,
) -> Result<Option<Sealed<T, FullRole>>> {
    sqlx::query!(
        "select id from roles where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        role.uuid()
    )
    .fetch_optional(&mut *connection)
    .await?;
    find(connection, grant, role).await
}

/// Who holds a role, enabled or not.
pub async fn holders<T: RoleTable, O: Op>(
    connection: &mut PgConnection,
    role: &Opened<T, O, FullRole>,
) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!(
        r#"select user_id as "user_id!: UserId" from member_roles
           where mandate_id = $1 and role_id = $2
           union select user_id from access_roles where mandate_id = $1 and role_id = $2"#,
        role.grant().mandate_uuid(),
        role.role.id.uuid()
    );
    Ok(ids.fetch_all(connection).await?)
}
