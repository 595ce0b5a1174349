//! Roles and permissions in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{FullRole, Role, label_taken};
use crate::access::tables::{
    Access, Create, Delete, InstanceRoles, Members, Op, Read, Roles, Table, Update,
};
use crate::access::{Level, Permissions, Rule, Rules, Views};
use crate::context::{Grant, Opened, Sealed, SignedIn};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{MandateId, RoleId, UserId, uuids};
use crate::kernel::names::Name;
use crate::kernel::translations::Texts;

/// The tables whose rows are roles: the mandate's own, and an instance's. Which of them a grant
/// reaches, its instance says.
pub trait RoleTable: Table {}
impl RoleTable for Roles {}
impl RoleTable for InstanceRoles {}

/// The tables by which roles are given: memberships give the mandate's, admissions an instance's.
pub trait Giving: Table {}
impl Giving for Members {}
impl Giving for Access {}

/// The role in a row of [`roles!`].
macro_rules! role_of {
    ($row:expr) => {
        $crate::tenancy::roles::Role {
            id: $row.id.into(),
            label: $row.label,
            description: $row.description.0,
            scope: $row.scope,
            mandate_id: $row.mandate_id,
            feature_code: $row.feature_code,
            instance_id: $row.instance_id,
            template_role_id: $row.template_role_id,
            protected: $row.protected,
            version: $row.version,
        }
    };
}
pub(crate) use role_of;

/// A statement whose rows have the columns of a role `r`, and then others.
macro_rules! roles {
    ($before:tt, [$($after:tt)+], $($argument:expr),* $(,)?) => {{
        use $crate::kernel::ids::{InstanceId, MandateId, RoleId};
        use $crate::kernel::translations::Texts;
        use $crate::tenancy::roles::Scope;
        sqlx::query!(
            $before
                + r#" r.id, r.label, r.description as "description: Json<Texts>",
                      r.scope as "scope: Scope", r.mandate_id as "mandate_id: MandateId",
                      r.feature_code, r.instance_id as "instance_id: InstanceId",
                      r.template_role_id as "template_role_id: RoleId", r.protected, r.version"#
                + $($after)+,
            $($argument),*
        )
    }};
}
pub(crate) use roles;

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

/// A role that is to be given or taken, with what has to be known of it for that.
#[derive(Debug, Clone)]
pub struct NamedRole {
    pub id: RoleId,
    pub label: String,
    pub protected: bool,
    pub permissions: Permissions,
}

/// The roles of these ids, for whoever gives them; those that are not the mandate's (or the
/// instance's) are missing from the answer.
pub async fn named<T: Giving, O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<T, O>,
    roles: &[RoleId],
) -> Result<Vec<NamedRole>> {
    let rows = sqlx::query!(
        r#"select id, label, protected,
                  role_tables(id) as "tables!: Json<Rules>",
                  role_view_flags(id) as "views!: Json<Views>"
           from roles
           where mandate_id = $1 and (instance_id = $2
               or ($2::uuid is null and instance_id is null)) and id = any($3)
           order by label_key"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        &uuids(roles),
    )
    .fetch_all(connection)
    .await?;
    let named = rows.into_iter().map(|row| NamedRole {
        id: row.id.into(),
        label: row.label,
        protected: row.protected,
        permissions: Permissions { tables: row.tables.0, views: row.views.0 },
    });
    Ok(named.collect())
}

