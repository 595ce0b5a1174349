//! Where somebody is signed in, and signing out there.

use bailiwick::identity::sessions::write_seen;
use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{set, values};
use super::refresh::{Pair, refresh, signed_in};
use crate::harness::app::PASSWORD;
use crate::harness::{TestApp, World};

const OWN: &str = "/api/auth/sessions";

async fn from(app: &TestApp, username: &str, device: &str, address: &str) -> Pair {
    let body = json!({ "username": username, "password": PASSWORD });
    let call = app.post("/api/auth/login").json(body).header("user-agent", device);
    Pair::of(&call.coming_from(address).send().await.expect(200))
}

async fn listed(app: &TestApp, access: &str) -> Vec<Value> {
    let page = app.get(OWN).bearer(access).send().await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn is_alive(app: &TestApp, access: &str) -> bool {
    app.get("/api/features/my").bearer(access).send().await.status == 200
}

#[tokio::test]
async fn one_sees_where_one_is_signed_in() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    app.account("bob", false).await;
    signed_in(&app, "bob").await;
    let phone = from(&app, "alice", "Phone/1.0", "203.0.113.7").await;
    app.clock.advance(Duration::minutes(5));
    let laptop = from(&app, "alice", "Laptop/2.0", "2001:db8::7").await;
    let sessions = listed(&app, &laptop.access).await;
    let field = |name: &str| sessions.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("device"), [json!("Laptop/2.0"), json!("Phone/1.0")], "the newest first");
    assert_eq!(field("address"), [json!("2001:db8::7"), json!("203.0.113.7")]);
    assert_eq!(field("current"), [json!(true), json!(false)]);
    assert_eq!(field("client"), [Value::Null, Value::Null]);
    let me = app.get("/api/auth/me").bearer(&laptop.access).send().await.expect(200);
    assert_eq!(me["session"]["id"], sessions[0]["id"]);
    assert_eq!(me["session"]["expiresAt"], sessions[0]["expiresAt"]);
    // Used as it is.
    app.clock.advance(Duration::minutes(3));
    assert!(is_alive(&app, &laptop.access).await);
    write_seen(app.app.services()).await.unwrap();
    let used = listed(&app, &laptop.access).await;
    let seen = |row: &Value| row["lastSeenAt"].as_str().unwrap().to_owned();
    assert!(seen(&used[0]) > seen(&sessions[0]) && seen(&used[1]) == seen(&sessions[1]));
    let sessions = used;
    // Used from elsewhere, by something else.
    app.clock.advance(Duration::hours(2));
    let body = json!({ "refreshToken": phone.refresh });
    let call = app.post("/api/auth/refresh").json(body).header("user-agent", "Phone/1.1");
    let phone = Pair::of(&call.coming_from("198.51.100.9").send().await.expect(200));
    let after = listed(&app, &phone.access).await;
    assert_eq!(
        (&after[1]["device"], &after[1]["address"]),
        (&json!("Phone/1.1"), &json!("198.51.100.9"))
    );
    assert_eq!(after[0], {
        let mut was = sessions[0].clone();
        was["current"] = json!(false);
        was
    });
    assert!(
        seen(&after[1]) > seen(&sessions[1]) && after[1]["expiresAt"] != sessions[1]["expiresAt"]
    );
    assert!(seen(&after[1]).ends_with(":00Z"), "to the minute: {}", seen(&after[1]));
}

#[tokio::test]
async fn one_signs_out_elsewhere() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    app.account("bob", false).await;
    let node = app.another_node();
    let bob = signed_in(&app, "bob").await;
    let (here, lost, old) = (
        signed_in(&app, "alice").await,
        signed_in(&app, "alice").await,
        signed_in(&app, "alice").await,
    );
    for pair in [&here, &lost, &old, &bob] {
        assert!(is_alive(&node, &pair.access).await);
    }
    let own =
        |rows: Vec<Value>| rows.iter().find(|row| row["current"] == true).unwrap()["id"].clone();
    let lost_id = own(listed(&app, &lost.access).await);
    let end = async |access: &str, id: &Value| {
        app.delete(format!("{OWN}/{}", id.as_str().unwrap())).bearer(access).send().await
    };
    end(&bob.access, &lost_id).await.refused(404, "not_found");
    end(&here.access, &json!(Uuid::now_v7())).await.refused(404, "not_found");
    end(&here.access, &lost_id).await.expect(204);
    end(&here.access, &lost_id).await.refused(404, "not_found");
    assert!(!is_alive(&node, &lost.access).await);
    refresh(&node, &lost.refresh).await.refused(401, "session_revoked");
    assert_eq!(listed(&app, &here.access).await.len(), 2);
    app.delete(OWN).bearer(&here.access).send().await.expect(204);
    assert!(is_alive(&node, &here.access).await && !is_alive(&node, &old.access).await);
    // What is over by itself cannot be ended, as it is not listed.
    let resting = signed_in(&app, "alice").await;
    let resting_id = own(listed(&app, &resting.access).await);
    app.clock.advance(Duration::days(4));
    let here = Pair::of(&refresh(&app, &here.refresh).await.expect(200));
    app.clock.advance(Duration::days(4));
    let here = Pair::of(&refresh(&app, &here.refresh).await.expect(200));
    end(&here.access, &resting_id).await.refused(404, "not_found");
    let bob = Pair::of(&refresh(&app, &signed_in(&app, "bob").await.refresh).await.expect(200));
    assert!(is_alive(&node, &bob.access).await, "nobody else's");
    refresh(&app, &here.refresh).await.expect(200);
    let here_id = own(listed(&app, &here.access).await);
    end(&here.access, &here_id).await.expect(204);
    assert!(!is_alive(&node, &here.access).await, "the one that asks, too");
}

