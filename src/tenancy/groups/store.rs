//! Groups in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Group, name_taken};
use crate::access::tables::{Create, Delete, Groups, Update};
use crate::context::{Grant, Opened};
use crate::kernel::error::{OnConstraint, Result};
use crate::kernel::ids::GroupId;
use crate::kernel::names::Name;

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
