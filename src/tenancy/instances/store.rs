//! Instances and admissions in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{FeatureAccess, FeatureInstance, label_taken};
use crate::access::tables::{Access, Create, Delete, InstanceRoles, Instances, Op, Read, Update};
use crate::access::{Permissions, Rules, Views};
use crate::context::{Grant, Opened, Sealed};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{InstanceId, RoleId, UserId, uuids};
use crate::kernel::names::Name;
use crate::tenancy::catalogue;
use crate::tenancy::roles::{Holder, Present, role_of, roles};

/// The instance of the grant. It was reached before there was a grant over its row.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<Option<FeatureInstance>> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "select id, feature_code, mandate_id, label, enabled, version, created_at
         from feature_instances where mandate_id = $1 and id = $2",
        grant.mandate_uuid(),
        grant.instance_uuid(),
    );
    Ok(row.fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends: what a change begins with.
pub(super) async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<Option<FeatureInstance>> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "select id, feature_code, mandate_id, label, enabled, version, created_at
         from feature_instances where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        grant.instance_uuid(),
    );
    Ok(row.fetch_optional(connection).await?)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Create>,
    feature: &str,
    label: &Name,
    now: DateTime<Utc>,
) -> Result<FeatureInstance> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
           values ($1, $2, $3, $4, $5, $6)
         returning id, feature_code, mandate_id, label, enabled, version, created_at",
        InstanceId::new().uuid(),
        grant.mandate_uuid(),
        feature,
        label.as_str(),
        label.key(),
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("feature_instances_label_key", label_taken)
        .on_constraint("feature_instances_feature_code_fkey", catalogue::unknown)
}

pub(super) async fn update(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Update>,
    label: Option<&Name>,
    enabled: Option<bool>,
) -> Result<FeatureInstance> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "update feature_instances set label = coalesce($3, label),
           label_key = coalesce($4, label_key), enabled = coalesce($5, enabled),
           version = version + 1
         where mandate_id = $1 and id = $2
         returning id, feature_code, mandate_id, label, enabled, version, created_at",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        label.map(Name::as_str),
        label.map(Name::key),
        enabled,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("feature_instances_label_key", label_taken)
}

/// Deletes the instance with its roles, admissions and data.
pub(super) async fn delete(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Delete>,
) -> Result<()> {
    sqlx::query!(
        "delete from feature_instances where mandate_id = $1 and id = $2",
        grant.mandate_uuid(),
        grant.instance_uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The admission in a row that has more columns.
macro_rules! access_of {
    ($row:expr) => {
        FeatureAccess {
            user_id: $row.user_id.into(),
            username: $row.username,
            instance_id: $row.instance_id.into(),
            role_ids: $row.role_ids,
            enabled: $row.enabled,
            version: $row.version,
        }
    };
}

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
                     and ($3 = 3 or a.user_id = $4 or ($3 = 2 and a.user_id in (select p.user_id
                         from group_peers($1, $4) p)))
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
             and ($3 = 3 or a.user_id = $4 or ($3 = 2 and a.user_id in (select p.user_id
                 from group_peers($1, $4) p)))"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// Somebody's admission to the instance of the grant.
pub(super) async fn find_access<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    user: UserId,
) -> Result<Option<Sealed<Access, FeatureAccess>>> {
    let row = access_row(connection, grant, user).await?;
    Ok(row.map(|(access, needed)| grant.seal(needed, access)))
}

/// An admission as this transaction has left it: told to whoever changed it, whatever they may
/// read.
async fn changed_access<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    user: UserId,
) -> Result<FeatureAccess> {
    let row = access_row(connection, grant, user).await?;
    row.map(|(access, _)| access).ok_or_else(Error::not_found)
}