#[tokio::test]
async fn a_sys_admin_sees_and_ends_sessions_of_others() {
    let world = World::new().await;
    let (app, member, root) = (&world.app, &world.acme.member, &world.sys_admin);
    let path = format!("/api/users/{}/sessions", member.id);
    let pair = signed_in(app, &member.name).await;
    let get = async |by: &str| app.get(path.clone()).bearer(by).send().await;
    get(&world.acme.admin.token).await.refused(403, "permission_denied");
    get(&member.token).await.refused(403, "permission_denied");
    let page = get(&root.token).await.expect(200);
    let ids = values(&page, "id");
    assert_eq!(ids.len(), 2);
    assert!(page["items"].as_array().unwrap().iter().all(|row| row["current"] == false));
    let own = app.get(OWN).bearer(&member.token).send().await.expect(200);
    assert_eq!(set(values(&own, "id")), set(ids.clone()));
    let others = app.get(format!("/api/users/{}/sessions", root.id)).bearer(&root.token);
    let others = others.send().await.expect(200);
    assert_eq!(others["items"][0]["current"], true, "their own, by this way");
    let end = |path: String| app.delete(path).bearer(&root.token);
    let foreign = format!("/api/users/{}/sessions/{}", world.acme.admin.id, ids[0]);
    end(foreign).send().await.refused(404, "not_found");
    end(format!("{path}/{}", ids[0])).send().await.expect(204);
    assert!(!is_alive(app, &pair.access).await && is_alive(app, &member.token).await);
    end(path.clone()).send().await.expect(204);
    assert!(!is_alive(app, &member.token).await);
    assert_eq!(get(&root.token).await.expect(200)["items"], json!([]));
    signed_in(app, &member.name).await;
    let nobody = format!("/api/users/{}/sessions", Uuid::now_v7());
    app.get(nobody.clone()).bearer(&root.token).send().await.refused(404, "not_found");
    end(nobody).send().await.refused(404, "not_found");
    let erase = format!("/api/users/{}?mode=erase", member.id);
    end(erase).send().await.expect(200);
    get(&root.token).await.refused(410, "gone");
    let left = "select count(*) from session_refreshes r join sessions s on s.id = r.session_id
                join users u on u.id = s.user_id where u.erased_at is not null";
    assert_eq!(app.count(left).await, 0, "where they were is forgotten with them");
}

#[tokio::test]
async fn a_session_that_nobody_refreshed_goes_a_week_after_its_end() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    signed_in(&app, "alice").await;
    app.clock.advance(Duration::days(13));
    app.run_jobs().await;
    assert_eq!(app.count("select count(*) from sessions").await, 1);
    app.clock.advance(Duration::days(1) + Duration::hours(2));
    app.run_jobs().await;
    assert_eq!(app.count("select count(*) from sessions").await, 0);
    assert_eq!(app.count("select count(*) from session_refreshes").await, 0);
}

/// However often whoever has the password signs in, all of it can be ended at once.
#[tokio::test]
async fn of_a_hundred_sessions_the_oldest_makes_room() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let first = app.sign_in("alice").await;
    let second = app.sign_in("alice").await;
    let mut last = String::new();
    for _ in 0..99 {
        last = app.sign_in("alice").await;
    }
    let gone = app.get("/api/auth/me").bearer(&first).send().await;
    gone.refused(401, "unauthenticated");
    app.get("/api/auth/me").bearer(&second).send().await.expect(200);
    let page = app.get("/api/auth/sessions?count=true&limit=1").bearer(&last).send().await;
    assert_eq!(page.expect(200)["total"], 100);
}
