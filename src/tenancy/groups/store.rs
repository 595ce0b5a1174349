//! Groups in the database.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{Group, name_taken};
use crate::access::tables::{Create, Delete, Groups, Op, Read, Update};
use crate::context::{Grant, Opened, Sealed};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Error, OnConstraint, Result};
use crate::kernel::ids::{GroupId, UserId, uuids};
use crate::kernel::names::Name;

/// The group in a row that has more columns.
macro_rules! group_of {
    ($row:expr) => {
        Group {
            id: $row.id.into(),
            name: $row.name,
            description: $row.description,
            auto_join: $row.auto_join,
            member_count: $row.member_count,
            version: $row.version,
            created_at: $row.created_at,
        }
    };
}

/// The groups that the grant reaches: all, those of group peers, or one's own.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Read>,
    text: Option<&str>,
    paging: &Paging,
) -> Result<Rows<Group>> {
    macro_rules! groups {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                r#"select g.id, g.name, g.name_sort, g.description, g.auto_join, g.version,
                     g.created_at,
                          (select count(*) from group_members c where c.mandate_id = g.mandate_id
                              and c.group_id = g.id) as "member_count!"
                   from groups g
                   where g.mandate_id = $1
                     and ($2 = 3 or g.id in (select o.group_id from group_members o
                         where o.mandate_id = $1
                           and (o.user_id = $3 or ($2 = 2 and o.user_id in (select p.user_id
                               from group_peers($1, $3) p)))))
                     and ($4::text is null or strpos(g.name_key, $4) > 0)
                     and (g.name_sort, g.id) "# + $compare + " ($5, $6)
                   order by " + $order + " limit $7",
                grant.mandate_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                text,
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (group_of!(row), row.name_sort))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        groups!("<", "g.name_sort desc, g.id desc").await?
    } else {
        groups!(">", "g.name_sort, g.id").await?
    };
    let total = if paging.count { Some(count(connection, grant, text).await?) } else { None };
    Ok(paging.cut(rows, total, |(group, key): (Group, String)| {
        let position = Position::new(key, group.id.uuid());
        (group, position)
    }))
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Read>,
    text: Option<&str>,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from groups g
           where g.mandate_id = $1
             and ($2 = 3 or g.id in (select o.group_id from group_members o where o.mandate_id = $1
                   and (o.user_id = $3 or ($2 = 2 and o.user_id in (select p.user_id
                       from group_peers($1, $3) p)))))
             and ($4::text is null or strpos(g.name_key, $4) > 0)"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        text,
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// A group by its id.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Groups, O>,
    group: GroupId,
) -> Result<Option<Sealed<Groups, Group>>> {
    let row = sqlx::query!(
        r#"select g.id, g.name, g.description, g.auto_join, g.version, g.created_at,
                  (select count(*) from group_members c where c.mandate_id = g.mandate_id
                      and c.group_id = g.id) as "member_count!",
                  case when exists (select 1 from group_members o where o.mandate_id = $1
                      and o.group_id = g.id and o.user_id = $3) then 1::smallint
                       when exists (select 1 from group_members o where o.mandate_id = $1
                           and o.group_id = g.id
                                      and o.user_id in (select p.user_id
                                          from group_peers($1, $3) p)) then 2::smallint
                       else 3::smallint end as "needed!"
           from groups g where g.mandate_id = $1 and g.id = $2"#,
        grant.mandate_uuid(),
        group.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| grant.seal(row.needed, group_of!(row))))
}

/// The group of this name, wherever the caller's level reaches.
pub(super) async fn named(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Read>,
    name_key: &str,
) -> Result<Option<GroupId>> {
    let id = sqlx::query_scalar!(
        "select id from groups where mandate_id = $1 and name_key = $2",
        grant.mandate_uuid(),
        name_key
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(GroupId::from))
}

/// The same, locked until the transaction ends: what a change begins with. The lock comes first, so
/// that what is then read is what another change left.
pub(super) async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Groups, O>,
    group: GroupId,
) -> Result<Option<Sealed<Groups, Group>>> {
    sqlx::query!(
        "select id from groups where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        group.uuid()
    )
    .fetch_optional(&mut *connection)
    .await?;
    find(connection, grant, group).await
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Create>,
    name: &Name,
    description: Option<&str>,
    auto_join: bool,
    now: DateTime<Utc>,
) -> Result<Group> {
    let row = sqlx::query_as!(
        Group,
        r#"insert into groups (id, mandate_id, name, name_key, description, auto_join, created_at)
             values ($1, $2, $3, $4, $5, $6, $7)
           returning id, name, description, auto_join, 0::bigint as "member_count!", version,
             created_at"#,
        GroupId::new().uuid(),
        grant.mandate_uuid(),
        name.as_str(),
        name.key(),
        description,
        auto_join,
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("groups_name_key", name_taken)
}

/// What to change of a group; `Some(None)` clears the description.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub name: Option<Name>,
    pub description: Option<Option<String>>,
    pub auto_join: Option<bool>,
}

