//! Limits for each caller and class of routes.

use bailiwick::limits::nodes::{beat, leave};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::{Answer, PASSWORD};
use crate::harness::world::Person;
use crate::harness::{TestApp, World};

const ROOMY: &str = "1000";

/// A service with small budgets for some classes.
async fn limited(budgets: &[(&str, &str)]) -> TestApp {
    let mut settings = vec![("BAILIWICK_RATE_LIMIT_AUTH", ROOMY)];
    settings.retain(|(name, _)| !budgets.iter().any(|(other, _)| other == name));
    settings.extend(budgets);
    TestApp::start_with(&settings).await
}

async fn signed_in(app: &TestApp, name: &str) -> String {
    app.account(name, false).await;
    app.sign_in(name).await
}

/// The class, quota and what remains, as the headers say.
#[track_caller]
fn headers(answer: &Answer) -> (String, u32, u32) {
    let (policy, limit) = (answer.header("ratelimit-policy"), answer.header("ratelimit"));
    let class = policy.split(';').next().unwrap().trim_matches('"').to_owned();
    let number = |text: &str, name: &str| {
        let found = text.split(';').find_map(|part| part.strip_prefix(name)?.parse().ok());
        found.unwrap_or_else(|| panic!("no {name} in {text:?} of {}", answer.status))
    };
    assert_eq!(number(policy, "w="), 60, "{policy}");
    assert!(limit.starts_with(&format!("\"{class}\"")), "{limit}");
    assert!(number(limit, "t=") >= 1, "{limit}");
    (class, number(policy, "q="), number(limit, "r="))
}

#[track_caller]
fn refused(answer: &Answer) {
    answer.refused(429, "too_many_requests");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(headers(answer).2, 0);
}

#[tokio::test]
async fn a_budget_is_a_burst_of_n_and_then_429() {
    let app = limited(&[("BAILIWICK_RATE_LIMIT_READ", "3")]).await;
    let token = signed_in(&app, "alice").await;
    let get = async |token: &str| app.get("/api/features").bearer(token).send().await;
    for remaining in [2, 1, 0] {
        let answer = get(&token).await;
        assert_eq!(headers(&answer), ("read".into(), 3, remaining));
        answer.expect(200);
    }
    refused(&get(&token).await);
    // The same person in another session pays from the same budget, whatever the route of the class.
    let again = app.sign_in("alice").await;
    refused(&get(&again).await);
    refused(&app.get("/api/features/my").bearer(&token).send().await);
    // Others, and other classes, have their own.
    get(&signed_in(&app, "bob").await).await.expect(200);
    app.get("/api/auth/me").bearer(&token).send().await.expect(200);
    app.get("/api/access/me").bearer(&token).send().await.expect(200);
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let app = limited(&[]).await;
    let token = signed_in(&app, "alice").await;
    let calls = [
        (app.get("/api/features").bearer(&token), 200),
        (app.get("/api/features"), 401),
        (app.get("/api/features").bearer("nonsense"), 401),
        (app.get("/api/features?x=1").bearer(&token), 400),
        (app.get("/api/users").bearer(&token), 403),
        (app.get("/api/features/nothing").bearer(&token), 404),
        (app.get("/api/nothing"), 404),
        (app.get("/nothing").bearer(&token), 404),
        (app.delete("/api/auth/login"), 405),
        (app.post("/api/auth/login").raw("text/plain", "x"), 415),
        (app.post("/api/auth/login").raw("application/json", "{"), 400),
        (app.post("/api/auth/login").json(json!({})), 422),
        (app.post("/api/auth/login").json(json!({ "username": "alice", "password": PASSWORD })), 200),
        (app.post("/api/auth/logout").bearer(&token), 204),
        (app.get("/healthz"), 200),
        (app.get("/openapi.json"), 200),
        (app.get("/.well-known/jwks.json"), 200),
    ];
    for (call, status) in calls {
        let answer = call.send().await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        headers(&answer);
    }
}

