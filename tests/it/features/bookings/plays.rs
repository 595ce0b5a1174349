//! `/api/bookings`: requests for a time and a place, which somebody else accepts or rejects.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::features::playbooks::plays::nearness;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, fitting, may, may_but_null, needs, shaped, shaped_if_any};
use crate::model::world::access::{ALL as EVERY, CREATE, DELETE, READ, UPDATE};
use crate::model::world::{Booking, Event, World};

const ALL: &str = "/api/bookings";
const ONE: &str = "/api/bookings/{bookingId}";
const TABLE: &str = "bookings";

const fn guard(operation: usize) -> Guard {
    Guard::Feature("bookings", TABLE, operation)
}

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_bookings", ALL, guard(READ), draw_list, list)
        .asking(&[LIST, &["status", "from", "to"]]),
    Operation::post("create_booking", ALL, guard(CREATE), draw_create, create),
    Operation::get(
        "get_booking",
        ONE,
        guard(READ),
        |dice| draw_booking(dice, |_| true).map(|_| ()),
        get,
    ),
    Operation::post(
        "accept_booking",
        "/api/bookings/{bookingId}/accept",
        guard(UPDATE),
        draw_decision,
        accept,
    ),
    Operation::post(
        "reject_booking",
        "/api/bookings/{bookingId}/reject",
        guard(UPDATE),
        draw_decision,
        reject,
    ),
    Operation::delete("delete_booking", ONE, guard(DELETE), draw_delete, delete),
];

/// Times as they are sent, and as they are told: in UTC. What is not told is refused.
const TIMES: [(&str, Option<&str>); 6] = [
    ("2094-05-14T18:30:00+02:00", Some("2094-05-14T16:30:00Z")),
    ("2094-05-14T16:30:00Z", Some("2094-05-14T16:30:00Z")),
    ("2095-01-01T00:00:00-05:00", Some("2095-01-01T05:00:00Z")),
    ("2096-02-29T12:00:00+00:00", Some("2096-02-29T12:00:00Z")),
    ("1999-05-14T18:30:00+02:00", None),
    ("2094-05-14T18:30:00", None),
];
const COUNTRIES: [(&str, Option<&str>); 5] = [
    ("DE", Some("DE")),
    ("deu", Some("DE")),
    ("Switzerland", Some("CH")),
    ("  france ", Some("FR")),
    ("Atlantis", None),
];

fn told(pairs: &[(&str, Option<&'static str>)], sent: &str) -> Result<&'static str, Refusal> {
    pairs
        .iter()
        .find(|(text, _)| *text == sent)
        .and_then(|(_, told)| *told)
        .ok_or_else(Refusal::invalid)
}

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.in_feature("bookings")?;
    dice.list(&["eventTime", "createdAt"]);
    if dice.chance(0.3) {
        let status = ["pending", "accepted", "rejected", "lost"][dice.below(4)];
        dice.ask("status", status);
    }
    for name in ["from", "to"] {
        if dice.chance(0.15) {
            let time = ["2094-05-14T16:30:00Z", "2095-06-01T00:00:00Z"][dice.below(2)];
            dice.ask(name, time);
        }
    }
    Some(())
}

/// From a time on, up to another and not with it. Times in UTC and of one form sort as texts.
fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let status = call.asked("status");
    if status.is_some_and(|status| !["pending", "accepted", "rejected"].contains(&status)) {
        return Err(Refusal::of(400, "invalid_parameter"));
    }
    let asked = Asked::of(world, call, &["eventTime", "createdAt"])?;
    let level = world.own_level(entered, TABLE, READ);
    let found = |row: &&Booking| {
        row.instance == entered.instance()
            && nearness(world, entered, row.owner) <= level
            && status.is_none_or(|status| row.status == status)
            && call.asked("from").is_none_or(|from| row.event_time.as_str() >= from)
            && call.asked("to").is_none_or(|to| row.event_time.as_str() < to)
    };
    let sorted_by = |row: &Booking| {
        if asked.sort == "eventTime" { row.event_time.clone() } else { String::new() }
    };
    let rows = world
        .bookings
        .iter()
        .filter(found)
        .map(|row| Row::of(sorted_by(row), row.id, world.booking_answer(row)));
    asked.page(rows.collect())
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    dice.in_feature("bookings")?;
    let time = TIMES[if dice.chance(0.9) { dice.below(4) } else { dice.below(6) }].0;
    let country = COUNTRIES[if dice.chance(0.9) { dice.below(4) } else { dice.below(5) }].0;
    let minutes =
        [30, 60, 90, 45, 0, -5][if dice.chance(0.9) { dice.below(4) } else { dice.below(6) }];
    let topic = dice.name();
    let mut address = dice.some(vec![("state", 0.3, json!("Hessen"))]);
    address.extend(
        [("street", "Hauptstraße 1"), ("city", "Frankfurt"), ("country", country)]
            .map(|(name, text)| (name.to_owned(), json!(text))),
    );
    dice.send(json!({
        "eventTime": time, "durationMinutes": minutes, "topic": topic, "address": address,
    }));
    Some(())
}

fn create(world: &mut World, entered: &Entered, call: &Call, told_: &Told) -> Outcome {
    const ADDRESS: [shape::Field; 4] = [
        needs("street", Kind::Text),
        needs("city", Kind::Text),
        may("state", Kind::Text),
        needs("country", Kind::Text),
    ];
    const FIELDS: [shape::Field; 4] = [
        needs("eventTime", Kind::Text),
        needs("durationMinutes", Kind::Whole),
        needs("topic", Kind::Text),
        needs("address", Kind::Object),
    ];
    let body = shaped(call, &FIELDS)?;
    let sent = fitting(body["address"].as_object().unwrap(), &ADDRESS)?;
    let minutes = shape::whole(body, "durationMinutes")
        .filter(|minutes| *minutes > 0)
        .ok_or_else(Refusal::invalid)?;
    let (street, city) = (shape::named(sent, "street")?, shape::named(sent, "city")?);
    let country = told(&COUNTRIES, shape::text(sent, "country").unwrap_or_default())?;
    let address = json!({
        "street": street, "city": city, "state": shape::named(sent, "state")?, "country": country,
    });
    let booking = Booking {
        id: told_.id(),
        instance: entered.instance(),
        event_time: told(&TIMES, shape::text(body, "eventTime").unwrap_or_default())?.to_owned(),
        minutes,
        topic: shape::named(body, "topic")?.unwrap_or_default(),
        address,
        owner: entered.user,
        status: "pending",
        decided_by: None,
        note: None,
        version: 1,
    };
    let answer = world.booking_answer(&booking);
    world.note(
        entered.user,
        entered.mandate(),
        Event::of("booking_requested", "booking", booking.id),
    );
    world.bookings.push(booking);
    Ok(Reply::created(answer))
}

/// A booking of the instance; of a status rather than others.
fn draw_booking(dice: &mut Dice<'_>, preferred: impl Fn(&Booking) -> bool) -> Option<Uuid> {
    let instance = dice.in_feature("bookings")?;
    let here: Vec<Uuid> = dice
        .world
        .bookings
        .iter()
        .filter(|row| row.instance == instance)
        .map(|row| row.id)
        .collect();
    let preferred: Vec<Uuid> = dice
        .world
        .bookings
        .iter()
        .filter(|row| row.instance == instance && preferred(row))
        .map(|row| row.id)
        .collect();
    let booking = match dice.below(20) {
        0 => dice.one_of(&dice.world.bookings.iter().map(|row| row.id).collect::<Vec<_>>()),
        1..=14 if !preferred.is_empty() => dice.one_of(&preferred),
        _ => dice.one_of(&here),
    }?;
    dice.arg(booking);
    Some(booking)
}

/// The booking of the path, where the operation reaches it.
fn reached<'a>(
    world: &'a World,
    entered: &Entered,
    call: &Call,
    operation: usize,
) -> Result<&'a Booking, Refusal> {
    let id = call.id("bookingId")?;
    let booking = world
        .bookings
        .iter()
        .find(|row| row.id == id && row.instance == entered.instance())
        .ok_or_else(Refusal::not_found)?;
    world.admit_own(entered, TABLE, operation, nearness(world, entered, booking.owner))?;
    Ok(booking)
}

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    reached(world, entered, call, READ).map(|booking| Reply::ok(world.booking_answer(booking)))
}

