//! Versions: `ETag`, `If-Match`, `If-None-Match` and `version` in the body, on every resource.

use axum::http::Method;
use serde_json::{Value, json};

use super::kit::Desk;
use crate::harness::World;

/// A resource: where it is, a change that always succeeds, whether it can be deleted, and whether
/// it answers 304.
struct Resource<'a> {
    desk: Desk<'a>,
    path: String,
    change: Value,
    deletable: bool,
    whole: bool,
}

impl<'a> Resource<'a> {
    fn new(desk: &Desk<'a>, path: String, change: Value, deletable: bool, whole: bool) -> Self {
        Self { desk: desk.clone(), path, change, deletable, whole }
    }
}

async fn resources(world: &World) -> Vec<Resource<'_>> {
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let role = world.role_with(acme, "clerk", json!({})).await;
    let instance_role =
        admin.post(acme.instance_path("/roles"), json!({ "label": "clerk" })).await.id();
    let template =
        root.post("/api/features/templates/roles", json!({ "roleLabel": "clerk" })).await.id();
    root.post("/api/features", json!({ "code": "trustee" })).await.expect(201);
    let spare = root.post("/api/mandates", json!({ "name": "Spare" })).await.id();
    let description = json!({ "description": { "en": "x" } });
    let account = format!("/api/users/{}", acme.member.id);
    vec![
        Resource::new(&root, format!("/api/mandates/{spare}"), json!({ "name": "x" }), true, false),
        Resource::new(&admin, acme.path(""), json!({ "name": "x" }), false, false),
        Resource::new(
            &admin,
            acme.path(&format!("/users/{}", acme.member.id)),
            json!({ "enabled": false }),
            true,
            false,
        ),
        Resource::new(
            &admin,
            acme.path(&format!("/groups/{group}")),
            json!({ "description": "x" }),
            true,
            false,
        ),
        Resource::new(&root, account.clone(), json!({ "lastName": "x" }), false, false),
        Resource::new(&world.bare(&acme.member), account, json!({ "lastName": "y" }), false, false),
        Resource::new(&admin, format!("/api/roles/{role}"), description.clone(), true, true),
        Resource::new(
            &admin,
            format!("/api/roles/{instance_role}"),
            description.clone(),
            true,
            true,
        ),
        Resource::new(&root, format!("/api/roles/{template}"), description, true, true),
        Resource::new(
            &root,
            "/api/features/trustee".into(),
            json!({ "icon": "mdi-bank" }),
            true,
            true,
        ),
        Resource::new(&admin, acme.instance_path(""), json!({ "label": "x" }), true, true),
    ]
}

/// What must not be there, or not be this, is (RFC 9110, section 13.1.2; compared weakly).
async fn refused_where_it_is_there(
    desk: &Desk<'_>,
    (path, tag): (&str, &str),
    change: &Value,
    deletable: bool,
) {
    for unwanted in ["*", tag, &format!("W/{tag}"), &format!("\"x\", {tag}")] {
        let unless = |method: Method| desk.ask(method, path).header("if-none-match", unwanted);
        let there = unless(Method::PATCH).json(change.clone()).send().await;
        there.refused(412, "precondition_failed");
        let title = &there.body["title"];
        assert_eq!(title, "A precondition does not hold", "nothing has changed meanwhile");
        if deletable {
            unless(Method::DELETE).send().await.refused(412, "precondition_failed");
        }
    }
}

