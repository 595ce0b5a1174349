//! The catalogue of features.

use serde_json::json;

use super::kit::{points_at, set, values};
use crate::features;
use crate::harness::World;
use crate::harness::world::rules;

const PATH: &str = "/api/features";

#[tokio::test]
async fn a_feature_is_registered_read_changed_and_deleted() {
    let world = World::new().await;
    let root = world.root();
    let made = root
        .post(
            PATH,
            json!({
                "code": "trustee-plus", "tables": ["ledgers", "old_books"], "views": ["board"],
            }),
        )
        .await;
    assert_eq!(made.header("location"), "/api/features/trustee-plus");
    let feature = made.expect(201);
    let found = ["code", "label", "icon", "tables", "views", "builtIn", "version"]
        .map(|field| feature[field].clone());
    let expected = [
        json!("trustee-plus"),
        json!({ "en": "Trustee Plus", "de": "Trustee Plus" }),
        json!("mdi-puzzle"),
        json!(["ledgers", "old_books"]),
        json!(["board"]),
        json!(false),
        json!(1),
    ];
    assert_eq!(found, expected);
    let path = format!("{PATH}/trustee-plus");
    for person in [&world.acme.member, &world.sys_admin] {
        assert_eq!(world.bare(person).get(path.clone()).await.expect(200), feature);
    }
    let body = json!({
        "label": { "fr": "Fiduciaire", "EN": null }, "icon": "mdi-bank", "tables": ["ledgers"],
        "views": [],
    });
    let changed = root.patch(path.clone(), body).await.expect(200);
    let found = ["label", "icon", "tables", "views", "version"].map(|field| changed[field].clone());
    assert_eq!(
        found,
        [
            json!({ "de": "Trustee Plus", "fr": "Fiduciaire" }),
            json!("mdi-bank"),
            json!(["ledgers"]),
            json!([]),
            json!(2)
        ]
    );
    root.delete(path.clone()).await.expect(204);
    root.get(path.clone()).await.refused(404, "not_found");
    root.delete(path).await.refused(404, "not_found");
}

#[tokio::test]
async fn anybody_signed_in_sees_the_catalogue_and_only_sys_admins_change_it() {
    let world = World::new().await;
    let member = world.bare(&world.stranger("nina").await);
    let listed = member.get(PATH).await.expect(200);
    assert_eq!(
        set(values(&listed, "code")),
        set(features::served().iter().map(|feature| feature.code))
    );
    member.get(format!("{PATH}/nothing")).await.refused(404, "not_found");
    world.app.get(PATH).send().await.refused(401, "unauthenticated");
    for desk in [member, world.admin()] {
        desk.post(PATH, json!({ "code": "trustee" })).await.refused(403, "permission_denied");
        desk.patch(format!("{PATH}/bookings"), json!({ "icon": "x" }))
            .await
            .refused(403, "permission_denied");
        desk.delete(format!("{PATH}/bookings")).await.refused(403, "permission_denied");
    }
}

#[tokio::test]
async fn codes_have_a_form_and_some_are_reserved_or_taken() {
    let world = World::new().await;
    let root = world.root();
    for wrong in [
        "my",
        "instances",
        "templates",
        "a",
        "1a",
        "A",
        "a_b",
        "a b",
        "-a",
        "",
        "é-x",
        "\u{fdfa}",
        &"a".repeat(64),
    ] {
        points_at(&root.post(PATH, json!({ "code": wrong })).await, "/code");
    }
    root.post(PATH, json!({ "code": "a".repeat(63) })).await.expect(201);
    root.post(PATH, json!({ "code": "playbooks" })).await.refused(409, "code_taken");
    points_at(&root.post(PATH, json!({})).await, "/code");
    root.post(PATH, json!({ "code": "ok", "builtIn": true })).await.refused(422, "unknown_field");
}

