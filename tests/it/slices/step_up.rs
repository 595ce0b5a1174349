//! Showing anew who one is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use serde_json::{Value, json};

use super::refresh::{Pair, refresh, signed_in};
use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};

const ANOTHER: &str = "drifting-Lantern-71-quay";

async fn step_up(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({ "password": password });
    app.post("/api/auth/step-up").bearer(token).json(body).send().await
}

async fn change(app: &TestApp, token: &str) -> Answer {
    let body = json!({ "current": PASSWORD, "password": ANOTHER });
    app.put("/api/auth/password").bearer(token).json(body).send().await
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// Signed in, and refreshed so long after that that it does not count any more.
async fn stale(app: &TestApp) -> Pair {
    app.account("alice", false).await;
    let pair = signed_in(app, "alice").await;
    app.clock.advance(Duration::minutes(16));
    Pair::of(&refresh(app, &pair.refresh).await.expect(200))
}

#[tokio::test]
async fn the_password_makes_a_session_good_for_it_again() {
    let app = TestApp::start().await;
    let node = app.another_node();
    let before = stale(&app).await;
    change(&app, &before.access).await.refused(401, "step_up_required");
    let answer = step_up(&app, &before.access, PASSWORD).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.expect(200);
    assert_eq!((&answer["tokenType"], &answer["expiresIn"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(answer.as_object().unwrap().len(), 3, "no new refresh token: {answer}");
    let token = answer["accessToken"].as_str().unwrap();
    let (was, is) = (claims(&before.access), claims(token));
    assert_eq!((&was["sid"], &was["sub"]), (&is["sid"], &is["sub"]));
    let (was, is) = (was["auth_time"].as_i64().unwrap(), is["auth_time"].as_i64().unwrap());
    assert!((950..=970).contains(&(is - was)), "{was} {is}");

    // Whoever has the token of before has not shown anything.
    change(&app, &before.access).await.refused(401, "step_up_required");
    app.get("/api/auth/me").bearer(&before.access).send().await.expect(200);
    // What is refreshed keeps when it was.
    app.clock.advance(Duration::minutes(10));
    let next = Pair::of(&refresh(&node, &before.refresh).await.expect(200));
    assert_eq!(claims(&next.access)["auth_time"], json!(is));
    change(&node, &next.access).await.expect(204);
    let events = "select count(*) from audit_events where action = 'stepped_up'
                    and mandate_id is null";
    assert_eq!(app.count(events).await, 1);
}

#[tokio::test]
async fn it_is_good_for_as_long_as_the_settings_say() {
    let app = TestApp::start().await;
    let node = app.another_node_with("BAILIWICK_STEP_UP_MINUTES", "40");
    let pair = stale(&app).await;
    let refused = change(&app, &pair.access).await;
    assert_eq!(refused.body["maxAge"], json!(900));
    refused.refused(401, "step_up_required");
    change(&node, &pair.access).await.expect(204);
}

/// They are counted with the other guesses of one's own password.
#[tokio::test]
async fn wrong_passwords_are_counted_and_lock() {
    let app = TestApp::start().await;
    let pair = stale(&app).await;
    for _ in 0..4 {
        step_up(&app, &pair.access, ANOTHER).await.refused(401, "invalid_credentials");
    }
    let body = json!({ "current": ANOTHER, "password": PASSWORD });
    let fresh = signed_in(&app, "alice").await;
    let fifth = app.put("/api/auth/password").bearer(&fresh.access).json(body).send().await;
    fifth.refused(401, "invalid_credentials");
    let locked = step_up(&app, &pair.access, PASSWORD).await;
    locked.refused(429, "account_locked");
    assert!(!locked.header("retry-after").is_empty());
    let changed = "select count(*) from sessions where authenticated_at is not null";
    assert_eq!(app.count(changed).await, 0);
}

/// Who may not do something at all is told so, and not to show who they are.
#[tokio::test]
async fn only_a_living_session_steps_up() {
    let app = TestApp::start().await;
    let pair = stale(&app).await;
    app.post("/api/auth/step-up")
        .json(json!({ "password": PASSWORD }))
        .send()
        .await
        .refused(401, "unauthenticated");
    app.post("/api/auth/logout").bearer(&pair.access).send().await.expect(204);
    step_up(&app, &pair.access, PASSWORD).await.refused(401, "unauthenticated");
    change(&app, &pair.access).await.refused(401, "unauthenticated");
}
