//! The list of bookings, merged from a page of each status (and owner): each page is read in order
//! from one index, with or without filters, so that no page of the list reads many rows more than
//! it shows. Which parts there are depends on the caller's level, so each level has a text of its
//! own, made of named parts.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::state::Status;
use super::store::BookingRow;
use super::{Booking, Bookings};
use crate::access::Level;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::page::{EARLIEST, LATEST, Paging, Position, Rows};
use crate::kernel::error::Result;

/// What the list is narrowed to. Bounds of time always have values, within what PostgreSQL can
/// write: under row-level security a plan for any parameters uses an index for `>= $4`, and not for
/// `$4 is null or …` or `coalesce($4, …)`.
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

/// What is told of a booking `b`. The address is told as a member's is.
const COLUMNS: &str = "b.id, b.instance_id, b.event_time, b.duration_minutes, b.topic,
    b.street, b.city, b.state, b.country, b.owner_id, b.status, b.decided_by, b.decided_at,
    b.decision_note, b.version, b.created_at,
    (select m.email from memberships m
     where m.mandate_id = $1 and m.user_id = b.owner_id and m.first_used_at is not null) as email";

/// The order of a page.
struct Order {
    /// Which rows are within the bounds of time, and come after the one where the page before
    /// ended.
    within: &'static str,
    by: &'static str,
}

impl Order {
    /// `is true` keeps a plan from reading by time, all of it, what is to be listed by creation: it
    /// would take the bounds for narrow, which they are only where somebody filters.
    fn of(paging: &Paging) -> Self {
        let (within, by) = match (paging.sort.as_str(), paging.descending) {
            ("eventTime", false) => (
                "b.event_time >= $4 and b.event_time < $5 and (b.event_time, b.id) > ($6, $7)",
                "b.event_time, b.id",
            ),
            ("eventTime", true) => (
                "b.event_time >= $4 and b.event_time < $5 and (b.event_time, b.id) < ($6, $7)",
                "b.event_time desc, b.id desc",
            ),
            (_, false) => (
                "(b.event_time >= $4 and b.event_time < $5) is true
                   and (b.created_at, b.id) > ($6, $7)",
                "b.created_at, b.id",
            ),
            (_, true) => (
                "(b.event_time >= $4 and b.event_time < $5) is true
                   and (b.created_at, b.id) < ($6, $7)",
                "b.created_at desc, b.id desc",
            ),
        };
        Self { within, by }
    }

    /// As many rows of the status `s` as a page has, of those for which the condition holds too:
    /// read in order from one index.
    fn page_where(&self, condition: &str) -> String {
        let Self { within, by } = self;
        format!(
            "select * from bookings b where b.mandate_id = $1 and b.instance_id = $2
               and b.status = s.status and {condition} and {within} order by {by} limit $8"
        )
    }

    /// A page of each status, one after the other.
    fn page_of_each_status(&self, condition: &str) -> String {
        let rows = self.page_where(condition);
        format!("unnest($3::text[]) s (status) cross join lateral ({rows})")
    }

    /// The statement of a page of what the level reaches; the caller is `$9`.
    fn statement(&self, level: Level) -> String {
        let rows = match level {
            Level::All => self.page_of_each_status("true"),
            Level::Group => self.page_of_peers(),
            Level::My | Level::None => self.page_of_each_status("b.owner_id = $9"),
        };
        format!("select {COLUMNS} from {rows} b order by {} limit $8", self.by)
    }

    /// The caller's and those of everybody who shares a group with them. Few such owners: a page of
    /// each. Many: their share of all rows is large, and reading all in order passes over few. (`is
    /// true` keeps the planner from turning the second into a join, which would sort all of them;
    /// the counts are looked at before either is begun.)
    fn page_of_peers(&self) -> String {
        let of_each = self.page_where("b.owner_id = o.user_id");
        let of_all =
            self.page_of_each_status("(b.owner_id in (select o.user_id from peers o)) is true");
        let by = self.by;
        format!(
            "(with peers as materialized (
                select g.user_id from group_peers($1, $9) g union select $9::uuid)
              (select b.* from unnest($3::text[]) s (status) cross join peers o
                 cross join lateral ({of_each}) b
               where (select count(*) <= 200 from peers) order by {by} limit $8)
              union all
              (select b.* from {of_all} b
               where (select count(*) > 200 from peers) order by {by} limit $8))"
        )
    }
}

/// The bookings that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Bookings, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Booking>> {
    // Made of the texts above alone: what a request says comes as arguments.
    let rows = sqlx::query_as(AssertSqlSafe(Order::of(paging).statement(grant.level())))
        .bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(filter.statuses())
        .bind(filter.from())
        .bind(filter.to())
        .bind(paging.bound_time())
        .bind(paging.bound_id())
        .bind(paging.fetch());
    let rows = if grant.level() == Level::All { rows } else { rows.bind(grant.caller_uuid()) };
    let rows: Vec<BookingRow> = rows.fetch_all(&mut *connection).await?;
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
             and ($6 = 3 or b.owner_id = $7 or ($6 = 2 and b.owner_id in (select g.user_id
                 from group_peers($1, $7) g)))"#,
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
