//! Bookings: requests for a time and a place, which somebody else accepts or rejects.
//!
//! - [`routes`], [`store`] and [`list`]: requests.
//! - [`state`]: from pending to a decision, and who may make it.
//! - [`request`]: what a request must say. [`countries`]: a country as people write it.

mod countries;
mod list;
mod request;
mod routes;
mod state;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Schema;

use crate::access::Level::{All, My, None};
use crate::access::Rule;
use crate::http::etag::Resource;
use crate::kernel::ids::{BookingId, InstanceId, UserId, or_null_like};
use crate::path_params;
use crate::tenancy::catalogue::{BuiltIn, TemplateRole};

use state::Status;

path_params! {
    /// To a booking.
    BookingPath {
        /// The booking
        #[param(inline)]
        booking_id: BookingId,
    }
}

crate::feature_tables!("bookings" {
    /// Requests; a row is mine when I made the request.
    Bookings = "bookings",
});

/// The feature.
pub const FEATURE: BuiltIn = BuiltIn {
    code: "bookings",
    label: [("en", "Bookings"), ("de", "Buchungen")],
    purpose: "Requests for a time and a place, and the decisions on them",
    icon: "mdi-calendar-check",
    tables: &["bookings"],
    views: &["bookings", "decisions"],
    roles: ROLES,
    routes: routes::routes,
};

const ROLES: &[TemplateRole] = &[
    TemplateRole {
        label: "bookings-admin",
        description: [
            ("en", "Manages the instance and everything in it"),
            ("de", "Verwaltet die Instanz und alles darin"),
        ],
        rules: &[("bookings", Rule::ALL), ("access", Rule::ALL), ("instance-roles", Rule::ALL)],
        views: &["bookings", "decisions"],
    },
    TemplateRole {
        label: "bookings-decider",
        description: [
            ("en", "Accepts and rejects requests"),
            ("de", "Nimmt Anfragen an und lehnt sie ab"),
        ],
        rules: &[("bookings", Rule::of(All, None, All, None))],
        views: &["bookings", "decisions"],
    },
    TemplateRole {
        label: "bookings-requester",
        description: [("en", "Requests bookings"), ("de", "Stellt Anfragen")],
        rules: &[("bookings", Rule::of(My, My, None, None))],
        views: &["bookings"],
    },
    TemplateRole {
        label: "bookings-viewer",
        description: [("en", "Reads all"), ("de", "Liest alles")],
        rules: &[("bookings", Rule::of(All, None, None, None))],
        views: &["bookings"],
    },
];

/// A booking.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    pub id: BookingId,
    pub instance_id: InstanceId,
    #[schema(example = "2030-05-06T12:30:00Z")]
    pub event_time: DateTime<Utc>,
    #[schema(example = 90)]
    pub duration_minutes: i32,
    #[schema(example = "Introduction for new customers")]
    pub topic: String,
    pub address: Address,
    pub requested_by: Requester,
    pub status: Status,
    /// Who accepted or rejected it.
    #[schema(schema_with = decider)]
    pub decided_by: Option<UserId>,
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub decided_at: Option<DateTime<Utc>>,
    #[schema(example = "The large room is free.")]
    pub decision_note: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// Alice: nobody decides what they asked for themselves.
fn decider() -> Schema {
    let meaning = "Who accepted or rejected it.";
    or_null_like::<UserId>("01900000-0000-7000-8000-00000000a002", meaning)
}

impl Resource for Booking {
    fn version(&self) -> i64 {
        self.version
    }
}

/// Where it takes place.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BookingAddress)]
pub struct Address {
    #[schema(example = "Bahnhofstrasse 1")]
    pub street: String,
    #[schema(example = "Zürich")]
    pub city: String,
    #[schema(example = "ZH")]
    pub state: Option<String>,
    /// ISO 3166-1, two letters.
    #[schema(example = "CH")]
    pub country: String,
}

/// The account that made the request.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BookingRequester)]
pub struct Requester {
    pub id: UserId,
    /// Their address as it is now (a change of it does not raise the booking's `version`); null
    /// once they left the mandate.
    #[schema(example = "bob@acme.example")]
    pub email: Option<String>,
}
