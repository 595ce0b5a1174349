//! Bookings: what a request must say, and what is answered.

use axum::http::Method;
use bailiwick::kernel::clock::Clock;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Desk, pointers, points_at, values};
use crate::harness::World;
use crate::harness::world::{Person, Tenant};

pub const LIST: &str = "/api/bookings";

pub fn row(id: impl std::fmt::Display) -> String {
    format!("{LIST}/{id}")
}

/// A world whose mandates have an instance of bookings as theirs.
pub async fn world() -> World {
    let mut world = World::new().await;
    let mut tenants = [world.acme.clone(), world.globex.clone()];
    for tenant in &mut tenants {
        *tenant = with_instance(&world, tenant, "Rooms").await;
    }
    [world.acme, world.globex] = tenants;
    world
}

/// The tenant with a new instance of bookings as its own.
pub async fn with_instance(world: &World, tenant: &Tenant, label: &str) -> Tenant {
    let admin = world.desk(&tenant.admin, tenant);
    let instance = admin
        .post("/api/features/instances", json!({ "featureCode": "bookings", "label": label }))
        .await
        .id();
    let roles = admin.get(format!("/api/features/instances/{instance}/roles")).await.expect(200);
    let by_label =
        values(&roles, "label").into_iter().zip(values(&roles, "id").into_iter().map(Value::from));
    Tenant { instance, instance_roles: Value::Object(by_label.collect()), ..tenant.clone() }
}

/// A new member of Acme, admitted to its bookings with a role.
pub async fn member(world: &World, name: &str, role: &str) -> Person {
    let person = world.member_with(&world.acme, name, &[world.acme.role("user")]).await;
    world.admit(&world.acme, person.id, &[world.acme.instance_role(role)]).await;
    person
}

/// Where somebody works with Acme's bookings.
pub fn desk<'a>(world: &'a World, person: &Person) -> Desk<'a> {
    world.desk(person, &world.acme).in_instance(world.acme.instance)
}

/// A request that is in order, with some members changed; null takes one out.
pub fn request(changes: Value) -> Value {
    let mut body = json!({
        "eventTime": "2999-05-14T18:30:00+02:00", "durationMinutes": 90, "topic": "Introduction",
        "address": { "street": "Bahnhofstrasse 1", "city": "Zürich", "state": "ZH",
            "country": "Switzerland" },
    });
    merge(&mut body, changes);
    body
}

fn merge(into: &mut Value, changes: Value) {
    let (Value::Object(into), Value::Object(changes)) = (into, changes) else {
        panic!("two objects")
    };
    for (name, change) in changes {
        match (into.get_mut(&name), change) {
            (_, Value::Null) => drop(into.remove(&name)),
            (Some(inner @ Value::Object(_)), change @ Value::Object(_)) => merge(inner, change),
            (_, change) => drop(into.insert(name, change)),
        }
    }
}

/// A pending booking of somebody's.
pub async fn booked(desk: &Desk<'_>) -> Uuid {
    desk.post(LIST, request(json!({}))).await.id()
}

/// Acme's admin, who admitted themselves as the admin of the bookings.
pub async fn admin(world: &World) -> Desk<'_> {
    let acme = &world.acme;
    world.admit(acme, acme.admin.id, &[acme.instance_role("bookings-admin")]).await;
    desk(world, &acme.admin)
}

