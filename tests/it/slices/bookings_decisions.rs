//! What becomes of bookings: decisions and deletion, the versions that guard them, and what the
//! trail keeps.

use axum::http::Method;
use bailiwick::kernel::clock::Clock;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bookings::{LIST, admin, booked, desk, member, request, row, world};
use super::kit::points_at;
use crate::harness::World;
use crate::harness::app::{Answer, uuid};

#[tokio::test]
async fn a_decision_is_final() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let dora = member(&world, "dora", "bookings-decider").await;
    let (requester, decider) = (desk(&world, &rita), desk(&world, &dora));
    for (verb, other, status) in
        [("accept", "reject", "accepted"), ("reject", "accept", "rejected")]
    {
        let id = booked(&requester).await;
        let before = world.app.clock.now();
        let outcome =
            decider.post(format!("{}/{verb}", row(id)), json!({ "note": "The large room" })).await;
        assert_eq!(outcome.header("etag"), "\"2\"");
        let body = outcome.expect(200);
        let at: DateTime<Utc> = body["decidedAt"].as_str().unwrap().parse().unwrap();
        assert!((before..=world.app.clock.now()).contains(&at));
        assert_eq!(body["status"], status);
        assert_eq!(body["decidedBy"], json!(dora.id));
        assert_eq!(body["decisionNote"], "The large room");
        assert_eq!(body["version"], 2);
        assert_eq!(body["requestedBy"], json!({ "id": rita.id, "email": "rita@example.com" }));
        assert_eq!(requester.get(row(id)).await.expect(200), body);
        for again in [verb, other] {
            let late =
                decider.post(format!("{}/{again}", row(id)), json!({ "note": "Too late" })).await;
            late.refused(409, "already_decided");
            assert_eq!(late.body["decision"], status);
        }
        assert_eq!(
            requester.get(row(id)).await.expect(200),
            body,
            "a refused decision changes nothing"
        );
    }
}

#[tokio::test]
async fn a_decision_needs_no_body_and_its_note_has_bounds() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let dora = member(&world, "dora", "bookings-decider").await;
    let (requester, decider) = (desk(&world, &rita), desk(&world, &dora));
    let id = booked(&requester).await;
    let path = format!("{}/accept", row(id));
    for (wrong, pointer) in [
        (json!({ "note": "x".repeat(4_001) }), "/note"),
        (json!({ "note": "a\u{0}b" }), "/note"),
        (json!({ "note": 1 }), "/note"),
        (json!({ "decidedBy": rita.id }), "/decidedBy"),
        (json!({ "version": null }), "/version"),
    ] {
        points_at(&decider.post(path.clone(), wrong).await, pointer);
    }
    let bare = decider.ask(Method::POST, path).send().await.expect(200);
    assert_eq!((&bare["status"], &bare["decisionNote"]), (&json!("accepted"), &Value::Null));
    for body in [json!({}), json!({ "note": null })] {
        let path = format!("{}/reject", row(booked(&requester).await));
        assert_eq!(decider.post(path, body).await.expect(200)["decisionNote"], Value::Null);
    }
    let path = format!("{}/reject", row(booked(&requester).await));
    let long = "ü".repeat(4_000);
    assert_eq!(decider.post(path, json!({ "note": long })).await.expect(200)["decisionNote"], long);
}

#[tokio::test]
async fn versions_guard_every_change() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let (requester, admin) = (desk(&world, &rita), admin(&world).await);
    let with = async |method: Method, path: String, tag: &str| {
        admin.ask(method, path).header("if-match", tag).send().await
    };
    for verb in ["accept", "reject"] {
        let id = booked(&requester).await;
        let path = format!("{}/{verb}", row(id));
        with(Method::POST, path.clone(), "\"2\"").await.refused(412, "precondition_failed");
        admin.post(path.clone(), json!({ "version": 2 })).await.refused(409, "version_conflict");
        assert_eq!(admin.get(row(id)).await.expect(200)["status"], "pending");
        assert_eq!(with(Method::POST, path.clone(), "\"1\"").await.header("etag"), "\"2\"");
        // A stale version is told before the decision that made it stale.
        with(Method::POST, path.clone(), "\"1\"").await.refused(412, "precondition_failed");
        admin.post(path.clone(), json!({ "version": 1 })).await.refused(409, "version_conflict");
        admin.post(path, json!({ "version": 2 })).await.refused(409, "already_decided");
        with(Method::DELETE, row(id), "\"1\"").await.refused(412, "precondition_failed");
        with(Method::DELETE, row(id), "\"2\"").await.expect(200);
    }
    let path = format!("{}/accept", row(booked(&requester).await));
    admin.post(path, json!({ "version": 1 })).await.expect(200);
}