/// Mandate roles, or an instance's, that the level reaches.
pub async fn list<T: RoleTable>(
    connection: &mut PgConnection,
    grant: &Grant<T, Read>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    macro_rules! listed {
        ($compare:tt, $order:tt) => {
            roles!(
                "select",
                [", r.label_sort
                 from roles r
                 where r.mandate_id = $1 and (r.instance_id = $2
                     or ($2::uuid is null and r.instance_id is null))
                   and ($3 = 3
                        or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                                      and (h.user_id = $4 or ($3 = 2 and h.user_id
                                          in (select p.user_id from group_peers($1, $4) p))))
                        or r.id in (select h.role_id from access_roles h where h.mandate_id = $1
                                      and (h.user_id = $4 or ($3 = 2 and h.user_id
                                          in (select p.user_id from group_peers($1, $4) p)))))
                   and (r.label_sort, r.id) " + $compare + " ($5, $6)
                 order by " + $order + " limit $7"],
                grant.mandate_uuid(),
                grant.instance_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (role_of!(row), row.label_sort))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        listed!("<", "r.label_sort desc, r.id desc").await?
    } else {
        listed!(">", "r.label_sort, r.id").await?
    };
    let total = if paging.count { Some(count(connection, grant).await?) } else { None };
    Ok(paging.cut(rows, total, |(role, key): (Role, String)| {
        let position = Position::new(key, role.id.uuid());
        (role, position)
    }))
}

async fn count<T: RoleTable>(connection: &mut PgConnection, grant: &Grant<T, Read>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from roles r
           where r.mandate_id = $1 and (r.instance_id = $2
               or ($2::uuid is null and r.instance_id is null))
             and ($3 = 3
                  or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                                and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id
                                    from group_peers($1, $4) p))))
                  or r.id in (select h.role_id from access_roles h where h.mandate_id = $1
                                and (h.user_id = $4 or ($3 = 2 and h.user_id in (select p.user_id
                                    from group_peers($1, $4) p)))))"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
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

pub async fn insert<T: RoleTable>(
    connection: &mut PgConnection,
    grant: &Grant<T, Create>,
    role: &NewRole<'_>,
) -> Result<Role> {
    let row = roles!(
        "insert into roles as r (id, scope, mandate_id, instance_id, feature_code, label, label_key,
           description, created_at)
         values ($1, case when $3::uuid is null then 'mandate' else 'instance' end,
           $2, $3, $4, $5, $6, $7, $8)
         returning",
        [""],
        RoleId::new().uuid(),
        grant.mandate_uuid(),
        grant.instance_uuid(),
        role.feature_code,
        role.label.as_str(),
        role.label.key(),
        Json(role.description) as _,
        role.now,
    )
    .map(|row| role_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_label_key", label_taken)
        .on_constraint("roles_instance_label_key", label_taken)
}

/// Changes label and description, where given.
pub async fn update<T: RoleTable>(
    connection: &mut PgConnection,
    role: &Opened<T, Update, FullRole>,
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let grant = role.grant();
    rename(connection, grant.into(), (grant.mandate(), role.role.id), label, description).await
}

/// The same of a role that somebody else has reached.
pub(super) async fn rename(
    connection: &mut PgConnection,
    _: SignedIn,
    (mandate, role): (MandateId, RoleId),
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let row = roles!(
        "update roles r set label = coalesce($3, label), label_key = coalesce($4, label_key),
           description = coalesce($5, description), version = version + 1
         where mandate_id = $1 and id = $2 and not protected
         returning",
        [""],
        mandate.uuid(),
        role.uuid(),
        label.map(Name::as_str),
        label.map(Name::key),
        description.map(Json) as _,
    )
    .map(|row| role_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_label_key", label_taken)
        .on_constraint("roles_instance_label_key", label_taken)
}

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
        "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level,
             create_level, update_level, delete_level)
         select $1, $2, $3, * from unnest($4::text[], $5::bool[], $6::smallint[], $7::smallint[],
             $8::smallint[], $9::smallint[])",
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
        "insert into role_views (role_id, scope, mandate_id, view_name, allowed) select $1, $2, $3,
           * from unnest($4::text[], $5::bool[])",
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

/// Deletes a role that nobody holds.
pub async fn delete<T: RoleTable>(
    connection: &mut PgConnection,
    role: &Opened<T, Delete, FullRole>,
) -> Result<()> {
    let (mandate, id) = (role.grant().mandate_uuid(), role.role.id.uuid());
    let held = sqlx::query_scalar!(
        r#"select (exists (select 1 from member_roles where mandate_id = $1 and role_id = $2)
                or exists (select 1 from access_roles where mandate_id = $1
                    and role_id = $2)) as "held!""#,
        mandate,
        id
    )
    .fetch_one(&mut *connection)
    .await?;
    if held {
        return Err(Error::new(Code::RoleInUse, "Somebody holds this role."));
    }
    sqlx::query!(
        "delete from roles where mandate_id = $1 and id = $2 and not protected",
        mandate,
        id
    )
    .execute(connection)
    .await?;
    Ok(())
}
