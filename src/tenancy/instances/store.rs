//! Instances and admissions in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{FeatureAccess, FeatureInstance, label_taken};
use crate::access::tables::{Access, Create, Delete, InstanceRoles, Instances, Op, Read, Update};
use crate::access::{Level, Permissions, Rules, Views};
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{InstanceId, RoleId, UserId, uuids};
use crate::kernel::names::Name;
use crate::tenancy::catalogue;
use crate::tenancy::roles::role_of;
use crate::tenancy::roles::{Holder, Present};

struct InstanceRow {
    id: Uuid,
    feature_code: String,
    mandate_id: Uuid,
    label: String,
    enabled: bool,
    version: i64,
    created_at: DateTime<Utc>,
}

impl From<InstanceRow> for FeatureInstance {
    fn from(row: InstanceRow) -> Self {
        Self {
            id: row.id.into(),
            feature_code: row.feature_code,
            mandate_id: row.mandate_id.into(),
            label: row.label,
            enabled: row.enabled,
            version: row.version,
            created_at: row.created_at,
        }
    }
}

/// The instance of the grant.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<Option<FeatureInstance>> {
    let row = sqlx::query_as!(
        InstanceRow,
        "select id, feature_code, mandate_id, label, enabled, version, created_at from feature_instances where mandate_id = $1 and id = $2",
        grant.mandate_uuid(),
        grant.instance_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(FeatureInstance::from))
}