#[tokio::test]
async fn classes_are_those_of_the_contract() {
    let app = limited(&[]).await;
    let token = signed_in(&app, "alice").await;
    let mandate = Uuid::now_v7();
    let at = |rest: &str| format!("/api/mandates/{mandate}{rest}");
    let id = Uuid::now_v7();
    for (method, path, class, quota) in [
        ("GET", "/api/mandates".into(), "list-mandates", 30),
        ("GET", at(""), "list-mandates", 30),
        ("POST", "/api/mandates".into(), "write", 10),
        ("PATCH", at(""), "write", 10),
        ("GET", at("/users"), "read", 60),
        ("POST", at("/users"), "member-write", 30),
        ("PATCH", at(&format!("/users/{id}")), "member-write", 30),
        ("DELETE", at(&format!("/users/{id}")), "member-write", 30),
        ("PUT", at(&format!("/users/{id}/roles")), "member-write", 30),
        ("PUT", at(&format!("/users/{id}/roles/{id}")), "member-write", 30),
        ("GET", at(&format!("/users/{id}/access")), "read", 60),
        ("POST", at("/groups"), "write", 10),
        ("PUT", at(&format!("/groups/{id}/members")), "member-write", 30),
        ("GET", at("/audit"), "read", 60),
        ("GET", format!("/api/roles/{id}"), "read", 60),
        ("PUT", format!("/api/roles/{id}/permissions"), "write", 10),
        ("GET", "/api/features/my".into(), "read", 60),
        ("POST", "/api/features/instances".into(), "write", 10),
        ("POST", format!("/api/features/instances/{id}/sync-roles"), "write", 10),
        ("POST", format!("/api/features/instances/{id}/users"), "member-write", 30),
        ("PUT", format!("/api/features/instances/{id}/users/{id}/roles"), "member-write", 30),
        ("GET", "/api/access/me".into(), "check", 6000),
        ("GET", "/api/users".into(), "read", 60),
        ("POST", "/api/users".into(), "write", 10),
        ("DELETE", format!("/api/users/{id}"), "write", 10),
        ("GET", "/api/users/lookup".into(), "auth", 1000),
        ("GET", "/ping".into(), "default", 120),
        ("GET", "/api/nothing".into(), "default", 120),
    ] {
        let answer = app.call(method.parse().unwrap(), path.clone()).bearer(&token).send().await;
        let (found, per_minute, _) = headers(&answer);
        assert_eq!((found.as_str(), per_minute), (class, quota), "{method} {path}");
    }
    let defaults = TestApp::start_with(&[]).await;
    let answer = defaults.post("/api/auth/login").json(json!({})).send().await;
    assert_eq!(headers(&answer), ("auth".into(), 10, 9));
}

#[tokio::test]
async fn sign_ins_are_limited_by_address_before_the_password_is_looked_at() {
    let app = limited(&[("BAILIWICK_RATE_LIMIT_AUTH", "3")]).await;
    app.account("alice", false).await;
    let login = async |password: &str| app.post("/api/auth/login").json(json!({ "username": "alice", "password": password })).send().await;
    for _ in 0..3 {
        login("wrong").await.refused(401, "invalid_credentials");
    }
    refused(&login(PASSWORD).await);
    // A forwarded address counts only where a proxy is configured.
    let elsewhere = app.post("/api/auth/login").header("x-forwarded-for", "203.0.113.9").json(json!({})).send().await;
    refused(&elsewhere);
}

#[tokio::test]
async fn guessing_routes_and_tokens_is_limited_too() {
    let app = limited(&[("BAILIWICK_RATE_LIMIT_DEFAULT", "2"), ("BAILIWICK_RATE_LIMIT_READ", "2")]).await;
    for path in ["/api/guess/1", "/api/guess/2"] {
        app.get(path).send().await.refused(404, "route_not_found");
    }
    refused(&app.get("/api/guess/3").send().await);
    refused(&app.delete("/api/auth/login").send().await);
    for token in ["a.b.c", "d.e.f"] {
        app.get("/api/features").bearer(token).send().await.refused(401, "unauthenticated");
    }
    refused(&app.get("/api/features").bearer("g.h.i").send().await);
    // Somebody who is signed in is not charged for that.
    let token = signed_in(&app, "alice").await;
    app.get("/api/features").bearer(&token).send().await.expect(200);
}

