//! Mandates: made, changed, deleted, restored.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{points_at, set, values};
use crate::harness::World;

const PATH: &str = "/api/mandates";

#[tokio::test]
async fn a_mandate_is_made_with_its_first_admin_and_read() {
    let world = World::new().await;
    let root = world.root();
    let nina = world.stranger("nina").await;
    let body =
        json!({ "name": " Initech ", "code": "Init", "language": "de", "adminUserId": nina.id });
    let made = root.post(PATH, body).await;
    let path = made.header("location").to_owned();
    let mandate = made.expect(201);
    assert_eq!(path, format!("{PATH}/{}", mandate["id"].as_str().unwrap()));
    let found = ["name", "code", "language", "enabled", "hasAdmin", "version"]
        .map(|field| mandate[field].clone());
    assert_eq!(
        found,
        [json!("Initech"), json!("init"), json!("de"), json!(true), json!(true), json!(1)]
    );
    assert!(mandate["createdAt"].is_string() && mandate["updatedAt"].is_string());
    assert_eq!(root.get(path.clone()).await.expect(200), mandate);
    let id: Uuid = mandate["id"].as_str().unwrap().parse().unwrap();
    let seen = world.app.get(path.clone()).bearer(&nina.token).mandate(id).send().await.expect(200);
    assert_eq!(seen["name"], json!("Initech"));
    let groups = world
        .app
        .get(format!("{path}/groups"))
        .bearer(&nina.token)
        .mandate(id)
        .send()
        .await
        .expect(200);
    assert_eq!(values(&groups, "name"), ["everyone"]);
    let members = root.get(format!("{path}/users")).await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn until_an_admin_is_named_only_sys_admins_manage_it() {
    let world = World::new().await;
    let root = world.root();
    let made = root.post(PATH, json!({ "name": "Initech" })).await.expect(201);
    assert_eq!((&made["hasAdmin"], &made["language"]), (&json!(false), &json!("en")));
    let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
    let roles = root.get(format!("{path}/roles")).await.expect(200);
    let admin = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["label"] == "admin")
        .unwrap()["id"]
        .clone();
    let nina = world.stranger("nina").await;
    root.post(format!("{path}/users"), json!({ "targetUserId": nina.id, "roleIds": [admin] }))
        .await
        .expect(201);
    assert_eq!(root.get(path).await.expect(200)["hasAdmin"], json!(true));
    root.post(PATH, json!({ "name": "Umbrella", "adminUserId": Uuid::now_v7() }))
        .await
        .refused(404, "not_found");
    // One whose account is disabled would be no effective admin.
    let omar = world.stranger("omar").await;
    root.patch(format!("/api/users/{}", omar.id), json!({ "enabled": false })).await.expect(200);
    points_at(
        &root.post(PATH, json!({ "name": "Umbrella", "adminUserId": omar.id })).await,
        "/adminUserId",
    );
    assert_eq!(
        root.get(format!("{PATH}?q=umbrella")).await.expect(200)["items"],
        json!([]),
        "what is refused leaves nothing"
    );
}

