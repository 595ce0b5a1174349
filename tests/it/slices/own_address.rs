//! Another address for one's own account.

use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::registration::{CHOSEN, sign_in};
use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::mailbox::Mailbox;
use crate::harness::smtp::Received;

/// A service with somebody who is signed in.
struct Own {
    mailbox: Mailbox,
    alice: Uuid,
    token: String,
}

impl Own {
    async fn new() -> Self {
        let mailbox = Mailbox::new().await;
        let alice = mailbox.app.account("alice", false).await;
        let token = mailbox.app.sign_in("alice").await;
        Self { mailbox, alice, token }
    }

    fn app(&self) -> &TestApp {
        &self.mailbox.app
    }

    async fn want(&self, email: &str) -> Answer {
        want(self.app(), self.alice, &self.token, email).await
    }

    async fn me(&self) -> (Value, Value) {
        let me = self.app().get("/api/auth/me").bearer(&self.token).send().await.expect(200);
        (me["email"].clone(), me["emailVerified"].clone())
    }
}

async fn want(app: &TestApp, user: Uuid, token: &str, email: &str) -> Answer {
    let call = app.post(format!("/api/users/{user}/email")).bearer(token);
    call.json(json!({ "email": email })).send().await
}

async fn verify(app: &TestApp, token: &str) -> Answer {
    app.post("/api/auth/verify").json(json!({ "token": token })).send().await
}

#[tokio::test]
async fn an_address_stays_until_the_new_one_is_confirmed() {
    let own = Own::new().await;
    assert_eq!(own.want("Alice@New.example").await.expect(202), json!({}));
    let mails = own.mailbox.mails().await;
    let mut told: Vec<_> = mails.iter().map(|mail| (mail.to.as_str(), mail.subject())).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("Alice@new.example", "Confirm your new address"),
            ("alice@example.com", "Your account is to get another address"),
        ]
    );
    assert_eq!(own.me().await, (json!("alice@example.com"), json!(true)));
    let token = mails.iter().find_map(Received::token).unwrap();
    // Signed in or not.
    verify(own.app(), &token).await.expect(204);
    assert_eq!(own.me().await, (json!("Alice@New.example"), json!(true)));
    assert_eq!(own.mailbox.mail().await.to, "alice@example.com");
    sign_in(own.app(), "alice@new.example", PASSWORD).await.expect(200);
    let earlier = sign_in(own.app(), "alice@example.com", PASSWORD).await;
    earlier.refused(401, "invalid_credentials");
    verify(own.app(), &token).await.refused(410, "token_gone");
}

/// What a SysAdmin set is its owner's once they confirm it.
#[tokio::test]
async fn who_has_an_address_that_was_not_confirmed_confirms_it() {
    let own = Own::new().await;
    let unconfirmed = "update users set email_verified = false where username = 'alice'";
    sqlx::query(unconfirmed).execute(&own.app().sql).await.unwrap();
    own.want("alice@example.com").await.expect(202);
    let mail = own.mailbox.mail().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject()),
        ("alice@example.com", "Confirm your new address")
    );
    verify(own.app(), &mail.token().unwrap()).await.expect(204);
    assert_eq!(own.me().await, (json!("alice@example.com"), json!(true)));
    assert_eq!(own.mailbox.mails().await.len(), 0);
    own.want("ALICE@example.com").await.expect(202);
    assert_eq!(own.mailbox.mails().await.len(), 0, "there is nothing to confirm");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_by_mail_only() {
    let own = Own::new().await;
    own.app().account("bob", false).await;
    let (free, in_use) = (own.want("free@a.example").await, own.want("bob@example.com").await);
    assert_eq!((free.status, &free.body), (in_use.status, &in_use.body));
    let mails = own.mailbox.mails().await;
    assert!(
        mails.iter().all(|mail| mail.token().is_none()),
        "what was wanted first is not any more"
    );
    let to_bob: Vec<_> = mails.iter().filter(|mail| mail.to == "bob@example.com").collect();
    assert_eq!(to_bob.len(), 1);
    assert_eq!(
        (to_bob[0].subject(), to_bob[0].token()),
        ("Another account has this address", None)
    );
    // One that was free when it was asked for.
    own.want("new@a.example").await.expect(202);
    let mails = own.mailbox.mails().await;
    let token = mails.iter().find_map(Received::token).unwrap();
    let in_use = "update users set email = 'new@a.example', email_key = 'new@a.example'
                 where username = 'bob'";
    sqlx::query(in_use).execute(&own.app().sql).await.unwrap();
    verify(own.app(), &token).await.refused(410, "token_gone");
}

