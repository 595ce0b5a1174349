//! The roles whose rules the caller may read.

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::access::tables::{InstanceRoles, Read, Roles};
use crate::context::Grant;
use crate::error::Result;

/// The mandate's own roles that the grant reaches.
pub(super) async fn mandate_roles(connection: &mut PgConnection, grant: &Grant<Roles, Read>) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query_scalar!(
        r#"select jsonb_build_object('id', r.id, 'label', r.label, 'protected', r.protected, 'tables', role_tables(r.id),
                                     'views', role_view_flags(r.id)) as "role!: Json<HeldRole>"
           from roles r
           where r.mandate_id = $1 and r.scope = 'mandate'
             and ($2 = 3 or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                   and (h.user_id = $3 or ($2 = 2 and h.user_id in (select p.user_id from group_peers($1, $3) p)))))
           order by r.label_key"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    );
    Ok(rows.fetch_all(connection).await?.into_iter().map(|Json(role)| role).collect())
}

/// The instance's roles that the grant reaches.
pub(super) async fn instance_roles(connection: &mut PgConnection, grant: &Grant<InstanceRoles, Read>) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query_scalar!(
        r#"select jsonb_build_object('id', r.id, 'label', r.label, 'protected', r.protected, 'tables', role_tables(r.id),
                                     'views', role_view_flags(r.id)) as "role!: Json<HeldRole>"
           from roles r
           where r.mandate_id = $1 and r.instance_id = $4 and r.scope = 'instance'
             and ($2 = 3 or r.id in (select h.role_id from access_roles h where h.mandate_id = $1 and h.instance_id = $4
                   and (h.user_id = $3 or ($2 = 2 and h.user_id in (select p.user_id from group_peers($1, $3) p)))))
           order by r.label_key"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        grant.instance_uuid(),
    );
    Ok(rows.fetch_all(connection).await?.into_iter().map(|Json(role)| role).collect())
}
