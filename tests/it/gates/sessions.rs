//! A session ends when the account that it belongs to may not be used any more, or its password
//! changes, for good and on every node; also one that is being opened at that very moment.

use axum::http::Method;
use bailiwick::context::{RequestMeta, SystemContext};
use bailiwick::identity::passwords;
use bailiwick::kernel::credentials::password::{Passwords, Rules};
use serde_json::{Value, json};

use super::operations::{document, operations};
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::held::Held;
use crate::harness::jobs::let_go;
use crate::harness::world::Person;
use crate::harness::{TestApp, World};
use crate::slices::kit::set;

/// The ways in which sessions of an account end with what they were opened by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Disable,
    Erase,
    /// All but the one that changes it.
    ChangePassword,
    /// With a token that was mailed.
    ResetPassword,
    /// By whoever runs the service.
    SetPassword,
    /// By a SysAdmin; one may sign in again at once.
    SignOut,
}

const ENDS: [End; 6] = [
    End::Disable,
    End::Erase,
    End::ChangePassword,
    End::ResetPassword,
    End::SetPassword,
    End::SignOut,
];

impl End {
    /// What it writes into the trail.
    fn action(self) -> &'static str {
        match self {
            End::Disable => "user_updated",
            End::Erase => "user_erased",
            End::ChangePassword => "password_changed",
            End::ResetPassword => "password_reset",
            End::SetPassword => "password_set",
            End::SignOut => "sessions_ended",
        }
    }

    async fn of(self, world: &World, person: &Person) -> Answer {
        let (root, path) = (world.root(), format!("/api/users/{}", person.id));
        match self {
            End::Disable => root.patch(path, json!({ "enabled": false })).await,
            End::Erase => root.delete(format!("{path}?mode=erase")).await,
            End::SignOut => root.delete(format!("{path}/sessions")).await,
            End::ResetPassword => {
                let token = world.app.reset_token(person.id).await;
                let body = json!({ "token": token, "password": "drifting-Lantern-71-quay" });
                world.app.post("/api/auth/password/reset").json(body).send().await
            }
            End::SetPassword => {
                set_password(&world.app, &person.name).await;
                // Somebody who has nothing to do with it.
                root.get("/api/auth/me").await
            }
            End::ChangePassword => {
                let body = json!({ "current": PASSWORD, "password": "drifting-Lantern-71-quay" });
                let call = world.app.put("/api/auth/password").bearer(&person.token);
                call.json(body).send().await
            }
        }
    }
}

/// As `bailiwick user set-password` does.
async fn set_password(app: &TestApp, name: &str) {
    let system = SystemContext::unattended(app.app.services().clone(), RequestMeta::default());
    let owner = passwords::owner(&system, name).await.unwrap().unwrap();
    let hashing = Passwords::new(1, 1, Rules::default()).unwrap();
    let hash = hashing.hash("drifting-Lantern-71-quay".to_owned()).await.unwrap();
    let password = passwords::SetPassword { hash: &hash, must_change: true };
    passwords::set(&app.app, &system, &owner, password).await.unwrap();
}

/// Another way to change an account has to be looked at here.
#[tokio::test]
async fn every_way_to_change_an_account_is_known() {
    let changing = operations(&document())
        .into_iter()
        .filter(|operation| operation.has_effect() && operation.path.starts_with("/api/users/{"));
    // One session of several is no end of the account's, and neither is what waits for a token.
    let known = [
        "update_user",
        "erase_user",
        "end_user_sessions",
        "end_user_session",
        "request_email_change",
        "offer_password_reset",
    ];
    assert_eq!(set(changing.map(|operation| operation.id)), set(known));
}

