//! Another password for who asks a SysAdmin.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::registration::{CHOSEN, sign_in};
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::mailbox::{Mailbox, NO_MAIL};
use crate::harness::{TestApp, World};

/// A service with a SysAdmin, and somebody who was signed in before.
struct Desk {
    mailbox: Mailbox,
    root: String,
    alice: Uuid,
}

impl Desk {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let mailbox = Mailbox::with(settings).await;
        let app = &mailbox.app;
        app.account("root", true).await;
        let alice = app.account("alice", false).await;
        app.sign_in("alice").await;
        let root = app.sign_in("root").await;
        Self { mailbox, root, alice }
    }

    fn app(&self) -> &TestApp {
        &self.mailbox.app
    }

    async fn offer(&self, user: Uuid) -> Answer {
        let path = format!("/api/users/{user}/password-reset");
        self.app().post(path).bearer(&self.root).send().await
    }

    async fn set(&self, what: Value) {
        let call = self.app().patch(format!("/api/users/{}", self.alice)).bearer(&self.root);
        call.json(what).send().await.expect(200);
    }
}

async fn reset(app: &TestApp, token: &str) -> Answer {
    let body = json!({ "token": token, "password": CHOSEN });
    app.post("/api/auth/password/reset").json(body).send().await
}

#[tokio::test]
async fn who_confirmed_an_address_is_mailed_there() {
    let desk = Desk::new().await;
    let answer = desk.offer(desk.alice).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let offered = answer.expect(200);
    assert_eq!(
        (&offered["delivery"], &offered["link"], &offered["token"]),
        (&json!("mail"), &Value::Null, &Value::Null)
    );
    let mail = desk.mailbox.mail().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject()),
        ("alice@example.com", "Choose another password")
    );
    let token = mail.token().unwrap();
    desk.app().clock.advance(Duration::minutes(29));
    reset(desk.app(), &token).await.expect(204);
    sign_in(desk.app(), "alice", CHOSEN).await.expect(200);
}

/// Whoever was never there is written to at whatever address they have, and may take a week.
#[tokio::test]
async fn who_was_never_signed_in_is_welcomed_at_any_address() {
    let desk = Desk::new().await;
    let body = json!({ "username": "erin", "email": "erin@a.example", "password": CHOSEN });
    let made = desk.app().post("/api/users").bearer(&desk.root).json(body).send().await.id();
    assert_eq!(desk.offer(made).await.expect(200)["delivery"], "mail");
    let mail = desk.mailbox.mail().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject()),
        ("erin@a.example", "Choose a password for your account")
    );
    desk.app().clock.advance(Duration::days(6));
    reset(desk.app(), &mail.token().unwrap()).await.expect(204);
    sign_in(desk.app(), "erin", CHOSEN).await.expect(200);
    sign_in(desk.app(), "erin@a.example", CHOSEN).await.refused(401, "invalid_credentials");
    // Told wherever it may reach them: the address is not confirmed.
    assert_eq!(desk.mailbox.mail().await.subject(), "Your password was reset");
}

/// Once somebody has used the account, any address of it will not do any more.
#[tokio::test]
async fn the_welcome_ends_with_the_first_sign_in() {
    let desk = Desk::new().await;
    let body = json!({ "username": "erin", "email": "erin@a.example", "password": CHOSEN });
    let made = desk.app().post("/api/users").bearer(&desk.root).json(body).send().await.id();
    desk.offer(made).await.expect(200);
    let token = desk.mailbox.token().await;
    sign_in(desk.app(), "erin", CHOSEN).await.expect(200);
    reset(desk.app(), &token).await.refused(410, "token_gone");
}

