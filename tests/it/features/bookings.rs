//! Bookings, for the gates.

mod plays;

use super::Staged;
use crate::core::{made, made_of, tables::row};
use crate::gates::cases::{Case, Trail::Mandate, case};

const BOOKING: &str = "/api/bookings/$booking";
const REQUEST: &str = r#"{"topic": "$unique",
    "eventTime": "2999-12-31T23:00:00+01:00", "durationMinutes": 90,
    "address": {"street": "Main Street 1", "city": "Springfield", "country": "United States"}}"#;
const NOTE: &str = r#"{"note": "$unique"}"#;

const fn work(id: &'static str, uri: &'static str, status: u16) -> Case {
    case(id, uri, status).instance("$bookings")
}

pub const STAGED: Staged = Staged {
    feature: bailiwick::features::bookings::FEATURE,
    cases: &[
        work("list_bookings", "/api/bookings", 200),
        work(
            "list_bookings",
            "/api/bookings?status=pending&from=2030-01-01T00:00:00Z&sort=-createdAt",
            200,
        )
        .of("filtered"),
        work("create_booking", "/api/bookings", 201).body(REQUEST).told(Mandate),
        work("get_booking", BOOKING, 200),
        work("accept_booking", "/api/bookings/$booking/accept", 200).body(NOTE).told(Mandate),
        work("reject_booking", "/api/bookings/$booking/reject", 200).body(NOTE).told(Mandate),
        work("delete_booking", BOOKING, 200).told(Mandate),
        work("delete_booking", "/api/bookings/$decided", 200).of("a decided one").told(Mandate),
    ],
    plays: &[plays::OPERATIONS],
    ids: &["booking", "decided"],
    rows: "
        insert into bookings (id, mandate_id, instance_id, owner_id, event_time, duration_minutes,
            topic, street, city, country, status, decided_by, decided_at, created_at)
        values ('$booking', '$mandate', '$place', '$owner', now() + interval '9 years', 90,
            'Topic $word', 'Main Street 1', 'Springfield', 'US', 'pending', null, null, now()),
               ('$decided', '$mandate', '$place', '$owner', now() + interval '9 years', 90,
                   'Topic $word', 'Main Street 1', 'Springfield', 'US', 'accepted', '$admin', now(),
                 now());",
    owners: &[
        row("booking", "update bookings set owner_id = '$owner' where id = '$booking'"),
        row("decided", "update bookings set owner_id = '$owner' where id = '$decided'"),
    ],
    made: &[
        made("booking", &["create_booking"]),
        made_of("booking", "decided", &["accept_booking"]),
    ],
};
