//! Calls from pages of other origins: refused unless the settings name the origin. And
//! `security.txt`.

use axum::http::Method;
use bailiwick::kernel::clock::Clock;

use crate::harness::{Answer, TestApp};

const PAGE: &str = "https://app.example.org";

async fn preflight(app: &TestApp, origin: &str, path: &str, method: &str) -> Answer {
    let asked = app
        .call(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", method);
    asked
        .header(
            "access-control-request-headers",
            "authorization,content-type,if-match,x-mandate-id",
        )
        .send()
        .await
}

fn says_nothing_of_cors(answer: &Answer) {
    let told: Vec<_> =
        answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[tokio::test]
async fn without_a_setting_no_page_of_another_origin_may_call() {
    let app = TestApp::start().await;
    let asked = preflight(&app, PAGE, "/api/mandates", "GET").await;
    asked.refused(405, "method_not_allowed");
    says_nothing_of_cors(&asked);
    says_nothing_of_cors(&app.get("/healthz").header("origin", PAGE).send().await);
}

#[tokio::test]
async fn a_page_whose_origin_is_set_may_call_and_read_what_it_needs() {
    let app = TestApp::start_with(&[(
        "BAILIWICK_CORS_ORIGINS",
        "https://app.example.org,http://localhost:3000",
    )])
    .await;
    for origin in [PAGE, "http://localhost:3000"] {
        // Asked of any path alike: a preflight has no credentials, and learns nothing of what is
        // there.
        for path in ["/api/mandates", "/api/features/my", "/nowhere"] {
            let asked = preflight(&app, origin, path, "DELETE").await;
            assert_eq!(asked.status.as_u16(), 200, "{path}");
            assert_eq!(asked.header("access-control-allow-origin"), origin);
            assert_eq!(asked.header("access-control-max-age"), "600");
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                assert!(asked.header("access-control-allow-methods").contains(method), "{method}");
            }
            for name in [
                "authorization",
                "content-type",
                "if-match",
                "if-none-match",
                "idempotency-key",
                "x-mandate-id",
                "x-instance-id",
            ] {
                assert!(asked.header("access-control-allow-headers").contains(name), "{name}");
            }
            assert_eq!(
                asked.header("access-control-allow-credentials"),
                "",
                "there are no cookies to send"
            );
            assert!(!asked.header("x-request-id").is_empty());
        }
        // Refusals too, or a page could not tell them from a broken network.
        for path in ["/healthz", "/api/auth/me", "/nowhere"] {
            let answer = app.get(path).header("origin", origin).send().await;
            assert_eq!(answer.header("access-control-allow-origin"), origin, "{path}");
            assert!(answer.header("vary").contains("origin"), "{path}");
            for name in [
                "etag",
                "location",
                "link",
                "retry-after",
                "ratelimit",
                "ratelimit-policy",
                "x-request-id",
                "idempotency-replayed",
            ] {
                assert!(answer.header("access-control-expose-headers").contains(name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_of_any_other_origin_may_not() {
    let app = TestApp::start_with(&[("BAILIWICK_CORS_ORIGINS", PAGE)]).await;
    for origin in [
        "https://evil.example",
        "https://app.example.org.evil.example",
        "http://app.example.org",
        "https://app.example.org:8443",
        "null",
    ] {
        for answer in [
            preflight(&app, origin, "/api/mandates", "GET").await,
            app.get("/healthz").header("origin", origin).send().await,
        ] {
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        }
    }
    // OPTIONS by itself is a method as any other.
    app.call(Method::OPTIONS, "/api/mandates")
        .header("origin", PAGE)
        .send()
        .await
        .refused(405, "method_not_allowed");
    app.call(Method::OPTIONS, "/nowhere").send().await.refused(404, "route_not_found");
    // Who is no browser names no origin, and is served as ever.
    app.get("/healthz").send().await.expect(200);
}

#[tokio::test]
async fn weaknesses_are_reported_to_whom_the_operator_names() {
    let app = TestApp::start().await;
    let answer = app.get("/.well-known/security.txt").send().await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let text = answer.expect(200);
    let lines: Vec<(&str, &str)> =
        text.as_str().unwrap().lines().map(|line| line.split_once(": ").unwrap()).collect();
    assert_eq!(lines[0], ("Contact", "mailto:security@example.org"));
    let expires: chrono::DateTime<chrono::Utc> = lines[1].1.parse().unwrap();
    assert!(lines[1].0 == "Expires" && expires > app.clock.now(), "{lines:?}");
}

#[tokio::test]
async fn what_browsers_ask_beforehand_is_free() {
    let app = TestApp::start_with(&[
        ("BAILIWICK_CORS_ORIGINS", PAGE),
        ("BAILIWICK_RATE_LIMIT_DEFAULT", "2"),
    ])
    .await;
    for _ in 0..4 {
        let asked = preflight(&app, PAGE, "/api/mandates", "GET").await;
        assert_eq!(
            (asked.status.as_u16(), asked.header("ratelimit")),
            (200, "\"unlimited\";r=4294967295;t=1")
        );
    }
    for _ in 0..2 {
        app.get("/nowhere").header("origin", PAGE).send().await.refused(404, "route_not_found");
    }
    let too_many = app.get("/nowhere").header("origin", PAGE).send().await;
    too_many.refused(429, "too_many_requests");
    assert_eq!(
        too_many.header("access-control-allow-origin"),
        PAGE,
        "a page can read that it is too fast"
    );
}
