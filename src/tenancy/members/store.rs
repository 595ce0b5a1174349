//! Memberships in the database.

use sqlx::PgConnection;

use super::{Member, find};
use crate::access::tables::{Delete, Members, Op, Update};
use crate::context::Opened;
use crate::kernel::error::Result;
use crate::kernel::ids::{RoleId, uuids};

/// Whether, without this member, the mandate would have no effective admin. Meaningful under the
/// mandate's lock.
pub(super) async fn is_last_admin<O: Op>(
    connection: &mut PgConnection,
    member: &Opened<Members, O, Member>,
) -> Result<bool> {
    let last = sqlx::query_scalar!(
        r#"with admins as (
             select m.user_id
             from roles r
             join member_roles mr on mr.mandate_id = r.mandate_id and mr.role_id = r.id
             join memberships m on m.mandate_id = mr.mandate_id and m.user_id = mr.user_id
               and m.enabled
             join users u on u.id = m.user_id and u.enabled and u.erased_at is null
             where r.mandate_id = $1 and r.protected and r.scope = 'mandate')
           select (exists (select 1 from admins where user_id = $2)
                   and not exists (select 1 from admins where user_id <> $2)) as "last!""#,
        member.grant().mandate_uuid(),
        member.user_id.uuid()
    )
    .fetch_one(connection)
    .await?;
    Ok(last)
}

/// Enables or disables a membership.
pub(super) async fn set_enabled(
    connection: &mut PgConnection,
    member: &Opened<Members, Update, Member>,
    enabled: bool,
) -> Result<Member> {
    sqlx::query!(
        "update memberships set enabled = $3, version = version + 1
         where mandate_id = $1 and user_id = $2",
        member.grant().mandate_uuid(),
        member.user_id.uuid(),
        enabled
    )
    .execute(&mut *connection)
    .await?;
    find::changed(connection, member.grant(), member.user_id).await
}

/// Replaces a member's roles; the member's version rises.
pub(super) async fn set_roles(
    connection: &mut PgConnection,
    member: &Opened<Members, Update, Member>,
    roles: &[RoleId],
) -> Result<Member> {
    sqlx::query!(
        "with gone as (
           delete from member_roles
           where mandate_id = $1 and user_id = $2 and role_id <> all ($3)),
         raised as (
           update memberships set version = version + 1 where mandate_id = $1 and user_id = $2)
         insert into member_roles (mandate_id, user_id, role_id)
         select $1, $2, role from unnest($3::uuid[]) role on conflict do nothing",
        member.grant().mandate_uuid(),
        member.user_id.uuid(),
        &uuids(roles),
    )
    .execute(&mut *connection)
    .await?;
    find::changed(connection, member.grant(), member.user_id).await
}

/// Removes a member; feature accesses and places in groups go too.
pub(super) async fn delete(
    connection: &mut PgConnection,
    member: &Opened<Members, Delete, Member>,
) -> Result<()> {
    sqlx::query!(
        "delete from memberships where mandate_id = $1 and user_id = $2",
        member.grant().mandate_uuid(),
        member.user_id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