#[tokio::test]
async fn every_resource_guards_its_version() {
    let world = World::new().await;
    for Resource { desk, path, change, deletable, whole } in resources(&world).await {
        let read = desk.get(path.clone()).await;
        assert_eq!(read.header("cache-control"), "private, no-cache", "{path}");
        let tag = read.header("etag").to_owned();
        let version = read.expect(200)["version"].as_i64().unwrap();
        assert_eq!(tag, format!("\"{version}\""), "{path}");

        let known = desk.ask(Method::GET, path.clone()).header("if-none-match", &tag).send().await;
        assert_eq!(known.status.as_u16(), if whole { 304 } else { 200 }, "{path}");
        if whole {
            assert_eq!((known.header("etag"), &known.body), (tag.as_str(), &json!("")), "{path}");
        }
        let stale = |method: Method| {
            desk.ask(method, path.clone()).header("if-match", format!("\"{}\"", version + 7))
        };
        stale(Method::PATCH).json(change.clone()).send().await.refused(412, "precondition_failed");
        if deletable {
            stale(Method::DELETE).send().await.refused(412, "precondition_failed");
        }
        refused_where_it_is_there(&desk, (&path, &tag), &change, deletable).await;
        let mut body = change.clone();
        body["version"] = json!(version + 7);
        desk.patch(path.clone(), body.clone()).await.refused(409, "version_conflict");
        assert_eq!(
            desk.get(path.clone()).await.header("etag"),
            tag,
            "{path}: a refused change changes nothing"
        );

        body["version"] = json!(version);
        let change_of_it =
            desk.ask(Method::PATCH, path.clone()).header("if-match", format!("\"x\", {tag}"));
        let changed = change_of_it.header("if-none-match", "\"x\"").json(body).send().await;
        let new_tag = changed.header("etag").to_owned();
        assert_eq!(changed.expect(200)["version"], json!(version + 1), "{path}");
        assert_eq!(new_tag, format!("\"{}\"", version + 1), "{path}");
        let fresh = desk.ask(Method::GET, path.clone()).header("if-none-match", &tag).send().await;
        assert_eq!(fresh.status.as_u16(), 200, "{path}");
        desk.ask(Method::PATCH, path.clone())
            .header("if-match", &tag)
            .json(change.clone())
            .send()
            .await
            .refused(412, "precondition_failed");
        // If-Match compares strongly.
        let weak = desk
            .ask(Method::PATCH, path.clone())
            .header("if-match", format!("W/{new_tag}"))
            .json(change.clone())
            .send()
            .await;
        weak.refused(412, "precondition_failed");
        desk.ask(Method::PATCH, path.clone())
            .header("if-match", "*")
            .json(change)
            .send()
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn parts_raise_the_version_of_their_whole_and_guard_by_it() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let role = world.role_with(acme, "clerk", json!({})).await;
    let viewer = acme.role("viewer");
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let reads_all =
        json!({ "view": true, "read": "a", "create": "n", "update": "n", "delete": "n" });
    for (whole, method, part, body) in [
        (
            format!("/api/roles/{role}"),
            Method::PUT,
            format!("/api/roles/{role}/permissions"),
            json!({ "tables": { "members": reads_all } }),
        ),
        (
            format!("/api/roles/{role}"),
            Method::PATCH,
            format!("/api/roles/{role}/permissions"),
            json!({ "tables": { "members": null } }),
        ),
        (member.clone(), Method::PUT, format!("{member}/roles"), json!({ "roleIds": [viewer] })),
        (member.clone(), Method::PUT, format!("{member}/roles/{}", acme.role("user")), json!({})),
        (member.clone(), Method::DELETE, format!("{member}/roles/{viewer}"), json!({})),
        (
            acme.path(&format!("/groups/{group}")),
            Method::PUT,
            acme.path(&format!("/groups/{group}/members")),
            json!({ "userIds": [acme.admin.id] }),
        ),
    ] {
        let version = admin.get(whole.clone()).await.expect(200)["version"].as_i64().unwrap();
        let with = |tag: i64| {
            admin
                .ask(method.clone(), part.clone())
                .header("if-match", format!("\"{tag}\""))
                .json(body.clone())
        };
        with(version + 1).send().await.refused(412, "precondition_failed");
        let done = with(version).send().await;
        assert_eq!(done.status.as_u16(), 200, "{method} {part}: {}", done.body);
        let now = admin.get(whole).await.expect(200)["version"].as_i64().unwrap();
        assert_eq!(now, version + 1, "{method} {part}");
        with(version).send().await.refused(412, "precondition_failed");
    }
}

#[tokio::test]
async fn a_version_in_the_body_guards_parts_too() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let role = world.role_with(acme, "clerk", json!({})).await;
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let admission = acme.instance_path(&format!("/users/{}", acme.member.id));
    for (method, path, body) in [
        (
            Method::PUT,
            acme.path(&format!("/users/{}/roles", acme.member.id)),
            json!({ "roleIds": [acme.role("viewer")] }),
        ),
        (
            Method::PUT,
            format!("{admission}/roles"),
            json!({ "roleIds": [acme.instance_role("playbooks-editor")] }),
        ),
        (Method::PATCH, admission.clone(), json!({ "enabled": false })),
        (Method::PUT, acme.path(&format!("/groups/{group}/members")), json!({ "userIds": [] })),
        (Method::PUT, format!("/api/roles/{role}/permissions"), json!({ "tables": {} })),
        (Method::PATCH, format!("/api/roles/{role}/permissions"), json!({ "tables": {} })),
    ] {
        let mut stale = body.clone();
        stale["version"] = json!(99);
        let answer = admin.ask(method.clone(), path.clone()).json(stale).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (409, "version_conflict"),
            "{method} {path}: {}",
            answer.body
        );
    }
    let stale = admin.ask(Method::DELETE, admission).header("if-match", "\"99\"").send().await;
    stale.refused(412, "precondition_failed");
}

#[tokio::test]
async fn what_has_no_etag_is_not_stored() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    for path in [
        acme.path("/users"),
        acme.path("/groups"),
        acme.path("/audit"),
        "/api/auth/me".into(),
        "/api/access/me".into(),
    ] {
        let answer = admin.get(path.clone()).await;
        assert_eq!(
            (answer.header("cache-control"), answer.header("etag")),
            ("no-store", ""),
            "{path}"
        );
        answer.expect(200);
    }
    let denied = world.desk(&acme.member, acme).get(acme.path("/audit")).await;
    assert_eq!((denied.status.as_u16(), denied.header("cache-control")), (403, "no-store"));
    let signed_in = world
        .app
        .post("/api/auth/login")
        .json(json!({ "username": "root", "password": crate::harness::app::PASSWORD }))
        .send()
        .await;
    assert_eq!((signed_in.status.as_u16(), signed_in.header("cache-control")), (200, "no-store"));
}