#[tokio::test]
async fn the_switch_takes_all_limits_away() {
    let app =
        TestApp::start_with(&[("BAILIWICK_RATE_LIMITS", "off"), ("BAILIWICK_RATE_LIMIT_READ", "1"), ("BAILIWICK_RATE_LIMIT_AUTH", "1")])
            .await;
    let token = signed_in(&app, "alice").await;
    for _ in 0..4 {
        app.get("/api/features").bearer(&token).send().await.expect(200);
        app.get("/api/auth/me").bearer(&token).send().await.expect(200);
    }
}

async fn set(world: &World, classes: Value) -> Answer {
    world.root().put(world.acme.path("/limits"), json!({ "classes": classes })).await
}

async fn limited_world() -> World {
    World::in_app(limited(&[("BAILIWICK_RATE_LIMIT_WRITE", ROOMY), ("BAILIWICK_RATE_LIMIT_MEMBER_WRITE", ROOMY)]).await).await
}

#[tokio::test]
async fn a_mandate_may_have_limits_of_its_own() {
    let world = limited_world().await;
    let (acme, app) = (&world.acme, &world.app);
    let none = world.root().get(acme.path("/limits")).await.expect(200);
    assert_eq!((&none["classes"], &none["mandateId"]), (&json!({}), &json!(acme.id)));
    let answer = set(&world, json!({ "read": 2, "work": 7 })).await;
    let version = none["version"].as_i64().unwrap() + 1;
    assert_eq!(answer.expect(200), json!({ "mandateId": acme.id, "classes": { "read": 2, "work": 7 }, "version": version }));

    // For each of its members, in its context.
    let within = async |person: &Person| app.get("/api/access/me").bearer(&person.token).mandate(acme.id).send().await;
    assert_eq!(headers(&within(&acme.member).await).0, "check");
    let users = async |person: &Person| app.get(acme.path("/users")).bearer(&person.token).mandate(acme.id).send().await;
    for person in [&acme.member, &acme.admin] {
        assert_eq!(headers(&users(person).await), ("read".into(), 2, 1));
        assert_eq!(headers(&users(person).await), ("read".into(), 2, 0));
        refused(&users(person).await);
    }
    // Out of it, and in other mandates, they have what everybody has.
    let outside = app.get("/api/features/my").bearer(&acme.member.token).send().await;
    assert_eq!(headers(&outside).1, 60);
    let elsewhere = app.get(world.globex.path("/users")).bearer(&world.globex.admin.token).mandate(world.globex.id).send().await;
    assert_eq!(headers(&elsewhere).1, 60);

    set(&world, json!({})).await.expect(200);
    assert_eq!(headers(&users(&acme.member).await).1, 60, "the settings hold again");
}

#[tokio::test]
async fn a_mandates_limits_are_for_whom_it_lets_in() {
    let world = limited_world().await;
    set(&world, json!({ "read": 1000 })).await.expect(200);
    let stranger = &world.globex.member;
    let knock = async || world.app.get(world.acme.path("/users")).bearer(&stranger.token).mandate(world.acme.id).send().await;
    for left in (0..60).rev() {
        let answer = knock().await;
        answer.refused(403, "mandate_access_denied");
        assert_eq!(headers(&answer), ("read".into(), 60, left));
    }
    refused(&knock().await);
}

#[tokio::test]
async fn nobody_gets_a_mandates_limits_by_naming_it() {
    let world = limited_world().await;
    set(&world, json!({ "auth": 5000, "read": 5000, "default": 5000 })).await.expect(200);
    let (app, acme, stranger) = (&world.app, &world.acme, &world.globex.member);
    let guess = app.post("/api/auth/login").mandate(acme.id).json(json!({ "username": "a", "password": "b" })).send().await;
    assert_eq!(headers(&guess).1, 1000, "signing in is before any mandate");
    for path in ["/api/features/my", "/api/features", "/api/auth/me", "/api/nothing"] {
        let answer = app.get(path).bearer(&stranger.token).mandate(acme.id).send().await;
        assert_ne!(headers(&answer).1, 5000, "{path}");
    }
    let unsigned = app.get(acme.path("/users")).mandate(acme.id).send().await;
    assert_eq!((unsigned.status.as_u16(), headers(&unsigned).1), (401, 60));
    let braced = app.get(acme.path("/users")).bearer(&stranger.token).header("x-mandate-id", format!("{{{}}}", acme.id)).send().await;
    assert_eq!((braced.status.as_u16(), headers(&braced).1), (400, 60));
    // A SysAdmin governs from outside.
    let from_outside = app.get(acme.path("/users")).bearer(&world.sys_admin.token).mandate(acme.id).send().await;
    assert_eq!((from_outside.status.as_u16(), headers(&from_outside).1), (200, 60));
}