fn at_version(dice: &mut Dice<'_>, id: Uuid) {
    let version = dice.world.bookings.iter().find(|row| row.id == id).map_or(1, |row| row.version);
    dice.at_version(version);
}

fn draw_decision(dice: &mut Dice<'_>) -> Option<()> {
    // One's own is decided by somebody else.
    let caller = dice.caller();
    let open = |row: &Booking| row.status == "pending" && row.owner != caller;
    let booking = draw_booking(dice, open)?;
    if dice.chance(0.5) {
        let note: Value = dice.description();
        let body = dice.some(vec![("note", 0.7, note)]);
        dice.send(body.into());
    }
    at_version(dice, booking);
    Some(())
}

fn accept(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    decide(world, entered, call, ("accepted", "booking_accepted"))
}
fn reject(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    decide(world, entered, call, ("rejected", "booking_rejected"))
}

fn decide(
    world: &mut World,
    entered: &Entered,
    call: &Call,
    (status, action): (&'static str, &'static str),
) -> Outcome {
    call.id("bookingId")?;
    let body =
        shaped_if_any(call, &[may("note", Kind::Text), may_but_null("version", Kind::Whole)])?;
    let note = body.and_then(|body| shape::text(body, "note")).map(str::to_owned);
    shape::described(note.as_deref())?;
    let before = reached(world, entered, call, UPDATE)?;
    if before.owner == entered.user && world.own_level(entered, TABLE, UPDATE) < EVERY {
        return Err(Refusal::of(403, "own_request"));
    }
    require_version(call, before.version)?;
    if before.status != "pending" {
        return Err(Refusal::of(409, "already_decided"));
    }
    let (id, owner) = (before.id, before.owner);
    let booking = world.bookings.iter_mut().find(|row| row.id == id).unwrap();
    (booking.status, booking.note, booking.decided_by) = (status, note, Some(entered.user));
    booking.version += 1;
    let booking = booking.clone();
    world.note(entered.user, entered.mandate(), Event::of(action, "booking", id).target(owner));
    Ok(Reply::ok(world.booking_answer(&booking)))
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    // What is pending is left to be decided, for the most part.
    let booking = draw_booking(dice, |row| row.status != "pending")?;
    if dice.world.bookings.iter().any(|row| row.id == booking && row.status == "pending")
        && !dice.daring
    {
        return None;
    }
    at_version(dice, booking);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let before = reached(world, entered, call, DELETE)?.clone();
    require_version(call, before.version)?;
    let answer = world.booking_answer(&before);
    world.bookings.retain(|row| row.id != before.id);
    world.note(
        entered.user,
        entered.mandate(),
        Event::of("booking_deleted", "booking", before.id).target(before.owner),
    );
    Ok(Reply::ok(answer))
}