impl Changes {
    pub fn alter(&self, before: &Group) -> bool {
        self.name.as_ref().is_some_and(|name| name.as_str() != before.name)
            || self
                .description
                .as_ref()
                .is_some_and(|description| *description != before.description)
            || self.auto_join.is_some_and(|auto_join| auto_join != before.auto_join)
    }
}

pub(super) async fn update(
    connection: &mut PgConnection,
    group: &Opened<Groups, Update, Group>,
    changes: &Changes,
) -> Result<Group> {
    let row = sqlx::query_as!(
        Group,
        r#"update groups g set name = coalesce($3, name), name_key = coalesce($4, name_key),
             description = case when $5 then $6 else description end,
               auto_join = coalesce($7, auto_join), version = version + 1
           where mandate_id = $1 and id = $2
           returning id, name, description, auto_join,
             (select count(*) from group_members c where c.mandate_id = g.mandate_id
                 and c.group_id = g.id) as "member_count!", version, created_at"#,
        group.grant().mandate_uuid(),
        group.id.uuid(),
        changes.name.as_ref().map(Name::as_str),
        changes.name.as_ref().map(Name::key),
        changes.description.is_some(),
        changes.description.clone().flatten(),
        changes.auto_join,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("groups_name_key", name_taken)
}

pub(super) async fn delete(
    connection: &mut PgConnection,
    group: &Opened<Groups, Delete, Group>,
) -> Result<()> {
    sqlx::query!(
        "delete from groups where mandate_id = $1 and id = $2",
        group.grant().mandate_uuid(),
        group.id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A member of a group.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    pub user_id: UserId,
    #[schema(example = "bob")]
    pub username: String,
}

struct GroupMemberRow {
    user_id: UserId,
    username: String,
    username_key: String,
}

/// The members of a group, by username.
pub(super) async fn members<O: Op>(
    connection: &mut PgConnection,
    group: &Opened<Groups, O, Group>,
    paging: &Paging,
) -> Result<Rows<GroupMember>> {
    macro_rules! members {
        ($compare:tt, $order:tt) => {
            sqlx::query_as!(
                GroupMemberRow,
                "select u.id as user_id, u.username, u.username_key
                 from group_members m join users u on u.id = m.user_id
                 where m.mandate_id = $1 and m.group_id = $2 and (u.username_key, u.id) "
                    + $compare
                    + " ($3, $4)
                 order by "
                    + $order
                    + " limit $5",
                group.grant().mandate_uuid(),
                group.id.uuid(),
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        members!("<", "u.username_key desc, u.id desc").await?
    } else {
        members!(">", "u.username_key, u.id").await?
    };
    let total = if paging.count { Some(count_members(connection, group).await?) } else { None };
    Ok(paging.cut(rows, total, |row: GroupMemberRow| {
        let position = Position::new(row.username_key, row.user_id.uuid());
        (GroupMember { user_id: row.user_id, username: row.username }, position)
    }))
}

async fn count_members<O: Op>(
    connection: &mut PgConnection,
    group: &Opened<Groups, O, Group>,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from group_members where mandate_id = $1 and group_id = $2"#,
        group.grant().mandate_uuid(),
        group.id.uuid()
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// Those of these who are not members of the mandate.
pub(super) async fn strangers(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Update>,
    users: &[UserId],
) -> Result<BTreeSet<UserId>> {
    let strangers = sqlx::query_scalar!(
        r#"select u.id as "id!" from unnest($2::uuid[]) u (id)
           where not exists (select 1 from memberships m where m.mandate_id = $1
               and m.user_id = u.id)"#,
        grant.mandate_uuid(),
        &uuids(users)
    )
    .fetch_all(connection)
    .await?;
    Ok(strangers.into_iter().map(UserId::from).collect())
}

/// The ids of a group's members.
pub(super) async fn member_ids<O: Op>(
    connection: &mut PgConnection,
    group: &Opened<Groups, O, Group>,
) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!(
        "select user_id from group_members where mandate_id = $1 and group_id = $2 order by 1",
        group.grant().mandate_uuid(),
        group.id.uuid()
    )
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(UserId::from).collect())
}

/// Changes who is in a group and raises its version; 404 where one is not a member of the mandate.
pub(super) async fn change_members(
    connection: &mut PgConnection,
    group: &Opened<Groups, Update, Group>,
    added: &[UserId],
    removed: &[UserId],
) -> Result<()> {
    sqlx::query!(
        "delete from group_members where mandate_id = $1 and group_id = $2 and user_id = any ($3)",
        group.grant().mandate_uuid(),
        group.id.uuid(),
        &uuids(removed)
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into group_members (mandate_id, group_id, user_id) select $1, $2, m
           from unnest($3::uuid[]) m on conflict do nothing",
        group.grant().mandate_uuid(),
        group.id.uuid(),
        &uuids(added)
    )
    .execute(&mut *connection)
    .await
    .on_constraint("group_members_mandate_id_user_id_fkey", Error::not_found)?;
    sqlx::query!(
        "update groups set version = version + 1 where mandate_id = $1 and id = $2",
        group.grant().mandate_uuid(),
        group.id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
