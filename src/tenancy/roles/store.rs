//! Roles and permissions in the database.

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Role, Scope, Texts, label_taken};
use crate::access::tables::{Create, Delete, InstanceRoles, Read, Roles, Update};
use crate::access::{Level, Permissions, Rules, Views};
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{InstanceId, MandateId, RoleId, UserId};
use crate::kernel::names::Name;
use chrono::{DateTime, Utc};

pub(crate) struct RoleRow {
    pub id: Uuid,
    pub label: String,
    pub description: Value,
    pub scope: String,
    pub mandate_id: Option<Uuid>,
    pub feature_code: Option<String>,
    pub instance_id: Option<Uuid>,
    pub template_role_id: Option<Uuid>,
    pub protected: bool,
    pub version: i64,
}

impl From<RoleRow> for Role {
    fn from(row: RoleRow) -> Self {
        Self {
            id: row.id.into(),
            label: row.label,
            description: serde_json::from_value::<Texts>(row.description).unwrap_or_default(),
            scope: Scope::from_name(&row.scope),
            mandate_id: row.mandate_id.map(MandateId::from),
            feature_code: row.feature_code,
            instance_id: row.instance_id.map(InstanceId::from),
            template_role_id: row.template_role_id.map(RoleId::from),
            protected: row.protected,
            version: row.version,
        }
    }
}

/// The role in a row that also holds something else (the rows of `query!` have no name to implement `From` for).
macro_rules! role_of {
    ($row:expr) => {
        $crate::tenancy::roles::Role::from($crate::tenancy::roles::RoleRow {
            id: $row.id,
            label: $row.label,
            description: $row.description,
            scope: $row.scope,
            mandate_id: $row.mandate_id,
            feature_code: $row.feature_code,
            instance_id: $row.instance_id,
            template_role_id: $row.template_role_id,
            protected: $row.protected,
            version: $row.version,
        })
    };
}
pub(crate) use role_of;

/// A role of the mandate, its permissions, and the least level that reaches it: `m` where the caller holds it, `g` where a
/// group peer does. Locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct Found {
    pub role: Role,
    pub permissions: Permissions,
    pub needed: Level,
}

/// Whatever reads a role by its id: leave over mandate roles, or over an instance's.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    mandate: Uuid,
    instance: Option<Uuid>,
    caller: Uuid,
}

impl<O: crate::access::tables::Op> From<&Grant<Roles, O>> for Reach {
    fn from(grant: &Grant<Roles, O>) -> Self {
        Self { mandate: grant.mandate_uuid(), instance: None, caller: grant.caller_uuid() }
    }
}
impl<O: crate::access::tables::Op> From<&Grant<InstanceRoles, O>> for Reach {
    fn from(grant: &Grant<InstanceRoles, O>) -> Self {
        Self {
            mandate: grant.mandate_uuid(),
            instance: grant.instance_uuid(),
            caller: grant.caller_uuid(),
        }
    }
}

/// A role by its id, in the mandate (or instance) of the grant.
pub async fn find(
    connection: &mut PgConnection,
    reach: impl Into<Reach>,
    role: RoleId,
) -> Result<Option<Found>> {
    let reach = reach.into();
    let row = sqlx::query!(
        r#"select r.id, r.label, r.description, r.scope, r.mandate_id, r.feature_code, r.instance_id, r.template_role_id, r.protected, r.version,
                  role_tables(r.id) as "tables!: Json<Rules>",
                  role_view_flags(r.id) as "views!: Json<Views>",
                  case when exists (select 1 from member_roles h where h.mandate_id = r.mandate_id and h.role_id = r.id and h.user_id = $3)
                         or exists (select 1 from access_roles h where h.mandate_id = r.mandate_id and h.role_id = r.id and h.user_id = $3)
                       then 1::smallint
                       when exists (select 1 from member_roles h where h.mandate_id = r.mandate_id and h.role_id = r.id
                                      and h.user_id in (select p.user_id from group_peers($1, $3) p))
                         or exists (select 1 from access_roles h where h.mandate_id = r.mandate_id and h.role_id = r.id
                                      and h.user_id in (select p.user_id from group_peers($1, $3) p))
                       then 2::smallint else 3::smallint end as "needed!"
           from roles r
           where r.mandate_id = $1 and r.id = $4 and (r.instance_id = $2 or ($2::uuid is null and r.instance_id is null))"#,
        reach.mandate,
        reach.instance,
        reach.caller,
        role.uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Found {
        permissions: Permissions { tables: row.tables.0, views: row.views.0 },
        needed: Level::from_number(row.needed),
        role: role_of!(row),
    }))
}

