//! Limits that a mandate has of its own, for its members and nobody else.

use bailiwick::tenancy::limits::beat;
use serde_json::{Value, json};
use uuid::Uuid;

use super::rate_limits::{ROOMY, all_headers, headers, limited, refused};
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::world::Person;

async fn set(world: &World, classes: Value) -> Answer {
    world.root().put(world.acme.path("/limits"), json!({ "classes": classes })).await
}

async fn limited_world() -> World {
    World::in_app(
        limited(&[
            ("BAILIWICK_RATE_LIMIT_WRITE", ROOMY),
            ("BAILIWICK_RATE_LIMIT_MEMBER_WRITE", ROOMY),
        ])
        .await,
    )
    .await
}

#[tokio::test]
async fn a_mandate_may_have_limits_of_its_own() {
    let world = limited_world().await;
    let (acme, app) = (&world.acme, &world.app);
    let none = world.root().get(acme.path("/limits")).await.expect(200);
    assert_eq!((&none["classes"], &none["mandateId"]), (&json!({}), &json!(acme.id)));
    let answer = set(&world, json!({ "read": 2, "work": 7 })).await;
    let version = none["version"].as_i64().unwrap() + 1;
    assert_eq!(
        answer.expect(200),
        json!({ "mandateId": acme.id, "classes": { "read": 2, "work": 7 }, "version": version })
    );

    // For each of its members, in its context.
    let within = async |person: &Person| {
        app.get("/api/access/me").bearer(&person.token).mandate(acme.id).send().await
    };
    assert_eq!(headers(&within(&acme.member).await).0, "check");
    let users = async |person: &Person| {
        app.get(acme.path("/users")).bearer(&person.token).mandate(acme.id).send().await
    };
    for person in [&acme.member, &acme.admin] {
        assert_eq!(headers(&users(person).await), ("read".into(), 2, 1));
        assert_eq!(headers(&users(person).await), ("read".into(), 2, 0));
        refused(&users(person).await);
    }
    // Out of it, and in other mandates, they have what everybody has.
    let outside = app.get("/api/features/my").bearer(&acme.member.token).send().await;
    assert_eq!(headers(&outside).1, 60);
    let elsewhere = app
        .get(world.globex.path("/users"))
        .bearer(&world.globex.admin.token)
        .mandate(world.globex.id)
        .send()
        .await;
    assert_eq!(headers(&elsewhere).1, 60);

    set(&world, json!({})).await.expect(200);
    assert_eq!(headers(&users(&acme.member).await).1, 60, "the settings hold again");
}

#[tokio::test]
async fn a_mandates_limits_are_for_whom_it_lets_in() {
    let world = limited_world().await;
    set(&world, json!({ "read": 1000 })).await.expect(200);
    let stranger = &world.globex.member;
    // So few that none comes back while they are counted.
    let node = world.app.another_limited_node(&[("BAILIWICK_RATE_LIMIT_READ", "4")]);
    beat(&node.app).await.unwrap();
    let knock = async || {
        node.get(world.acme.path("/users"))
            .bearer(&stranger.token)
            .mandate(world.acme.id)
            .send()
            .await
    };
    for left in (0..4).rev() {
        let answer = knock().await;
        answer.refused(403, "mandate_access_denied");
        assert_eq!(headers(&answer), ("read".into(), 4, left));
    }
    refused(&knock().await);
}

#[tokio::test]
async fn a_members_first_request_to_a_node_is_within_the_mandates_limits_already() {
    let world = limited_world().await;
    set(&world, json!({ "read": 6 })).await.expect(200);
    let other = world.app.another_limited_node(&[("BAILIWICK_RATE_LIMIT_READ", "2")]);
    beat(&other.app).await.unwrap();
    let acme = &world.acme;
    let users = async || {
        other.get(acme.path("/users")).bearer(&acme.admin.token).mandate(acme.id).send().await
    };
    for left in [5, 4, 3] {
        let answer = users().await;
        assert_eq!(all_headers(&answer), [("read".into(), 6, left)]);
        answer.expect(200);
    }
    // It cost nothing of what they have elsewhere.
    let outside = other.get("/api/features/my").bearer(&acme.admin.token).send().await;
    assert_eq!(all_headers(&outside), [("read".into(), 2, 1)]);

    // And once they are no member, it is not theirs any more.
    set(&world, json!({ "read": 3 })).await.expect(200);
    beat(&other.app).await.unwrap();
    let member = &acme.member;
    let knock =
        async || other.get(acme.path("/users")).bearer(&member.token).mandate(acme.id).send().await;
    assert_eq!(headers(&knock().await), ("read".into(), 3, 2));
    world.admin().delete(acme.path(&format!("/users/{}", member.id))).await.expect(204);
    for left in [1, 0] {
        let answer = knock().await;
        answer.refused(403, "mandate_access_denied");
        assert_eq!(all_headers(&answer), [("read".into(), 2, left)]);
    }
    refused(&knock().await);
}