#[tokio::test]
async fn limits_of_classes_that_this_version_does_not_know_are_passed_over() {
    let world = limited_world().await;
    let newer = r#"update mandates set limits = '{"read": 4, "uploads": 9, "work": 0}'"#;
    sqlx::query(newer).execute(&world.app.sql).await.unwrap();
    beat(&world.app.app).await.unwrap();
    let acme = &world.acme;
    let answer = world.app.get(acme.path("/users")).bearer(&acme.admin.token).mandate(acme.id).send().await;
    assert_eq!(headers(&answer).1, 4);
}

#[tokio::test]
async fn limits_are_set_by_sys_admins_within_reason() {
    let world = limited_world().await;
    let path = world.acme.path("/limits");
    world.admin().put(path.clone(), json!({ "classes": {} })).await.refused(403, "permission_denied");
    for (classes, pointer, code) in [
        (json!({ "reed": 5 }), "/classes/reed", "unknown_field"),
        (json!({ "read": 0 }), "/classes/read", "invalid_type"),
        (json!({ "read": -1 }), "/classes/read", "invalid_type"),
        (json!({ "read": null }), "/classes/read", "invalid_type"),
        (json!({ "read": "5" }), "/classes/read", "invalid_type"),
    ] {
        let answer = set(&world, classes.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{classes}");
        assert_eq!(answer.body["errors"][0]["code"], code, "{classes}");
    }
    world.root().put(format!("/api/mandates/{}/limits", Uuid::now_v7()), json!({ "classes": {} })).await.refused(404, "not_found");
    let trail = "select count(*) from audit_events where action = 'mandate_limits_changed'";
    assert_eq!(world.app.count(trail).await, 0);
    set(&world, json!({ "read": 5 })).await.expect(200);
    assert_eq!(world.app.count(trail).await, 2, "in the mandate's trail and the platform's");
}

#[tokio::test]
async fn a_budget_is_divided_by_the_nodes_that_are_alive() {
    let first = limited(&[("BAILIWICK_RATE_LIMIT_READ", "7")]).await;
    let token = signed_in(&first, "alice").await;
    let left = async |node: &TestApp| headers(&node.get("/api/features").bearer(&token).send().await);
    beat(&first.app).await.unwrap();
    assert_eq!(left(&first).await, ("read".into(), 7, 6));
    let second = first.another_limited_node(&[("BAILIWICK_RATE_LIMIT_READ", "7")]);
    for node in [&second, &first] {
        beat(&node.app).await.unwrap();
    }
    for node in [&first, &second] {
        assert_eq!(left(node).await, ("read".into(), 7, 2), "the whole as it was promised, and what this node gives of it");
    }
    // One is stopped; another, after silence for long enough, is not counted either.
    leave(&second.app).await.unwrap();
    beat(&first.app).await.unwrap();
    assert_eq!(left(&first).await.2, 5);
    for node in [&second, &first] {
        beat(&node.app).await.unwrap();
    }
    assert!(left(&first).await.2 < 3);
    sqlx::query("update nodes set seen_at = now() - interval '16 seconds'").execute(&first.sql).await.unwrap();
    beat(&first.app).await.unwrap();
    assert!(left(&first).await.2 >= 4);
}

#[tokio::test]
async fn other_nodes_learn_of_limits_with_their_next_beat() {
    let world = limited_world().await;
    let other = world.app.another_limited_node(&[]);
    set(&world, json!({ "read": 3 })).await.expect(200);
    let acme = &world.acme;
    let quota = async || headers(&other.get(acme.path("/users")).bearer(&acme.admin.token).mandate(acme.id).send().await).1;
    assert_eq!(quota().await, 60);
    beat(&other.app).await.unwrap();
    assert_eq!(quota().await, 3);
}