/// A SysAdmin who gives somebody's account an address of their own gets nothing there, and nothing
/// at once; the person hears of it where they were reached before.
#[tokio::test]
async fn an_address_that_a_sys_admin_set_gets_no_token() {
    let desk = Desk::new().await;
    desk.set(json!({ "email": "root-too@a.example" })).await;
    desk.mailbox.mails().await;
    let offered = desk.offer(desk.alice).await.expect(200);
    assert_eq!(offered["delivery"], "link");
    let token = offered["token"].as_str().unwrap();
    assert_eq!(offered["link"], json!(format!("http://test/reset?token={token}")));
    let at = |name: &str| offered[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(at("expiresAt") - at("validFrom"), Duration::hours(24));
    let mails = desk.mailbox.mails().await;
    let mut told: Vec<_> = mails.iter().map(|mail| (mail.to.as_str(), mail.subject())).collect();
    told.sort_unstable();
    let subject = "Somebody can reset your password";
    assert_eq!(told, [("alice@example.com", subject), ("root-too@a.example", subject)]);
    let early = reset(desk.app(), token).await;
    early.refused(410, "token_gone");
    let to_the_minute = |told: &Value| told["validFrom"].as_str().unwrap()[..16].to_owned();
    assert_eq!(to_the_minute(&early.body), to_the_minute(&offered));
    desk.app().clock.advance(Duration::hours(24));
    reset(desk.app(), token).await.expect(204);
}

/// Who is told and did not ask for it stops it by what they have.
#[tokio::test]
async fn who_changes_their_password_ends_what_was_handed_out() {
    let desk = Desk::new().await;
    desk.set(json!({ "email": null })).await;
    let offered = desk.offer(desk.alice).await.expect(200);
    let token = offered["token"].as_str().unwrap();
    let alice = desk.app().sign_in("alice").await;
    let body = json!({ "current": PASSWORD, "password": "drifting-Lantern-71-quay" });
    desk.app().put("/api/auth/password").bearer(&alice).json(body).send().await.expect(204);
    desk.app().clock.advance(Duration::hours(25));
    reset(desk.app(), token).await.refused(410, "token_gone");
}

#[tokio::test]
async fn how_long_it_takes_is_set_and_nothing_where_no_mail_is() {
    let desk = Desk::with(&[("BAILIWICK_RESET_DELAY_HOURS", "0")]).await;
    desk.set(json!({ "email": null })).await;
    let offered = desk.offer(desk.alice).await.expect(200);
    reset(desk.app(), offered["token"].as_str().unwrap()).await.expect(204);
    let app = TestApp::start_with(&NO_MAIL).await;
    app.account("root", true).await;
    let alice = app.account("alice", false).await;
    let root = app.sign_in("root").await;
    let offer = app.post(format!("/api/users/{alice}/password-reset")).bearer(&root);
    let offered = offer.send().await.expect(200);
    assert_eq!(offered["delivery"], "link");
    reset(&app, offered["token"].as_str().unwrap()).await.expect(204);
}

#[tokio::test]
async fn it_is_for_sys_admins_and_of_people_who_can_be_signed_in() {
    let desk = Desk::new().await;
    let alice = desk.app().sign_in("alice").await;
    let own = desk.app().post(format!("/api/users/{}/password-reset", desk.alice)).bearer(&alice);
    own.send().await.refused(403, "permission_denied");
    desk.offer(Uuid::now_v7()).await.refused(404, "not_found");
    desk.set(json!({ "enabled": false })).await;
    desk.offer(desk.alice).await.refused(422, "validation_failed");
    let erase = desk.app().delete(format!("/api/users/{}?mode=erase", desk.alice));
    erase.bearer(&desk.root).send().await.expect(200);
    desk.offer(desk.alice).await.refused(410, "gone");
}

/// So that their admins see it.
#[tokio::test]
async fn the_mandates_of_the_person_hear_of_it() {
    let world = World::new().await;
    let member = &world.acme.member;
    let path = format!("/api/users/{}/password-reset", member.id);
    world.app.post(path).bearer(&world.sys_admin.token).send().await.expect(200);
    let path = world.acme.path("/audit?action=password_reset_requested");
    let seen = world.admin().get(path).await.expect(200);
    let event = &seen["items"][0];
    assert_eq!(
        (&event["targetUserId"], &event["details"], seen["items"].as_array().unwrap().len()),
        (&json!(member.id), &json!({ "delivery": "mail" }), 1)
    );
}

/// An account that its owner confirmed is used, whether or not they have signed in: whoever gives
/// it another address has to wait, and they are told at the one that they had.
#[tokio::test]
async fn an_address_that_was_confirmed_is_not_changed_into_a_way_in() {
    let desk = Desk::new().await;
    let app = desk.app();
    let body = json!({ "username": "erin", "email": "erin@a.example", "password": CHOSEN });
    app.post("/api/auth/register").json(body).send().await.expect(202);
    let token = desk.mailbox.token().await;
    let body = json!({ "token": token, "password": CHOSEN });
    app.post("/api/auth/verify").json(body).send().await.expect(204);
    let erin: Uuid = sqlx::query_scalar("select id from users where username = 'erin'")
        .fetch_one(&app.sql)
        .await
        .unwrap();
    let set = app.patch(format!("/api/users/{erin}")).bearer(&desk.root);
    set.json(json!({ "email": "root@evil.example" })).send().await.expect(200);
    desk.mailbox.mails().await;
    let offered = desk.offer(erin).await.expect(200);
    assert_eq!(offered["delivery"], "link");
    let told = desk.mailbox.mails().await;
    assert!(told.iter().any(|mail| mail.to == "erin@a.example"), "{told:?}");
    reset(app, offered["token"].as_str().unwrap()).await.refused(410, "token_gone");
}