#[tokio::test]
async fn codes_are_made_from_names_and_unique() {
    let world = World::new().await;
    let root = world.root();
    let code = async |name: &str| {
        root.post(PATH, json!({ "name": name })).await.expect(201)["code"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(code("Zürich Versicherung").await, "zurich-versicherung");
    assert_eq!(code("Zürich Versicherung").await, "zurich-versicherung-2");
    assert_eq!(code("ZÜRICH versicherung").await, "zurich-versicherung-3");
    let letterless = code("日本").await;
    assert!(letterless.starts_with("m-") && letterless.len() > 4, "{letterless}");
    assert_ne!(code("日本").await, letterless);
    for taken in ["acme", "ACME", "Ａcme"] {
        root.post(PATH, json!({ "name": "x", "code": taken })).await.refused(409, "code_taken");
        root.patch(world.globex.path(""), json!({ "code": taken }))
            .await
            .refused(409, "code_taken");
    }
    for wrong in ["", "-a", "a b", "a_b", "ä"] {
        points_at(&root.post(PATH, json!({ "name": "x", "code": wrong })).await, "/code");
        points_at(&root.patch(world.globex.path(""), json!({ "code": wrong })).await, "/code");
    }
}

#[tokio::test]
async fn a_body_is_refused_with_all_that_is_wrong_with_it() {
    let world = World::new().await;
    let root = world.root();
    let answer =
        root.post(PATH, json!({ "name": "  ", "code": "-", "language": "english!" })).await;
    for pointer in ["/name", "/code", "/language"] {
        points_at(&answer, pointer);
    }
    points_at(&root.post(PATH, json!({})).await, "/name");
    let unknown = root.post(PATH, json!({ "name": "x", "colour": "red" })).await;
    unknown.refused(422, "unknown_field");
    points_at(&unknown, "/colour");
    let unknown = root.patch(world.acme.path(""), json!({ "hasAdmin": true })).await;
    unknown.refused(422, "unknown_field");
}

#[tokio::test]
async fn put_is_an_alias_of_patch() {
    let world = World::new().await;
    let root = world.root();
    for (method, name) in [(Method::PATCH, "One"), (Method::PUT, "Two")] {
        let changed = root
            .ask(method, world.acme.path(""))
            .json(json!({ "name": name }))
            .send()
            .await
            .expect(200);
        let found = ["name", "code", "language", "enabled"].map(|field| changed[field].clone());
        assert_eq!(
            found,
            [json!(name), json!("acme"), json!("en"), json!(true)],
            "what is left out stays"
        );
    }
}

#[tokio::test]
async fn admins_change_name_and_language_but_not_code_and_state() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let changed = admin
        .patch(acme.path(""), json!({ "name": "Acme AG", "language": "de" }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["language"], &changed["version"]),
        (&json!("Acme AG"), &json!("de"), &json!(2))
    );
    for body in [
        json!({ "code": "acme2" }),
        json!({ "enabled": false }),
        json!({ "name": "x", "enabled": true }),
    ] {
        admin.patch(acme.path(""), body.clone()).await.refused(403, "permission_denied");
        admin.put(acme.path(""), body).await.refused(403, "permission_denied");
    }
    assert_eq!(admin.get(acme.path("")).await.expect(200), changed);
    for answer in [
        admin.get(PATH).await,
        admin.post(PATH, json!({ "name": "x" })).await,
        admin.delete(acme.path("")).await,
        admin.post(acme.path("/restore"), json!({})).await,
    ] {
        answer.refused(403, "permission_denied");
    }
}

#[tokio::test]
async fn a_disabled_mandate_is_closed_to_its_members_and_open_to_sys_admins() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    root.patch(acme.path(""), json!({ "enabled": false })).await.expect(200);
    world.admin().get(acme.path("")).await.refused(403, "mandate_access_denied");
    assert_eq!(root.get(acme.path("")).await.expect(200)["enabled"], json!(false));
    root.get(acme.path("/users")).await.expect(200);
    assert_eq!(root.walk(&format!("{PATH}?enabled=false"), "name").await, set(["Acme"]));
    root.patch(acme.path(""), json!({ "enabled": true })).await.expect(200);
    world.admin().get(acme.path("")).await.expect(200);
}

#[tokio::test]
async fn a_deleted_mandate_is_unreachable_listed_apart_and_restorable() {
    let world = World::new().await;
    let (acme, root, admin) = (&world.acme, world.root(), world.admin());
    root.post(acme.path("/restore"), json!({})).await.refused(409, "not_deleted");
    let deleted = root.delete(acme.path("")).await.expect(200);
    assert_eq!(deleted["id"], json!(acme.id));
    let time = |field: &str| {
        chrono::DateTime::parse_from_rfc3339(deleted[field].as_str().unwrap()).unwrap()
    };
    assert_eq!(time("purgeAt") - time("deletedAt"), chrono::Duration::days(30));
    for path in ["", "/users", "/roles", "/audit"] {
        root.get(acme.path(path)).await.refused(404, "not_found");
    }
    root.get(acme.instance_path("")).await.refused(404, "not_found");
    root.delete(acme.path("")).await.refused(404, "not_found");
    root.patch(acme.path(""), json!({ "name": "x" })).await.refused(404, "not_found");
    for path in [
        acme.path(""),
        acme.path("/users"),
        acme.path("/groups"),
        "/api/features/instances".to_owned(),
    ] {
        admin.get(path).await.refused(403, "mandate_access_denied");
    }
    assert_eq!(root.walk(PATH, "name").await, set(["Globex"]));
    assert_eq!(root.walk(&format!("{PATH}?deleted=true"), "name").await, set(["Acme"]));
    let restored = root.post(acme.path("/restore"), json!({})).await.expect(200);
    assert_eq!((&restored["code"], &restored["hasAdmin"]), (&json!("acme"), &json!(true)));
    admin.get(acme.path("/users")).await.expect(200);
    assert_eq!(root.walk(&format!("{PATH}?deleted=true"), "name").await, set::<&str>([]));
}