#[tokio::test]
async fn a_request_is_pending_and_the_callers() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    let before = world.app.clock.now();
    let made = desk.post(LIST, request(json!({ "topic": "  Introduction  " }))).await;
    let (id, created) =
        (made.id(), made.body["createdAt"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap());
    assert_eq!((made.header("location"), made.header("etag")), (row(id).as_str(), "\"1\""));
    assert!((before..=world.app.clock.now()).contains(&created));
    let expected = json!({
        "id": id, "instanceId": world.acme.instance, "eventTime": "2999-05-14T16:30:00Z",
            "durationMinutes": 90, "topic": "Introduction",
        "address": { "street": "Bahnhofstrasse 1", "city": "Zürich", "state": "ZH",
            "country": "CH" },
        "requestedBy": { "id": rita.id, "email": "rita@example.com" }, "status": "pending",
        "decidedBy": null, "decidedAt": null, "decisionNote": null, "version": 1,
            "createdAt": made.body["createdAt"],
    });
    assert_eq!(made.expect(201), expected);
    let read = desk.get(row(id)).await;
    assert_eq!((read.header("etag"), read.header("cache-control")), ("\"1\"", "private, no-cache"));
    assert_eq!(read.expect(200), expected);
    assert_eq!(desk.get(LIST).await.expect(200)["items"], json!([expected]));

    let stateless =
        desk.post(LIST, request(json!({ "address": { "state": null } }))).await.expect(201);
    assert_eq!(stateless["address"]["state"], Value::Null);
}

#[tokio::test]
async fn nobody_requests_for_others_or_decides_by_requesting() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    for (pointer, field) in [
        (
            "/requestedBy",
            json!({ "requestedBy": { "id": world.acme.admin.id, "email": "x@example.com" } }),
        ),
        ("/ownerId", json!({ "ownerId": world.acme.admin.id })),
        ("/status", json!({ "status": "accepted" })),
        ("/instanceId", json!({ "instanceId": world.globex.instance })),
        ("/decidedBy", json!({ "decidedBy": rita.id })),
        ("/address/zip", json!({ "address": { "zip": "8001" } })),
    ] {
        let answer = desk.post(LIST, request(field)).await;
        answer.refused(422, "unknown_field");
        assert_eq!(pointers(&answer), [(pointer.to_owned(), "unknown_field".to_owned())]);
    }
    assert_eq!(desk.get(format!("{LIST}?count=true")).await.expect(200)["total"], 0);
}

#[tokio::test]
async fn everything_wrong_with_a_request_is_told_at_once() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    let wrong = desk
        .post(
            LIST,
            json!({
                "eventTime": "2020-01-01T00:00:00Z", "durationMinutes": 0, "topic": " ",
                "address": { "street": "", "city": "\t", "state": " ", "country": "Atlantis" },
            }),
        )
        .await;
    wrong.refused(422, "validation_failed");
    let expected = [
        ("/eventTime", "not_in_future"),
        ("/durationMinutes", "out_of_range"),
        ("/topic", "blank"),
        ("/address/street", "blank"),
        ("/address/city", "blank"),
        ("/address/state", "blank"),
        ("/address/country", "unknown_country"),
    ];
    assert_eq!(
        pointers(&wrong),
        expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()))
    );

    let long = "x".repeat(201);
    for (pointer, code, change) in [
        ("/eventTime", "invalid_time", json!({ "eventTime": "2999-05-14T18:30:00" })),
        ("/eventTime", "invalid_time", json!({ "eventTime": "2999-05-14" })),
        ("/eventTime", "invalid_type", json!({ "eventTime": 32_483_782_200_i64 })),
        ("/durationMinutes", "out_of_range", json!({ "durationMinutes": -1 })),
        ("/durationMinutes", "out_of_range", json!({ "durationMinutes": 527_041 })),
        ("/durationMinutes", "out_of_range", json!({ "durationMinutes": i64::MAX })),
        ("/durationMinutes", "invalid_type", json!({ "durationMinutes": 1.5 })),
        ("/durationMinutes", "invalid_type", json!({ "durationMinutes": "90" })),
        ("/topic", "too_long", json!({ "topic": long })),
        ("/topic", "invalid_characters", json!({ "topic": "a\u{0}b" })),
        ("/address", "invalid_type", json!({ "address": "Bahnhofstrasse 1, Zürich" })),
        ("/address/street", "too_long", json!({ "address": { "street": long } })),
        ("/address/country", "unknown_country", json!({ "address": { "country": "XX" } })),
        ("/address/country", "blank", json!({ "address": { "country": "" } })),
    ] {
        let answer = desk.post(LIST, request(change.clone())).await;
        assert_eq!(pointers(&answer), [(pointer.to_owned(), code.to_owned())], "{change}");
    }
    assert_eq!(desk.get(format!("{LIST}?count=true")).await.expect(200)["total"], 0);
    desk.post(LIST, request(json!({ "durationMinutes": 527_040 }))).await.expect(201);
}

