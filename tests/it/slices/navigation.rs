//! `GET /api/features/my`: the shape, the order, what is alive, and the `ETag`.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::Answer;
use crate::harness::{World, statements};

const MY: &str = "/api/features/my";

async fn my(world: &World, token: &str) -> Answer {
    world.app.get(MY).bearer(token).send().await
}

/// The labels of the instances that are shown, in order.
fn shown(navigation: &Value) -> Vec<String> {
    let items = |value: &Value, field: &str| value[field].as_array().unwrap().clone();
    let features =
        items(navigation, "mandates").into_iter().flat_map(|mandate| items(&mandate, "features"));
    let instances = features.flat_map(|feature| items(&feature, "instances"));
    instances.map(|instance| instance["instanceLabel"].as_str().unwrap().to_owned()).collect()
}

/// Acme's member, admitted to Acme's handbook as a viewer.
async fn viewer() -> World {
    let world = World::new().await;
    world
        .admit(&world.acme, world.acme.member.id, &[world.acme.instance_role("playbooks-viewer")])
        .await;
    world
}

#[tokio::test]
async fn the_shape_is_exactly_this() {
    let world = viewer().await;
    let acme = &world.acme;
    let none = json!({ "view": false, "read": "n", "create": "n", "update": "n", "delete": "n" });
    let read = json!({ "view": true, "read": "a", "create": "n", "update": "n", "delete": "n" });
    let answer = my(&world, &acme.member.token).await;
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let expected = json!({ "mandates": [{
        "id": acme.id, "name": "Acme", "code": "acme",
        "features": [{
            "code": "playbooks", "label": { "en": "Playbooks", "de": "Handbücher" },
                "icon": "mdi-book-open-variant",
            "instances": [{
                "id": acme.instance, "featureCode": "playbooks", "mandateId": acme.id,
                    "mandateName": "Acme",
                "instanceLabel": "Acme handbook", "userRole": "playbooks-viewer",
                    "roles": ["playbooks-viewer"],
                "permissions": {
                    "tables": { "playbooks": read, "playbook_versions": read, "access": none,
                        "instance-roles": none },
                    "views": { "playbooks": true, "editor": false }, "fields": {},
                },
            }],
        }],
    }] });
    assert_eq!(answer.expect(200), expected);
}

#[tokio::test]
async fn without_access_it_is_empty_and_without_a_session_refused() {
    let world = World::new().await;
    for token in
        [&world.acme.admin.token, &world.sys_admin.token, &world.stranger("nina").await.token]
    {
        assert_eq!(my(&world, token).await.expect(200), json!({ "mandates": [] }));
    }
    world.app.get(MY).send().await.refused(401, "unauthenticated");
    my(&world, "nonsense").await.refused(401, "unauthenticated");
    let token = &world.acme.member.token;
    world
        .app
        .get(format!("{MY}?language=en"))
        .bearer(token)
        .send()
        .await
        .refused(400, "unknown_parameter");
    world
        .app
        .get(MY)
        .bearer(token)
        .header("x-mandate-id", "acme")
        .send()
        .await
        .refused(400, "invalid_header");
}

#[tokio::test]
async fn a_language_leaves_only_itself_else_english() {
    let world = viewer().await;
    let token = &world.acme.member.token;
    let (german, english) = (json!({ "de": "Handbücher" }), json!({ "en": "Playbooks" }));
    for (lang, label) in [
        ("de", &german),
        ("en", &english),
        ("fr", &english),
        ("de-CH", &german),
        ("DE-ch-1996", &german),
        ("EN-us", &english),
    ] {
        let found =
            world.app.get(format!("{MY}?lang={lang}")).bearer(token).send().await.expect(200);
        assert_eq!(&found["mandates"][0]["features"][0]["label"], label, "{lang}");
    }
}

