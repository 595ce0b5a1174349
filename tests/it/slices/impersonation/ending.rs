//! When it is over: at once, on every node, whoever ends it.

use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{IMPERSONATE, world};
use crate::harness::app::{Answer, PASSWORD, session_of};
use crate::harness::world::Person;
use crate::harness::{TestApp, World};
use crate::slices::kit::Desk;

/// Somebody is acted as, on two nodes that have both heard of it.
struct Begun {
    world: World,
    other_node: TestApp,
    /// The person, with the SysAdmin's token.
    acting: Person,
}

impl Begun {
    async fn now() -> Self {
        let world = world().await;
        let (member, other_node) = (world.acme.member.clone(), world.app.another_node());
        let acting = world.as_if(&member).await;
        let begun = Self { world, other_node, acting };
        begun.goes_on().await;
        begun
    }
    async fn answers(&self) -> [u16; 2] {
        let answer = async |app| {
            let desk = Desk::at(app, &self.acting, &self.world.acme);
            desk.get("/api/access/me").await.status.as_u16()
        };
        [answer(&self.world.app).await, answer(&self.other_node).await]
    }
    async fn goes_on(&self) {
        assert_eq!(self.answers().await, [200, 200]);
    }
    async fn is_over(&self) {
        assert_eq!(self.answers().await, [401, 401]);
    }
    fn member(&self) -> &Person {
        &self.world.acme.member
    }
    async fn end(&self, by: &Person, body: Value) -> Answer {
        let call = self.world.bare(by).ask(axum::http::Method::DELETE, IMPERSONATE);
        call.json(body).send().await
    }
    async fn another_sys_admin(&self) -> Person {
        let id = self.world.app.account("other-root", true).await;
        let token = self.world.app.sign_in("other-root").await;
        Person { id, name: "other-root".to_owned(), token }
    }
}

fn account(person: &Person) -> String {
    format!("/api/users/{}", person.id)
}

#[tokio::test]
async fn its_token_ends_it() {
    let begun = Begun::now().await;
    begun.world.bare(&begun.acting).delete(IMPERSONATE).await.expect(204);
    begun.is_over().await;
    begun.world.bare(&begun.acting).delete(IMPERSONATE).await.refused(401, "unauthenticated");
    // That of the person, and that of the SysAdmin, are as good as before.
    begun.world.me(begun.member()).await;
    begun.world.root().get("/api/auth/me").await.expect(200);
}