/// Locks the role's row until the transaction ends, so that nobody changes it between looking and changing.
pub async fn lock(connection: &mut PgConnection, mandate: MandateId, role: RoleId) -> Result<()> {
    sqlx::query!(
        "select id from roles where mandate_id = $1 and id = $2 for no key update",
        mandate.uuid(),
        role.uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}

/// Who holds a role, enabled or not.
pub async fn holders(
    connection: &mut PgConnection,
    mandate: MandateId,
    role: RoleId,
) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!(
        r#"select user_id as "user_id!" from member_roles where mandate_id = $1 and role_id = $2
           union select user_id from access_roles where mandate_id = $1 and role_id = $2"#,
        mandate.uuid(),
        role.uuid()
    );
    Ok(ids.fetch_all(connection).await?.into_iter().map(UserId::from).collect())
}

/// What the roles permit, by id; those that are not mandate roles (or roles of the instance) are missing from the answer.
pub async fn permissions_of(
    connection: &mut PgConnection,
    mandate: MandateId,
    instance: Option<InstanceId>,
    roles: &[RoleId],
) -> Result<Vec<(RoleId, String, bool, Permissions)>> {
    let rows = sqlx::query!(
        r#"select id, label, protected,
                  role_tables(id) as "tables!: Json<Rules>",
                  role_view_flags(id) as "views!: Json<Views>"
           from roles
           where mandate_id = $1 and (instance_id = $2 or ($2::uuid is null and instance_id is null)) and id = any($3)
           order by label_key"#,
        mandate.uuid(),
        instance.map(InstanceId::uuid),
        &crate::kernel::ids::uuids(roles),
    )
    .fetch_all(connection)
    .await?;
    let role = |row: &Uuid| RoleId::from(*row);
    Ok(rows
        .into_iter()
        .map(|row| {
            (
                role(&row.id),
                row.label,
                row.protected,
                Permissions { tables: row.tables.0, views: row.views.0 },
            )
        })
        .collect())
}

/// What a list of roles is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Listing {
    reach: Reach,
    level: i16,
}

impl From<&Grant<Roles, Read>> for Listing {
    fn from(grant: &Grant<Roles, Read>) -> Self {
        Self { reach: grant.into(), level: grant.level_number() }
    }
}
impl From<&Grant<InstanceRoles, Read>> for Listing {
    fn from(grant: &Grant<InstanceRoles, Read>) -> Self {
        Self { reach: grant.into(), level: grant.level_number() }
    }
}

/// Mandate roles, or an instance's, that the level reaches.
pub async fn list(
    connection: &mut PgConnection,
    listing: impl Into<Listing>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    let Listing { reach, level } = listing.into();
    macro_rules! roles {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                "select r.id, r.label, r.label_sort, r.description, r.scope, r.mandate_id, r.feature_code, r.instance_id, r.template_role_id,
                        r.protected, r.version
                 from roles r
                 where r.mandate_id = $1 and (r.instance_id = $2 or ($2::uuid is null and r.instance_id is null))
                   and ($3 = 3
                        or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                                      and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id from group_peers($1, $4) p))))
                        or r.id in (select h.role_id from access_roles h where h.mandate_id = $1
                                      and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id from group_peers($1, $4) p)))))
                   and (r.label_sort, r.id) " + $compare + " ($5, $6)
                 order by " + $order + " limit $7",
                reach.mandate,
                reach.instance,
                i32::from(level),
                reach.caller,
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (role_of!(row), row.label_sort))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        roles!("<", "r.label_sort desc, r.id desc").await?
    } else {
        roles!(">", "r.label_sort, r.id").await?
    };
    let total = if paging.count { Some(count(connection, reach, level).await?) } else { None };
    Ok(paging.cut(rows, total, |(role, key): (Role, String)| {
        let position = Position::new(key, role.id.uuid());
        (role, position)
    }))
}

async fn count(connection: &mut PgConnection, reach: Reach, level: i16) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from roles r
           where r.mandate_id = $1 and (r.instance_id = $2 or ($2::uuid is null and r.instance_id is null))
             and ($3 = 3
                  or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                                and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id from group_peers($1, $4) p))))
                  or r.id in (select h.role_id from access_roles h where h.mandate_id = $1
                                and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id from group_peers($1, $4) p)))))"#,
        reach.mandate,
        reach.instance,
        i32::from(level),
        reach.caller,
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// A role to be made, in a mandate or in one of its instances.
#[derive(Debug)]
pub struct NewRole<'a> {
    pub label: &'a Name,
    pub description: &'a Texts,
    /// The feature of the instance; none for a mandate role.
    pub feature_code: Option<&'a str>,
    pub now: DateTime<Utc>,
}

/// Leave to make a role.
#[derive(Debug, Clone, Copy)]
pub struct Making(Reach);

impl From<&Grant<Roles, Create>> for Making {
    fn from(grant: &Grant<Roles, Create>) -> Self {
        Self(grant.into())
    }
}
impl From<&Grant<InstanceRoles, Create>> for Making {
    fn from(grant: &Grant<InstanceRoles, Create>) -> Self {
        Self(grant.into())
    }
}