#[tokio::test]
async fn deleting_answers_what_was_deleted() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let (requester, admin) = (desk(&world, &rita), admin(&world).await);
    for decided in [false, true] {
        let id = booked(&requester).await;
        if decided {
            admin.post(format!("{}/accept", row(id)), json!({ "note": "yes" })).await.expect(200);
        }
        let before = requester.get(row(id)).await.expect(200);
        let deleted = admin.delete(row(id)).await;
        assert_eq!(deleted.header("cache-control"), "no-store");
        assert_eq!(deleted.expect(200), before);
        for gone in [
            admin.get(row(id)).await,
            admin.delete(row(id)).await,
            admin.post(format!("{}/accept", row(id)), json!({})).await,
            requester.get(row(id)).await,
        ] {
            gone.refused(404, "not_found");
        }
    }
    assert_eq!(admin.get(LIST).await.expect(200)["items"], json!([]));
}

/// The one event of the action about the booking.
async fn event(world: &World, action: &str, id: Uuid) -> Value {
    let path = world.acme.path(&format!("/audit?action={action}&targetId={id}"));
    let page = world.admin().get(path).await.expect(200);
    let [event] = &page["items"].as_array().unwrap()[..] else { panic!("one {action}: {page}") };
    event.clone()
}

#[tokio::test]
async fn the_trail_names_no_people_and_no_street() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let (requester, admin) = (desk(&world, &rita), admin(&world).await);
    let (accepted, rejected) = (booked(&requester).await, booked(&requester).await);
    admin
        .post(format!("{}/accept", row(accepted)), json!({ "note": "Ask Mrs Meier" }))
        .await
        .expect(200);
    admin
        .post(format!("{}/reject", row(rejected)), json!({ "note": "Ask Mrs Meier" }))
        .await
        .expect(200);
    admin.delete(row(rejected)).await.expect(200);
    let at = |status: &str| {
        json!({ "instanceId": world.acme.instance, "eventTime": "2999-05-14T16:30:00Z",
            "durationMinutes": 90, "topic": "Introduction",
                "country": "CH", "status": status })
    };
    for (action, id, actor, details) in [
        ("booking_requested", accepted, rita.id, json!({ "after": at("pending") })),
        (
            "booking_accepted",
            accepted,
            world.acme.admin.id,
            json!({ "before": at("pending"), "after": at("accepted") }),
        ),
        (
            "booking_rejected",
            rejected,
            world.acme.admin.id,
            json!({ "before": at("pending"), "after": at("rejected") }),
        ),
        ("booking_deleted", rejected, world.acme.admin.id, json!({ "before": at("rejected") })),
    ] {
        let event = event(&world, action, id).await;
        assert_eq!(
            (&event["actorId"], &event["resourceType"], &event["resourceId"]),
            (&json!(actor), &json!("booking"), &json!(id))
        );
        assert_eq!(
            event["targetUserId"],
            if action == "booking_requested" { Value::Null } else { json!(rita.id) }
        );
        assert_eq!(event["details"], details, "{action}");
    }
    // Refusals leave nothing.
    admin
        .post(format!("{}/reject", row(accepted)), json!({}))
        .await
        .refused(409, "already_decided");
    let decisions = "select count(*) from audit_events
                       where action in ('booking_accepted', 'booking_rejected')";
    assert_eq!(world.app.count(decisions).await, 2);
}

#[tokio::test]
async fn the_templates_do_what_they_say() {
    let world = world().await;
    let [rita, dora, vera] = [
        member(&world, "rita", "bookings-requester").await,
        member(&world, "dora", "bookings-decider").await,
        member(&world, "vera", "bookings-viewer").await,
    ];
    let [requester, decider, viewer] = [&rita, &dora, &vera].map(|person| desk(&world, person));
    let id = booked(&requester).await;
    let code = async |answer: Answer| (answer.status.as_u16(), answer.code().to_owned());
    let denied = (403, "permission_denied".to_owned());
    for other in [&decider, &viewer] {
        other.get(row(id)).await.expect(200);
        assert_eq!(code(other.post(LIST, request(json!({}))).await).await, denied);
        assert_eq!(code(other.delete(row(id)).await).await, denied);
    }
    for powerless in [&requester, &viewer] {
        assert_eq!(
            code(powerless.post(format!("{}/accept", row(id)), json!({})).await).await,
            denied
        );
    }
    decider.post(format!("{}/accept", row(id)), json!({})).await.expect(200);
    // Deciding is by the access to the instance: the mandate's admin has none by that alone.
    desk(&world, &world.acme.admin).get(row(id)).await.refused(403, "instance_access_denied");
    assert_eq!(uuid(&requester.get(row(id)).await.expect(200)["decidedBy"]), dora.id);
}
