//! What it is good for.

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::Executor;
use uuid::Uuid;

use super::world;
use crate::harness::World;
use crate::harness::held::so_many_wait;
use crate::harness::world::Person;

const PLAYBOOKS: &str = "/api/playbooks";

/// Acme's member writes playbooks.
async fn writing(world: &World) -> Person {
    let acme = &world.acme;
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-admin")]).await;
    acme.member.clone()
}

fn mandates(body: &Value) -> Vec<Uuid> {
    let mandates = body["mandates"].as_array().unwrap().iter();
    mandates.map(|mandate| mandate["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn they_read_and_work_as_the_person_does() {
    let world = world().await;
    let member = writing(&world).await;
    let own = world.desk(&member, &world.acme);
    let acting = world.as_if(&member).await;
    let desk = world.desk(&acting, &world.acme);
    for path in ["/api/access/me", PLAYBOOKS, "/api/features"] {
        let (one, other) = (own.get(path).await.expect(200), desk.get(path).await.expect(200));
        assert_eq!(one, other, "{path}");
    }
    desk.get(world.acme.path("/audit")).await.refused(403, "permission_denied");
    let check = json!({ "checks": [{ "table": "playbooks", "operation": "create" }] });
    let (one, other) =
        (own.post("/api/access/check", check.clone()), desk.post("/api/access/check", check));
    assert_eq!(one.await.expect(200), other.await.expect(200));
    let made = desk.post(PLAYBOOKS, json!({ "name": "plan", "title": "Plan" })).await.expect(201);
    assert_eq!((&made["ownerId"], &made["ownerName"]), (&json!(member.id), &json!(member.name)));
    desk.delete(format!("{PLAYBOOKS}/plan")).await.expect(200);
}

async fn but_for_the_trail(world: &World) -> Vec<String> {
    let digest = world.app.digest().await;
    let tables = digest.lines().filter(|table| !table.starts_with("audit_events"));
    tables.map(str::to_owned).collect()
}

/// As an admin, who may do all of it.
#[tokio::test]
async fn who_may_do_what_stays_as_it_is() {
    let world = world().await;
    let (acme, user) = (&world.acme, world.acme.member.id);
    let acting = world.as_if(&acme.admin).await;
    let desk = world.desk(&acting, acme);
    let stranger = world.stranger("stranger").await;
    let before = but_for_the_trail(&world).await;
    let roles = json!({ "roleIds": [acme.role("admin")] });
    let instances = "/api/features/instances";
    let admin = acme.admin.id;
    for (method, path, body) in [
        (Method::POST, acme.path("/users"), json!({ "targetUserId": stranger.id, "roleIds": [] })),
        (Method::PUT, acme.path(&format!("/users/{user}/roles")), roles.clone()),
        (Method::PATCH, acme.path(&format!("/users/{user}")), json!({ "enabled": false })),
        (Method::DELETE, acme.path(&format!("/users/{user}")), json!({})),
        (Method::DELETE, acme.path(&format!("/users/{admin}")), json!({})),
        (Method::POST, acme.path("/roles"), json!({ "label": "New" })),
        (Method::POST, acme.path("/groups"), json!({ "name": "New" })),
        (Method::POST, acme.path("/invitations"), json!({ "email": "a@b.example" })),
        (Method::POST, instances.to_owned(), json!({ "featureCode": "playbooks", "label": "N" })),
        (Method::DELETE, acme.instance_path(""), json!({})),
        (Method::POST, acme.instance_path("/users"), json!({ "userId": user, "roleIds": [] })),
        (Method::POST, acme.instance_path("/sync-roles"), json!({})),
        (Method::PATCH, format!("/api/users/{admin}"), json!({ "language": "de" })),
        (Method::POST, format!("/api/users/{admin}/email"), json!({ "email": "a@b.example" })),
        (Method::DELETE, format!("/api/users/{admin}?mode=erase"), json!({ "password": "x" })),
        (Method::PUT, "/api/auth/password".to_owned(), json!({ "current": "x", "password": "y" })),
        (Method::DELETE, "/api/auth/sessions".to_owned(), json!({})),
        (Method::POST, "/api/auth/logout".to_owned(), json!({})),
        (Method::POST, "/api/invitations/accept".to_owned(), json!({ "token": "x" })),
        (Method::POST, "/api/mandates".to_owned(), json!({ "name": "New" })),
    ] {
        let answer = desk.ask(method.clone(), &*path).json(body).send().await;
        assert_eq!(answer.code(), "operation_not_allowed", "{method} {path}: {}", answer.body);
        assert_eq!(answer.status, 403);
    }
    // What they know of their own account and where they are signed in is theirs, too.
    for path in [&*format!("/api/users/{admin}"), "/api/auth/sessions", "/api/users", "/api/audit"]
    {
        desk.get(path).await.refused(403, "operation_not_allowed");
    }
    assert_eq!(but_for_the_trail(&world).await, before);
}

#[tokio::test]
async fn it_reaches_the_mandates_that_allow_it_and_no_others_on_every_node() {
    let world = world().await;
    let (acme, globex, member) = (&world.acme, &world.globex, world.acme.member.clone());
    let body = json!({ "targetUserId": member.id, "roleIds": [globex.role("admin")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    for tenant in [acme, globex] {
        world.admit(tenant, member.id, &[tenant.instance_role("playbooks-viewer")]).await;
    }
    let other_node = world.app.another_node();
    let acting = world.as_if(&member).await;
    let sees = async |person: &Person| {
        let me = world.me(person).await;
        let navigation = world.bare(person).get("/api/features/my").await.expect(200);
        assert_eq!(mandates(&me), mandates(&navigation));
        mandates(&me)
    };
    assert_eq!(sees(&member).await, [acme.id, globex.id]);
    assert_eq!(sees(&acting).await, [acme.id]);
    assert_eq!(sees(&member).await, [acme.id, globex.id], "what is kept for one is not for both");
    let in_globex = async |app| {
        let call = crate::slices::kit::Desk::at(app, &acting, globex);
        call.get(globex.path("")).await
    };
    for app in [&world.app, &other_node] {
        in_globex(app).await.refused(403, "mandate_access_denied");
    }
    world.allow(globex, true).await;
    for app in [&world.app, &other_node] {
        in_globex(app).await.expect(200);
    }
    world.allow(acme, false).await;
    world.allow(globex, false).await;
    for app in [&world.app, &other_node] {
        in_globex(app).await.refused(403, "mandate_access_denied");
    }
    assert!(sees(&acting).await.is_empty());
}

/// It is asked again under the locks of a change: between the guard and these it was switched off.
#[tokio::test]
async fn a_change_that_waited_is_not_made_where_it_is_allowed_no_more() {
    let world = world().await;
    let acme = &world.acme;
    let acting = world.as_if(&acme.admin).await;
    let desk = world.desk(&acting, acme);
    let mut switching = world.app.sql.acquire().await.unwrap().detach();
    switching.execute("begin").await.unwrap();
    let off = "update mandates set allow_impersonation = false where id = $1";
    sqlx::query(off).bind(acme.id).execute(&mut switching).await.unwrap();
    let renaming = desk.patch(acme.path(""), json!({ "name": "Acme Holding" }));
    let (refused, ()) = tokio::join!(renaming, async {
        so_many_wait(&world.app.sql, 1).await;
        switching.execute("commit").await.unwrap();
    });
    refused.refused(403, "mandate_access_denied");
}

/// Colleagues see more than the username of who has used the mandate: support uses it for nobody.
#[tokio::test]
async fn what_the_mandate_does_not_know_of_them_is_left_out() {
    let world = world().await;
    let acme = &world.acme;
    let erin = world.member_with(acme, "erin", &[acme.role("viewer")]).await;
    let acting = world.as_if(&erin).await;
    world.desk(&acting, acme).get("/api/access/me").await.expect(200);
    let told = async || {
        let me = world.me(&acting).await;
        assert_eq!((&me["id"], &me["username"]), (&json!(erin.id), &json!("erin")));
        assert_eq!(me["lastLoginAt"], json!(null));
        [me["email"].clone(), me["emailVerified"].clone()]
    };
    assert_eq!(told().await, [json!(null), json!(false)]);
    let path = acme.path(&format!("/users/{}", erin.id));
    assert_eq!(world.admin().get(&*path).await.expect(200)["email"], json!(null));
    world.desk(&erin, acme).get("/api/access/me").await.expect(200);
    assert_eq!(told().await[0], json!("erin@example.com"));
    let session = &world.me(&acting).await["session"];
    assert_eq!(session["impersonatedBy"], json!(world.sys_admin.id));
    assert_eq!(session["impersonatedByName"], "root");
    let own = &world.me(&erin).await["session"];
    assert_eq!((&own["impersonatedBy"], &own["impersonatedByName"]), (&json!(null), &json!(null)));
}

/// A password that somebody else chose keeps its owner out, not whoever acts without any.
#[tokio::test]
async fn who_has_to_change_their_password_is_acted_as_all_the_same() {
    let world = world().await;
    let acme = &world.acme;
    let body = json!({ "username": "given", "password": "quay-Lantrn-71x-moss" });
    let id = world.root().post("/api/users", body).await.id();
    let body = json!({ "targetUserId": id, "roleIds": [acme.role("viewer")] });
    world.admin().post(acme.path("/users"), body).await.expect(201);
    let given = Person { id, name: "given".to_owned(), token: String::new() };
    let acting = world.as_if(&given).await;
    world.desk(&acting, acme).get(acme.path("")).await.expect(200);
}

#[tokio::test]
async fn their_repetitions_are_their_own() {
    let world = world().await;
    let member = writing(&world).await;
    let acting = world.as_if(&member).await;
    let made = async |person: &Person| {
        let call = world.desk(person, &world.acme).ask(Method::POST, PLAYBOOKS);
        let body = json!({ "name": "plan", "title": "Plan" });
        call.header("idempotency-key", "once").json(body).send().await
    };
    let first = made(&acting).await;
    assert_eq!(made(&acting).await.header("idempotency-replayed"), "true");
    made(&member).await.refused(409, "name_taken");
    first.expect(201);
}

#[tokio::test]
async fn they_use_up_their_own_budget() {
    let world = world().await;
    let node = world.app.another_limited_node(&[("BAILIWICK_RATE_LIMIT_READ", "3")]);
    let acting = world.as_if(&world.acme.admin).await;
    let read = async |person: &Person| {
        let call = node.get(world.acme.path("/users")).bearer(&person.token);
        call.mandate(world.acme.id).send().await.status.as_u16()
    };
    for _ in 0..3 {
        assert_eq!(read(&acting).await, 200);
    }
    assert_eq!((read(&acting).await, read(&world.acme.admin).await), (429, 200));
    assert_eq!(read(&world.sys_admin).await, 429, "it is the SysAdmin's own");
}
