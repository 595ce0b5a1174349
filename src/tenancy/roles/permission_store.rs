//! Writing what a role permits.

use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::RoleTable;
use super::role::{FullRole, Role};
use crate::access::tables::Update;
use crate::access::{Level, Permissions, Rule};
use crate::context::{Opened, SignedIn};
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// Replaces all permissions of a role.
pub async fn replace_permissions<T: RoleTable>(
    connection: &mut PgConnection,
    role: &Opened<T, Update, FullRole>,
    permissions: &Permissions,
) -> Result<()> {
    let grant = role.grant();
    repermit(connection, grant.into(), grant.mandate(), &role.role, permissions).await
}

/// The same of a role that somebody else has reached.
pub(super) async fn repermit(
    connection: &mut PgConnection,
    proof: SignedIn,
    mandate: MandateId,
    role: &Role,
    permissions: &Permissions,
) -> Result<()> {
    write_permissions(connection, proof, Some(mandate.uuid()), role, permissions).await?;
    sqlx::query!(
        "update roles set version = version + 1
         where mandate_id = $1 and id = $2 and not protected",
        mandate.uuid(),
        role.id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a role's permissions in place of those it had.
pub(super) async fn write_permissions(
    connection: &mut PgConnection,
    _: SignedIn,
    mandate: Option<Uuid>,
    role: &Role,
    permissions: &Permissions,
) -> Result<()> {
    sqlx::query!(
        "delete from role_permissions where role_id = $1 and mandate_id is not distinct from $2",
        role.id.uuid(),
        mandate
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from role_views where role_id = $1 and mandate_id is not distinct from $2",
        role.id.uuid(),
        mandate
    )
    .execute(&mut *connection)
    .await?;
    let rules: Vec<_> = permissions.tables.iter().collect();
    let levels = |level: fn(&Rule) -> Level| {
        rules.iter().map(|(_, rule)| level(rule).number()).collect::<Vec<i16>>()
    };
    sqlx::query!(
        "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view,
                                       read_level, create_level, update_level, delete_level)
         select $1, $2, $3, *
         from unnest($4::text[], $5::bool[], $6::smallint[], $7::smallint[], $8::smallint[],
                     $9::smallint[])",
        role.id.uuid(),
        role.scope.name(),
        mandate,
        &rules.iter().map(|(table, _)| (*table).clone()).collect::<Vec<_>>(),
        &rules.iter().map(|(_, rule)| rule.view).collect::<Vec<_>>(),
        &levels(|rule| rule.read),
        &levels(|rule| rule.create),
        &levels(|rule| rule.update),
        &levels(|rule| rule.delete),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into role_views (role_id, scope, mandate_id, view_name, allowed)
         select $1, $2, $3, * from unnest($4::text[], $5::bool[])",
        role.id.uuid(),
        role.scope.name(),
        mandate,
        &permissions.views.keys().cloned().collect::<Vec<_>>(),
        &permissions.views.values().copied().collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
