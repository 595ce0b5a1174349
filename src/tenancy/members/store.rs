//! Memberships in the database.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Member;
use crate::access::tables::{Create, Delete, Members, Op, Read, Update};
use crate::context::{Grant, Opened, Sealed, SignedIn, System};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{GroupId, InstanceId, MandateId, MembershipId, RoleId, UserId, uuids};

/// The member in a row that has more columns.
macro_rules! member_of {
    ($row:expr) => {
        Member {
            user_mandate_id: $row.id.into(),
            user_id: $row.user_id.into(),
            username: $row.username,
            email: $row.email,
            first_name: $row.first_name,
            last_name: $row.last_name,
            role_ids: $row.role_ids,
            group_ids: $row.group_ids,
            enabled: $row.enabled,
            version: $row.version,
            created_at: $row.created_at,
        }
    };
}

/// What the list of members is narrowed to.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub role: Option<Uuid>,
    pub group: Option<Uuid>,
    pub enabled: Option<bool>,
    pub text: Option<String>,
}

/// The members that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Member>> {
    let rows = page(connection, grant, filter, paging).await?;
    let total = if paging.count { Some(count(connection, grant, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |(member, key)| {
        let position = if by_name(paging) {
            Position::new(key, member.user_id.uuid())
        } else {
            Position::new(member.created_at, member.user_mandate_id.uuid())
        };
        (member, position)
    }))
}

fn by_name(paging: &Paging) -> bool {
    paging.sort == "username"
}

