//! Admitting members to an instance, and changing and ending admissions.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{FeatureAccess, admission_find};
use crate::access::tables::{Access, Create, Delete, Update};
use crate::context::{Grant, Opened};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{RoleId, UserId, uuids};

/// Admits a member of the mandate, with roles of the instance.
pub async fn insert_access(
    connection: &mut PgConnection,
    member: &Opened<Access, Create, UserId>,
    roles: &[RoleId],
    now: DateTime<Utc>,
) -> Result<FeatureAccess> {
    let (grant, user) = (member.grant(), **member);
    admit(connection, grant, user, roles, now).await?;
    admission_find::changed_access(connection, grant, user).await
}

/// Admits somebody to an instance that their own transaction makes.
pub(super) async fn admit_creator(
    connection: &mut PgConnection,
    grant: &Grant<Access, Create>,
    roles: &[RoleId],
    now: DateTime<Utc>,
) -> Result<()> {
    admit(connection, grant, grant.caller(), roles, now).await
}

async fn admit(
    connection: &mut PgConnection,
    grant: &Grant<Access, Create>,
    user: UserId,
    roles: &[RoleId],
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "with access as (
           insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
           values ($1, $2, $3, $4))
         insert into access_roles (mandate_id, instance_id, user_id, role_id)
         select $1, $2, $3, role from unnest($5::uuid[]) role",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        user.uuid(),
        now,
        &uuids(roles),
    )
    .execute(connection)
    .await
    .on_constraint("feature_accesses_pkey", already_has_access)
    // The two inserts are one statement without an order: either may be the first to find the
    // admission.
    .on_constraint("access_roles_pkey", already_has_access)?;
    Ok(())
}

fn already_has_access() -> Error {
    Error::new(Code::AlreadyHasAccess, "The user has access to this instance already.")
}

pub(super) async fn set_access_enabled(
    connection: &mut PgConnection,
    access: &Opened<Access, Update, FeatureAccess>,
    enabled: bool,
) -> Result<FeatureAccess> {
    sqlx::query!(
        "update feature_accesses set enabled = $4, version = version + 1
         where mandate_id = $1 and instance_id = $2 and user_id = $3",
        access.grant().mandate_uuid(),
        access.grant().instance_uuid(),
        access.user_id.uuid(),
        enabled
    )
    .execute(&mut *connection)
    .await?;
    admission_find::changed_access(connection, access.grant(), access.user_id).await
}

pub(super) async fn set_access_roles(
    connection: &mut PgConnection,
    access: &Opened<Access, Update, FeatureAccess>,
    roles: &[RoleId],
) -> Result<FeatureAccess> {
    sqlx::query!(
        "with gone as (
           delete from access_roles
           where mandate_id = $1 and instance_id = $2 and user_id = $3 and role_id <> all ($4)),
         raised as (
           update feature_accesses set version = version + 1
           where mandate_id = $1 and instance_id = $2 and user_id = $3)
         insert into access_roles (mandate_id, instance_id, user_id, role_id)
         select $1, $2, $3, role from unnest($4::uuid[]) role on conflict do nothing",
        access.grant().mandate_uuid(),
        access.grant().instance_uuid(),
        access.user_id.uuid(),
        &uuids(roles),
    )
    .execute(&mut *connection)
    .await?;
    admission_find::changed_access(connection, access.grant(), access.user_id).await
}

pub(super) async fn delete_access(
    connection: &mut PgConnection,
    access: &Opened<Access, Delete, FeatureAccess>,
) -> Result<()> {
    sqlx::query!(
        "delete from feature_accesses where mandate_id = $1 and instance_id = $2 and user_id = $3",
        access.grant().mandate_uuid(),
        access.grant().instance_uuid(),
        access.user_id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
