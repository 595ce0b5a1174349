//! Bookings in the database.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use super::request::NewBooking;
use super::state::Status;
use super::{Address, Booking, Bookings, Requester};
use crate::access::Level;
use crate::access::tables::{Create, Delete, Op, Update};
use crate::context::{Grant, Opened, Sealed};
use crate::kernel::error::Result;
use crate::kernel::ids::{BookingId, InstanceId, UserId};

#[derive(FromRow)]
pub(super) struct BookingRow {
    pub id: BookingId,
    pub instance_id: InstanceId,
    pub event_time: DateTime<Utc>,
    pub duration_minutes: i32,
    pub topic: String,
    pub street: String,
    pub city: String,
    pub state: Option<String>,
    pub country: String,
    pub owner_id: UserId,
    pub email: Option<String>,
    pub status: Status,
    pub decided_by: Option<UserId>,
    pub decided_at: Option<DateTime<Utc>>,
    pub decision_note: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    /// Only where a path named the booking.
    #[sqlx(default)]
    pub needed: Option<i16>,
}

/// `$before` the columns of a booking `b`, with the least level that reaches it, `$after`. `$1` is
/// always the mandate. The address is told as a member's is (src/tenancy/members/find.rs).
macro_rules! bookings {
    ($before:tt, $needed:tt, [$($after:tt)+], $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            BookingRow,
            $before
                + r#" b.id as "id!", b.instance_id as "instance_id!", b.event_time as "event_time!",
                      b.duration_minutes as "duration_minutes!", b.topic as "topic!",
                      b.street as "street!", b.city as "city!", b.state, b.country as "country!",
                      b.owner_id as "owner_id!",
                      (select m.email from memberships m
                       where m.mandate_id = $1 and m.user_id = b.owner_id
                         and m.first_used_at is not null) as email,
                      b.status as "status!: Status", b.decided_by as "decided_by: UserId",
                      b.decided_at, b.decision_note, b.version as "version!",
                      b.created_at as "created_at!", "#
                + $needed
                + r#" as "needed?" "#
                + $($after)+,
            $($argument),+
        )
    };
}

impl BookingRow {
    pub fn booking(self) -> Booking {
        Booking {
            id: self.id,
            instance_id: self.instance_id,
            event_time: self.event_time,
            duration_minutes: self.duration_minutes,
            topic: self.topic,
            address: Address {
                street: self.street,
                city: self.city,
                state: self.state,
                country: self.country,
            },
            requested_by: Requester { id: self.owner_id, email: self.email },
            status: self.status,
            decided_by: self.decided_by,
            decided_at: self.decided_at,
            decision_note: self.decision_note,
            version: self.version,
            created_at: self.created_at,
        }
    }
}

/// A new request of the caller's.
pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Bookings, Create>,
    new: &NewBooking,
    now: DateTime<Utc>,
) -> Result<Booking> {
    let row = bookings!(
        "with b as (
           insert into bookings (mandate_id, id, instance_id, owner_id, event_time,
                                 duration_minutes, topic, street, city, state, country, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning *)
         select",
        "null::smallint",
        ["from b"],
        grant.mandate_uuid(),
        BookingId::new().uuid(),
        grant.instance_uuid(),
        grant.caller_uuid(),
        new.event_time,
        new.duration_minutes,
        new.topic,
        new.address.street,
        new.address.city,
        new.address.state,
        new.address.country,
        now,
    );
    Ok(row.fetch_one(connection).await?.booking())
}

/// A booking that was found.
type SealedBooking = Sealed<Bookings, Booking>;

fn sealed<O: Op>(grant: &Grant<Bookings, O>, row: BookingRow) -> SealedBooking {
    grant.seal(row.needed.unwrap_or(Level::All.number()), row.booking())
}

macro_rules! one {
    ($connection:expr, $grant:expr, $booking:expr, $lock:tt) => {
        bookings!(
            "select",
            "case when b.owner_id = $4 then 1::smallint
                  when b.owner_id in (select g.user_id from group_peers($1, $4) g) then 2::smallint
                  else 3::smallint end",
            ["from bookings b where b.mandate_id = $1 and b.instance_id = $2 and b.id = $3 "
                + $lock],
            $grant.mandate_uuid(),
            $grant.instance_uuid(),
            $booking.uuid(),
            $grant.caller_uuid(),
        )
        .fetch_optional($connection)
        .await?
        .map(|row| sealed($grant, row))
    };
}

pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Bookings, O>,
    booking: BookingId,
) -> Result<Option<SealedBooking>> {
    Ok(one!(connection, grant, booking, ""))
}

/// The same, locked until the transaction ends: of several who decide, the second finds what the
/// first decided.
pub(super) async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Bookings, O>,
    booking: BookingId,
) -> Result<Option<SealedBooking>> {
    Ok(one!(connection, grant, booking, "for no key update of b"))
}

/// Notes the caller's decision on a pending booking.
pub(super) async fn decide(
    connection: &mut PgConnection,
    booking: &Opened<Bookings, Update, Booking>,
    (status, note): (Status, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Booking> {
    let row = bookings!(
        "with b as (
           update bookings set status = $4, decided_by = $5, decided_at = $6, decision_note = $7,
                               version = version + 1
           where mandate_id = $1 and instance_id = $2 and id = $3 and status = 'pending'
           returning *)
         select",
        "null::smallint",
        ["from b"],
        booking.grant().mandate_uuid(),
        booking.grant().instance_uuid(),
        booking.id.uuid(),
        status.name(),
        booking.grant().caller_uuid(),
        now,
        note,
    );
    Ok(row.fetch_one(connection).await?.booking())
}

pub(super) async fn delete(
    connection: &mut PgConnection,
    booking: &Opened<Bookings, Delete, Booking>,
) -> Result<()> {
    sqlx::query!(
        "delete from bookings where mandate_id = $1 and instance_id = $2 and id = $3",
        booking.grant().mandate_uuid(),
        booking.grant().instance_uuid(),
        booking.id.uuid(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