#[tokio::test]
async fn what_a_request_needs_cannot_be_null() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    for (pointer, change) in [
        ("/eventTime", json!({ "eventTime": null })),
        ("/durationMinutes", json!({ "durationMinutes": null })),
        ("/topic", json!({ "topic": null })),
        ("/address", json!({ "address": null })),
        ("/address/street", json!({ "address": { "street": null } })),
        ("/address/city", json!({ "address": { "city": null } })),
        ("/address/country", json!({ "address": { "country": null } })),
    ] {
        assert_eq!(
            pointers(&desk.post(LIST, request(change)).await),
            [(pointer.to_owned(), "required".to_owned())]
        );
    }
    assert_eq!(desk.get(format!("{LIST}?count=true")).await.expect(200)["total"], 0);
}

#[tokio::test]
async fn the_future_begins_at_the_services_clock() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    let soon = (world.app.clock.now() + Duration::minutes(5)).to_rfc3339();
    desk.post(LIST, request(json!({ "eventTime": soon }))).await.expect(201);
    world.app.clock.advance(Duration::minutes(6));
    points_at(&desk.post(LIST, request(json!({ "eventTime": soon }))).await, "/eventTime");
}

#[tokio::test]
async fn countries_are_kept_as_codes_of_two_letters() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    for (written, code) in [
        ("de", "DE"),
        ("DEU", "DE"),
        ("germany", "DE"),
        ("United States", "US"),
        ("Czechia", "CZ"),
        ("Korea (Republic of)", "KR"),
    ] {
        let made = desk.post(LIST, request(json!({ "address": { "country": written } }))).await;
        let read = desk.get(row(made.id())).await.expect(200);
        assert_eq!(
            (&made.body["address"]["country"], &read["address"]["country"]),
            (&json!(code), &json!(code)),
            "{written}"
        );
    }
}

#[tokio::test]
async fn a_booking_that_is_known_is_not_sent_again() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let (requester, admin) = (desk(&world, &rita), admin(&world).await);
    let id = booked(&requester).await;
    let ask = async |tag: &str| {
        requester.ask(Method::GET, row(id)).header("if-none-match", tag).send().await
    };
    let known = ask("\"1\"").await;
    assert_eq!(
        (known.status.as_u16(), known.header("etag"), &known.body),
        (304, "\"1\"", &json!(""))
    );
    admin.post(format!("{}/accept", row(id)), json!({})).await.expect(200);
    assert_eq!(ask("\"1\"").await.expect(200)["status"], "accepted");
    assert_eq!(ask("\"2\"").await.status.as_u16(), 304);
}

#[tokio::test]
async fn who_left_the_mandate_shows_no_address() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let admin = admin(&world).await;
    let id = booked(&desk(&world, &rita)).await;
    assert_eq!(admin.get(row(id)).await.expect(200)["requestedBy"]["email"], "rita@example.com");
    let membership = world.acme.path(&format!("/users/{}", rita.id));
    world.admin().delete(membership).await.expect(204);
    let kept = admin.get(row(id)).await.expect(200);
    assert_eq!(kept["requestedBy"], json!({ "id": rita.id, "email": null }));
    assert_eq!(admin.get(LIST).await.expect(200)["items"][0]["requestedBy"]["email"], Value::Null);
    // Added again by somebody, they are a stranger until they come by.
    let body = json!({ "targetUserId": rita.id, "roleIds": [world.acme.role("user")] });
    world.admin().post(world.acme.path("/users"), body).await.expect(201);
    assert_eq!(admin.get(row(id)).await.expect(200)["requestedBy"]["email"], Value::Null);
}
