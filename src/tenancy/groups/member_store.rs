//! Who belongs to a group: listed, and changed.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use utoipa::ToSchema;

use super::Group;
use crate::access::tables::{Groups, Op, Update};
use crate::context::{Grant, Opened};
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::{Error, OnConstraint, Result};
use crate::kernel::ids::{UserId, uuids};

/// A member of a group.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    pub user_id: UserId,
    #[schema(example = "bob")]
    pub username: String,
}

/// The members of a group, by username.
pub(super) async fn members<O: Op>(
    connection: &mut PgConnection,
    group: &Opened<Groups, O, Group>,
    paging: &Paging,
) -> Result<Rows<GroupMember>> {
    let listing = Listing {
        columns: "u.id as user_id, u.username",
        from: "group_members m",
        beside: "join users u on u.id = m.user_id",
        reach: "m.mandate_id = $1 and m.group_id = $2",
        filter: "true",
        order: Order::by(Key::Text("u.username_key"), "u.id"),
    };
    let values = Values::of(group.grant().mandate_uuid()).and(group.id);
    listing.read(connection, paging, values).await
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
