//! The list of playbooks. Which rows a caller's level reaches decides which index a page is read
//! from, so each level has a text of its own, made of named parts; no page reads many rows more
//! than it shows, however far down the list it is.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use super::Playbooks;
use super::playbook::Playbook;
use crate::access::Level;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;

/// What the list is narrowed to.
#[derive(Debug)]
pub(super) struct Filter {
    pub owner: Option<Uuid>,
    pub deleted: bool,
    /// A part of the name or title, as keys are written.
    pub text: Option<String>,
    pub now: DateTime<Utc>,
}

/// What is told of a playbook `p`, and by what it is sorted. (The function is for owners who have
/// left: a call of it costs more than all else of a row.)
const COLUMNS: &str = "p.id, p.instance_id, p.name, p.title, p.description, p.owner_id,
    coalesce((select m.username from memberships m
              where m.mandate_id = p.mandate_id and m.user_id = p.owner_id),
             user_display_name(p.owner_id)) as owner_name, p.latest_version, p.version,
    p.created_at, p.updated_at, p.deleted_at, p.purge_at, p.name_sort";

#[derive(FromRow)]
struct Listed {
    #[sqlx(flatten)]
    playbook: Playbook,
    name_sort: String,
}

/// Which of an instance's playbooks a page is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    All,
    /// Those of the owner `$9`.
    OfOwner,
    /// Those of the caller `$9`, and of whoever shares a group with them.
    OfPeers,
}

/// The order of a page.
struct Order {
    /// Which rows come after the one where the page before ended.
    after: &'static str,
    by: &'static str,
}

impl Order {
    fn of(paging: &Paging) -> Self {
        let (after, by) = match (paging.sort.as_str(), paging.descending) {
            ("name", false) => ("(p.name_sort, p.id) > ($6, $7)", "p.name_sort, p.id"),
            ("name", true) => ("(p.name_sort, p.id) < ($6, $7)", "p.name_sort desc, p.id desc"),
            (_, false) => ("(p.created_at, p.id) > ($6, $7)", "p.created_at, p.id"),
            (_, true) => ("(p.created_at, p.id) < ($6, $7)", "p.created_at desc, p.id desc"),
        };
        Self { after, by }
    }

    /// As many rows as a page has, of those for which the condition holds too: read in order from
    /// one index.
    fn page_where(&self, condition: &str) -> String {
        let Self { after, by } = self;
        format!(
            "select * from playbooks p where p.mandate_id = $1 and p.instance_id = $2
               and p.living = $3 and {condition}
               and ($4::text is null or strpos(p.name_key, $4) > 0 or strpos(p.title_key, $4) > 0)
               and (p.living or p.purge_at > $5) and {after} order by {by} limit $8"
        )
    }

    /// The statement of a page from this source.
    fn statement(&self, source: Source) -> String {
        let rows = match source {
            Source::All => self.page_where("true"),
            Source::OfOwner => self.page_where("p.owner_id = $9"),
            Source::OfPeers => self.page_of_peers(),
        };
        format!("select {COLUMNS} from ({rows}) p order by {}", self.by)
    }

    /// Few peers: a page of each, merged. Many: their share of all rows is large, and reading all
    /// in order passes over few. (`is true` keeps the planner from turning the second into a join,
    /// which would sort all of them; the counts are looked at before either is begun.)
    fn page_of_peers(&self) -> String {
        let of_each = self.page_where("p.owner_id = o.user_id");
        let of_all = self.page_where(
            "(p.owner_id in (select o.user_id from peers o)) is true
               and (select count(*) > 200 from peers)",
        );
        let by = self.by;
        format!(
            "with peers as materialized (
               select g.user_id from group_peers($1, $9) g union select $9::uuid)
             (select p.* from peers o cross join lateral ({of_each}) p
              where (select count(*) <= 200 from peers) order by {by} limit $8)
             union all
             ({of_all})"
        )
    }
}

/// The playbooks that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Playbook>> {
    let caller = grant.caller_uuid();
    let rows = match (filter.owner, grant.level()) {
        (Some(owner), _) if !reaches_owner(connection, grant, owner).await? => Vec::new(),
        (Some(owner), _) => {
            page(connection, grant, filter, paging, (Source::OfOwner, owner)).await?
        }
        (None, Level::All) => {
            page(connection, grant, filter, paging, (Source::All, caller)).await?
        }
        (None, Level::Group) => {
            page(connection, grant, filter, paging, (Source::OfPeers, caller)).await?
        }
        (None, _) => page(connection, grant, filter, paging, (Source::OfOwner, caller)).await?,
    };
    let total = if paging.count { Some(count(connection, grant, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |Listed { playbook, name_sort }| {
        let by_name = paging.sort == "name";
        let key = if by_name { name_sort.into() } else { playbook.created_at.into() };
        let id = playbook.id.uuid();
        (playbook, Position { key, id })
    }))
}

async fn page(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, Read>,
    filter: &Filter,
    paging: &Paging,
    (source, owner): (Source, Uuid),
) -> Result<Vec<Listed>> {
    // Made of the texts above alone: what a request says comes as arguments.
    let rows = sqlx::query_as(AssertSqlSafe(Order::of(paging).statement(source)))
        .bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(!filter.deleted)
        .bind(filter.text.as_deref())
        .bind(filter.now);
    let rows = match paging.sort.as_str() {
        "name" => rows.bind(paging.bound_text()),
        _ => rows.bind(paging.bound_time()),
    };
    let rows = rows.bind(paging.bound_id()).bind(paging.fetch());
    let rows = if source == Source::All { rows } else { rows.bind(owner) };
    Ok(rows.fetch_all(connection).await?)
}

/// Whether the rows of an owner are within the level: asked of the database only where it depends
/// on groups.
async fn reaches_owner(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, Read>,
    owner: Uuid,
) -> Result<bool> {
    if grant.level() == Level::All || owner == grant.caller_uuid() {
        return Ok(true);
    }
    if grant.level() < Level::Group {
        return Ok(false);
    }
    let reached = sqlx::query_scalar!(
        r#"select exists (select 1 from group_peers($1, $2) g where g.user_id = $3) as "reached!""#,
        grant.mandate_uuid(),
        grant.caller_uuid(),
        owner
    );
    Ok(reached.fetch_one(connection).await?)
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, Read>,
    filter: &Filter,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from playbooks p
           where p.mandate_id = $1 and p.instance_id = $2 and p.living = $3
             and ($4::text is null or strpos(p.name_key, $4) > 0 or strpos(p.title_key, $4) > 0)
             and (p.living or p.purge_at > $5) and ($6::uuid is null or p.owner_id = $6)
             and ($7 = 3 or p.owner_id = $8 or ($7 = 2 and p.owner_id in (select g.user_id
                 from group_peers($1, $8) g)))"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        !filter.deleted,
        filter.text.as_deref(),
        filter.now,
        filter.owner,
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