/// An admission, and the number of the least level that reaches it.
async fn access_row<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    user: UserId,
) -> Result<Option<(FeatureAccess, i16)>> {
    let row = sqlx::query!(
        r#"select a.user_id, u.username, u.username_key, a.instance_id, a.enabled, a.version,
                  array(select r.role_id from access_roles r
                        where r.mandate_id = a.mandate_id and r.instance_id = a.instance_id
                          and r.user_id = a.user_id order by 1) as "role_ids!: Vec<RoleId>",
                  case when a.user_id = $4 then 1::smallint when a.user_id in (select p.user_id
                      from group_peers($1, $4) p) then 2::smallint
                       else 3::smallint end as "needed!"
           from feature_accesses a join users u on u.id = a.user_id
           where a.mandate_id = $1 and a.instance_id = $2 and a.user_id = $3"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (access_of!(row), row.needed)))
}

/// A member of the mandate, who may be admitted.
pub(super) async fn find_member(
    connection: &mut PgConnection,
    grant: &Grant<Access, Create>,
    user: UserId,
) -> Result<Option<Sealed<Access, UserId>>> {
    let needed = sqlx::query_scalar!(
        r#"select case when m.user_id = $3 then 1::smallint when m.user_id in (select p.user_id
               from group_peers($1, $3) p) then 2::smallint
                       else 3::smallint end as "needed!"
           from memberships m where m.mandate_id = $1 and m.user_id = $2"#,
        grant.mandate_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(needed.map(|needed| grant.seal(needed, user)))
}

/// Admits a member of the mandate, with roles of the instance.
pub(super) async fn insert_access(
    connection: &mut PgConnection,
    member: &Opened<Access, Create, UserId>,
    roles: &[RoleId],
    now: DateTime<Utc>,
) -> Result<FeatureAccess> {
    let (grant, user) = (member.grant(), **member);
    admit(connection, grant, user, roles, now).await?;
    changed_access(connection, grant, user).await
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
        "with access as (insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
             values ($1, $2, $3, $4))
         insert into access_roles (mandate_id, instance_id, user_id, role_id) select $1, $2, $3,
           role from unnest($5::uuid[]) role",
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
        "update feature_accesses set enabled = $4, version = version + 1 where mandate_id = $1
           and instance_id = $2 and user_id = $3",
        access.grant().mandate_uuid(),
        access.grant().instance_uuid(),
        access.user_id.uuid(),
        enabled
    )
    .execute(&mut *connection)
    .await?;
    changed_access(connection, access.grant(), access.user_id).await
}

pub(super) async fn set_access_roles(
    connection: &mut PgConnection,
    access: &Opened<Access, Update, FeatureAccess>,
    roles: &[RoleId],
) -> Result<FeatureAccess> {
    sqlx::query!(
        "with gone as (delete from access_roles where mandate_id = $1 and instance_id = $2
             and user_id = $3 and role_id <> all ($4)),
         raised as (update feature_accesses set version = version + 1 where mandate_id = $1
             and instance_id = $2 and user_id = $3)
         insert into access_roles (mandate_id, instance_id, user_id, role_id)
         select $1, $2, $3, role from unnest($4::uuid[]) role on conflict do nothing",
        access.grant().mandate_uuid(),
        access.grant().instance_uuid(),
        access.user_id.uuid(),
        &uuids(roles),
    )
    .execute(&mut *connection)
    .await?;
    changed_access(connection, access.grant(), access.user_id).await
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

/// The instance's roles with what they permit and who holds them: what a sync compares.
pub(super) async fn roles_with_holders(
    connection: &mut PgConnection,
    grant: &Grant<InstanceRoles, Update>,
) -> Result<Vec<Present>> {
    let rows = roles!(
        "select",
        [r#", role_tables(r.id) as "tables!: Json<Rules>",
                  role_view_flags(r.id) as "views!: Json<Views>",
                  (select coalesce(jsonb_agg(jsonb_build_object('userId', u.id, 'username',
                      u.username) order by u.username_key), '[]')
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
        r"update roles set label_key = e'\x01' || id where mandate_id = $1 and instance_id = $2
            and id = any ($3) and not protected",
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
        "delete from roles where mandate_id = $1 and instance_id = $2 and id = $3
           and template_role_id is not null",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        role.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