#[tokio::test]
async fn the_code_of_a_deleted_mandate_is_free_at_once() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    root.delete(acme.path("")).await.expect(200);
    let heir = root.post(PATH, json!({ "name": "Acme" })).await.expect(201);
    assert_eq!(heir["code"], json!("acme"));
    root.post(acme.path("/restore"), json!({})).await.refused(409, "code_taken");
    let heir = format!("{PATH}/{}", heir["id"].as_str().unwrap());
    root.patch(heir, json!({ "code": "heir" })).await.expect(200);
    root.post(acme.path("/restore"), json!({})).await.expect(200);
}

#[tokio::test]
async fn a_deleted_mandate_may_lose_its_admin_and_cannot_be_restored_for_ever() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    root.delete(acme.path("")).await.expect(200);
    root.patch(format!("/api/users/{}", acme.admin.id), json!({ "enabled": false }))
        .await
        .expect(200);
    let restored = root.post(acme.path("/restore"), json!({})).await.expect(200);
    assert_eq!(restored["hasAdmin"], json!(false));
    root.delete(acme.path("")).await.expect(200);
    world.app.clock.advance(chrono::Duration::days(30));
    let token = world.app.sign_in("root").await;
    let restore = world.app.post(acme.path("/restore")).bearer(&token).send().await;
    restore.refused(404, "not_found");
}

#[tokio::test]
async fn the_header_and_the_path_must_agree_and_tell_nothing() {
    let world = World::new().await;
    let (acme, globex) = (&world.acme, &world.globex);
    let disabled = world.root().post(PATH, json!({ "name": "Off" })).await.id();
    world.root().patch(format!("{PATH}/{disabled}"), json!({ "enabled": false })).await.expect(200);
    let mut seen: Vec<Value> = Vec::new();
    for (header, path) in [
        (globex.id, globex.path("/users")),
        (Uuid::now_v7(), acme.path("/users")),
        (disabled, format!("{PATH}/{disabled}/users")),
        (acme.id, globex.path("/users")),
        (globex.id, acme.path("/users")),
    ] {
        let answer = world.app.get(path).bearer(&acme.admin.token).mandate(header).send().await;
        answer.refused(403, "mandate_access_denied");
        seen.push(answer.body["detail"].clone());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "one text for all of them: {seen:?}");
    world.bare(&acme.admin).get(acme.path("/users")).await.refused(400, "mandate_context_missing");
    for wrong in ["acme", "", "{01900000-0000-7000-8000-000000000000}"] {
        let answer = world
            .app
            .get(acme.path("/users"))
            .bearer(&acme.admin.token)
            .header("x-mandate-id", wrong)
            .send()
            .await;
        answer.refused(400, "invalid_header");
    }
    let twice = world
        .app
        .get(acme.path("/users"))
        .bearer(&acme.admin.token)
        .mandate(acme.id)
        .mandate(acme.id)
        .send()
        .await;
    twice.refused(400, "invalid_header");
}

#[tokio::test]
async fn every_mutation_writes_one_event_for_each_scope_that_it_touches() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let trail =
        async |path: String| root.get(path).await.expect(200)["items"].as_array().unwrap().len();
    let platform = || format!("/api/audit?targetId={}&limit=200", acme.id);
    let own = || acme.path(&format!("/audit?targetId={}&limit=200", acme.id));
    let before = (trail(platform()).await, trail(own()).await);
    root.patch(acme.path(""), json!({ "code": "acme-1" })).await.expect(200);
    assert_eq!((trail(platform()).await, trail(own()).await), (before.0 + 1, before.1 + 1));
    world.admin().patch(acme.path(""), json!({ "name": "Acme AG" })).await.expect(200);
    assert_eq!(
        (trail(platform()).await, trail(own()).await),
        (before.0 + 1, before.1 + 2),
        "an admin's change is the mandate's own affair"
    );
    root.patch(acme.path(""), json!({ "code": "-" })).await.refused(422, "validation_failed");
    assert_eq!((trail(platform()).await, trail(own()).await), (before.0 + 1, before.1 + 2));
}
