//! Operations, and the shape of every refusal.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body::Frame;
use serde_json::{Value, json};

use super::kit::points_at;
use crate::harness::app::Answer;
use crate::harness::{TestApp, World, statements};

#[tokio::test]
async fn a_running_service_says_so() {
    let app = TestApp::start().await;
    app.get("/healthz").send().await.expect(200);
    app.get("/startupz").send().await.expect(200);
    app.get("/readyz").send().await.expect(200);
    assert_eq!(app.get("/ping").send().await.expect(200), json!({ "message": "ok" }));
}

/// Pages and other answers alike, refusals among them.
#[tokio::test]
async fn browsers_are_told_what_not_to_do_with_an_answer() {
    let app = TestApp::start_with(&[("BAILIWICK_TRUSTED_PROXIES", "10.0.0.0/8")]).await;
    for path in
        ["/healthz", "/api/auth/me", "/nowhere", "/docs/", "/problems/not_found", "/openapi.json"]
    {
        let answer = app.get(path).send().await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("script-src") || path == "/docs/", "{path}: {policy}");
        assert!(
            !policy.contains("'unsafe-eval'") && !policy.contains("script-src 'unsafe-inline'"),
            "{path}: {policy}"
        );
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(header), value, "{path}");
        }
        // Who comes without TLS is not told to come with it; nor does anybody but a trusted proxy
        // tell that it was there.
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
        let pretended = app
            .get(path)
            .coming_from("192.0.2.1")
            .header("x-forwarded-proto", "https")
            .send()
            .await;
        assert_eq!(pretended.header("strict-transport-security"), "", "{path}");
        let plain =
            app.get(path).coming_from("10.1.2.3").header("x-forwarded-proto", "http").send().await;
        assert_eq!(plain.header("strict-transport-security"), "", "{path}");
        let by_tls =
            app.get(path).coming_from("10.1.2.3").header("x-forwarded-proto", "https").send().await;
        assert_eq!(by_tls.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
}

#[tokio::test]
async fn pending_migrations_are_not_ready() {
    let app = TestApp::start().await;
    let last =
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
    sqlx::query(last).execute(&app.sql).await.unwrap();
    for path in ["/readyz", "/startupz", "/ping"] {
        let answer = app.get(path).send().await;
        assert_eq!(answer.status.as_u16(), 503, "{path}: {}", answer.body);
        assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1, "{path}");
    }
    let ready = app.get("/readyz").send().await.body;
    assert!(ready.to_string().contains("schema"), "names what fails: {ready}");
    app.get("/healthz").send().await.expect(200);
}

/// Probes have no limit; what they cost the database has one.
#[tokio::test]
async fn many_probes_are_one_question_to_the_database() {
    let app = TestApp::start().await;
    let before = statements::sent();
    let probes =
        (0..150).map(|number| app.get(["/readyz", "/startupz", "/ping"][number % 3]).send());
    for answer in futures_util::future::join_all(probes).await {
        answer.expect(200);
    }
    let sent = statements::sent() - before;
    // On a connection that is new, besides: its role and its settings. They take longer than a
    // while where the machine is busy.
    assert!(sent <= 3 * 4, "{sent} statements");
}

#[tokio::test]
async fn the_openapi_document_covers_every_operation_and_its_guard() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").send().await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(operation) = operation.as_object().filter(|_| method != "parameters") else {
                continue;
            };
            assert!(operation.contains_key("x-access"), "{method} {path} does not say who may");
            operations += 1;
        }
    }
    assert!(operations >= 60, "{operations}");
    let docs = app.get("/docs/").send().await;
    assert_eq!(docs.status.as_u16(), 200);
    assert!(docs.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_problem_leads_to_a_page_that_explains_it() {
    let app = TestApp::start().await;
    let problem = app.get("/api/features").send().await;
    let page = app.get(problem.body["type"].as_str().unwrap()).send().await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.as_str().unwrap().contains("unauthenticated"));
    app.get("/problems/no_such_code").send().await.refused(404, "not_found");
}

/// Asserts the one shape of all errors.
#[track_caller]
fn shaped(answer: &Answer, status: u16, code: &str, path: &str) {
    answer.refused(status, code);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = &answer.body;
    assert_eq!(body["type"], json!(format!("/problems/{code}")));
    assert_eq!((&body["status"], &body["instance"]), (&json!(status), &json!(path)));
    assert!(
        ["title", "detail", "requestId"]
            .iter()
            .all(|field| body[field].as_str().is_some_and(|text| !text.is_empty())),
        "{body}"
    );
    assert_eq!(body["requestId"], json!(answer.header("x-request-id")));
}