#[tokio::test]
async fn tables_do_not_take_the_names_of_the_access_models_own() {
    let world = World::new().await;
    let root = world.root();
    root.post(PATH, json!({ "code": "trustee" })).await.expect(201);
    for reserved in [
        "mandate",
        "members",
        "groups",
        "roles",
        "instances",
        "audit",
        "access",
        "instance-roles",
        "*",
        "",
    ] {
        let made = root.post(PATH, json!({ "code": "other", "tables": ["fine", reserved] })).await;
        points_at(&made, "/tables/1");
        points_at(
            &root.patch(format!("{PATH}/trustee"), json!({ "tables": [reserved] })).await,
            "/tables/0",
        );
    }
    points_at(
        &root.post(PATH, json!({ "code": "other", "tables": ["x", "x"] })).await,
        "/tables/1",
    );
    for to_come in ["webhooks", "events", "files", "usage", "api_keys"] {
        points_at(
            &root.post(PATH, json!({ "code": "other", "tables": ["fine", to_come] })).await,
            "/tables/1",
        );
        points_at(
            &root.patch(format!("{PATH}/trustee"), json!({ "tables": [to_come] })).await,
            "/tables/0",
        );
    }
    // One that had such a table before the name was reserved keeps it.
    sqlx::query("update features set tables = '{events}' where code = 'trustee'")
        .execute(&world.app.sql)
        .await
        .unwrap();
    root.patch(format!("{PATH}/trustee"), json!({ "tables": ["events", "more"] }))
        .await
        .expect(200);
    points_at(
        &root.patch(format!("{PATH}/trustee"), json!({ "tables": ["events", "files"] })).await,
        "/tables/1",
    );
    points_at(
        &root.post(PATH, json!({ "code": "other", "label": { "en": " " } })).await,
        "/label/en",
    );
}

#[tokio::test]
async fn tables_and_views_are_called_as_applications_call_them() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let longest = format!("T{}", "x".repeat(127));
    let tables = json!(["TrusteeContract", "trustee.home", "a:b-c_d", "Members", longest]);
    let views = json!(["ui.feature.trustee.dashboard", "Trustee"]);
    root.post(PATH, json!({ "code": "trustee", "tables": tables, "views": views }))
        .await
        .expect(201);
    let instance = admin
        .post("/api/features/instances", json!({ "featureCode": "trustee", "label": "T" }))
        .await
        .id();
    let path = |rest: &str| format!("/api/features/instances/{instance}{rest}");
    let role = admin.post(path("/roles"), json!({ "label": "clerk" })).await.id();
    let wanted = json!({
        "tables": rules(&json!({ "TrusteeContract": ["a", "n", "n", "n"] })),
        "views": { "ui.feature.trustee.dashboard": true },
    });
    admin.put(format!("/api/roles/{role}/permissions"), wanted).await.expect(200);
    // Compared exactly.
    let other = json!({ "tables": rules(&json!({ "trusteecontract": ["a", "n", "n", "n"] })) });
    points_at(
        &admin.put(format!("/api/roles/{role}/permissions"), other).await,
        "/tables/trusteecontract",
    );
    admin
        .post(path("/users"), json!({ "userId": acme.member.id, "roleIds": [role] }))
        .await
        .expect(201);
    let desk = world.desk(&acme.member, acme).in_instance(instance);
    let asked = json!({
        "checks": [{ "table": "TrusteeContract", "operation": "read" },
        { "table": "trustee.home", "operation": "read" }],
    });
    let answered = desk.post("/api/access/check", asked).await.expect(200);
    assert_eq!(
        answered["results"],
        json!([{ "allowed": true, "level": "a" }, { "allowed": false, "level": "n" }])
    );
    for wrong in ["", "1x", "_x", ".x", "x y", "x/y", "é", &"x".repeat(129)] {
        points_at(
            &root.post(PATH, json!({ "code": "other", "tables": [wrong] })).await,
            "/tables/0",
        );
        points_at(&root.post(PATH, json!({ "code": "other", "views": [wrong] })).await, "/views/0");
    }
    let many = |count: usize| (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>();
    root.post(PATH, json!({ "code": "large", "tables": many(200), "views": many(500) }))
        .await
        .expect(201);
    points_at(&root.post(PATH, json!({ "code": "other", "tables": many(201) })).await, "/tables");
    points_at(&root.post(PATH, json!({ "code": "other", "views": many(501) })).await, "/views");
}

