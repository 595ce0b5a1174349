//! Whoever was given a password by somebody else changes it before anything else.

use serde_json::{Value, json};
use uuid::Uuid;

use super::refresh::refresh;
use crate::harness::TestApp;
use crate::harness::app::Answer;

const GIVEN: &str = "quay-Lantrn-71x-moss";
const OWN: &str = "drifting-Lantern-71-quay";

/// An account that root makes, with whatever more is said of it.
async fn given(app: &TestApp, more: Value) -> (Uuid, Value) {
    app.account("root", true).await;
    let root = app.sign_in("root").await;
    let mut body = json!({ "username": "erin", "password": GIVEN });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = app.post("/api/users").bearer(&root).json(body).send().await;
    (answer.id(), answer.expect(201))
}

/// The access token and the refresh token of a sign-in.
async fn signed_in(app: &TestApp, password: &str) -> (String, String) {
    let body = json!({ "username": "erin", "password": password });
    let pair = app.post("/api/auth/login").json(body).send().await.expect(200);
    let text = |name: &str| pair[name].as_str().unwrap().to_owned();
    (text("accessToken"), text("refreshToken"))
}

async fn navigation(app: &TestApp, token: &str) -> Answer {
    app.get("/api/features/my").bearer(token).send().await
}

async fn me(app: &TestApp, token: &str) -> Value {
    app.get("/api/auth/me").bearer(token).send().await.expect(200)
}

#[tokio::test]
async fn who_was_given_a_password_changes_it_first() {
    let app = TestApp::start().await;
    let other_node = app.another_node();
    let (_, made) = given(&app, json!({})).await;
    assert_eq!(made["mustChangePassword"], true);
    let (token, refresh_token) = signed_in(&app, GIVEN).await;
    assert_eq!(me(&app, &token).await["mustChangePassword"], true);
    let pair = refresh(&app, &refresh_token).await.expect(200);
    let token = pair["accessToken"].as_str().unwrap();
    for node in [&app, &other_node] {
        let refused = navigation(node, token).await;
        refused.refused(403, "password_change_required");
        assert!(refused.body["detail"].as_str().unwrap().contains("PUT /api/auth/password"));
    }

    let change = |password: &str| {
        let body = json!({ "current": GIVEN, "password": password });
        app.put("/api/auth/password").bearer(token).json(body)
    };
    change(GIVEN).send().await.refused(422, "validation_failed");
    navigation(&app, token).await.refused(403, "password_change_required");
    change(OWN).send().await.expect(204);
    for node in [&other_node, &app] {
        navigation(node, token).await.expect(200);
        assert_eq!(me(node, token).await["mustChangePassword"], false);
    }
    let (token, _) = signed_in(&app, OWN).await;
    navigation(&app, &token).await.expect(200);
}

#[tokio::test]
async fn one_signs_out_without_changing_it() {
    let app = TestApp::start().await;
    given(&app, json!({ "mustChangePassword": true })).await;
    let (token, _) = signed_in(&app, GIVEN).await;
    app.post("/api/auth/logout").bearer(&token).send().await.expect(204);
    app.get("/api/auth/me").bearer(&token).send().await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn who_keeps_it_is_asked_for_nothing() {
    let app = TestApp::start().await;
    let (_, made) = given(&app, json!({ "mustChangePassword": false })).await;
    assert_eq!(made["mustChangePassword"], false);
    let (token, _) = signed_in(&app, GIVEN).await;
    navigation(&app, &token).await.expect(200);
}

/// A flag opens nothing either: not even a SysAdmin governs with a password that somebody else
/// knows.
#[tokio::test]
async fn a_sys_admin_governs_nothing_before() {
    let app = TestApp::start().await;
    given(&app, json!({ "isSysAdmin": true })).await;
    let (token, _) = signed_in(&app, GIVEN).await;
    app.get("/api/mandates").bearer(&token).send().await.refused(403, "password_change_required");
}

#[tokio::test]
async fn a_password_that_was_reset_by_its_owner_is_their_own() {
    let app = TestApp::start().await;
    let (erin, _) = given(&app, json!({})).await;
    let token = app.reset_token(erin).await;
    let body = json!({ "token": token, "password": OWN });
    app.post("/api/auth/password/reset").json(body).send().await.expect(204);
    let (token, _) = signed_in(&app, OWN).await;
    assert_eq!(me(&app, &token).await["mustChangePassword"], false);
    navigation(&app, &token).await.expect(200);
}
