//! Choosing another password by mail.

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::refresh::{refresh, signed_in};
use super::registration::{CHOSEN, sign_in};
use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::mailbox::{Mailbox, NO_MAIL};

async fn forgot(app: &TestApp, email: &str) {
    let call = app.post("/api/auth/password/forgot").json(json!({ "email": email }));
    call.send().await.expect(204);
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "password": password });
    app.post("/api/auth/password/reset").json(body).send().await
}

/// Somebody who asked, and the token that they were mailed.
async fn asked() -> (Mailbox, Uuid, String) {
    let mailbox = Mailbox::new().await;
    let alice = mailbox.app.account("alice", false).await;
    forgot(&mailbox.app, "alice@example.com").await;
    let token = mailbox.token().await;
    (mailbox, alice, token)
}

async fn set(app: &TestApp, what: &str) {
    let statement = format!("update users set {what} where username = 'alice'");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&app.sql).await.unwrap();
}

#[tokio::test]
async fn who_reads_the_mail_chooses_another_password() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    let alice = app.account("alice", false).await;
    let pair = signed_in(app, "alice").await;
    forgot(app, " Alice@EXAMPLE.com ").await;
    let mail = mailbox.mail().await;
    // Where the account has its address, not where somebody wrote that it is.
    assert_eq!(
        (mail.to.as_str(), mail.subject()),
        ("alice@example.com", "Choose another password")
    );
    let token = mail.token().unwrap();
    assert!(mail.message.contains(&format!("http://test/reset?token={token}")));
    for name in ["alice", "alice@example.com"] {
        for _ in 0..5 {
            sign_in(app, name, "not-the-Password-1").await.refused(401, "invalid_credentials");
        }
        sign_in(app, name, PASSWORD).await.refused(429, "account_locked");
    }
    let answer = reset(app, &token, CHOSEN).await;
    assert_eq!(answer.expect(204), json!(""), "it signs nobody in");
    refresh(app, &pair.refresh).await.refused(401, "session_revoked");
    let me = app.get("/api/auth/me").bearer(&pair.access).send().await;
    me.refused(401, "unauthenticated");
    sign_in(app, "alice", PASSWORD).await.refused(401, "invalid_credentials");
    for name in ["alice", "alice@example.com"] {
        sign_in(app, name, CHOSEN).await.expect(200);
    }
    assert_eq!(mailbox.mail().await.subject(), "Your password was reset");
    reset(app, &token, PASSWORD).await.refused(410, "token_gone");
    let events = "select actor_id from audit_events where action = 'password_reset'
                    and mandate_id is null and target_user_id = actor_id and details = '{}'";
    let actors: Vec<Uuid> = sqlx::query_scalar(events).fetch_all(&app.sql).await.unwrap();
    assert_eq!(actors, [alice]);
}

#[tokio::test]
async fn nobody_else_is_written_to() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    for name in ["off", "gone", "unverified"] {
        app.account(name, false).await;
    }
    let made_so = "update users set enabled = username <> 'off',
        email_verified = username <> 'unverified',
        erased_at = case when username = 'gone' then now() end";
    sqlx::query(made_so).execute(&app.sql).await.unwrap();
    for name in ["off", "gone", "unverified", "nobody"] {
        forgot(app, &format!("{name}@example.com")).await;
    }
    assert_eq!(mailbox.mails().await.len(), 0);
    assert_eq!(app.count("select count(*) from mails").await, 0);
    let nonsense = app.post("/api/auth/password/forgot").json(json!({ "email": "nonsense" }));
    assert_eq!(nonsense.send().await.expect(422)["errors"][0]["pointer"], "/email");
}

/// A way in that was begun before something changed never ends in one.
#[tokio::test]
async fn a_token_is_good_until_anything_changes() {
    for change in [
        "password_hash = 'x'",
        "enabled = false",
        "email = 'other@example.com', email_key = 'other@example.com'",
        "email_verified = false",
        "erased_at = now()",
    ] {
        let (mailbox, _, token) = asked().await;
        let app = &mailbox.app;
        set(app, change).await;
        set(app, "enabled = true, erased_at = null").await;
        reset(app, &token, CHOSEN).await.refused(410, "token_gone");
    }
    let (mailbox, _, token) = asked().await;
    set(&mailbox.app, "first_name = 'Alicia'").await;
    reset(&mailbox.app, &token, CHOSEN).await.expect(204);
}

