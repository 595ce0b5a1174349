//! `Idempotency-Key`: one effect however often a request is sent, the same answer, and nobody
//! else's.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::bookings::{LIST, desk, member, request, row, world};
use super::kit::Desk;
use crate::harness::app::Answer;
use crate::harness::{TestApp, World};

const REPLAYED: &str = "idempotency-replayed";

/// Sends a request under a key.
async fn send(
    desk: &Desk<'_>,
    key: &str,
    method: Method,
    path: impl Into<String>,
    body: Value,
) -> Answer {
    let call = desk.ask(method, path).header("idempotency-key", key);
    let call = if body.is_null() { call } else { call.json(body) };
    call.send().await
}

fn is_replay(answer: &Answer) -> bool {
    answer.header(REPLAYED) == "true"
}

/// Asserts that the second answer is the first one again.
#[track_caller]
fn assert_replay(first: &Answer, second: &Answer) {
    assert!(first.status.is_success() && !is_replay(first), "{}: {}", first.status, first.body);
    assert!(is_replay(second), "{}: {}", second.status, second.body);
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    for header in ["location", "etag", "content-type", "cache-control"] {
        assert_eq!(second.header(header), first.header(header), "{header}");
    }
}

async fn bookings(app: &TestApp) -> i64 {
    app.count("select count(*) from bookings").await
}

#[tokio::test]
async fn a_request_that_is_sent_again_has_one_effect_and_the_same_answer() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    let first = send(&desk, "k 1", Method::POST, LIST, request(json!({}))).await;
    let second = send(&desk, "k 1", Method::POST, LIST, request(json!({}))).await;
    assert_replay(&first, &second);
    assert_eq!((first.status.as_u16(), first.header("location")), (201, row(first.id()).as_str()));
    assert_eq!(bookings(&world.app).await, 1);
    assert_eq!(
        world
            .app
            .count("select count(*) from audit_events where action = 'booking_requested'")
            .await,
        1
    );
    // Another key is another request; so is none.
    assert!(!is_replay(&send(&desk, "k 2", Method::POST, LIST, request(json!({}))).await));
    desk.post(LIST, request(json!({}))).await.expect(201);
    assert_eq!(bookings(&world.app).await, 3);
}

#[tokio::test]
async fn what_was_deleted_by_the_request_is_not_looked_for_again() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let role = world.role_with(acme, "clerk", json!({})).await;
    let instance_role =
        admin.post(acme.instance_path("/roles"), json!({ "label": "clerk" })).await.id();
    let template =
        root.post("/api/features/templates/roles", json!({ "roleLabel": "clerk" })).await.id();
    let instance = admin
        .post("/api/features/instances", json!({ "featureCode": "playbooks", "label": "Spare" }))
        .await
        .id();
    let mandate = root.post("/api/mandates", json!({ "name": "Spare" })).await.id();
    let deletions = [
        (&admin, acme.path(&format!("/groups/{group}"))),
        (&admin, format!("/api/roles/{role}")),
        (&admin, format!("/api/roles/{instance_role}")),
        (&root, format!("/api/roles/{template}")),
        (&admin, format!("/api/features/instances/{instance}")),
        (&root, format!("/api/mandates/{mandate}")),
        (&admin, acme.path(&format!("/users/{}", acme.member.id))),
    ];
    for (desk, path) in deletions {
        let first = send(desk, "gone", Method::DELETE, path.clone(), Value::Null).await;
        assert_replay(&first, &send(desk, "gone", Method::DELETE, path.clone(), Value::Null).await);
        assert_eq!(
            desk.ask(Method::DELETE, path.clone()).send().await.status.as_u16(),
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn another_payload_under_the_same_key_is_refused_and_changes_nothing() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    send(&desk, "key", Method::POST, LIST, request(json!({}))).await.expect(201);
    send(&desk, "key", Method::POST, LIST, request(json!({ "topic": "Another" })))
        .await
        .refused(409, "idempotency_key_reused");
    assert_eq!(bookings(&world.app).await, 1);
    let sync = world.acme.instance_path("/sync-roles");
    let admin = world.admin();
    send(&admin, "key", Method::POST, format!("{sync}?addOnly=true"), Value::Null)
        .await
        .expect(200);
    let other =
        send(&admin, "key", Method::POST, format!("{sync}?addOnly=false"), Value::Null).await;
    other.refused(409, "idempotency_key_reused");
}

#[tokio::test]
async fn refusals_and_dry_runs_are_not_remembered() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let desk = desk(&world, &rita);
    send(&desk, "key", Method::POST, LIST, request(json!({ "topic": " " })))
        .await
        .refused(422, "validation_failed");
    let mended = send(&desk, "key", Method::POST, LIST, request(json!({}))).await;
    assert!(!is_replay(&mended));
    mended.expect(201);

    let (admin, path) = (world.admin(), world.acme.path(&format!("/users/{}", rita.id)));
    let asked =
        send(&admin, "away", Method::DELETE, format!("{path}?dryRun=true"), Value::Null).await;
    asked.expect(200);
    let again =
        send(&admin, "away", Method::DELETE, format!("{path}?dryRun=true"), Value::Null).await;
    assert!(!is_replay(&again));
    let done = send(&admin, "away", Method::DELETE, path.clone(), Value::Null).await;
    assert_replay(&done, &send(&admin, "away", Method::DELETE, path, Value::Null).await);
}