#[tokio::test]
async fn nobody_gets_a_mandates_limits_by_naming_it() {
    let world = limited_world().await;
    set(&world, json!({ "auth": 5000, "read": 5000, "default": 5000 })).await.expect(200);
    let (app, acme, stranger) = (&world.app, &world.acme, &world.globex.member);
    let guess = app
        .post("/api/auth/login")
        .mandate(acme.id)
        .json(json!({ "username": "a", "password": "b" }))
        .send()
        .await;
    assert_eq!(headers(&guess).1, 1000, "signing in is before any mandate");
    for path in ["/api/features/my", "/api/features", "/api/auth/me", "/api/nothing"] {
        let answer = app.get(path).bearer(&stranger.token).mandate(acme.id).send().await;
        assert_ne!(headers(&answer).1, 5000, "{path}");
    }
    let unsigned = app.get(acme.path("/users")).mandate(acme.id).send().await;
    assert_eq!((unsigned.status.as_u16(), headers(&unsigned).1), (401, 60));
    let braced = app
        .get(acme.path("/users"))
        .bearer(&stranger.token)
        .header("x-mandate-id", format!("{{{}}}", acme.id))
        .send()
        .await;
    assert_eq!((braced.status.as_u16(), headers(&braced).1), (400, 60));
    // A SysAdmin governs from outside.
    let from_outside =
        app.get(acme.path("/users")).bearer(&world.sys_admin.token).mandate(acme.id).send().await;
    assert_eq!((from_outside.status.as_u16(), headers(&from_outside).1), (200, 60));
}

#[tokio::test]
async fn limits_of_classes_that_this_version_does_not_know_are_passed_over() {
    let world = limited_world().await;
    let newer = r#"update mandates set limits = '{"read": 4, "uploads": 9, "work": 0}'"#;
    sqlx::query(newer).execute(&world.app.sql).await.unwrap();
    beat(&world.app.app).await.unwrap();
    let acme = &world.acme;
    let answer =
        world.app.get(acme.path("/users")).bearer(&acme.admin.token).mandate(acme.id).send().await;
    assert_eq!(headers(&answer).1, 4);
}

#[tokio::test]
async fn limits_are_set_by_sys_admins_within_reason() {
    let world = limited_world().await;
    let path = world.acme.path("/limits");
    world
        .admin()
        .put(path.clone(), json!({ "classes": {} }))
        .await
        .refused(403, "permission_denied");
    for (classes, pointer, code) in [
        (json!({ "reed": 5 }), "/classes/reed", "unknown_field"),
        (json!({ "read": 0 }), "/classes/read", "invalid_type"),
        (json!({ "read": -1 }), "/classes/read", "invalid_type"),
        (json!({ "read": null }), "/classes/read", "invalid_type"),
        (json!({ "read": "5" }), "/classes/read", "invalid_type"),
    ] {
        let answer = set(&world, classes.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
            (422, Some(pointer)),
            "{classes}"
        );
        assert_eq!(answer.body["errors"][0]["code"], code, "{classes}");
    }
    world
        .root()
        .put(format!("/api/mandates/{}/limits", Uuid::now_v7()), json!({ "classes": {} }))
        .await
        .refused(404, "not_found");
    let trail = "select count(*) from audit_events where action = 'mandate_limits_changed'";
    assert_eq!(world.app.count(trail).await, 0);
    set(&world, json!({ "read": 5 })).await.expect(200);
    assert_eq!(world.app.count(trail).await, 2, "in the mandate's trail and the platform's");
}

#[tokio::test]
async fn other_nodes_learn_of_limits_with_their_next_beat() {
    let world = limited_world().await;
    let other = world.app.another_limited_node(&[]);
    set(&world, json!({ "read": 3 })).await.expect(200);
    let acme = &world.acme;
    let quota = async || {
        headers(
            &other.get(acme.path("/users")).bearer(&acme.admin.token).mandate(acme.id).send().await,
        )
        .1
    };
    assert_eq!(quota().await, 60);
    beat(&other.app).await.unwrap();
    assert_eq!(quota().await, 3);
}
