//! The list of playbooks. Which rows a caller's level reaches decides which index a page is read from, so each level has a text
//! of its own; no page reads many rows more than it shows, however far down the list it is.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::store::row_of;
use super::{Playbook, Playbooks};
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

/// A page of the playbooks `p` that `$source` gives, in order.
macro_rules! page {
    ([$($source:tt)+], $order:tt, $bound:expr, $connection:expr, $grant:expr, $filter:expr, $paging:expr $(, $owner:expr)?) => {
        sqlx::query!(
            r#"select p.id as "id!", p.instance_id as "instance_id!", p.name as "name!", p.title as "title!", p.description,
                      p.owner_id as "owner_id!", user_display_name(p.owner_id) as owner_name, p.latest_version, p.version as "version!",
                      p.created_at as "created_at!", p.updated_at as "updated_at!", p.deleted_at, p.purge_at, p.name_sort as "name_sort!"
               from "# + $($source)+ + " p order by " + $order,
            $grant.mandate_uuid(),
            $grant.instance_uuid(),
            !$filter.deleted,
            $filter.text.as_deref(),
            $filter.now,
            $bound,
            $paging.bound_id(),
            $paging.fetch(),
            $($owner,)?
        )
        .map(|row| (row_of!(row).playbook(), row.name_sort))
        .fetch_all(&mut *$connection)
        .await?
    };
}

/// Every row of the instance: read in order from one index.
macro_rules! all {
    ($after:tt, $order:tt, $($rest:tt)+) => {
        page!(["(select * from playbooks p where p.mandate_id = $1 and p.instance_id = $2 and p.living = $3
                  and ($4::text is null or strpos(p.name_key, $4) > 0 or strpos(p.title_key, $4) > 0)
                  and (p.living or p.purge_at > $5) and " + $after + " order by " + $order + " limit $8)"],
            $order, $($rest)+)
    };
}

/// The rows of one owner: read in order from that owner's part of an index.
macro_rules! of_owner {
    ($after:tt, $order:tt, $($rest:tt)+) => {
        page!(["(select * from playbooks p where p.mandate_id = $1 and p.instance_id = $2 and p.owner_id = $9 and p.living = $3
                  and ($4::text is null or strpos(p.name_key, $4) > 0 or strpos(p.title_key, $4) > 0)
                  and (p.living or p.purge_at > $5) and " + $after + " order by " + $order + " limit $8)"],
            $order, $($rest)+)
    };
}

/// The rows of the caller and of those who share a group with them. Few such owners: a page of each, merged. Many: their share
/// of all rows is large, and reading all in order passes over few. (`is true` keeps the planner from turning the second into a
/// join, which would sort all of them; the counts are looked at before either is begun.)
macro_rules! of_peers {
    ($after:tt, $order:tt, $($rest:tt)+) => {
        page!(["(with peers as materialized (select g.user_id from group_peers($1, $9) g union select $9::uuid)
                (select p.* from peers o cross join lateral (
                   select * from playbooks p where p.mandate_id = $1 and p.instance_id = $2 and p.owner_id = o.user_id and p.living = $3
                     and ($4::text is null or strpos(p.name_key, $4) > 0 or strpos(p.title_key, $4) > 0)
                     and (p.living or p.purge_at > $5) and " + $after + " order by " + $order + " limit $8) p
                 where (select count(*) <= 200 from peers) order by " + $order + " limit $8)
                union all
                (select p.* from playbooks p where p.mandate_id = $1 and p.instance_id = $2 and p.living = $3
                   and (p.owner_id in (select o.user_id from peers o)) is true
                   and ($4::text is null or strpos(p.name_key, $4) > 0 or strpos(p.title_key, $4) > 0)
                   and (p.living or p.purge_at > $5) and " + $after + " and (select count(*) > 200 from peers)
                 order by " + $order + " limit $8))"],
            $order, $($rest)+)
    };
}

/// The four orders of one text.
macro_rules! ordered {
    ($text:ident, $paging:expr, $($rest:tt)+) => {
        match ($paging.sort.as_str(), $paging.descending) {
            ("name", false) => $text!("(p.name_sort, p.id) > ($6, $7)", "p.name_sort, p.id", $paging.bound_text(), $($rest)+),
            ("name", true) => $text!("(p.name_sort, p.id) < ($6, $7)", "p.name_sort desc, p.id desc", $paging.bound_text(), $($rest)+),
            (_, false) => $text!("(p.created_at, p.id) > ($6, $7)", "p.created_at, p.id", $paging.bound_time(), $($rest)+),
            (_, true) => $text!("(p.created_at, p.id) < ($6, $7)", "p.created_at desc, p.id desc", $paging.bound_time(), $($rest)+),
        }
    };
}

/// The playbooks that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Playbook>> {
    let caller = grant.caller_uuid();
    let rows: Vec<(Playbook, String)> = match (filter.owner, grant.level()) {
        (Some(owner), _) if !reaches_owner(connection, grant, owner).await? => Vec::new(),
        (Some(owner), _) => ordered!(of_owner, paging, connection, grant, filter, paging, owner),
        (None, Level::All) => ordered!(all, paging, connection, grant, filter, paging),
        (None, Level::Group) => {
            ordered!(of_peers, paging, connection, grant, filter, paging, caller)
        }
        (None, _) => ordered!(of_owner, paging, connection, grant, filter, paging, caller),
    };
    let total = if paging.count { Some(count(connection, grant, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |(playbook, name)| {
        let key = if paging.sort == "name" { name.into() } else { playbook.created_at.into() };
        let id = playbook.id.uuid();
        (playbook, Position { key, id })
    }))
}

/// Whether the rows of an owner are within the level: asked of the database only where it depends on groups.
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
             and ($7 = 3 or p.owner_id = $8 or ($7 = 2 and p.owner_id in (select g.user_id from group_peers($1, $8) g)))"#,
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