pub async fn insert(
    connection: &mut PgConnection,
    making: impl Into<Making>,
    role: &NewRole<'_>,
) -> Result<Role> {
    let Making(reach) = making.into();
    let row = sqlx::query_as!(
        RoleRow,
        "insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key, description, created_at)
         values ($1, case when $3::uuid is null then 'mandate' else 'instance' end, $2, $3, $4, $5, $6, $7, $8)
         returning id, label, description, scope, mandate_id, feature_code, instance_id, template_role_id, protected, version",
        RoleId::new().uuid(),
        reach.mandate,
        reach.instance,
        role.feature_code,
        role.label.as_str(),
        role.label.key(),
        Json(role.description) as _,
        role.now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_label_key", label_taken)
        .on_constraint("roles_instance_label_key", label_taken)
        .map(Role::from)
}

/// Leave to change a role.
#[derive(Debug, Clone, Copy)]
pub struct Changing(Reach);

impl From<&Grant<Roles, Update>> for Changing {
    fn from(grant: &Grant<Roles, Update>) -> Self {
        Self(grant.into())
    }
}
impl From<&Grant<InstanceRoles, Update>> for Changing {
    fn from(grant: &Grant<InstanceRoles, Update>) -> Self {
        Self(grant.into())
    }
}

/// Changes label and description, where given.
pub async fn update(
    connection: &mut PgConnection,
    changing: impl Into<Changing>,
    role: RoleId,
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let Changing(reach) = changing.into();
    let row = sqlx::query_as!(
        RoleRow,
        "update roles set label = coalesce($3, label), label_key = coalesce($4, label_key), description = coalesce($5, description), version = version + 1
         where mandate_id = $1 and id = $2 and not protected
         returning id, label, description, scope, mandate_id, feature_code, instance_id, template_role_id, protected, version",
        reach.mandate,
        role.uuid(),
        label.map(Name::as_str),
        label.map(Name::key),
        description.map(Json) as _,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_label_key", label_taken)
        .on_constraint("roles_instance_label_key", label_taken)
        .map(Role::from)
}

/// Replaces all permissions of a role.
pub async fn replace_permissions(
    connection: &mut PgConnection,
    changing: impl Into<Changing>,
    role: &Role,
    permissions: &Permissions,
) -> Result<()> {
    let Changing(reach) = changing.into();
    write_permissions(connection, Some(reach.mandate), role.id, role.scope, permissions).await?;
    sqlx::query!(
        "update roles set version = version + 1 where mandate_id = $1 and id = $2 and not protected",
        reach.mandate,
        role.id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a role's permissions in place of those it had.
pub(super) async fn write_permissions(
    connection: &mut PgConnection,
    mandate: Option<Uuid>,
    role: RoleId,
    scope: Scope,
    permissions: &Permissions,
) -> Result<()> {
    sqlx::query!(
        "delete from role_permissions where role_id = $1 and mandate_id is not distinct from $2",
        role.uuid(),
        mandate
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from role_views where role_id = $1 and mandate_id is not distinct from $2",
        role.uuid(),
        mandate
    )
    .execute(&mut *connection)
    .await?;
    let rules: Vec<_> = permissions.tables.iter().collect();
    let levels = |level: fn(&crate::access::Rule) -> Level| {
        rules.iter().map(|(_, rule)| level(rule).number()).collect::<Vec<i16>>()
    };
    sqlx::query!(
        "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level, delete_level)
         select $1, $2, $3, * from unnest($4::text[], $5::bool[], $6::smallint[], $7::smallint[], $8::smallint[], $9::smallint[])",
        role.uuid(),
        scope.name(),
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
        "insert into role_views (role_id, scope, mandate_id, view_name, allowed) select $1, $2, $3, * from unnest($4::text[], $5::bool[])",
        role.uuid(),
        scope.name(),
        mandate,
        &permissions.views.keys().cloned().collect::<Vec<_>>(),
        &permissions.views.values().copied().collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Leave to delete a role.
#[derive(Debug, Clone, Copy)]
pub struct Deleting(Reach);

impl From<&Grant<Roles, Delete>> for Deleting {
    fn from(grant: &Grant<Roles, Delete>) -> Self {
        Self(grant.into())
    }
}
impl From<&Grant<InstanceRoles, Delete>> for Deleting {
    fn from(grant: &Grant<InstanceRoles, Delete>) -> Self {
        Self(grant.into())
    }
}

/// Deletes a role that nobody holds.
pub async fn delete(
    connection: &mut PgConnection,
    deleting: impl Into<Deleting>,
    role: RoleId,
) -> Result<()> {
    let Deleting(reach) = deleting.into();
    let held = sqlx::query_scalar!(
        r#"select (exists (select 1 from member_roles where mandate_id = $1 and role_id = $2)
                or exists (select 1 from access_roles where mandate_id = $1 and role_id = $2)) as "held!""#,
        reach.mandate,
        role.uuid()
    )
    .fetch_one(&mut *connection)
    .await?;
    if held {
        return Err(Error::new(Code::RoleInUse, "Somebody holds this role."));
    }
    sqlx::query!(
        "delete from roles where mandate_id = $1 and id = $2 and not protected",
        reach.mandate,
        role.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