async fn is_alive(app: &TestApp, token: &str) -> bool {
    match app.get("/api/auth/me").bearer(token).send().await.status.as_u16() {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

async fn enable(world: &World, person: &Person) {
    world
        .root()
        .patch(format!("/api/users/{}", person.id), json!({ "enabled": true }))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_disabled_account_comes_back_without_its_sessions_on_every_node() {
    let world = World::new().await;
    let (member, other) = (&world.acme.member, world.app.another_node());
    let tokens = [member.token.clone(), world.app.sign_in(&member.name).await];
    for app in [&world.app, &other] {
        for token in &tokens {
            assert!(is_alive(app, token).await);
        }
    }
    End::Disable.of(&world, member).await.expect(200);
    enable(&world, member).await;
    for app in [&world.app, &other] {
        for token in &tokens {
            assert!(!is_alive(app, token).await);
        }
    }
    let fresh = world.app.sign_in(&member.name).await;
    // What leaves the account in use ends nothing.
    for body in [
        json!({ "enabled": true }),
        json!({ "isSysAdmin": true }),
        json!({ "firstName": "M" }),
        json!({}),
    ] {
        world.root().patch(format!("/api/users/{}", member.id), body).await.expect(200);
        assert!(is_alive(&other, &fresh).await);
    }
    assert!(is_alive(&other, &world.acme.admin.token).await, "nobody else's");
}

/// An older version of the service left sessions open behind a disabled account.
#[tokio::test]
async fn sessions_that_were_left_open_are_not_revived() {
    let world = World::new().await;
    let member = &world.acme.member;
    sqlx::query("update users set enabled = false where id = $1")
        .bind(member.id)
        .execute(&world.app.sql)
        .await
        .unwrap();
    enable(&world, member).await;
    assert!(!is_alive(&world.app, &member.token).await);
}

/// A sign-in that holds its new session, not yet committed, when the account ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_just_before_the_end_is_signed_out_with_it() {
    for end in ENDS {
        let world = World::new().await;
        let (app, member) = (&world.app, &world.acme.member);
        let holder = app.hold_at("user_signed_in").await;
        let (token, ended) = tokio::join!(app.sign_in(&member.name), async {
            app.until_waiting(1).await;
            let (ended, ()) = tokio::join!(end.of(&world, member), async {
                app.until_waiting(2).await;
                let_go(holder).await;
            });
            ended
        });
        assert!(ended.status.is_success(), "{end:?}");
        check(&world, end, member, Some(&token)).await;
    }
}

/// One that comes when the end is done, and not yet committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_at_the_end_is_refused() {
    for end in ENDS.into_iter().filter(|end| *end != End::SignOut) {
        let world = World::new().await;
        let (app, member) = (&world.app, &world.acme.member);
        let holder = app.hold_at(end.action()).await;
        let (ended, answer) = tokio::join!(end.of(&world, member), async {
            app.until_waiting(1).await;
            let body = json!({ "username": member.name, "password": PASSWORD });
            let (answer, ()) =
                tokio::join!(app.call(Method::POST, "/api/auth/login").json(body).send(), async {
                    app.until_waiting(2).await;
                    let_go(holder).await;
                });
            answer
        });
        assert!(ended.status.is_success(), "{end:?}");
        answer.refused(401, "invalid_credentials");
        check(&world, end, member, None).await;
    }
}

/// Who signs out holds their session and then wants the account's epoch: whoever held that one and
/// waited for the session would wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_session_holds_nothing_that_signing_out_needs() {
    for end in ENDS {
        let world = World::new().await;
        let (app, member) = (&world.app, &world.acme.member);
        app.sign_in(&member.name).await;
        let signing_out = Held::sessions_of(app, member.id).await;
        let (ended, ()) = tokio::join!(end.of(&world, member), async {
            signing_out.waited_for_by(1).await;
            let epoch = "select 1 from user_epochs where user_id = $1 for update nowait";
            let free = sqlx::query(epoch).bind(member.id).execute(&app.sql).await;
            assert!(free.is_ok(), "{end:?} holds the account's epoch: {free:?}");
            signing_out.release().await;
        });
        assert!(ended.status.is_success(), "{end:?}");
        check(&world, end, member, None).await;
    }
}

/// No session is left, nor comes back, but the one that changed the password.
async fn check(world: &World, end: End, member: &Person, token: Option<&str>) {
    let open: Vec<Value> = sqlx::query_scalar(
        "select to_jsonb(s) from sessions s where user_id = $1 and revoked_at is null",
    )
    .bind(member.id)
    .fetch_all(&world.app.sql)
    .await
    .unwrap();
    let stays = end == End::ChangePassword;
    assert_eq!(open.len(), usize::from(stays), "{end:?}: {open:?}");
    if end == End::Disable {
        enable(world, member).await;
    }
    assert_eq!(is_alive(&world.app, &member.token).await, stays, "{end:?}");
    if let Some(token) = token {
        assert!(!is_alive(&world.app, token).await, "{end:?}");
    }
}