#[tokio::test]
async fn a_token_is_good_for_half_an_hour_and_until_the_next_one() {
    let (mailbox, _, token) = asked().await;
    let app = &mailbox.app;
    forgot(app, "alice@example.com").await;
    let next = mailbox.token().await;
    reset(app, &token, CHOSEN).await.refused(410, "token_gone");
    app.clock.advance(Duration::minutes(30));
    reset(app, &next, CHOSEN).await.refused(410, "token_gone");
    forgot(app, "alice@example.com").await;
    let last = mailbox.token().await;
    app.clock.advance(Duration::minutes(29));
    reset(app, &last, CHOSEN).await.expect(204);
}

/// Of a kind: what confirms a registration resets nothing, and the other way round.
#[tokio::test]
async fn a_token_of_another_kind_or_of_nobody_is_refused_alike() {
    let (mailbox, _, token) = asked().await;
    let app = &mailbox.app;
    let verify = app.post("/api/auth/verify");
    let body = json!({ "token": token, "password": PASSWORD });
    verify.json(body).send().await.refused(410, "token_gone");
    let other = app.registration_token("erin").await;
    let long = "A".repeat(10_000);
    let cut = &token[..token.len() - 1];
    for wrong in ["", "bwm_", cut, &format!("{token}A"), &other, &long, &token.to_uppercase()] {
        let refused = reset(app, wrong, CHOSEN).await;
        refused.refused(410, "token_gone");
        assert_eq!(refused.body["detail"], verified_detail(app).await);
    }
    reset(app, &token, CHOSEN).await.expect(204);
}

async fn verified_detail(app: &TestApp) -> serde_json::Value {
    reset(app, "nothing", CHOSEN).await.expect(410)["detail"].clone()
}

#[tokio::test]
async fn a_password_that_is_refused_leaves_the_token_good() {
    let (mailbox, _, token) = asked().await;
    let app = &mailbox.app;
    for (password, code) in [("short", "password_length"), ("alicealicealice", "password_too_weak")]
    {
        let refused = reset(app, &token, password).await.expect(422);
        let error = &refused["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!("/password"), &json!(code)));
        assert!(!refused["reasons"].as_array().unwrap().is_empty());
    }
    reset(app, &token, CHOSEN).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_reset_at_once_one_does() {
    let (mailbox, _, token) = asked().await;
    let app = &mailbox.app;
    let chosen = ["quay-Lantrn-71x-moss", "plum-Kettle-94-orbit", "drifting-Lantern-71-quay"];
    let answers = join_all(chosen.map(|password| reset(app, &token, password))).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 204).collect();
    assert_eq!((done.len(), answers.iter().filter(|a| a.status == 410).count()), (1, 2));
    let mut good = 0;
    for (password, answer) in chosen.into_iter().zip(&answers) {
        let signed_in = sign_in(app, "alice", password).await.status == 200;
        assert_eq!(signed_in, answer.status == 204);
        good += i32::from(signed_in);
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn mail_that_waits_too_long_resets_nothing() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    app.account("alice", false).await;
    forgot(app, "alice@example.com").await;
    app.clock.advance(Duration::minutes(61));
    assert_eq!(mailbox.mails().await.len(), 0);
    for _ in 0..5 {
        forgot(app, "alice@example.com").await;
    }
    let mails = mailbox.mails().await;
    assert_eq!(mails.len(), 3, "an hour");
    // They may arrive in any order: one of them is good.
    let mut good = 0;
    for mail in &mails {
        good += i32::from(reset(app, &mail.token().unwrap(), CHOSEN).await.status == 204);
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn where_no_mail_is_set_up_it_is_answered_all_the_same() {
    let app = TestApp::start_with(&NO_MAIL).await;
    app.account("alice", false).await;
    forgot(&app, "alice@example.com").await;
    assert_eq!(app.count("select count(*) from mails").await, 0);
}

/// The mailbox is the owner's, whoever signs in meanwhile.
#[tokio::test]
async fn a_first_sign_in_ends_nothing_that_was_mailed_to_a_confirmed_address() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    app.account("alice", false).await;
    let forgot = app.post("/api/auth/password/forgot");
    forgot.json(json!({ "email": "alice@example.com" })).send().await.expect(204);
    let token = mailbox.token().await;
    app.sign_in("alice").await;
    let body = json!({ "token": token, "password": CHOSEN });
    app.post("/api/auth/password/reset").json(body).send().await.expect(204);
}
