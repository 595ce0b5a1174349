//! `/api/bookings`.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::list::{self, Filter};
use super::request::CreateBooking;
use super::state::{Decision, Status, require_another_decider};
use super::{Booking, Bookings};
use super::{BookingPath, store};
use crate::access::tables::{Create, Delete, Read, Update};
use crate::context::InstanceContext;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned, resource_unless_known};
use crate::http::extract::{Created, FromPath, Json, OptionalJson, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::instant::Instant;
use crate::http::list::{Lister, Page, PageAnswer};
use crate::http::patch;
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::BookingId;
use crate::kernel::names;
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_bookings).guard(app, Policy::feature::<Bookings, Read>()))
        .routes(routes!(create_booking).guard(app, Policy::feature::<Bookings, Create>()))
        .routes(routes!(get_booking).guard(app, Policy::feature::<Bookings, Read>()))
        .routes(
            routes!(accept_booking)
                .refuses(&[Code::OwnRequest, Code::AlreadyDecided])
                .versioned()
                .guard(app, Policy::feature::<Bookings, Update>()),
        )
        .routes(
            routes!(reject_booking)
                .refuses(&[Code::OwnRequest, Code::AlreadyDecided])
                .versioned()
                .guard(app, Policy::feature::<Bookings, Update>()),
        )
        .routes(
            routes!(delete_booking).versioned().guard(app, Policy::feature::<Bookings, Delete>()),
        )
}

list_query! {
    /// What the list is narrowed to.
    BookingsQuery sorted by "eventTime", "createdAt" {
        /// Where they stand.
        #[param(inline)]
        status: Status,
        /// Those that take place at or after this time.
        #[param(value_type = Option<DateTime<Utc>>, example = "2026-01-01T00:00:00Z")]
        from: Instant,
        /// Those that take place before this time.
        #[param(value_type = Option<DateTime<Utc>>, example = "2027-01-01T00:00:00Z")]
        to: Instant,
    }
}

/// The instance's bookings that the caller's level reaches.
#[utoipa::path(get, path = "/api/bookings", tag = "Bookings", params(BookingsQuery),
    responses((status = 200, description = "A page of bookings", body = Page<Booking>)))]
async fn list_bookings(
    context: InstanceContext,
    lister: Lister,
    Query(query): Query<BookingsQuery>,
) -> Result<PageAnswer<Booking>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Bookings, Read>()?;
    let filter = Filter {
        status: query.status,
        from: query.from.map(Instant::utc),
        to: query.to.map(Instant::utc),
    };
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Requests a booking. The requester is the caller.
#[utoipa::path(post, path = "/api/bookings", tag = "Bookings", request_body = CreateBooking,
    responses((status = 201, description = "The booking, pending", body = Booking)))]
async fn create_booking(
    context: InstanceContext,
    Json(body): Json<CreateBooking>,
) -> Result<Created<Versioned<Booking>>> {
    let now = context.now();
    let new = body.checked(now)?;
    let grant = context.grant::<Bookings, Create>()?;
    let mut writing = context.write().await?;
    let booking = store::insert(&mut writing, &grant, &new, now).await?;
    let event = Event::new(Action::BookingRequested, ResourceType::Booking, booking.id)
        .details(json!({ "after": described(&booking) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/bookings/{}", booking.id), answer: Versioned(booking) })
}

/// A booking.
#[utoipa::path(get, path = "/api/bookings/{bookingId}", tag = "Bookings", params(BookingPath),
    responses((status = 200, description = "The booking", body = Booking),
              (status = 304, description = "Not changed")))]
async fn get_booking(
    context: InstanceContext,
    headers: HeaderMap,
    FromPath(BookingPath { booking_id: booking }): FromPath<BookingPath>,
) -> Result<Response> {
    let grant = context.grant::<Bookings, Read>()?;
    let mut reading = context.read().await?;
    let found = store::find(&mut reading, &grant, booking).await?;
    reading.finish().await?;
    let booking = grant.open(found)?;
    Ok(resource_unless_known(&headers, &*booking))
}

/// What goes with a decision.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideBooking {
    /// For the requester to read.
    #[schema(example = "The large room is free.")]
    note: Option<String>,
    /// The version that is to be decided; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = 1)]
    version: Option<i64>,
}

