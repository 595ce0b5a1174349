//! Limits for each caller and class of routes.

use bailiwick::tenancy::limits::{beat, leave};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};

pub const ROOMY: &str = "1000";

/// A service with small budgets for some classes.
pub async fn limited(budgets: &[(&str, &str)]) -> TestApp {
    let mut settings = vec![("BAILIWICK_RATE_LIMIT_AUTH", ROOMY)];
    settings.retain(|(name, _)| !budgets.iter().any(|(other, _)| other == name));
    settings.extend(budgets);
    TestApp::start_with(&settings).await
}

async fn signed_in(app: &TestApp, name: &str) -> String {
    app.account(name, false).await;
    app.sign_in(name).await
}

/// The class, quota and what remains, as the headers say; of the latest charge, where there are
/// several.
#[track_caller]
pub fn headers(answer: &Answer) -> (String, u32, u32) {
    all_headers(answer).remove(0)
}

#[track_caller]
pub fn all_headers(answer: &Answer) -> Vec<(String, u32, u32)> {
    let (policies, limits) = (answer.header("ratelimit-policy"), answer.header("ratelimit"));
    assert_eq!(policies.split(", ").count(), limits.split(", ").count(), "{policies} {limits}");
    policies
        .split(", ")
        .zip(limits.split(", "))
        .map(|(policy, limit)| told(answer, policy, limit))
        .collect()
}

#[track_caller]
fn told(answer: &Answer, policy: &str, limit: &str) -> (String, u32, u32) {
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
pub fn refused(answer: &Answer) {
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
    // The same person in another session pays from the same budget, whatever the route of the
    // class.
    let again = app.sign_in("alice").await;
    refused(&get(&again).await);
    refused(&app.get("/api/features/my").bearer(&token).send().await);
    // Others, and other classes, have their own.
    get(&signed_in(&app, "bob").await).await.expect(200);
    app.post("/api/auth/logout").bearer(&again).send().await.expect(204);
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
        (
            app.post("/api/auth/login").json(json!({ "username": "alice", "password": PASSWORD })),
            200,
        ),
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
        ("GET", "/ping".into(), "unlimited", u32::MAX),
        ("GET", "/openapi.json".into(), "public", 600),
        ("GET", "/.well-known/jwks.json".into(), "public", 600),
        ("GET", "/.well-known/security.txt".into(), "public", 600),
        ("GET", "/.well-known/authzen-configuration".into(), "public", 600),
        ("GET", "/.well-known/nothing".into(), "public", 600),
        ("GET", "/problems/not_found".into(), "default", 120),
        ("GET", "/docs/".into(), "default", 120),
        ("GET", "/api/nothing".into(), "default", 120),
    ] {
        let answer = app.call(method.parse().unwrap(), path.clone()).bearer(&token).send().await;
        let (found, per_minute, _) = headers(&answer);
        assert_eq!((found.as_str(), per_minute), (class, quota), "{method} {path}");
    }
    let defaults = TestApp::start_with(&[]).await;
    let answer = defaults.post("/api/auth/login").json(json!({})).send().await;
    assert_eq!(all_headers(&answer), [("auth".into(), 10, 9), ("auth-address".into(), 100, 99)]);
}

async fn login(app: &TestApp, name: &str, password: &str, from: &str) -> Answer {
    app.post("/api/auth/login")
        .coming_from(from)
        .json(json!({ "username": name, "password": password }))
        .send()
        .await
}

#[tokio::test]
async fn sign_ins_are_limited_by_address_and_name_before_the_password_is_looked_at() {
    let app = limited(&[("BAILIWICK_RATE_LIMIT_AUTH", "3")]).await;
    app.account("alice", false).await;
    app.account("bob", false).await;
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    for name in ["alice", " ALICE ", "\u{ff41}lice"] {
        login(&app, name, "wrong", here).await.refused(401, "invalid_credentials");
    }
    for name in ["alice", "Alice", "\u{ff21}lice"] {
        refused(&login(&app, name, PASSWORD, here).await);
    }
    // Neither the others of an office pay for it, nor does she elsewhere; and a header by which she
    // seems to be elsewhere is no proxy's.
    login(&app, "bob", PASSWORD, here).await.expect(200);
    login(&app, "alice", PASSWORD, there).await.expect(200);
    let body = json!({ "username": "alice", "password": PASSWORD });
    refused(
        &app.post("/api/auth/login")
            .coming_from(here)
            .header("x-forwarded-for", "203.0.113.9")
            .json(body)
            .send()
            .await,
    );
}

#[tokio::test]
async fn an_address_has_so_many_attempts_whatever_the_names() {
    let app =
        limited(&[("BAILIWICK_RATE_LIMIT_AUTH", "3"), ("BAILIWICK_RATE_LIMIT_AUTH_ADDRESS", "7")])
            .await;
    app.account("alice", false).await;
    let here = "2001:db8::1";
    for attempt in 0..6 {
        login(&app, &format!("name{attempt}"), "wrong", here)
            .await
            .refused(401, "invalid_credentials");
    }
    login(&app, "alice", PASSWORD, "2001:db8::2").await.expect(200);
    let answer = login(&app, "alice", PASSWORD, "2001:db8::3").await;
    refused(&answer);
    assert_eq!(
        all_headers(&answer),
        [("auth-address".into(), 7, 0)],
        "not even looked for whom it is"
    );
    login(&app, "alice", PASSWORD, "2001:db8:0:1::1").await.expect(200);
}

