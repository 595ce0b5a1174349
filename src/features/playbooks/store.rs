//! Playbooks in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Playbooks;
use super::playbook::Playbook;
use crate::access::tables::{Create, Delete, Update};
use crate::context::{Grant, Opened};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::PlaybookId;
use crate::kernel::names::Name;

/// A statement whose rows have the columns of a playbook `p`, and then others.
macro_rules! playbooks {
    ($before:tt, [$($after:tt)+], $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            $before
                + r#" p.id as "id!", p.instance_id as "instance_id!", p.name as "name!",
                      p.title as "title!", p.description, p.owner_id as "owner_id!",
                      user_display_name(p.owner_id) as owner_name, p.latest_version,
                      p.version as "version!", p.created_at as "created_at!",
                      p.updated_at as "updated_at!", p.deleted_at, p.purge_at "#
                + $($after)+,
            $($argument),+
        )
    };
}
pub(super) use playbooks;

/// The playbook in a row of [`playbooks!`].
macro_rules! playbook_of {
    ($row:expr) => {
        $crate::features::playbooks::playbook::Playbook {
            id: $row.id.into(),
            instance_id: $row.instance_id.into(),
            name: $row.name,
            title: $row.title,
            description: $row.description,
            owner_id: $row.owner_id.into(),
            owner_name: $row.owner_name,
            latest_version: $row.latest_version,
            version: $row.version,
            created_at: $row.created_at,
            updated_at: $row.updated_at,
            deleted_at: $row.deleted_at,
            purge_at: $row.purge_at,
        }
    };
}
pub(super) use playbook_of;

fn name_taken() -> Error {
    Error::new(Code::NameTaken, "Another playbook of this instance has this name.")
}

pub(super) struct NewPlaybook<'a> {
    pub name: &'a Name,
    pub title: &'a Name,
    pub description: Option<&'a str>,
    pub now: DateTime<Utc>,
}

/// A new playbook of the caller's.
pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, Create>,
    new: &NewPlaybook<'_>,
) -> Result<Playbook> {
    let row = playbooks!(
        "insert into playbooks as p (id, mandate_id, instance_id, owner_id, name, name_key, title,
           title_key, description, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         returning",
        [""],
        PlaybookId::new().uuid(),
        grant.mandate_uuid(),
        grant.instance_uuid(),
        grant.caller_uuid(),
        new.name.as_str(),
        new.name.key(),
        new.title.as_str(),
        new.title.key(),
        new.description,
        new.now,
    )
    .map(|row| playbook_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("playbooks_name_key", name_taken)
}

/// What to change of a playbook; `Some(None)` clears the description.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub name: Option<Name>,
    pub title: Option<Name>,
    pub description: Option<Option<String>>,
}

impl Changes {
    pub fn alter(&self, before: &Playbook) -> bool {
        self.name.as_ref().is_some_and(|name| name.as_str() != before.name)
            || self.title.as_ref().is_some_and(|title| title.as_str() != before.title)
            || self
                .description
                .as_ref()
                .is_some_and(|description| *description != before.description)
    }
}

pub(super) async fn update(
    connection: &mut PgConnection,
    playbook: &Opened<Playbooks, Update, Playbook>,
    changes: &Changes,
    now: DateTime<Utc>,
) -> Result<Playbook> {
    let row = playbooks!(
        "update playbooks p set name = coalesce($4, name), name_key = coalesce($5, name_key),
           title = coalesce($6, title), title_key = coalesce($7, title_key),
           description = case when $8 then $9 else description end, version = version + 1,
           updated_at = $10
         where mandate_id = $1 and instance_id = $2 and id = $3 and living
         returning",
        [""],
        playbook.grant().mandate_uuid(),
        playbook.grant().instance_uuid(),
        playbook.id.uuid(),
        changes.name.as_ref().map(Name::as_str),
        changes.name.as_ref().map(Name::key),
        changes.title.as_ref().map(Name::as_str),
        changes.title.as_ref().map(Name::key),
        changes.description.is_some(),
        changes.description.clone().flatten(),
        now,
    )
    .map(|row| playbook_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("playbooks_name_key", name_taken)
}

/// Hides a playbook until it is restored or purged.
pub(super) async fn delete(
    connection: &mut PgConnection,
    playbook: &Opened<Playbooks, Delete, Playbook>,
    now: DateTime<Utc>,
    purge_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update playbooks set deleted_at = $4, purge_at = $5, version = version + 1, updated_at = $4
         where mandate_id = $1 and instance_id = $2 and id = $3 and living",
        playbook.grant().mandate_uuid(),
        playbook.grant().instance_uuid(),
        playbook.id.uuid(),
        now,
        purge_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Brings a deleted playbook back.
pub(super) async fn restore(
    connection: &mut PgConnection,
    playbook: &Opened<Playbooks, Delete, Playbook>,
    now: DateTime<Utc>,
) -> Result<Playbook> {
    let row = playbooks!(
        "update playbooks p set deleted_at = null, purge_at = null, version = version + 1,
           updated_at = $4
         where mandate_id = $1 and instance_id = $2 and id = $3 and not living
         returning",
        [""],
        playbook.grant().mandate_uuid(),
        playbook.grant().instance_uuid(),
        playbook.id.uuid(),
        now,
    )
    .map(|row| playbook_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("playbooks_name_key", name_taken)
}