/// Locks the instance of the grant, so that its version holds until the transaction ends.
pub(super) async fn lock<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<()> {
    sqlx::query!(
        "select id from feature_instances where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        grant.instance_uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Create>,
    feature: &str,
    label: &Name,
    now: DateTime<Utc>,
) -> Result<FeatureInstance> {
    let row = sqlx::query_as!(
        InstanceRow,
        "insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at) values ($1, $2, $3, $4, $5, $6)
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
        .map(FeatureInstance::from)
}

pub(super) async fn update(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Update>,
    label: Option<&Name>,
    enabled: Option<bool>,
) -> Result<FeatureInstance> {
    let row = sqlx::query_as!(
        InstanceRow,
        "update feature_instances set label = coalesce($3, label), label_key = coalesce($4, label_key), enabled = coalesce($5, enabled),
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
    row.on_constraint("feature_instances_label_key", label_taken).map(FeatureInstance::from)
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

struct AccessRow {
    user_id: Uuid,
    username: String,
    username_key: String,
    instance_id: Uuid,
    role_ids: Vec<Uuid>,
    enabled: bool,
    version: i64,
}

impl From<AccessRow> for FeatureAccess {
    fn from(row: AccessRow) -> Self {
        Self {
            user_id: row.user_id.into(),
            username: row.username,
            instance_id: row.instance_id.into(),
            role_ids: row.role_ids.into_iter().map(RoleId::from).collect(),
            enabled: row.enabled,
            version: row.version,
        }
    }
}

/// The admissions that the grant reaches, by username.
pub(super) async fn list_accesses(
    connection: &mut PgConnection,
    grant: &Grant<Access, Read>,
    paging: &Paging,
) -> Result<Rows<FeatureAccess>> {
    macro_rules! accesses {
        ($compare:tt, $order:tt) => {
            sqlx::query_as!(
                AccessRow,
                r#"select a.user_id, u.username, u.username_key, a.instance_id, a.enabled, a.version,
                          array(select r.role_id from access_roles r
                                where r.mandate_id = a.mandate_id and r.instance_id = a.instance_id and r.user_id = a.user_id order by 1) as "role_ids!"
                   from feature_accesses a join users u on u.id = a.user_id
                   where a.mandate_id = $1 and a.instance_id = $2
                     and ($3 = 3 or a.user_id = $4 or ($3 = 2 and a.user_id in (select p.user_id from group_peers($1, $4) p)))
                     and (u.username_key, u.id) "# + $compare + " ($5, $6) order by " + $order + " limit $7",
                grant.mandate_uuid(),
                grant.instance_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        accesses!("<", "u.username_key desc, u.id desc").await?
    } else {
        accesses!(">", "u.username_key, u.id").await?
    };
    let total = if paging.count { Some(count_accesses(connection, grant).await?) } else { None };
    Ok(paging.cut(rows, total, |row: AccessRow| {
        let position = Position::new(row.username_key.clone(), row.user_id);
        (row.into(), position)
    }))
}

async fn count_accesses(connection: &mut PgConnection, grant: &Grant<Access, Read>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from feature_accesses a
           where a.mandate_id = $1 and a.instance_id = $2
             and ($3 = 3 or a.user_id = $4 or ($3 = 2 and a.user_id in (select p.user_id from group_peers($1, $4) p)))"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// An admission, and the least level that reaches it.
pub(super) struct FoundAccess {
    pub access: FeatureAccess,
    pub needed: Level,
}

pub(super) async fn find_access<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Access, O>,
    user: UserId,
) -> Result<Option<FoundAccess>> {
    let row = sqlx::query!(
        r#"select a.user_id, u.username, u.username_key, a.instance_id, a.enabled, a.version,
                  array(select r.role_id from access_roles r
                        where r.mandate_id = a.mandate_id and r.instance_id = a.instance_id and r.user_id = a.user_id order by 1) as "role_ids!",
                  case when a.user_id = $4 then 1::smallint when a.user_id in (select p.user_id from group_peers($1, $4) p) then 2::smallint
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
    Ok(row.map(|row| FoundAccess {
        needed: Level::from_number(row.needed),
        access: FeatureAccess::from(AccessRow {
            user_id: row.user_id,
            username: row.username,
            username_key: row.username_key,
            instance_id: row.instance_id,
            role_ids: row.role_ids,
            enabled: row.enabled,
            version: row.version,
        }),
    }))
}

/// How near a member of the mandate is to the caller; `None`: not a member.
pub(super) async fn nearness_of_member(
    connection: &mut PgConnection,
    grant: &Grant<Access, Create>,
    user: UserId,
) -> Result<Option<Level>> {
    let needed = sqlx::query_scalar!(
        r#"select case when m.user_id = $3 then 1::smallint when m.user_id in (select p.user_id from group_peers($1, $3) p) then 2::smallint
                       else 3::smallint end as "needed!"
           from memberships m where m.mandate_id = $1 and m.user_id = $2"#,
        grant.mandate_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(needed.map(Level::from_number))
}

/// Admits a member of the mandate, with roles of the instance.
pub(super) async fn insert_access(
    connection: &mut PgConnection,
    grant: &Grant<Access, Create>,
    user: UserId,
    roles: &[RoleId],
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "with access as (insert into feature_accesses (mandate_id, instance_id, user_id, created_at) values ($1, $2, $3, $4))
         insert into access_roles (mandate_id, instance_id, user_id, role_id) select $1, $2, $3, role from unnest($5::uuid[]) role",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        user.uuid(),
        now,
        &uuids(roles),
    )
    .execute(connection)
    .await
    .on_constraint("feature_accesses_pkey", already_has_access)
    // The two inserts are one statement without an order: either may be the first to find the admission.
    .on_constraint("access_roles_pkey", already_has_access)?;
    Ok(())
}

fn already_has_access() -> Error {
    Error::new(Code::AlreadyHasAccess, "The user has access to this instance already.")
}

pub(super) async fn set_access_enabled(
    connection: &mut PgConnection,
    grant: &Grant<Access, Update>,
    user: UserId,
    enabled: bool,
) -> Result<()> {
    sqlx::query!(
        "update feature_accesses set enabled = $4, version = version + 1 where mandate_id = $1 and instance_id = $2 and user_id = $3",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        user.uuid(),
        enabled
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn set_access_roles(
    connection: &mut PgConnection,
    grant: &Grant<Access, Update>,
    user: UserId,
    roles: &[RoleId],
) -> Result<()> {
    sqlx::query!(
        "with gone as (delete from access_roles where mandate_id = $1 and instance_id = $2 and user_id = $3 and role_id <> all ($4)),
         raised as (update feature_accesses set version = version + 1 where mandate_id = $1 and instance_id = $2 and user_id = $3)
         insert into access_roles (mandate_id, instance_id, user_id, role_id)
         select $1, $2, $3, role from unnest($4::uuid[]) role on conflict do nothing",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        user.uuid(),
        &uuids(roles),
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete_access(
    connection: &mut PgConnection,
    grant: &Grant<Access, Delete>,
    user: UserId,
) -> Result<()> {
    sqlx::query!(
        "delete from feature_accesses where mandate_id = $1 and instance_id = $2 and user_id = $3",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        user.uuid()
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
    let rows = sqlx::query!(
        r#"select r.id, r.label, r.description, r.scope, r.mandate_id, r.feature_code, r.instance_id, r.template_role_id, r.protected, r.version,
                  role_tables(r.id) as "tables!: Json<Rules>",
                  role_view_flags(r.id) as "views!: Json<Views>",
                  (select coalesce(jsonb_agg(jsonb_build_object('userId', u.id, 'username', u.username) order by u.username_key), '[]')
                   from access_roles h join users u on u.id = h.user_id
                   where h.mandate_id = r.mandate_id and h.instance_id = r.instance_id and h.role_id = r.id) as "holders!: Json<Vec<Holder>>"
           from roles r where r.mandate_id = $1 and r.instance_id = $2 order by r.label_key for no key update of r"#,
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
        r"update roles set label_key = e'\x01' || id where mandate_id = $1 and instance_id = $2 and id = any ($3) and not protected",
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
        "delete from roles where mandate_id = $1 and instance_id = $2 and id = $3 and template_role_id is not null",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        role.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