async fn page(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Vec<(Member, String)>> {
    macro_rules! members {
        ($key:tt, $id:tt, $after:tt, $order:tt, $bound:expr) => {
            sqlx::query!(
                r#"select m.id, m.user_id, u.username, u.username_key,
                          case when m.first_used_at is not null then u.email end as email,
                          case when m.first_used_at is not null then u.first_name end as first_name,
                          case when m.first_used_at is not null then u.last_name end as last_name,
                          array(select r.role_id from member_roles r
                                where r.mandate_id = $1 and r.user_id = m.user_id
                                order by 1) as "role_ids!: Vec<RoleId>",
                          array(select g.group_id from group_members g
                                where g.mandate_id = $1 and g.user_id = m.user_id
                                order by 1) as "group_ids!: Vec<GroupId>",
                          m.enabled, m.version, m.created_at
                   from memberships m join users u on u.id = m.user_id where m.mandate_id = $1
                     and ($2 = 3 or m.user_id = $3 or ($2 = 2 and m.user_id in (select p.user_id
                         from group_peers($1, $3) p)))
                     and ($4::uuid is null or exists (select 1 from member_roles r
                         where r.mandate_id = $1 and r.user_id = m.user_id and r.role_id = $4))
                     and ($5::uuid is null or exists (select 1 from group_members g
                         where g.mandate_id = $1 and g.user_id = m.user_id and g.group_id = $5))
                     and ($6::bool is null or m.enabled = $6)
                     and ($7::text is null or strpos(u.username_key, $7) > 0
                          or (m.first_used_at is not null
                              and (strpos(coalesce(u.email_key, ''), $7) > 0
                              or strpos(lower(coalesce(u.first_name, '') || ' '
                                              || coalesce(u.last_name, '')), $7) > 0)))
                     and ("# + $key + ", " + $id + ") " + $after + " ($8, $9)
                   order by " + $key + $order + ", " + $id + $order + " limit $10",
                grant.mandate_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                filter.role,
                filter.group,
                filter.enabled,
                filter.text.as_deref(),
                $bound,
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (member_of!(row), row.username_key))
            .fetch_all(&mut *connection)
            .await?
        };
    }
    let (text, time) = (paging.bound_text(), paging.bound_time());
    Ok(match (by_name(paging), paging.descending) {
        (true, false) => members!("u.username_key", "m.user_id", ">", "", text),
        (true, true) => members!("u.username_key", "m.user_id", "<", " desc", text),
        (false, false) => members!("m.created_at", "m.id", ">", "", time),
        (false, true) => members!("m.created_at", "m.id", "<", " desc", time),
    })
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    filter: &Filter,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!"
           from memberships m join users u on u.id = m.user_id
           where m.mandate_id = $1
             and ($2 = 3 or m.user_id = $3 or ($2 = 2 and m.user_id in (select p.user_id
                 from group_peers($1, $3) p)))
             and ($4::uuid is null or exists (select 1 from member_roles r where r.mandate_id = $1
                 and r.user_id = m.user_id and r.role_id = $4))
             and ($5::uuid is null or exists (select 1 from group_members g where g.mandate_id = $1
                 and g.user_id = m.user_id and g.group_id = $5))
             and ($6::bool is null or m.enabled = $6)
             and ($7::text is null or strpos(u.username_key, $7) > 0
                  or (m.first_used_at is not null and (strpos(coalesce(u.email_key, ''), $7) > 0
                      or strpos(lower(coalesce(u.first_name, '') || ' ' || coalesce(u.last_name,
                          '')), $7) > 0)))"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        filter.role,
        filter.group,
        filter.enabled,
        filter.text.as_deref(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// A member of the grant's mandate.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    user: UserId,
) -> Result<Option<Sealed<Members, Member>>> {
    let row = row(connection, grant, user).await?;
    Ok(row.map(|(member, needed)| grant.seal(needed, member)))
}

/// The same with the number of the least level that reaches them.
async fn row<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    user: UserId,
) -> Result<Option<(Member, i16)>> {
    let row = sqlx::query!(
        r#"select m.id, m.user_id, u.username, u.username_key,
                  case when m.first_used_at is not null then u.email end as email,
                  case when m.first_used_at is not null then u.first_name end as first_name,
                  case when m.first_used_at is not null then u.last_name end as last_name,
                  array(select r.role_id from member_roles r
                        where r.mandate_id = m.mandate_id and r.user_id = m.user_id
                                order by 1) as "role_ids!: Vec<RoleId>",
                  array(select g.group_id from group_members g
                        where g.mandate_id = m.mandate_id and g.user_id = m.user_id
                                order by 1) as "group_ids!: Vec<GroupId>",
                  m.enabled, m.version, m.created_at,
                  case when m.user_id = $3 then 1::smallint when m.user_id in (select p.user_id
                      from group_peers($1, $3) p) then 2::smallint
                       else 3::smallint end as "needed!"
           from memberships m join users u on u.id = m.user_id
           where m.mandate_id = $1 and m.user_id = $2"#,
        grant.mandate_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (member_of!(row), row.needed)))
}

/// Who is a member of the grant's mandate, without what is told of them.
pub async fn found(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    user: UserId,
) -> Result<Option<Sealed<Members, UserId>>> {
    let needed = sqlx::query_scalar!(
        r#"select case when m.user_id = $3 then 1::smallint when m.user_id in (select p.user_id
               from group_peers($1, $3) p) then 2::smallint
                       else 3::smallint end as "needed!"
           from memberships m where m.mandate_id = $1 and m.user_id = $2"#,
        grant.mandate_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    );
    Ok(needed.fetch_optional(connection).await?.map(|needed| grant.seal(needed, user)))
}

/// A member as this transaction has left them: told to whoever changed them, whatever they may
/// read.
async fn changed<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    user: UserId,
) -> Result<Member> {
    let row = row(connection, grant, user).await?;
    row.map(|(member, _)| member).ok_or_else(Error::not_found)
}

/// Adds a member with roles; they join the groups that new members join.
pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    user: UserId,
    roles: &[RoleId],
    joins: Joins,
    now: DateTime<Utc>,
) -> Result<Member> {
    insert_as(connection, grant.into(), (grant.mandate(), user), roles, joins, now).await?;
    changed(connection, grant, user).await
}

/// Whether a new member joins the groups that take new members in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joins {
    Groups,
    /// Not where they were a member before.
    UnlessBack,
}