#[tokio::test]
async fn whoever_began_it_ends_it_by_whom_they_act_as() {
    let begun = Begun::now().await;
    let (root, member) = (begun.world.sys_admin.clone(), begun.member().id);
    let other = begun.another_sys_admin().await;
    begun.world.root().delete(IMPERSONATE).await.refused(422, "validation_failed");
    begun.end(&root, json!({ "userId": Uuid::now_v7() })).await.refused(404, "not_found");
    begun.end(&other, json!({ "userId": member })).await.refused(404, "not_found");
    let admin = begun.world.acme.admin.clone();
    begun.end(&admin, json!({ "userId": member })).await.refused(403, "permission_denied");
    begun
        .end(&begun.acting, json!({ "userId": admin.id }))
        .await
        .refused(403, "operation_not_allowed");
    begun.goes_on().await;
    begun.end(&root, json!({ "userId": member })).await.expect(204);
    begun.is_over().await;
    begun.end(&root, json!({ "userId": member })).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_person_sees_it_among_their_sessions_and_ends_it_there() {
    let begun = Begun::now().await;
    let own = begun.world.bare(begun.member());
    let listed = own.get("/api/auth/sessions").await.expect(200);
    let sessions = listed["items"].as_array().unwrap();
    let by: Vec<_> = sessions.iter().map(|session| &session["impersonatedBy"]).collect();
    assert_eq!(by, [&json!(begun.world.sys_admin.id), &json!(null)]);
    let session = &sessions[0];
    assert_eq!(session["id"], json!(session_of(&begun.acting.token)));
    // From where, is the SysAdmin's own affair.
    assert_eq!((&session["device"], &session["address"]), (&json!(null), &json!(null)));
    let path = format!("/api/auth/sessions/{}", session["id"].as_str().unwrap());
    own.delete(path).await.expect(204);
    begun.is_over().await;
    begun.world.me(begun.member()).await;
}

#[tokio::test]
async fn a_new_one_as_the_same_person_takes_its_place() {
    let begun = Begun::now().await;
    let other = begun.another_sys_admin().await;
    begun.world.impersonate(&other, begun.member()).await.expect(201);
    begun.world.as_if(&begun.world.acme.admin.clone()).await;
    begun.goes_on().await;
    begun.world.as_if(begun.member()).await;
    begun.is_over().await;
}

#[tokio::test]
async fn it_is_over_after_a_quarter_of_an_hour() {
    let begun = Begun::now().await;
    begun.world.app.clock.advance(Duration::minutes(14));
    begun.goes_on().await;
    begun.world.app.clock.advance(Duration::minutes(1));
    begun.is_over().await;
    // By its own end, and not by its token's alone: the person sees it no more.
    let token = begun.world.app.sign_in(&begun.member().name).await;
    let member = Person { token, ..begun.member().clone() };
    let own = begun.world.bare(&member).get("/api/auth/sessions").await.expect(200);
    let sessions = own["items"].as_array().unwrap();
    assert!(sessions.iter().all(|session| session["impersonatedBy"].is_null()), "{own}");
}

#[tokio::test]
async fn it_does_not_outlast_the_session_that_it_was_begun_in() {
    let world = world().await;
    // A SysAdmin's is over after an hour without use.
    world.app.clock.advance(Duration::minutes(50));
    let root = Person { token: world.app.sign_in("root").await, ..world.sys_admin.clone() };
    let statement = "update session_refreshes set refreshed_at = refreshed_at - interval '50 min'
                     where session_id = $1";
    let session = session_of(&root.token);
    sqlx::query(statement).bind(session).execute(&world.app.sql).await.unwrap();
    let answer = world.impersonate(&root, &world.acme.member).await.expect(201);
    let seconds = answer["expiresIn"].as_i64().unwrap();
    assert!((500..=600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn it_ends_when_the_sys_admin_signs_out() {
    let begun = Begun::now().await;
    // Another session of theirs is another one.
    let token = begun.world.app.sign_in("root").await;
    begun.world.app.post("/api/auth/logout").bearer(&token).send().await.expect(204);
    begun.goes_on().await;
    begun.world.root().post("/api/auth/logout", json!({})).await.expect(204);
    begun.is_over().await;
}

#[tokio::test]
async fn it_ends_when_the_sys_admins_session_is_ended() {
    let begun = Begun::now().await;
    let other = begun.another_sys_admin().await;
    let sessions = format!("{}/sessions", account(&begun.world.sys_admin));
    begun.world.bare(&other).delete(sessions).await.expect(204);
    begun.is_over().await;
}

#[tokio::test]
async fn it_ends_when_the_sys_admin_is_one_no_more() {
    for (change, revived) in [
        (json!({ "isSysAdmin": false }), json!({ "isSysAdmin": true })),
        (json!({ "enabled": false }), json!({ "enabled": true })),
    ] {
        let begun = Begun::now().await;
        let other = begun.another_sys_admin().await;
        let (desk, root) = (begun.world.bare(&other), account(&begun.world.sys_admin));
        desk.patch(&*root, change).await.expect(200);
        begun.is_over().await;
        desk.patch(&*root, revived).await.expect(200);
        begun.is_over().await;
    }
    let begun = Begun::now().await;
    let other = begun.another_sys_admin().await;
    let root = format!("{}?mode=erase", account(&begun.world.sys_admin));
    begun.world.bare(&other).delete(root).await.expect(200);
    begun.is_over().await;
}

#[tokio::test]
async fn it_ends_when_the_sys_admin_changes_their_password_elsewhere() {
    let begun = Begun::now().await;
    let token = begun.world.app.sign_in("root").await;
    let body = json!({ "current": PASSWORD, "password": "drifting-Lantern-71-quay" });
    let call = begun.world.app.put("/api/auth/password").bearer(&token).json(body);
    call.send().await.expect(204);
    begun.is_over().await;
}

#[tokio::test]
async fn it_ends_when_the_person_becomes_a_sys_admin_or_is_gone() {
    for change in [json!({ "isSysAdmin": true }), json!({ "enabled": false })] {
        let begun = Begun::now().await;
        let member = account(begun.member());
        begun.world.root().patch(member, change).await.expect(200);
        begun.is_over().await;
    }
    let begun = Begun::now().await;
    let member = format!("{}?mode=erase", account(begun.member()));
    begun.world.root().delete(member).await.expect(200);
    begun.is_over().await;
}

/// Whatever races: nobody is told of a failure, and nothing outlives what it hangs on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_begins_while_all_of_it_ends_is_left_with_nothing() {
    let begun = Begun::now().await;
    let (world, app) = (&begun.world, &begun.world.app);
    let other = begun.another_sys_admin().await;
    let root = account(&world.sys_admin);
    for round in 0..12 {
        let again = Person { token: app.sign_in("root").await, ..world.sys_admin.clone() };
        world.impersonate(&again, begun.member()).await.expect(201);
        let ending = async {
            match round % 3 {
                0 => app.post("/api/auth/logout").bearer(&again.token).send().await,
                1 => {
                    let demoted = json!({ "isSysAdmin": false });
                    world.bare(&other).patch(&*root, demoted).await
                }
                _ => world.bare(&other).delete(format!("{root}/sessions")).await,
            }
        };
        let (ended, begun_again) = tokio::join!(ending, world.impersonate(&again, begun.member()));
        assert!(ended.status.is_success(), "{} {}", ended.status, ended.body);
        assert!([201, 401, 403].contains(&begun_again.status.as_u16()), "{}", begun_again.body);
        let alive = "select count(*) from sessions s join sessions p on p.id = s.impersonated_in
                     where s.revoked_at is null and p.revoked_at is not null";
        assert_eq!(app.count(alive).await, 0, "{round}");
        world.bare(&other).patch(&*root, json!({ "isSysAdmin": true })).await.expect(200);
        let acted = "select count(*) from sessions where impersonated_by is not null
                     and revoked_at is null";
        assert_eq!(app.count(acted).await, 0, "{round}");
    }
}

/// Removed from the mandate that allows it, they can still be acted as nowhere.
#[tokio::test]
async fn who_leaves_the_mandate_is_acted_as_there_no_more() {
    let begun = Begun::now().await;
    let path = begun.world.acme.path(&format!("/users/{}", begun.member().id));
    begun.world.admin().delete(path).await.expect(204);
    assert_eq!(begun.answers().await, [403, 403]);
}