/// A token confirms the address that it was mailed to, whatever was wanted since: also where that
/// was never mailed, or is not yet.
#[tokio::test]
async fn a_token_confirms_no_other_address() {
    let own = Own::new().await;
    for _ in 0..3 {
        own.want("victim@a.example").await.expect(202);
    }
    own.want("mine@a.example").await.expect(202);
    let mails = own.mailbox.mails().await;
    let token = mails.iter().find_map(Received::token).unwrap();
    own.want("victim@a.example").await.expect(202);
    verify(own.app(), &token).await.refused(410, "token_gone");
    assert_eq!(own.me().await, (json!("alice@example.com"), json!(true)));
    own.want("third@a.example").await.expect(202);
    let mails = own.mailbox.mails().await;
    let token = mails.iter().find_map(Received::token).unwrap();
    own.want("fourth@a.example").await.expect(202);
    verify(own.app(), &token).await.refused(410, "token_gone");
    let of_fourth = own.mailbox.mails().await;
    let token = of_fourth.iter().find_map(Received::token).unwrap();
    verify(own.app(), &token).await.expect(204);
    assert_eq!(own.me().await, (json!("fourth@a.example"), json!(true)));
}

#[tokio::test]
async fn nobody_asks_for_somebody_else() {
    let own = Own::new().await;
    let bob = own.app().account("bob", false).await;
    own.app().account("root", true).await;
    let root = own.app().sign_in("root").await;
    for (user, token) in [(bob, &own.token), (bob, &root), (own.alice, &root)] {
        let refused = want(own.app(), user, token, "x@a.example").await;
        refused.refused(403, "permission_denied");
        assert_eq!(refused.body["needed"], "oneself");
    }
    let unknown = want(own.app(), Uuid::now_v7(), &own.token, "x@a.example").await;
    unknown.refused(403, "permission_denied");
    own.want("nonsense").await.expect(422);
    assert_eq!(own.mailbox.mails().await.len(), 0);
}

#[tokio::test]
async fn the_token_is_good_for_a_day_and_until_anything_changes() {
    let own = Own::new().await;
    own.want("one@a.example").await.expect(202);
    let token = |mails: Vec<Received>| mails.iter().find_map(Received::token).unwrap();
    let one = token(own.mailbox.mails().await);
    own.want("two@a.example").await.expect(202);
    let two = token(own.mailbox.mails().await);
    verify(own.app(), &one).await.refused(410, "token_gone");
    own.app().clock.advance(Duration::hours(24));
    verify(own.app(), &two).await.refused(410, "token_gone");
    let another = own.app().sign_in("alice").await;
    want(own.app(), own.alice, &another, "three@a.example").await.expect(202);
    let three = token(own.mailbox.mails().await);
    let body = json!({ "current": PASSWORD, "password": CHOSEN });
    let change = own.app().put("/api/auth/password").bearer(&another);
    change.json(body).send().await.expect(204);
    verify(own.app(), &three).await.refused(410, "token_gone");
}

/// Whoever was in the account wanted an address of theirs for it, and the mail has not gone yet.
#[tokio::test]
async fn an_address_that_was_wanted_goes_with_the_password() {
    let own = Own::new().await;
    own.want("intruder@a.example").await.expect(202);
    let body = json!({ "current": PASSWORD, "password": CHOSEN });
    let change = own.app().put("/api/auth/password").bearer(&own.token);
    change.json(body).send().await.expect(204);
    let mails = own.mailbox.mails().await;
    assert_eq!(mails.iter().filter_map(Received::token).count(), 0, "{mails:?}");
    assert!(mails.iter().all(|mail| mail.to != "intruder@a.example"), "{mails:?}");
}

/// What a thief began in a session ends with it; what the owner began in theirs stays, also where
/// they sign out.
#[tokio::test]
async fn what_is_wanted_in_a_session_that_is_ended_is_not_given() {
    let own = Own::new().await;
    let app = own.app();
    let thief = app.sign_in("alice").await;
    want(app, own.alice, &thief, "thief@evil.example").await.expect(202);
    let token = own.mailbox.mails().await.iter().find_map(Received::token).unwrap();
    app.delete("/api/auth/sessions").bearer(&own.token).send().await.expect(204);
    verify(app, &token).await.refused(410, "token_gone");
    own.want("new@a.example").await.expect(202);
    let token = own.mailbox.mails().await.iter().find_map(Received::token).unwrap();
    app.post("/api/auth/logout").bearer(&own.token).send().await.expect(204);
    verify(app, &token).await.expect(204);
}

/// Its mail was waiting for a mail server meanwhile.
#[tokio::test]
async fn what_was_wanted_before_an_account_was_disabled_stays_dead() {
    let own = Own::new().await;
    let app = own.app();
    app.account("root", true).await;
    let root = app.sign_in("root").await;
    own.want("thief@evil.example").await.expect(202);
    for enabled in [false, true] {
        let set = app.patch(format!("/api/users/{}", own.alice)).bearer(&root);
        set.json(json!({ "enabled": enabled })).send().await.expect(200);
    }
    assert!(own.mailbox.mails().await.iter().all(|mail| mail.token().is_none()));
}
