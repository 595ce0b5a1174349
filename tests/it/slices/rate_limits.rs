//! Limits for each caller and class of routes.

use serde_json::json;
use uuid::Uuid;

use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};

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