/// The same for the first admin of a new mandate, whom nobody there could grant anything yet.
pub async fn insert_first(
    connection: &mut PgConnection,
    system: System,
    (mandate, user): (MandateId, UserId),
    roles: &[RoleId],
    now: DateTime<Utc>,
) -> Result<()> {
    insert_as(connection, system.into(), (mandate, user), roles, Joins::Groups, now).await
}

async fn insert_as(
    connection: &mut PgConnection,
    _: SignedIn,
    (mandate, user): (MandateId, UserId),
    roles: &[RoleId],
    joins: Joins,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "with member as (insert into memberships (id, mandate_id, user_id, created_at)
             values ($1, $2, $3, $4)),
         joined as (
           insert into group_members (mandate_id, group_id, user_id)
           select $2, g.id, $3 from groups g where g.mandate_id = $2 and g.auto_join
             and not ($6 and exists (select 1 from former_members f where f.mandate_id = $2
                 and f.user_id = $3)))
         insert into member_roles (mandate_id, user_id, role_id) select $2, $3, role
           from unnest($5::uuid[]) role",
        MembershipId::new().uuid(),
        mandate.uuid(),
        user.uuid(),
        now,
        &uuids(roles),
        joins == Joins::UnlessBack,
    )
    .execute(connection)
    .await
    .on_constraint("memberships_pkey", already_member)
    // The three inserts are one statement without an order: any of them may be the first to find
    // the member.
    .on_constraint("member_roles_pkey", already_member)
    .on_constraint("group_members_pkey", already_member)?;
    Ok(())
}

fn already_member() -> Error {
    Error::new(Code::AlreadyMember, "The user is a member of this mandate already.")
}

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
           select (exists (select 1 from admins where user_id = $2) and not exists (select 1
               from admins where user_id <> $2)) as "last!""#,
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
        "update memberships set enabled = $3, version = version + 1 where mandate_id = $1
           and user_id = $2",
        member.grant().mandate_uuid(),
        member.user_id.uuid(),
        enabled
    )
    .execute(&mut *connection)
    .await?;
    changed(connection, member.grant(), member.user_id).await
}

/// Replaces a member's roles; the member's version rises.
pub(super) async fn set_roles(
    connection: &mut PgConnection,
    member: &Opened<Members, Update, Member>,
    roles: &[RoleId],
) -> Result<Member> {
    sqlx::query!(
        "with gone as (delete from member_roles where mandate_id = $1 and user_id = $2
             and role_id <> all ($3)),
         raised as (update memberships set version = version + 1 where mandate_id = $1
             and user_id = $2)
         insert into member_roles (mandate_id, user_id, role_id) select $1, $2, role
           from unnest($3::uuid[]) role on conflict do nothing",
        member.grant().mandate_uuid(),
        member.user_id.uuid(),
        &uuids(roles),
    )
    .execute(&mut *connection)
    .await?;
    changed(connection, member.grant(), member.user_id).await
}

/// What goes with a membership, for the trail.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Admission {
    instance_id: InstanceId,
    /// Labels.
    roles: Vec<String>,
    enabled: bool,
}

pub(super) async fn admissions(
    connection: &mut PgConnection,
    member: &Opened<Members, Delete, Member>,
) -> Result<Vec<Admission>> {
    let admissions = sqlx::query_as!(
        Admission,
        r#"select a.instance_id, a.enabled,
                  array(select r.label from access_roles h
                        join roles r on r.mandate_id = h.mandate_id
                          and r.instance_id = h.instance_id and r.id = h.role_id
                        where h.mandate_id = a.mandate_id and h.instance_id = a.instance_id
                          and h.user_id = a.user_id
                        order by r.label_key) as "roles!"
           from feature_accesses a
           where a.mandate_id = $1 and a.user_id = $2 order by a.instance_id"#,
        member.grant().mandate_uuid(),
        member.user_id.uuid()
    )
    .fetch_all(connection)
    .await?;
    Ok(admissions)
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