#[tokio::test]
async fn whoever_signed_out_is_told_nothing_about_the_language() {
    let world = viewer().await;
    let token = &world.acme.member.token;
    let ask =
        async || world.app.get(format!("{MY}?lang=not+a+language")).bearer(token).send().await;
    ask().await.refused(400, "invalid_parameter");
    world.app.post("/api/auth/logout").bearer(token).send().await.expect(204);
    ask().await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn it_is_ordered_by_name_then_label() {
    let world = viewer().await;
    let (acme, globex, admin) = (&world.acme, &world.globex, world.admin());
    let member = &acme.member;
    for (feature, label) in [
        ("playbooks", "zebra"),
        ("playbooks", "Äpfel"),
        ("bookings", "Rooms"),
        ("playbooks", "Beta"),
    ] {
        let body = json!({ "featureCode": feature, "label": label });
        let id = admin.post("/api/features/instances", body).await.id();
        let roles = admin.get(format!("/api/features/instances/{id}/roles")).await.expect(200);
        let body = json!({ "userId": member.id, "roleIds": [roles["items"][0]["id"]] });
        admin.post(format!("/api/features/instances/{id}/users"), body).await.expect(201);
    }
    let body = json!({ "targetUserId": member.id, "roleIds": [globex.role("user")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    world.admit(globex, member.id, &[globex.instance_role("playbooks-viewer")]).await;
    let found = my(&world, &member.token).await.expect(200);
    let names: Vec<_> = found["mandates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mandate| mandate["name"].clone())
        .collect();
    assert_eq!(names, ["Acme", "Globex"]);
    let features: Vec<_> = found["mandates"][0]["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["code"].clone())
        .collect();
    assert_eq!(features, ["bookings", "playbooks"]);
    let labels = shown(&found);
    let position = |label: &str| {
        labels
            .iter()
            .position(|shown| shown == label)
            .unwrap_or_else(|| panic!("{label} in {labels:?}"))
    };
    assert!(
        position("Acme handbook") < position("Beta") && position("Beta") < position("zebra"),
        "ignoring case: {labels:?}"
    );
    assert_eq!(position("Globex handbook"), labels.len() - 1);
    // Renaming changes the order.
    world.root().patch(acme.path(""), json!({ "name": "zz top" })).await.expect(200);
    let found = my(&world, &member.token).await.expect(200);
    assert_eq!(
        (&found["mandates"][0]["name"], &found["mandates"][1]["name"]),
        (&json!("Globex"), &json!("zz top"))
    );
}

#[tokio::test]
async fn the_user_role_is_the_held_one_that_grants_the_most() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let by_hand = |label: &str| json!({ "label": label });
    let twin = |tables: Value| json!({ "tables": crate::harness::world::rules(&tables) });
    let zed = admin.post(acme.instance_path("/roles"), by_hand("zed")).await.id();
    let abel = admin.post(acme.instance_path("/roles"), by_hand("abel")).await.id();
    for role in [zed, abel] {
        let body = twin(json!({ "playbooks": ["a", "a", "a", "a"] }));
        admin.put(format!("/api/roles/{role}/permissions"), body).await.expect(200);
    }
    let viewer = acme.instance_role("playbooks-viewer");
    world.admit(acme, acme.member.id, &[viewer, zed]).await;
    let instance = async || {
        my(&world, &acme.member.token).await.expect(200)["mandates"][0]["features"][0]["instances"]
            [0]
        .clone()
    };
    let now = instance().await;
    assert_eq!(
        (&now["userRole"], &now["roles"]),
        (&json!("zed"), &json!(["playbooks-viewer", "zed"]))
    );
    let roles = acme.instance_path(&format!("/users/{}/roles", acme.member.id));
    admin.put(roles.clone(), json!({ "roleIds": [viewer, zed, abel] })).await.expect(200);
    assert_eq!(instance().await["userRole"], json!("abel"), "equals are decided by label");
    admin
        .put(roles, json!({ "roleIds": [viewer, acme.instance_role("playbooks-admin"), abel] }))
        .await
        .expect(200);
    let now = instance().await;
    assert_eq!(now["userRole"], json!("playbooks-admin"));
    assert_eq!(now["permissions"]["tables"]["playbooks"]["delete"], json!("a"));
    assert_eq!(now["permissions"]["tables"]["playbook_versions"]["update"], json!("a"));
}

/// Switches one thing off and on again, and looks at what is shown, here and on another node.
async fn lives_and_dies(
    world: &World,
    off: (Method, String, Value),
    on: Option<(Method, String, Value)>,
    as_root: bool,
) {
    let token = &world.acme.member.token;
    let node = world.app.another_node();
    let there = async || shown(&node.get(MY).bearer(token).send().await.expect(200));
    let here = async || shown(&my(world, token).await.expect(200));
    let (open, closed) = (vec!["Acme handbook".to_owned()], Vec::<String>::new());
    assert_eq!((here().await, there().await), (open.clone(), open.clone()));
    let desk = if as_root { world.root() } else { world.admin() };
    let what = format!("{} {}", off.0, off.1);
    let done = desk.ask(off.0, off.1).json(off.2).send().await;
    assert!(done.status.is_success(), "{what}: {}", done.body);
    assert_eq!((here().await, there().await), (closed.clone(), closed), "{what}");
    if let Some((method, path, body)) = on {
        let done = desk.ask(method, path).json(body).send().await;
        assert!(done.status.is_success(), "{what}: {}", done.body);
        assert_eq!((here().await, there().await), (open.clone(), open), "after {what} was undone");
    }
}

#[tokio::test]
async fn only_what_is_alive_is_shown() {
    let world = viewer().await;
    let acme = &world.acme;
    let flag = |on: bool| json!({ "enabled": on });
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let admission = acme.instance_path(&format!("/users/{}", acme.member.id));
    for (path, as_root) in [
        (member.clone(), false),
        (admission.clone(), false),
        (acme.instance_path(""), false),
        (acme.path(""), true),
    ] {
        let off = (Method::PATCH, path.clone(), flag(false));
        lives_and_dies(&world, off, Some((Method::PATCH, path, flag(true))), as_root).await;
    }
    let restore = (Method::POST, acme.path("/restore"), json!({}));
    lives_and_dies(&world, (Method::DELETE, acme.path(""), json!({})), Some(restore), true).await;
    let viewer = [acme.instance_role("playbooks-viewer")];
    let again = (
        Method::POST,
        acme.instance_path("/users"),
        json!({ "userId": acme.member.id, "roleIds": viewer }),
    );
    lives_and_dies(&world, (Method::DELETE, admission, json!({})), Some(again), false).await;
    lives_and_dies(&world, (Method::DELETE, member, json!({})), None, false).await;
}

#[tokio::test]
async fn a_disabled_account_is_signed_out_of_it() {
    let world = viewer().await;
    let acme = &world.acme;
    let account = format!("/api/users/{}", acme.member.id);
    world.root().patch(account, json!({ "enabled": false })).await.expect(200);
    my(&world, &acme.member.token).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn the_etag_changes_with_everything_that_is_shown_and_with_nothing_else() {
    let world = viewer().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let token = &acme.member.token;
    root.post("/api/features", json!({ "code": "spare" })).await.expect(201);
    let viewer = format!("/api/roles/{}", acme.instance_role("playbooks-viewer"));
    let mut tag = my(&world, token).await.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 2, "{tag}");
    let changes: [(&str, String, Value); 5] = [
        ("root", acme.path(""), json!({ "name": "Acme Holding" })),
        ("root", acme.path(""), json!({ "code": "acme-holding" })),
        ("admin", acme.instance_path(""), json!({ "label": "The handbook" })),
        ("admin", viewer.clone(), json!({ "label": "reader" })),
        ("admin", format!("{viewer}/permissions"), json!({ "views": { "editor": true } })),
    ];
    for (who, path, body) in changes {
        let known = world.app.get(MY).bearer(token).header("if-none-match", &tag).send().await;
        assert_eq!(
            (known.status.as_u16(), known.header("etag"), &known.body),
            (304, tag.as_str(), &json!(""))
        );
        let desk = if who == "root" { &root } else { &admin };
        desk.patch(path.clone(), body.clone()).await.expect(200);
        let fresh = world.app.get(MY).bearer(token).header("if-none-match", &tag).send().await;
        assert_eq!(fresh.status.as_u16(), 200, "{path} {body}");
        assert_ne!(fresh.header("etag"), tag);
        fresh.header("etag").clone_into(&mut tag);
    }
    // What others do elsewhere does not touch it.
    world
        .desk(&world.globex.admin, &world.globex)
        .patch(world.globex.path(""), json!({ "name": "Hooli" }))
        .await
        .expect(200);
    admin.post(acme.path("/groups"), json!({ "name": "new" })).await.expect(201);
    let known = world
        .app
        .get(MY)
        .bearer(token)
        .header("if-none-match", format!("\"x\", W/{tag}"))
        .send()
        .await;
    assert_eq!(known.status.as_u16(), 304);
}

#[tokio::test]
async fn a_label_of_a_registered_feature_counts_too() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    root.post("/api/features", json!({ "code": "trustee" })).await.expect(201);
    let instance = admin
        .post("/api/features/instances", json!({ "featureCode": "trustee", "label": "T" }))
        .await
        .id();
    let path = |rest: &str| format!("/api/features/instances/{instance}{rest}");
    let role: Uuid = admin.post(path("/roles"), json!({ "label": "clerk" })).await.id();
    admin
        .post(path("/users"), json!({ "userId": acme.member.id, "roleIds": [role] }))
        .await
        .expect(201);
    let before = my(&world, &acme.member.token).await;
    assert_eq!(
        before.body["mandates"][0]["features"][0]["label"],
        json!({ "en": "Trustee", "de": "Trustee" })
    );
    root.patch("/api/features/trustee", json!({ "label": { "en": "Trust" }, "icon": "mdi-bank" }))
        .await
        .expect(200);
    let after = my(&world, &acme.member.token).await;
    assert_ne!(before.header("etag"), after.header("etag"));
    let feature = &after.body["mandates"][0]["features"][0];
    assert_eq!(
        (&feature["label"], &feature["icon"]),
        (&json!({ "de": "Trustee", "en": "Trust" }), &json!("mdi-bank"))
    );
}

#[tokio::test]
async fn a_revoked_right_is_gone_at_the_next_request() {
    let world = viewer().await;
    let acme = &world.acme;
    let tables = async || {
        my(&world, &acme.member.token).await.expect(200)["mandates"][0]["features"][0]["instances"]
            [0]["permissions"]["tables"]
            .clone()
    };
    assert_eq!(tables().await["playbooks"]["read"], json!("a"));
    let role = format!("/api/roles/{}/permissions", acme.instance_role("playbooks-viewer"));
    world.admin().patch(role, json!({ "tables": { "playbooks": null } })).await.expect(200);
    assert_eq!(tables().await["playbooks"]["read"], json!("n"));
    assert_eq!(tables().await["playbook_versions"]["read"], json!("a"));
}

#[tokio::test]
async fn who_has_it_already_costs_one_statement_that_others_share() {
    let world = viewer().await;
    let acme = &world.acme;
    let count = async |path: &str, tag: &str| {
        let before = statements::sent();
        let answer = world
            .app
            .get(path)
            .bearer(&acme.member.token)
            .header("if-none-match", tag)
            .send()
            .await;
        (answer.status.as_u16(), statements::sent() - before, answer.header("etag").to_owned())
    };
    assert!(count("/api/features", "").await.1 > 1, "the counter counts");
    let (status, sent, tag) = count(MY, "").await;
    assert_eq!((status, sent), (200, 2), "the first time: the session, and what is open");
    assert_eq!(count(MY, "").await, (200, 1, tag.clone()), "once more");
    assert_eq!(count(MY, &tag).await, (304, 1, tag.clone()), "where it is known");
    world.admin().patch(acme.instance_path(""), json!({ "label": "x" })).await.expect(200);
    let (status, sent, _) = count(MY, &tag).await;
    assert_eq!((status, sent), (200, 2), "after a change: that there is one, and what is open");
}
