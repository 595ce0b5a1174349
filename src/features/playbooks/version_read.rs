//! Reading versions. The playbook and what is in it come in one statement; content only where it is
//! asked for.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use super::find::PlaybookReference;
use super::playbook::{PlaybookContent, PlaybookVersion, gone};
use super::{PlaybookVersions, Playbooks};
use crate::access::Level;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Error, Result};

/// What a reader finds: the playbook first, then what is in it. Both in one statement.
#[derive(FromRow)]
struct Seen {
    playbook_needed: i16,
    playbook_purge_at: Option<DateTime<Utc>>,
    number: Option<i32>,
    owner_id: Option<Uuid>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    revision: Option<i32>,
    size: Option<i32>,
    purge_at: Option<DateTime<Utc>>,
    needed: Option<i16>,
    content: Option<String>,
}

impl Seen {
    /// The playbook itself has to be open to the reader.
    fn require_playbook(&self, playbooks: &Grant<Playbooks, Read>) -> Result<()> {
        playbooks.open(Some(playbooks.seal(self.playbook_needed, ())))?;
        self.playbook_purge_at.map_or(Ok(()), |purge_at| Err(gone(purge_at)))
    }

    /// The version in it, and its content; `None`: the playbook has no such.
    fn version(self) -> Option<(PlaybookVersion, String)> {
        let version = PlaybookVersion {
            number: self.number?,
            owner_id: self.owner_id?.into(),
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            revision: self.revision?,
            size: self.size?,
        };
        Some((version, self.content.unwrap_or_default()))
    }

    /// The same, where the reader may read it and it was not deleted.
    fn open(self, grant: &Grant<PlaybookVersions, Read>) -> Result<PlaybookContent> {
        let (needed, purge_at) = (self.needed.unwrap_or_default(), self.purge_at);
        let found = self.version().map(|version| grant.seal(needed, version));
        let opened = grant.open_unless(found, |_| {
            let purge_at = purge_at?;
            Some(gone(purge_at))
        })?;
        let (version, content) = opened.into_row();
        Ok(PlaybookContent { version, content })
    }
}

/// The statement that reads the playbook that a path means, and what is `inside` it, as `v`. (Why
/// `case`: see `find`.)
fn in_playbook(inside: &str, content: &str, order: &str) -> String {
    format!(
        "select case when p.owner_id = $5 then 1::smallint
                     when exists (select 1 from group_peers($1, $5) g
                                  where g.user_id = p.owner_id)
                       then 2::smallint
                     else 3::smallint end as playbook_needed,
                p.purge_at as playbook_purge_at,
                v.number, v.owner_id, v.created_at, v.updated_at, v.revision, v.size, v.purge_at,
                case when v.owner_id = $5 then 1::smallint
                     when exists (select 1 from group_peers($1, $5) g
                                  where g.user_id = v.owner_id)
                       then 2::smallint
                     else 3::smallint end as needed,
                {content} as content
         from playbooks p left join lateral ({inside}) v on true
         where p.mandate_id = $1 and p.instance_id = $2
           and p.id = case when $3::uuid is not null then $3
                           else (select n.id from playbooks n
                                 where n.mandate_id = $1 and n.instance_id = $2
                                   and n.name_key = $4
                                   and n.living = any (array[true, false])
                                 order by n.living desc, n.deleted_at desc limit 1)
                      end
           and (p.purge_at is null or p.purge_at > $6)
         {order}"
    )
}

/// The version `$7` that is not gone for good.
const ONE: &str = "select * from playbook_versions o
    where o.mandate_id = p.mandate_id and o.instance_id = p.instance_id
      and o.playbook_id = p.id and o.number = $7
      and (o.purge_at is null or o.purge_at > $6)";
const CONTENT: &str = "(select r.content from playbook_revisions r
    where r.mandate_id = v.mandate_id and r.instance_id = v.instance_id
      and r.playbook_id = v.playbook_id and r.number = v.number and r.revision = v.revision)";

/// A version with its content.
pub(super) async fn read(
    connection: &mut PgConnection,
    playbooks: &Grant<Playbooks, Read>,
    grant: &Grant<PlaybookVersions, Read>,
    (named, number): (&PlaybookReference, i32),
    now: DateTime<Utc>,
) -> Result<PlaybookContent> {
    let seen: Seen = sqlx::query_as(AssertSqlSafe(in_playbook(ONE, CONTENT, "")))
        .bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(named.id())
        .bind(named.key())
        .bind(grant.caller_uuid())
        .bind(now)
        .bind(number)
        .fetch_optional(connection)
        .await?
        .ok_or_else(Error::not_found)?;
    seen.require_playbook(playbooks)?;
    seen.open(grant)
}

/// All versions `o`, those of group peers of `$5`, or those of `$5`.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "true",
        Level::Group => {
            "(o.owner_id = $5 or o.owner_id in (select g.user_id from group_peers($1, $5) g))"
        }
        Level::My => "o.owner_id = $5",
        Level::None => "false",
    }
}

/// The statement of a page of living versions, and of their playbook.
fn page(level: Level, descending: bool) -> String {
    let (compare, direction) = if descending { ("<", " desc") } else { (">", "") };
    let versions = format!(
        "select * from playbook_versions o
         where o.mandate_id = p.mandate_id and o.instance_id = p.instance_id
           and o.playbook_id = p.id and o.deleted_at is null
           and {} and o.number {compare} $7
         order by o.number{direction} limit $8",
        reach(level)
    );
    in_playbook(&versions, "null::text", &format!("order by v.number{direction}"))
}

/// The living versions of a playbook that the grant reaches, by number.
pub(super) async fn list(
    connection: &mut PgConnection,
    playbooks: &Grant<Playbooks, Read>,
    grant: &Grant<PlaybookVersions, Read>,
    named: &PlaybookReference,
    paging: &Paging,
    now: DateTime<Utc>,
) -> Result<Rows<PlaybookVersion>> {
    // Made of the texts above alone, as all statements here: what a request says is an argument.
    let rows: Vec<Seen> = sqlx::query_as(AssertSqlSafe(page(grant.level(), paging.descending)))
        .bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(named.id())
        .bind(named.key())
        .bind(grant.caller_uuid())
        .bind(now)
        .bind(paging.bound_number())
        .bind(paging.fetch())
        .fetch_all(&mut *connection)
        .await?;
    rows.first().ok_or_else(Error::not_found)?.require_playbook(playbooks)?;
    let total = if paging.count { Some(count(connection, grant, named).await?) } else { None };
    let versions = rows.into_iter().filter_map(Seen::version).collect();
    Ok(paging.cut(versions, total, |(version, _): (PlaybookVersion, String)| {
        let position = Position::new(version.number, Uuid::nil());
        (version, position)
    }))
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Read>,
    named: &PlaybookReference,
) -> Result<i64> {
    let statement = format!(
        "select count(*) from playbook_versions o
         where o.mandate_id = $1 and o.instance_id = $2 and o.deleted_at is null
           and o.playbook_id = (select n.id from playbooks n
                                where n.mandate_id = $1 and n.instance_id = $2 and n.living
                                  and (n.id = $3 or n.name_key = $4))
           and {}",
        reach(grant.level())
    );
    let total = sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(named.id())
        .bind(named.key())
        .bind(grant.caller_uuid());
    Ok(total.fetch_one(connection).await?)
}