#[tokio::test]
async fn nobody_gets_an_answer_to_another_request() {
    let world = world().await;
    let (acme, globex) = (&world.acme, &world.globex);
    let (rita, rolf) = (
        member(&world, "rita", "bookings-requester").await,
        member(&world, "rolf", "bookings-requester").await,
    );
    let elsewhere = super::bookings::with_instance(&world, acme, "Other rooms").await;
    world.admit(&elsewhere, rita.id, &[elsewhere.instance_role("bookings-requester")]).await;
    let body = json!({ "targetUserId": rita.id, "roleIds": [globex.role("user")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    world.admit(globex, rita.id, &[globex.instance_role("bookings-requester")]).await;
    let ritas = desk(&world, &rita);
    let first = send(&ritas, "key", Method::POST, LIST, request(json!({}))).await;
    let others = [
        ("another person", desk(&world, &rolf)),
        ("another instance", ritas.in_instance(elsewhere.instance)),
        ("another mandate", world.desk(&rita, globex).in_instance(globex.instance)),
    ];
    for (who, desk) in others {
        let answer = send(&desk, "key", Method::POST, LIST, request(json!({}))).await;
        assert!(!is_replay(&answer) && answer.status.as_u16() == 201, "{who}: {}", answer.body);
        assert_ne!(answer.id(), first.id(), "{who}");
    }
    let admin = world.admin();
    let path = acme.path(&format!("/users/{}", rita.id));
    let patched =
        send(&admin, "key", Method::PATCH, path.clone(), json!({ "enabled": true })).await;
    patched.expect(200);
    let elsewhere = send(
        &admin,
        "key",
        Method::PATCH,
        acme.path(&format!("/users/{}", rolf.id)),
        json!({ "enabled": true }),
    )
    .await;
    assert!(!is_replay(&elsewhere), "another path");
    let otherwise = send(&admin, "key", Method::DELETE, path, Value::Null).await;
    assert!(!is_replay(&otherwise), "another method");
}

#[tokio::test]
async fn who_lost_the_right_meanwhile_is_refused() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let ritas = desk(&world, &rita);
    send(&ritas, "key", Method::POST, LIST, request(json!({}))).await.expect(201);
    let roles = world.acme.instance_path(&format!("/users/{}/roles", rita.id));
    let viewer = json!({ "roleIds": [world.acme.instance_role("bookings-viewer")] });
    world.admin().put(roles, viewer).await.expect(200);
    send(&ritas, "key", Method::POST, LIST, request(json!({})))
        .await
        .refused(403, "permission_denied");
    world.admin().delete(world.acme.path(&format!("/users/{}", rita.id))).await.expect(204);
    send(&ritas, "key", Method::POST, LIST, request(json!({})))
        .await
        .refused(403, "mandate_access_denied");
    world.bare(&rita).ask(Method::POST, "/api/auth/logout").send().await.expect(204);
    send(&ritas, "key", Method::POST, LIST, request(json!({})))
        .await
        .refused(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_twins_have_one_effect_and_none_waits() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let nodes = [world.app.clone(), world.app.another_node()];
    let mut twins = JoinSet::new();
    for twin in 0..50 {
        let (node, rita, acme) = (nodes[twin % 2].clone(), rita.clone(), world.acme.clone());
        twins.spawn(async move {
            let desk = Desk::at(&node, &rita, &acme).in_instance(acme.instance);
            send(&desk, "key", Method::POST, LIST, request(json!({}))).await
        });
    }
    let answers = twins.join_all().await;
    let (done, busy): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status.is_success());
    assert_eq!(bookings(&world.app).await, 1);
    assert_eq!(done.iter().filter(|answer| !is_replay(answer)).count(), 1);
    assert!(done.iter().all(|answer| answer.body == done[0].body && answer.status.as_u16() == 201));
    for answer in busy {
        answer.refused(409, "idempotency_in_flight");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
}

/// Held in the middle of its work, a request keeps no other waiting: its twin is told at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_is_told_at_once_that_the_first_is_not_done() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let holder = world.app.hold_at("booking_requested").await;
    let (app, first, acme) = (world.app.clone(), rita.clone(), world.acme.clone());
    let first = tokio::spawn(async move {
        let desk = Desk::at(&app, &first, &acme).in_instance(acme.instance);
        send(&desk, "key", Method::POST, LIST, request(json!({}))).await
    });
    world.app.until_waiting(1).await;
    let ritas = desk(&world, &rita);
    send(&ritas, "key", Method::POST, LIST, request(json!({})))
        .await
        .refused(409, "idempotency_in_flight");
    crate::harness::jobs::let_go(holder).await;
    let first = first.await.unwrap();
    assert_replay(&first, &send(&ritas, "key", Method::POST, LIST, request(json!({}))).await);
}

/// Its answer is part of the transaction: one that cannot be kept leaves no effect either.
#[tokio::test]
async fn without_its_answer_there_is_no_effect() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let ritas = desk(&world, &rita);
    ritas.get(LIST).await.expect(200); // the first use of a mandate is noted
    let before = world.app.digest().await;
    let broken = "alter table idempotent_answers add constraint never check (status = 0)";
    sqlx::Executor::execute(&world.app.sql, broken).await.unwrap();
    send(&ritas, "key", Method::POST, LIST, request(json!({}))).await.refused(500, "internal");
    assert_eq!(world.app.digest().await, before);
    sqlx::Executor::execute(&world.app.sql, "alter table idempotent_answers drop constraint never")
        .await
        .unwrap();
    send(&ritas, "key", Method::POST, LIST, request(json!({}))).await.expect(201);
}

#[tokio::test]
async fn keys_that_are_no_keys_and_routes_that_remember_nothing() {
    let world = world().await;
    let rita = member(&world, "rita", "bookings-requester").await;
    let ritas = desk(&world, &rita);
    for key in ["", "schlüssel", "a\tb", &"k".repeat(256)] {
        send(&ritas, key, Method::POST, LIST, request(json!({})))
            .await
            .refused(400, "invalid_header");
    }
    let doubled =
        ritas.ask(Method::POST, LIST).header("idempotency-key", "a").header("idempotency-key", "b");
    doubled.json(request(json!({}))).send().await.refused(400, "invalid_header");
    // A dry run is not remembered, and its key is looked at all the same.
    let admin = world.acme.path(&format!("/users/{}?dryRun=true", rita.id));
    world
        .admin()
        .ask(Method::DELETE, admin)
        .header("idempotency-key", "")
        .send()
        .await
        .refused(400, "invalid_header");
    assert_eq!(bookings(&world.app).await, 0);
    send(&ritas, &"k".repeat(255), Method::POST, LIST, request(json!({}))).await.expect(201);

    let body = json!({ "username": "rita", "password": crate::harness::app::PASSWORD });
    let login =
        world.app.post("/api/auth/login").header("idempotency-key", "key").json(body).send().await;
    login.refused(400, "idempotency_not_supported");
    // What has no effect takes no notice.
    let checks = json!({ "checks": [{ "table": "bookings", "operation": "read" }] });
    for _ in 0..2 {
        assert!(!is_replay(
            &send(&ritas, "key", Method::POST, "/api/access/check", checks.clone()).await
        ));
        assert!(!is_replay(&send(&ritas, "key", Method::GET, LIST, Value::Null).await));
    }
}

#[tokio::test]
async fn answers_are_forgotten_after_a_day() {
    let world = world().await;
    let mut rita = member(&world, "rita", "bookings-requester").await;
    let first = send(&desk(&world, &rita), "key", Method::POST, LIST, request(json!({}))).await;
    world.app.pass(Duration::hours(23), &mut [&mut rita]).await;
    assert_replay(
        &first,
        &send(&desk(&world, &rita), "key", Method::POST, LIST, request(json!({}))).await,
    );
    world.app.run_jobs().await;
    assert_eq!(world.app.count("select count(*) from idempotent_answers").await, 1);
    world.app.pass(Duration::hours(1), &mut [&mut rita]).await;
    assert!(!is_replay(
        &send(&desk(&world, &rita), "key", Method::POST, LIST, request(json!({}))).await
    ));
    assert_eq!(
        (
            bookings(&world.app).await,
            world.app.count("select count(*) from idempotent_answers").await
        ),
        (2, 1)
    );
    world.app.pass(Duration::hours(25), &mut []).await;
    world.app.run_jobs().await;
    assert_eq!(world.app.count("select count(*) from idempotent_answers").await, 0);
}
