//! A hash that took less than the settings want is made anew when its owner signs in, and nothing
//! else changes by it.

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::refresh::{refresh, signed_in};
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;

async fn hash(app: &TestApp, user: Uuid) -> String {
    let hash = sqlx::query_scalar("select password_hash from users where id = $1").bind(user);
    hash.fetch_one(&app.sql).await.unwrap()
}

/// The service as it is by default, where test accounts have cheaper hashes.
fn stricter(app: &TestApp) -> TestApp {
    app.another_node_with("BAILIWICK_ARGON2_ITERATIONS", "3")
}

#[tokio::test]
async fn a_sign_in_makes_a_weaker_hash_anew() {
    let app = TestApp::start().await;
    let node = stricter(&app);
    let alice = app.account("alice", false).await;
    let pair = signed_in(&app, "alice").await;
    let reset = app.reset_token(alice).await;
    let before = hash(&app, alice).await;

    let body = json!({ "username": "alice", "password": "quay-Lantrn-71x-moss" });
    node.post("/api/auth/login").json(body).send().await.refused(401, "invalid_credentials");
    assert_eq!(hash(&app, alice).await, before, "whoever does not know it changes nothing");

    node.sign_in("alice").await;
    let made = hash(&app, alice).await;
    assert!(made.starts_with("$argon2id$v=19$m=19456,t=3,p=1$"), "{made}");
    // As strong as wanted, or stronger, it stays.
    node.sign_in("alice").await;
    app.sign_in("alice").await;
    assert_eq!(hash(&app, alice).await, made);

    // The password is the same, so nothing ended that was begun with it.
    app.get("/api/auth/me").bearer(&pair.access).send().await.expect(200);
    refresh(&app, &pair.refresh).await.expect(200);
    let body = json!({ "token": reset, "password": "quay-Lantrn-71x-moss" });
    app.post("/api/auth/password/reset").json(body).send().await.expect(204);
}

#[tokio::test]
async fn of_many_who_sign_in_at_once_nobody_is_refused() {
    let app = TestApp::start().await;
    let node = stricter(&app);
    let alice = app.account("alice", false).await;
    join_all((0..4).map(|_| node.sign_in("alice"))).await;
    assert!(hash(&app, alice).await.contains("t=3"));
}

/// Whoever changed their password while somebody signed in with the old one: a hash of the old one
/// does not come back.
#[tokio::test]
async fn a_password_that_was_changed_meanwhile_is_not_put_back() {
    let app = TestApp::start().await;
    let node = stricter(&app);
    let alice = app.account("alice", false).await;
    let token = app.sign_in("alice").await;
    let body = json!({ "current": PASSWORD, "password": "quay-Lantrn-71x-moss" });
    let change = app.put("/api/auth/password").bearer(&token).json(body);
    let old = json!({ "username": "alice", "password": PASSWORD });
    let (changed, _) = tokio::join!(change.send(), node.post("/api/auth/login").json(old).send());
    changed.expect(204);
    let made = hash(&app, alice).await;
    let body = json!({ "username": "alice", "password": "quay-Lantrn-71x-moss" });
    app.post("/api/auth/login").json(body).send().await.expect(200);
    assert_eq!(hash(&app, alice).await, made, "cheap enough for this node");
}
