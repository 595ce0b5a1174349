//! The list of bookings, merged from a page of each status (and owner): each page is read in order from one index, with or
//! without filters, so that no page of the list reads many rows more than it shows. Which parts there are depends on the
//! caller's level, so each level has a text of its own.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::state::Status;
use super::store::{BookingRow, bookings};
use super::{Booking, Bookings};
use crate::access::Level;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::page::{EARLIEST, LATEST, Paging, Position, Rows};
use crate::kernel::error::Result;

/// What the list is narrowed to. Bounds of time always have values, within what PostgreSQL can write: under row-level security a
/// plan for any parameters uses an index for `>= $4`, and not for `$4 is null or …` or `coalesce($4, …)`.
#[derive(Debug)]
pub(super) struct Filter {
    pub status: Option<Status>,
    pub from: Option<DateTime<Utc>>,
    /// Not itself within.
    pub to: Option<DateTime<Utc>>,
}

impl Filter {
    fn statuses(&self) -> Vec<String> {
        let wanted = |status: &Status| self.status.is_none_or(|only| only == *status);
        Status::ALL.into_iter().filter(wanted).map(|status| status.name().to_owned()).collect()
    }
    fn from(&self) -> DateTime<Utc> {
        self.from.unwrap_or(EARLIEST).clamp(EARLIEST, LATEST)
    }
    fn to(&self) -> DateTime<Utc> {
        self.to.unwrap_or(LATEST).clamp(EARLIEST, LATEST)
    }
}

/// Which statuses, which times, and where the page begins and ends: the parameters that all texts share.
macro_rules! page {
    ([$($from:tt)+], $order:tt, $connection:expr, $grant:expr, $filter:expr, $paging:expr $(, $caller:expr)?) => {
        bookings!(
            "select",
            "null::smallint",
            ["from " + $($from)+ + " b order by " + $order + " limit $8"],
            $grant.mandate_uuid(),
            $grant.instance_uuid(),
            &$filter.statuses(),
            $filter.from(),
            $filter.to(),
            $paging.bound_time(),
            $paging.bound_id(),
            $paging.fetch(),
            $($caller,)?
        )
        .fetch_all(&mut *$connection)
        .await?
    };
}

/// Every row of the instance.
macro_rules! all {
    ($within:tt, $order:tt, $($rest:tt)+) => {
        page!(["unnest($3::text[]) s (status) cross join lateral (
                  select * from bookings b where b.mandate_id = $1 and b.instance_id = $2 and b.status = s.status
                    and " + $within + " order by " + $order + " limit $8)"],
            $order, $($rest)+)
    };
}

/// The caller's own.
macro_rules! own {
    ($within:tt, $order:tt, $($rest:tt)+) => {
        page!(["unnest($3::text[]) s (status) cross join lateral (
                  select * from bookings b where b.mandate_id = $1 and b.instance_id = $2 and b.owner_id = $9 and b.status = s.status
                    and " + $within + " order by " + $order + " limit $8)"],
            $order, $($rest)+)
    };
}

/// The caller's and those of everybody who shares a group with them. Few such owners: a page of each. Many: their share of all
/// rows is large, and reading all in order passes over few. (`is true` keeps the planner from turning the second into a join,
/// which would sort all of them; the counts are looked at before either is begun.)
macro_rules! of_peers {
    ($within:tt, $order:tt, $($rest:tt)+) => {
        page!(["(with peers as materialized (select g.user_id from group_peers($1, $9) g union select $9::uuid)
                (select b.* from unnest($3::text[]) s (status) cross join peers o cross join lateral (
                   select * from bookings b where b.mandate_id = $1 and b.instance_id = $2 and b.owner_id = o.user_id and b.status = s.status
                     and " + $within + " order by " + $order + " limit $8) b
                 where (select count(*) <= 200 from peers) order by " + $order + " limit $8)
                union all
                (select b.* from unnest($3::text[]) s (status) cross join lateral (
                   select * from bookings b where b.mandate_id = $1 and b.instance_id = $2 and b.status = s.status
                     and (b.owner_id in (select o.user_id from peers o)) is true
                     and " + $within + " order by " + $order + " limit $8) b
                 where (select count(*) > 200 from peers) order by " + $order + " limit $8))"],
            $order, $($rest)+)
    };
}

/// The four orders of one text. `is true` keeps a plan from reading by time, all of it, what is to be listed by creation: it
/// would take the bounds for narrow, which they are only where somebody filters.
macro_rules! ordered {
    ($text:ident, $paging:expr, $($rest:tt)+) => {
        match ($paging.sort.as_str(), $paging.descending) {
            ("eventTime", false) => $text!(
                "b.event_time >= $4 and b.event_time < $5 and (b.event_time, b.id) > ($6, $7)",
                "b.event_time, b.id",
                $($rest)+
            ),
            ("eventTime", true) => $text!(
                "b.event_time >= $4 and b.event_time < $5 and (b.event_time, b.id) < ($6, $7)",
                "b.event_time desc, b.id desc",
                $($rest)+
            ),
            (_, false) => $text!(
                "(b.event_time >= $4 and b.event_time < $5) is true and (b.created_at, b.id) > ($6, $7)",
                "b.created_at, b.id",
                $($rest)+
            ),
            (_, true) => $text!(
                "(b.event_time >= $4 and b.event_time < $5) is true and (b.created_at, b.id) < ($6, $7)",
                "b.created_at desc, b.id desc",
                $($rest)+
            ),
        }
    };
}

/// The bookings that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Bookings, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Booking>> {
    let caller = grant.caller_uuid();
    let rows: Vec<BookingRow> = match grant.level() {
        Level::All => ordered!(all, paging, connection, grant, filter, paging),
        Level::Group => ordered!(of_peers, paging, connection, grant, filter, paging, caller),
        Level::My | Level::None => ordered!(own, paging, connection, grant, filter, paging, caller),
    };
    let total = if paging.count { Some(count(connection, grant, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |row: BookingRow| {
        let booking = row.booking();
        let time = if paging.sort == "eventTime" { booking.event_time } else { booking.created_at };
        let position = Position::new(time, booking.id.uuid());
        (booking, position)
    }))
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<Bookings, Read>,
    filter: &Filter,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from bookings b
           where b.mandate_id = $1 and b.instance_id = $2 and b.status = any ($3::text[])
             and b.event_time >= $4 and b.event_time < $5
             and ($6 = 3 or b.owner_id = $7 or ($6 = 2 and b.owner_id in (select g.user_id from group_peers($1, $7) g)))"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        &filter.statuses(),
        filter.from(),
        filter.to(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
