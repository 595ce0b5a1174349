//! Who belongs to a group: listed, and changed.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::Group;
use crate::access::tables::{Groups, Op, Update};
use crate::context::{Grant, Opened};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Error, OnConstraint, Result};
use crate::kernel::ids::{UserId, uuids};

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
