//! An instance's roles, as a sync compares and changes them.

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::access::tables::{InstanceRoles, Update};
use crate::access::{Permissions, Rules, Views};
use crate::context::Grant;
use crate::kernel::error::Result;
use crate::kernel::ids::{RoleId, uuids};
use crate::tenancy::roles::{Holder, Present, role_of, roles};

/// The instance's roles with what they permit and who holds them: what a sync compares.
pub(super) async fn roles_with_holders(
    connection: &mut PgConnection,
    grant: &Grant<InstanceRoles, Update>,
) -> Result<Vec<Present>> {
    let rows = roles!(
        "select",
        [r#", role_tables(r.id) as "tables!: Json<Rules>",
                  role_view_flags(r.id) as "views!: Json<Views>",
                  (select coalesce(jsonb_agg(jsonb_build_object('userId', u.id,
                                                                'username', u.username)
                                             order by u.username_key), '[]')
                   from access_roles h join users u on u.id = h.user_id
                   where h.mandate_id = r.mandate_id and h.instance_id = r.instance_id
                     and h.role_id = r.id) as "holders!: Json<Vec<Holder>>"
           from roles r where r.mandate_id = $1 and r.instance_id = $2
           order by r.label_key for no key update of r"#],
        grant.mandate_uuid(),
        grant.instance_uuid(),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Present {
            permissions: Permissions { tables: row.tables.0, views: row.views.0 },
            holders: row.holders.0,
            role: role_of!(row),
        })
        .collect())
}

/// Takes the labels of roles that are about to get others out of the way.
pub(super) async fn set_labels_aside(
    connection: &mut PgConnection,
    grant: &Grant<InstanceRoles, Update>,
    roles: &[RoleId],
) -> Result<()> {
    if roles.is_empty() {
        return Ok(());
    }
    // No name has a control character.
    sqlx::query!(
        r"update roles set label_key = e'\x01' || id
          where mandate_id = $1 and instance_id = $2 and id = any ($3) and not protected",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        &uuids(roles)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a copy whose template is gone and which nobody holds.
pub(super) async fn remove_copy(
    connection: &mut PgConnection,
    grant: &Grant<InstanceRoles, Update>,
    role: RoleId,
) -> Result<()> {
    sqlx::query!(
        "delete from roles
         where mandate_id = $1 and instance_id = $2 and id = $3 and template_role_id is not null",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        role.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