#[tokio::test]
async fn every_error_has_the_same_shape() {
    let world = World::new().await;
    let (app, token) = (&world.app, &world.sys_admin.token);
    let path = "/api/mandates";
    let post = || app.post(path).bearer(token);
    shaped(&app.get("/api/nothing").send().await, 404, "route_not_found", "/api/nothing");
    shaped(&app.get("/nowhere").bearer("x").send().await, 404, "route_not_found", "/nowhere");
    let wrong_method = app.delete(path).bearer(token).send().await;
    shaped(&wrong_method, 405, "method_not_allowed", path);
    let allowed: Vec<_> = wrong_method.header("allow").split(',').map(str::trim).collect();
    assert!(allowed.contains(&"GET") && allowed.contains(&"POST"), "{allowed:?}");
    shaped(
        &post().raw("application/json", "{\"name\": ").send().await,
        400,
        "malformed_json",
        path,
    );
    shaped(&post().raw("application/json", "").send().await, 400, "malformed_json", path);
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(70), "]".repeat(70));
    shaped(&post().raw("application/json", &deep).send().await, 400, "malformed_json", path);
    shaped(
        &post().raw("text/plain", "{\"name\": \"x\"}").send().await,
        415,
        "unsupported_media_type",
        path,
    );
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(3 << 20));
    shaped(&post().raw("application/json", &large).send().await, 413, "payload_too_large", path);
    let invalid = post().json(json!({ "name": 7 })).send().await;
    shaped(&invalid, 422, "validation_failed", path);
    points_at(&invalid, "/name");
    shaped(
        &app.get("/api/mandates/not-an-id").bearer(token).send().await,
        400,
        "invalid_parameter",
        "/api/mandates/not-an-id",
    );
    shaped(&app.get(path).send().await, 401, "unauthenticated", path);
}

/// A body that never comes.
struct Never;

impl axum::body::HttpBody for Never {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_timeout() {
    let app = TestApp::start_with(&[
        ("BAILIWICK_RATE_LIMITS", "off"),
        ("BAILIWICK_BODY_TIMEOUT_SECONDS", "1"),
    ])
    .await;
    let stuck = Body::new(Never);
    let request = Request::post("/api/auth/login")
        .header("content-type", "application/json")
        .body(stuck)
        .unwrap();
    shaped(&app.send(request).await, 408, "request_timeout", "/api/auth/login");
}

#[tokio::test]
async fn a_request_keeps_a_sane_id_and_gets_one_otherwise() {
    let app = TestApp::start().await;
    let with = async |id: &str| {
        app.get("/healthz")
            .header("x-request-id", id)
            .send()
            .await
            .header("x-request-id")
            .to_owned()
    };
    assert_eq!(with("my-request.1").await, "my-request.1");
    for wrong in ["", "a b", "<script>", &"x".repeat(1000)] {
        let given = with(wrong).await;
        assert!(!given.is_empty() && given != wrong, "{wrong:?}");
    }
    let fresh = [app.get("/healthz").send().await, app.get("/healthz").send().await];
    assert_ne!(fresh[0].header("x-request-id"), fresh[1].header("x-request-id"));
}

#[tokio::test]
async fn a_trailing_slash_is_accepted_and_an_unknown_parameter_is_not() {
    let world = World::new().await;
    let root = world.root();
    let plain: Value = root.get("/api/mandates").await.expect(200);
    assert_eq!(root.get("/api/mandates/").await.expect(200), plain);
    // What a route does not know must not be taken for something that it does.
    let member = world.acme.path(&format!("/users/{}", world.acme.member.id));
    root.delete(format!("{member}?force=true")).await.refused(400, "unknown_parameter");
    let account = format!("/api/users/{}", world.acme.member.id);
    root.patch(format!("{account}?dryRun=true"), json!({ "enabled": false }))
        .await
        .refused(400, "unknown_parameter");
    let seen = root.get(account).await.expect(200);
    assert_eq!(seen["enabled"], json!(true));
    root.get("/api/features?x=1").await.refused(400, "unknown_parameter");
    root.post("/api/auth/logout?x=1", json!({})).await.refused(400, "unknown_parameter");
    root.get("/api/auth/me").await.expect(200);
}