#[tokio::test]
async fn attempts_that_can_be_nobodys_are_one_name() {
    let app = limited(&[("BAILIWICK_RATE_LIMIT_AUTH", "4")]).await;
    let send = async |body: Value| app.post("/api/auth/login").json(body).send().await;
    send(json!({})).await.refused(422, "validation_failed");
    send(json!([])).await.refused(422, "validation_failed");
    for long in ["a".repeat(257), "b".repeat(50_000)] {
        send(json!({ "username": long, "password": "x" }))
            .await
            .refused(401, "invalid_credentials");
    }
    refused(&send(json!({ "username": "c".repeat(300), "password": "x" })).await);
    refused(&send(json!({})).await);
}

#[tokio::test]
async fn probes_are_never_refused() {
    let app =
        limited(&[("BAILIWICK_RATE_LIMIT_DEFAULT", "1"), ("BAILIWICK_RATE_LIMIT_PUBLIC", "1")])
            .await;
    for path in ["/healthz", "/readyz", "/startupz", "/ping"] {
        for _ in 0..20 {
            let answer = app.get(path).send().await;
            assert_eq!(headers(&answer), ("unlimited".into(), u32::MAX, u32::MAX), "{path}");
            answer.expect(200);
        }
    }
    // Nor do they cost anything else.
    app.get("/problems/not_found").send().await.expect(200);
    app.get("/openapi.json").send().await.expect(200);
    refused(&app.get("/.well-known/jwks.json").send().await);
}

#[tokio::test]
async fn a_token_buys_nothing_on_public_routes() {
    let app = limited(&[
        ("BAILIWICK_RATE_LIMIT_DEFAULT", "2"),
        ("BAILIWICK_RATE_LIMIT_PUBLIC", "2"),
        ("BAILIWICK_RATE_LIMIT_AUTH", "2"),
    ])
    .await;
    let token = signed_in(&app, "alice").await;
    let here = "192.0.2.7";
    let login = json!({ "username": "carol", "password": "guessed" });
    for (method, path) in [
        ("GET", "/problems/not_found"),
        ("GET", "/.well-known/jwks.json"),
        ("POST", "/api/auth/login"),
    ] {
        let call = || {
            let call = app.call(method.parse().unwrap(), path).coming_from(here);
            if method == "POST" { call.json(login.clone()) } else { call }
        };
        for _ in 0..2 {
            assert_ne!(call().send().await.status.as_u16(), 429, "{path}");
        }
        refused(&call().send().await);
        refused(&call().bearer(&token).send().await);
    }
    refused(&app.get("/docs/").coming_from(here).bearer(&token).send().await);
}

#[tokio::test]
async fn guessing_routes_and_tokens_is_limited_too() {
    let app =
        limited(&[("BAILIWICK_RATE_LIMIT_DEFAULT", "2"), ("BAILIWICK_RATE_LIMIT_READ", "2")]).await;
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
    let app = TestApp::start_with(&[
        ("BAILIWICK_RATE_LIMITS", "off"),
        ("BAILIWICK_RATE_LIMIT_READ", "1"),
        ("BAILIWICK_RATE_LIMIT_AUTH", "1"),
    ])
    .await;
    let token = signed_in(&app, "alice").await;
    for _ in 0..4 {
        app.get("/api/features").bearer(&token).send().await.expect(200);
        app.get("/api/auth/me").bearer(&token).send().await.expect(200);
    }
}

#[tokio::test]
async fn a_budget_is_divided_by_the_nodes_that_are_alive() {
    let first = limited(&[("BAILIWICK_RATE_LIMIT_READ", "7")]).await;
    let token = signed_in(&first, "alice").await;
    let left =
        async |node: &TestApp| headers(&node.get("/api/features").bearer(&token).send().await);
    beat(&first.app).await.unwrap();
    assert_eq!(left(&first).await, ("read".into(), 7, 6));
    let second = first.another_limited_node(&[("BAILIWICK_RATE_LIMIT_READ", "7")]);
    for node in [&second, &first] {
        beat(&node.app).await.unwrap();
    }
    for node in [&first, &second] {
        assert_eq!(
            left(node).await,
            ("read".into(), 7, 2),
            "the whole as it was promised, and what this node gives of it"
        );
    }
    // One is stopped; another, after silence for long enough, is not counted either.
    leave(&second.app).await.unwrap();
    beat(&first.app).await.unwrap();
    assert_eq!(left(&first).await.2, 5);
    for node in [&second, &first] {
        beat(&node.app).await.unwrap();
    }
    assert!(left(&first).await.2 < 3);
    sqlx::query("update nodes set seen_at = now() - interval '16 seconds'")
        .execute(&first.sql)
        .await
        .unwrap();
    beat(&first.app).await.unwrap();
    assert!(left(&first).await.2 >= 4);
}