/// Accepts a pending booking, which must not be the caller's own request unless they hold level
/// `a`.
#[utoipa::path(post, path = "/api/bookings/{bookingId}/accept", tag = "Bookings",
    params(BookingPath), request_body = Option<DecideBooking>,
    responses((status = 200, description = "The booking, accepted", body = Booking)))]
async fn accept_booking(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(BookingPath { booking_id: booking }): FromPath<BookingPath>,
    OptionalJson(body): OptionalJson<DecideBooking>,
) -> Result<Versioned<Booking>> {
    decide(&context, &precondition, booking, body.unwrap_or_default(), Decision::Accept).await
}

/// Rejects a pending booking, which must not be the caller's own request unless they hold level
/// `a`.
#[utoipa::path(post, path = "/api/bookings/{bookingId}/reject", tag = "Bookings",
    params(BookingPath), request_body = Option<DecideBooking>,
    responses((status = 200, description = "The booking, rejected", body = Booking)))]
async fn reject_booking(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(BookingPath { booking_id: booking }): FromPath<BookingPath>,
    OptionalJson(body): OptionalJson<DecideBooking>,
) -> Result<Versioned<Booking>> {
    decide(&context, &precondition, booking, body.unwrap_or_default(), Decision::Reject).await
}

async fn decide(
    context: &InstanceContext,
    precondition: &Precondition,
    booking: BookingId,
    body: DecideBooking,
    decision: Decision,
) -> Result<Versioned<Booking>> {
    let note =
        body.note.as_deref().map(|note| names::checked_description("/note", note)).transpose()?;
    let grant = context.grant::<Bookings, Update>()?;
    let mut writing = context.write().await?;
    let before = grant.open(store::find_for_change(&mut writing, &grant, booking).await?)?;
    require_another_decider(&before)?;
    precondition.check_with(before.version, body.version)?;
    let status = before.status.decided(decision)?;
    let decided = (status, note.as_deref());
    let after = store::decide(&mut writing, &before, decided, context.now()).await?;
    let action = match decision {
        Decision::Accept => Action::BookingAccepted,
        Decision::Reject => Action::BookingRejected,
    };
    let event = of_requester(action, &before)
        .details(json!({ "before": described(&before), "after": described(&after) }));
    let recorded = audit::record(&mut writing, context, event).await?;
    writing.commit(recorded).await?;
    Ok(Versioned(after))
}

/// Deletes a booking for good, decided or not, and answers what it was.
#[utoipa::path(delete, path = "/api/bookings/{bookingId}", tag = "Bookings", params(BookingPath),
    responses((status = 200, description = "The deleted booking", body = Booking)))]
async fn delete_booking(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(BookingPath { booking_id: booking }): FromPath<BookingPath>,
) -> Result<Json<Booking>> {
    let grant = context.grant::<Bookings, Delete>()?;
    let mut writing = context.write().await?;
    let before = grant.open(store::find_for_change(&mut writing, &grant, booking).await?)?;
    precondition.check(before.version)?;
    store::delete(&mut writing, &before).await?;
    let event = of_requester(Action::BookingDeleted, &before)
        .details(json!({ "before": described(&before) }));
    let recorded = audit::record(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    Ok(Json(before.into_row()))
}

fn of_requester(action: Action, booking: &Booking) -> Event {
    Event::new(action, ResourceType::Booking, booking.id).target(booking.requested_by.id)
}

/// For the trail, which nothing is taken out of: no street and no note, in which people may be
/// named.
fn described(booking: &Booking) -> serde_json::Value {
    json!({
        "instanceId": booking.instance_id, "eventTime": booking.event_time,
            "durationMinutes": booking.duration_minutes,
        "topic": booking.topic, "country": booking.address.country, "status": booking.status,
    })
}
