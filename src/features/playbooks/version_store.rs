//! Versions in the database, one at a time: found to be changed, and changed. Reading them is in
//! `version_read`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::PlaybookVersions;
use super::playbook::{PlaybookContent, PlaybookVersion};
use crate::access::tables::{Create, Delete, Op, Update};
use crate::context::Grant;
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::PlaybookId;

/// The version in a row that has more columns.
macro_rules! version_of {
    ($row:expr) => {
        PlaybookVersion {
            number: $row.number,
            owner_id: $row.owner_id.into(),
            created_at: $row.created_at,
            updated_at: $row.updated_at,
            revision: $row.revision,
            size: $row.size,
        }
    };
}
pub(super) use version_of;

/// Frees the number of a version that can be restored no longer, whether or not the job that purges
/// has come by.
pub(super) async fn free_number(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Create>,
    (playbook, number): (PlaybookId, i32),
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "delete from playbook_versions where mandate_id = $1 and instance_id = $2
           and playbook_id = $3 and number = $4 and purge_at <= $5",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        number,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A new version of the caller's, with its first revision. Deleted versions keep their numbers
/// until they are purged.
pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Create>,
    playbook: PlaybookId,
    number: Option<i32>,
    content: &str,
    now: DateTime<Utc>,
) -> Result<PlaybookVersion> {
    let row = sqlx::query_as!(
        PlaybookVersion,
        "with made as (
           insert into playbook_versions (mandate_id, instance_id, playbook_id, number, owner_id,
                                          size, created_at, updated_at)
           select $1, $2, $3,
                  coalesce($4, (select coalesce(max(o.number), 0) + 1 from playbook_versions o
                                where o.mandate_id = $1 and o.instance_id = $2
                                  and o.playbook_id = $3)),
                  $5, octet_length($6), $7, $7
           returning *),
         kept as (
           insert into playbook_revisions (mandate_id, instance_id, playbook_id, number, revision,
               author_id, created_at, size, content)
           select mandate_id, instance_id, playbook_id, number, revision, owner_id, created_at,
             size, $6 from made)
         select number, owner_id, created_at, updated_at, revision, size from made",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        number,
        grant.caller_uuid(),
        content,
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("playbook_versions_pkey", || {
        Error::new(Code::VersionExists, "This playbook has a version of this number.")
    })
}

/// What a version is to hold next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next<'a> {
    Content(&'a str),
    /// The content of an earlier revision.
    Revision(i32),
}

/// Whether a version's current revision has this content.
pub(super) async fn holds(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Update>,
    (playbook, version): (PlaybookId, &PlaybookVersion),
    content: &str,
) -> Result<bool> {
    let holds = sqlx::query_scalar!(
        r#"select exists (select 1 from playbook_revisions
             where mandate_id = $1 and instance_id = $2 and playbook_id = $3 and number = $4
               and revision = $5 and content = $6) as "holds!""#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        version.number,
        version.revision,
        content,
    )
    .fetch_one(connection)
    .await?;
    Ok(holds)
}

/// Adds a revision and makes it the current one; `None`: there is no such earlier revision.
pub(super) async fn revise(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Update>,
    (playbook, number): (PlaybookId, i32),
    next: Next<'_>,
    now: DateTime<Utc>,
) -> Result<Option<PlaybookContent>> {
    let (content, earlier) = match next {
        Next::Content(content) => (Some(content), None),
        Next::Revision(revision) => (None, Some(revision)),
    };
    let row = sqlx::query!(
        "with next as (
           select coalesce($5, (select r.content from playbook_revisions r
                                where r.mandate_id = $1 and r.instance_id = $2
                                  and r.playbook_id = $3 and r.number = $4
                                  and r.revision = $6)) as content),
         changed as (
           update playbook_versions v set revision = v.revision + 1,
             size = octet_length(next.content), updated_at = $8
           from next
           where v.mandate_id = $1 and v.instance_id = $2 and v.playbook_id = $3 and v.number = $4
             and v.deleted_at is null
             and next.content is not null
           returning v.*),
         kept as (
           insert into playbook_revisions (mandate_id, instance_id, playbook_id, number, revision,
               author_id, created_at, size, rolled_back_from, content)
           select c.mandate_id, c.instance_id, c.playbook_id, c.number, c.revision, $7, $8, c.size,
             $6, next.content from changed c cross join next)
         select c.number, c.owner_id, c.created_at, c.updated_at, c.revision, c.size, next.content
           from changed c cross join next",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        number,
        content,
        earlier,
        grant.caller_uuid(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| PlaybookContent {
        version: version_of!(row),
        content: row.content.unwrap_or_default(),
    }))
}

/// Hides a version until it is restored or purged.
pub(super) async fn delete(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Delete>,
    (playbook, number): (PlaybookId, i32),
    now: DateTime<Utc>,
    purge_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update playbook_versions set deleted_at = $5, purge_at = $6
         where mandate_id = $1 and instance_id = $2 and playbook_id = $3 and number = $4
           and deleted_at is null",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        number,
        now,
        purge_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Brings a deleted version back, with its content.
pub(super) async fn restore(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Delete>,
    (playbook, number): (PlaybookId, i32),
) -> Result<String> {
    let content = sqlx::query_scalar!(
        "with back as (
           update playbook_versions set deleted_at = null, purge_at = null
           where mandate_id = $1 and instance_id = $2 and playbook_id = $3 and number = $4
             returning revision)
         select r.content from playbook_revisions r join back on back.revision = r.revision
         where r.mandate_id = $1 and r.instance_id = $2 and r.playbook_id = $3 and r.number = $4",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        number,
    )
    .fetch_one(connection)
    .await?;
    Ok(content)
}

/// Brings `latestVersion` up to date; the playbook changes only where that does.
pub(super) async fn note_latest<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, O>,
    playbook: PlaybookId,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update playbooks p set latest_version = latest.number, version = version + 1,
           updated_at = $4
         from (select max(v.number) as number from playbook_versions v
               where v.mandate_id = $1 and v.instance_id = $2 and v.playbook_id = $3
                 and v.deleted_at is null) latest
         where p.mandate_id = $1 and p.instance_id = $2 and p.id = $3
           and p.latest_version is distinct from latest.number",
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
