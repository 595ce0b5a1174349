//! Playbooks in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Playbook, Playbooks};
use crate::access::tables::{Create, Delete, Update};
use crate::context::Grant;
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::PlaybookId;
use crate::kernel::names::Name;

pub(super) struct PlaybookRow {
    pub id: Uuid,
    pub instance_id: Uuid,
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub owner_id: Uuid,
    pub owner_name: Option<String>,
    pub latest_version: Option<i32>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub purge_at: Option<DateTime<Utc>>,
}

/// The playbook's part of a row that has more columns.
macro_rules! row_of {
    ($row:expr) => {
        $crate::features::playbooks::store::PlaybookRow {
            id: $row.id,
            instance_id: $row.instance_id,
            name: $row.name,
            title: $row.title,
            description: $row.description,
            owner_id: $row.owner_id,
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
pub(super) use row_of;

impl PlaybookRow {
    pub fn playbook(self) -> Playbook {
        Playbook {
            id: self.id.into(),
            instance_id: self.instance_id.into(),
            name: self.name,
            title: self.title,
            description: self.description,
            owner_id: self.owner_id.into(),
            owner_name: self.owner_name,
            latest_version: self.latest_version,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
            purge_at: self.purge_at,
        }
    }
}

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
    let row = sqlx::query_as!(
        PlaybookRow,
        "insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title, title_key, description, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         returning id, instance_id, name, title, description, owner_id, user_display_name(owner_id) as owner_name, latest_version, version,
           created_at, updated_at, deleted_at, purge_at",
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
    .fetch_one(connection)
    .await;
    row.on_constraint("playbooks_name_key", name_taken).map(PlaybookRow::playbook)
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
    grant: &Grant<Playbooks, Update>,
    playbook: PlaybookId,
    changes: &Changes,
    now: DateTime<Utc>,
) -> Result<Playbook> {
    let row = sqlx::query_as!(
        PlaybookRow,
        "update playbooks set name = coalesce($4, name), name_key = coalesce($5, name_key), title = coalesce($6, title),
           title_key = coalesce($7, title_key), description = case when $8 then $9 else description end, version = version + 1, updated_at = $10
         where mandate_id = $1 and instance_id = $2 and id = $3 and living
         returning id, instance_id, name, title, description, owner_id, user_display_name(owner_id) as owner_name, latest_version, version,
           created_at, updated_at, deleted_at, purge_at",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        changes.name.as_ref().map(Name::as_str),
        changes.name.as_ref().map(Name::key),
        changes.title.as_ref().map(Name::as_str),
        changes.title.as_ref().map(Name::key),
        changes.description.is_some(),
        changes.description.clone().flatten(),
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("playbooks_name_key", name_taken).map(PlaybookRow::playbook)
}

/// Hides a playbook until it is restored or purged.
pub(super) async fn delete(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, Delete>,
    playbook: PlaybookId,
    now: DateTime<Utc>,
    purge_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update playbooks set deleted_at = $4, purge_at = $5, version = version + 1, updated_at = $4
         where mandate_id = $1 and instance_id = $2 and id = $3 and living",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
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
    grant: &Grant<Playbooks, Delete>,
    playbook: PlaybookId,
    now: DateTime<Utc>,
) -> Result<Playbook> {
    let row = sqlx::query_as!(
        PlaybookRow,
        "update playbooks set deleted_at = null, purge_at = null, version = version + 1, updated_at = $4
         where mandate_id = $1 and instance_id = $2 and id = $3 and not living
         returning id, instance_id, name, title, description, owner_id, user_display_name(owner_id) as owner_name, latest_version, version,
           created_at, updated_at, deleted_at, purge_at",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("playbooks_name_key", name_taken).map(PlaybookRow::playbook)
}
