//! `bailiwick user set-password`, as an operator runs it beside the service.

use std::process::Output;

use bailiwick::identity::service_keys::open;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::app::{PASSWORD, SECRET};
use crate::harness::process::{run_with_input, url};
use crate::harness::{TestApp, World};

const SET: &str = "quay-Lantrn-71x-moss";

fn set(app: &TestApp, arguments: &[&str], password: &str) -> Output {
    let (url, command) = (url(&app.options), ["user", "set-password"]);
    let secret = STANDARD.encode(SECRET);
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("BAILIWICK_SECRET_KEY", secret.as_str()),
        ("BAILIWICK_ISSUER", "http://127.0.0.1:8080"),
        ("BAILIWICK_MAIL_DIR", "mail"),
    ];
    run_with_input(&[&command[..], arguments].concat(), &settings, &format!("{password}\n"))
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn me(app: &TestApp, password: &str) -> Value {
    let body = json!({ "username": "alice", "password": password });
    let pair = app.post("/api/auth/login").json(body).send().await.expect(200);
    let token = pair["accessToken"].as_str().unwrap();
    app.get("/api/auth/me").bearer(token).send().await.expect(200)
}

#[tokio::test]
async fn a_password_is_set_and_has_to_be_changed() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let token = app.sign_in("alice").await;
    let told = said(&set(&app, &["--username", "Alice"], SET));
    assert!(told.contains("another password") && !told.contains(SET), "{told}");

    app.get("/api/auth/me").bearer(&token).send().await.refused(401, "unauthenticated");
    let old = json!({ "username": "alice", "password": PASSWORD });
    app.post("/api/auth/login").json(old).send().await.refused(401, "invalid_credentials");
    assert_eq!(me(&app, SET).await["mustChangePassword"], true);
    let events = "select count(*) from audit_events where action = 'password_set'
                    and mandate_id is null and actor_id is null";
    assert_eq!(app.count(events).await, 1);
    // She is told by mail, as soon as the service sends it.
    assert_eq!(app.count("select count(*) from mails where kind = 'password_set'").await, 1);
}

#[tokio::test]
async fn a_password_that_is_kept_is_good_for_everything() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    said(&set(&app, &["--username", "alice", "--keep"], SET));
    assert_eq!(me(&app, SET).await["mustChangePassword"], false);
    // What somebody else had chosen before is the owner's now.
    said(&set(&app, &["--username", "alice"], "drifting-Lantern-71-quay"));
    said(&set(&app, &["--username", "alice", "--keep"], SET));
    assert_eq!(me(&app, SET).await["mustChangePassword"], false);
}

/// The admins of the mandates that somebody belongs to see that their password was set.
#[tokio::test]
async fn it_stands_in_the_trail_of_each_mandate() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    said(&set(app, &["--username", &acme.member.name], SET));
    app.get("/api/auth/me").bearer(&acme.member.token).send().await.refused(401, "unauthenticated");
    let trail = world.admin().get(acme.path("/audit?action=password_set")).await.expect(200);
    assert_eq!(trail["items"][0]["targetUserId"], json!(acme.member.id), "{trail}");
    assert_eq!(trail["items"][0]["actorId"], Value::Null);
    assert_eq!(trail["items"][0]["details"], json!({ "mustChangePassword": true }));
}

/// Who is locked out, or whose password was tried a hundred times, is let in again.
#[tokio::test]
async fn what_was_tried_in_vain_is_forgotten() {
    let app = TestApp::start().await;
    let alice = app.account("alice", false).await;
    let body = json!({ "username": "alice", "password": "not-the-Password-1" });
    for _ in 0..5 {
        app.post("/api/auth/login").json(body.clone()).send().await;
    }
    let right = json!({ "username": "alice", "password": PASSWORD });
    app.post("/api/auth/login").json(right).send().await.refused(429, "account_locked");
    let statement = "update tries_in_a_row set tries = 200 where user_id = $1";
    sqlx::query(statement).bind(alice).execute(&app.sql).await.unwrap();
    said(&set(&app, &["--username", "alice", "--keep"], SET));
    me(&app, SET).await;
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    open(&app.app).await.unwrap();
    let before = app.digest().await;
    let short = refused(&set(&app, &["--username", "alice"], "short"));
    assert!(short.contains("15 to 128 characters"), "{short}");
    let weak = refused(&set(&app, &["--username", "alice"], "alice-alice-alice"));
    assert!(weak.contains("easy to guess"), "{weak}");
    let nobody = refused(&set(&app, &["--username", "nobody"], SET));
    assert!(nobody.contains("nobody has the username nobody"), "{nobody}");
    assert_eq!(app.digest().await, before);
}