#[tokio::test]
async fn labels_are_merged_and_bounded_as_a_whole() {
    let world = World::new().await;
    let root = world.root();
    let feature = root
        .post(PATH, json!({ "code": "trustee", "label": { "en": "Trustee", "de": "Treuhand" } }))
        .await
        .expect(201);
    let path = format!("{PATH}/trustee");
    let patched = root
        .patch(path.clone(), json!({ "label": { "fr": "Fiducie", "DE": "Stiftung", "it": null } }))
        .await
        .expect(200);
    assert_eq!(patched["label"], json!({ "en": "Trustee", "de": "Stiftung", "fr": "Fiducie" }));
    let same = root
        .patch(path.clone(), json!({ "label": { "en": "Trustee" }, "icon": feature["icon"] }))
        .await
        .expect(200);
    assert_eq!((&same["label"], &same["version"]), (&patched["label"], &json!(2)));
    points_at(
        &root.patch(path.clone(), json!({ "label": { "en": null, "de": null, "FR": null } })).await,
        "/label",
    );
    points_at(
        &root.patch(path.clone(), json!({ "label": { "de": "a", "De": "b" } })).await,
        "/label/de",
    );
    points_at(
        &root.patch(path.clone(), json!({ "label": { "no language": "a" } })).await,
        "/label/no language",
    );
    let many = |from: u8| {
        (0..20)
            .map(|n| (format!("x{}", char::from(from + n)), json!("x")))
            .collect::<serde_json::Map<_, _>>()
    };
    root.patch(path.clone(), json!({ "label": { "de": null, "fr": null } })).await.expect(200);
    let now = root.get(path.clone()).await.expect(200);
    points_at(&root.patch(path.clone(), json!({ "label": many(b'a') })).await, "/label");
    assert_eq!(root.get(path).await.expect(200), now, "what is refused changes nothing");
}

#[tokio::test]
async fn what_is_in_use_or_built_in_stays() {
    let world = World::new().await;
    let root = world.root();
    root.delete(format!("{PATH}/playbooks")).await.refused(409, "feature_built_in");
    root.delete(format!("{PATH}/bookings")).await.refused(409, "feature_built_in");
    root.patch(format!("{PATH}/bookings"), json!({ "tables": [] }))
        .await
        .refused(409, "feature_built_in");
    root.post(PATH, json!({ "code": "trustee" })).await.expect(201);
    let body = json!({ "featureCode": "trustee", "label": "T" });
    let instance = world.admin().post("/api/features/instances", body).await.id();
    root.delete(format!("{PATH}/trustee")).await.refused(409, "feature_in_use");
    world.admin().delete(format!("/api/features/instances/{instance}")).await.expect(204);
    // Its templates go with it: they are not a use.
    let role = root
        .post(
            "/api/features/templates/roles",
            json!({ "roleLabel": "clerk", "featureCode": "trustee" }),
        )
        .await
        .id();
    root.delete(format!("{PATH}/trustee")).await.expect(204);
    root.get(format!("/api/roles/{role}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn while_instances_exist_tables_and_views_are_only_added() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    root.post(PATH, json!({ "code": "trustee", "tables": ["ledgers"], "views": ["board"] }))
        .await
        .expect(201);
    let instance = admin
        .post("/api/features/instances", json!({ "featureCode": "trustee", "label": "T" }))
        .await
        .id();
    let path = |rest: &str| format!("/api/features/instances/{instance}{rest}");
    let role = admin.post(path("/roles"), json!({ "label": "clerk" })).await.id();
    let tables = rules(&json!({ "*": ["g", "n", "n", "n"], "ledgers": ["a", "n", "n", "n"] }));
    admin
        .put(format!("/api/roles/{role}/permissions"), json!({ "tables": tables }))
        .await
        .expect(200);
    admin
        .post(path("/users"), json!({ "userId": acme.member.id, "roleIds": [role] }))
        .await
        .expect(201);
    let feature = format!("{PATH}/trustee");
    for narrower in
        [json!({ "tables": [] }), json!({ "tables": ["journal"] }), json!({ "views": [] })]
    {
        root.patch(feature.clone(), narrower).await.refused(409, "feature_in_use");
    }
    root.patch(feature, json!({ "tables": ["ledgers", "journal"], "views": ["board", "till"] }))
        .await
        .expect(200);
    let desk = world.desk(&acme.member, acme).in_instance(instance);
    let now = desk.get("/api/access/me").await.expect(200);
    let levels = ["ledgers", "journal"].map(|table| now["tables"][table]["read"].clone());
    assert_eq!(
        (levels, &now["views"]),
        ([json!("a"), json!("g")], &json!({ "board": false, "till": false }))
    );
}
