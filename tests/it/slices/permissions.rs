//! What roles permit: the document, its rules, and how roles merge.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::pointers;
use crate::core::tables::{MANDATE_TABLES, lowered};
use crate::harness::World;
use crate::harness::app::uuid;
use crate::harness::world::{answered, rules};

fn at(role: Uuid) -> String {
    format!("/api/roles/{role}/permissions")
}

#[tokio::test]
async fn put_replaces_all_and_patch_merges() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let role = world
        .role_with(
            acme,
            "clerk",
            json!({ "members": ["a", "n", "g", "n"], "groups": ["m", "n", "n", "n"] }),
        )
        .await;
    let short = |view: bool, read: &str, update: &str| {
        json!({
            "view": view, "read": read, "create": "n", "update": update, "delete": "n",
        })
    };
    let patch = json!({
        "tables": { "groups": null, "members": { "update": "m" },
        "roles": { "view": true, "read": "a" } },
    });
    let merged = admin.patch(at(role), patch).await.expect(200);
    let expected = json!({
        "tables": { "members": short(true, "a", "m"), "roles": short(true, "a", "n") }, "views": {},
    });
    let expected = answered(expected);
    assert_eq!(merged, expected);
    assert_eq!(admin.get(at(role)).await.expect(200), expected);
    let put = json!({ "tables": { "groups": short(true, "g", "m") }, "views": {} });
    assert_eq!(admin.put(at(role), put.clone()).await.expect(200), answered(put.clone()));
    assert_eq!(admin.get(at(role)).await.expect(200), answered(put));
    assert_eq!(
        admin.put(at(role), json!({})).await.expect(200),
        answered(json!({ "tables": {}, "views": {} }))
    );
}

#[tokio::test]
async fn a_rule_that_is_not_well_formed_is_refused_with_pointers() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let role = world.role_with(acme, "clerk", json!({})).await;
    let short = |view: bool, levels: [&str; 4]| {
        json!({
            "view": view, "read": levels[0], "create": levels[1], "update": levels[2],
            "delete": levels[3],
        })
    };
    for (table, wrong, pointer) in [
        ("members", short(true, ["m", "n", "g", "n"]), "/tables/members/update"),
        ("members", short(true, ["n", "n", "n", "m"]), "/tables/members/delete"),
        ("members", short(false, ["m", "n", "n", "n"]), "/tables/members/view"),
        ("*", short(true, ["g", "n", "a", "n"]), "/tables/*/update"),
        ("unicorns", short(true, ["m", "n", "n", "n"]), "/tables/unicorns"),
        ("playbooks", short(true, ["m", "n", "n", "n"]), "/tables/playbooks"),
        ("access", short(true, ["m", "n", "n", "n"]), "/tables/access"),
        ("a/b~c", short(true, ["m", "n", "n", "n"]), "/tables/a~1b~0c"),
        ("mandate", short(true, ["g", "n", "n", "n"]), "/tables/mandate/read"),
        ("members", short(true, ["a", "m", "n", "n"]), "/tables/members/create"),
        ("audit", short(true, ["a", "n", "n", "a"]), "/tables/audit/delete"),
        ("members", short(true, ["x", "n", "n", "n"]), "/tables/members/read"),
        ("members", json!({ "view": true, "read": "a" }), "/tables/members/create"),
    ] {
        let answer = admin.put(at(role), json!({ "tables": { table: wrong } })).await;
        let found: Vec<_> = pointers(&answer).into_iter().map(|(at, _)| at).collect();
        assert!(found.iter().any(|at| at == pointer), "{pointer} is not among {found:?}");
    }
    let view = admin.put(at(role), json!({ "views": { "cockpit": true } })).await;
    assert_eq!(pointers(&view)[0].0, "/views/cockpit");
    // A merge is judged by what comes out of it.
    admin
        .put(at(role), json!({ "tables": { "members": short(true, ["a", "n", "a", "n"]) } }))
        .await
        .expect(200);
    let worse = admin.patch(at(role), json!({ "tables": { "members": { "read": "m" } } })).await;
    assert_eq!(pointers(&worse)[0].0, "/tables/members/update");
    let kept = admin.get(at(role)).await.expect(200);
    assert_eq!(kept["tables"]["members"]["read"], json!("a"), "a refused change changes nothing");
    admin.put(at(role), json!({ "tables": {}, "fields": {} })).await.refused(422, "unknown_field");
}

#[tokio::test]
async fn instance_roles_speak_of_the_tables_and_views_of_their_feature() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let role = acme.instance_role("playbooks-viewer");
    let tables = rules(&json!({
        "playbooks": ["g", "m", "m", "n"], "access": ["m", "n", "n", "n"],
        "instance-roles": ["a", "n", "n", "n"],
    }));
    let body = json!({ "tables": tables, "views": { "editor": true, "playbooks": false } });
    assert_eq!(admin.put(at(role), body.clone()).await.expect(200), answered(body));
    for foreign in ["members", "bookings", "mandate"] {
        let refused = admin
            .put(at(role), json!({ "tables": rules(&json!({ foreign: ["m", "n", "n", "n"] })) }))
            .await;
        assert_eq!(pointers(&refused)[0].0, format!("/tables/{foreign}"));
    }
    let refused = admin.put(at(role), json!({ "views": { "decisions": true } })).await;
    assert_eq!(pointers(&refused)[0].0, "/views/decisions");
}

/// The caller's merged tables in Acme, as `read create update delete`.
async fn own(world: &World, person: &crate::harness::world::Person) -> Value {
    let access = world.desk(person, &world.acme).get("/api/access/me").await.expect(200);
    let short = |rule: &Value| {
        let levels = ["read", "create", "update", "delete"]
            .map(|operation| rule[operation].as_str().unwrap().to_owned());
        levels.concat()
    };
    access["tables"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(table, rule)| (table.clone(), json!(short(rule))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What `*` with these levels is for each table, as [`own`] writes it.
fn fallen(star: [u8; 4]) -> Value {
    let letter = |level: u8| ["n", "m", "g", "a"][usize::from(level)];
    let of = |table: &str| -> String {
        star.iter()
            .enumerate()
            .map(|(operation, level)| letter(lowered(table, operation, *level)))
            .collect()
    };
    MANDATE_TABLES.iter().map(|table| ((*table).to_owned(), json!(of(table)))).collect()
}

#[tokio::test]
async fn roles_merge_to_the_highest_level_and_a_name_beats_the_wildcard_within_one() {
    let world = World::new().await;
    let acme = &world.acme;
    let most = world
        .role_with(
            acme,
            "most",
            json!({ "*": ["a", "a", "a", "a"], "members": ["m", "n", "n", "n"] }),
        )
        .await;
    let some = world.role_with(acme, "some", json!({ "members": ["g", "n", "m", "n"] })).await;
    let mona = world.member_with(acme, "mona", &[most]).await;
    let mut expected = fallen([3, 3, 3, 3]);
    assert_eq!((&expected["groups"], &expected["audit"]), (&json!("aaaa"), &json!("annn")));
    expected["members"] = json!("mnnn");
    assert_eq!(own(&world, &mona).await, expected);
    let both = acme.path(&format!("/users/{}/roles/{some}", mona.id));
    world.admin().put(both, json!({})).await.expect(200);
    expected["members"] = json!("gnmn");
    assert_eq!(own(&world, &mona).await, expected);
}

#[tokio::test]
async fn a_wildcard_falls_to_the_next_level_that_a_table_knows() {
    let world = World::new().await;
    let acme = &world.acme;
    let star = world.role_with(acme, "star", json!({ "*": ["g", "g", "m", "n"] })).await;
    let stella = world.member_with(acme, "stella", &[star]).await;
    let mut expected = fallen([2, 2, 1, 0]);
    assert_eq!(own(&world, &stella).await, expected);
    for (table, levels) in [
        ("mandate", "nnnn"),
        ("members", "gnmn"),
        ("groups", "ggmn"),
        ("roles", "ggmn"),
        ("instances", "ggmn"),
        ("audit", "gnnn"),
    ] {
        assert_eq!(expected[table].take(), levels, "{table}");
    }
}

#[tokio::test]
async fn a_changed_role_counts_at_the_next_request_on_every_node() {
    let world = World::new().await;
    let acme = &world.acme;
    let node = world.app.another_node();
    let list = acme.path("/users");
    let there =
        async || node.get(list.clone()).bearer(&acme.member.token).mandate(acme.id).send().await;
    let here = async || world.desk(&acme.member, acme).get(list.clone()).await;
    here().await.expect(200);
    there().await.expect(200);
    world
        .admin()
        .patch(at(acme.role("user")), json!({ "tables": { "members": null } }))
        .await
        .expect(200);
    here().await.refused(403, "permission_denied");
    there().await.refused(403, "permission_denied");
    world
        .admin()
        .patch(
            at(acme.role("user")),
            json!({ "tables": { "members": { "view": true, "read": "a" } } }),
        )
        .await
        .expect(200);
    there().await.expect(200);
    here().await.expect(200);
}

#[tokio::test]
async fn access_me_adds_the_instances_tables_where_the_header_names_it() {
    let world = World::new().await;
    let acme = &world.acme;
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-contributor")]).await;
    let nowhere = world.bare(&acme.member).get("/api/access/me").await.expect(200);
    assert_eq!(
        nowhere,
        json!({
            "userId": acme.member.id, "mandateId": null, "instanceId": null, "roles": [],
            "tables": {}, "views": {},
        })
    );
    let desk = world.desk(&acme.member, acme);
    let mandate = desk.get("/api/access/me").await.expect(200);
    assert_eq!(
        (&mandate["mandateId"], &mandate["roles"], &mandate["views"]),
        (&json!(acme.id), &json!(["user"]), &json!({}))
    );
    let inside = desk.in_instance(acme.instance).get("/api/access/me").await.expect(200);
    assert_eq!(inside["instanceId"], json!(acme.instance));
    assert_eq!(
        inside["tables"]["playbooks"],
        json!({ "view": true, "read": "g", "create": "m", "update": "m", "delete": "m" })
    );
    assert_eq!(inside["views"], json!({ "playbooks": true, "editor": true }));
    for foreign in [world.globex.instance, Uuid::now_v7()] {
        desk.in_instance(foreign)
            .get("/api/access/me")
            .await
            .refused(403, "instance_access_denied");
    }
    // The admin manages the instance without having been admitted to it.
    world
        .admin()
        .in_instance(acme.instance)
        .get("/api/access/me")
        .await
        .refused(403, "instance_access_denied");
}

/// A role of an instance, with rules for a table and a view that its feature has lost since.
async fn with_stale_rules(world: &World) -> (Uuid, Uuid) {
    let (root, admin) = (world.root(), world.admin());
    root.post(
        "/api/features",
        json!({ "code": "trustee", "tables": ["ledgers", "vaults"], "views": ["board", "stats"] }),
    )
    .await
    .expect(201);
    let clerk = root
        .post(
            "/api/features/templates/roles",
            json!({ "roleLabel": "clerk", "featureCode": "trustee" }),
        )
        .await
        .id();
    let tables = rules(&json!({ "ledgers": ["a", "n", "n", "n"], "vaults": ["a", "n", "n", "n"] }));
    root.put(at(clerk), json!({ "tables": tables, "views": { "board": true, "stats": true } }))
        .await
        .expect(200);
    root.patch("/api/features/trustee", json!({ "tables": ["ledgers"], "views": ["board"] }))
        .await
        .expect(200);
    let instance = admin
        .post("/api/features/instances", json!({ "featureCode": "trustee", "label": "Books" }))
        .await
        .id();
    let roles = admin.get(format!("/api/features/instances/{instance}/roles")).await.expect(200);
    (uuid(&roles["items"][0]["id"]), instance)
}

#[tokio::test]
async fn what_is_stale_is_told_and_stands_in_nobodys_way() {
    let world = World::new().await;
    let admin = world.admin();
    let (role, _) = with_stale_rules(&world).await;
    let told = admin.get(at(role)).await.expect(200);
    let ledgers = rules(&json!({ "ledgers": ["a", "n", "n", "n"] }));
    assert_eq!(
        told,
        json!({
            "tables": ledgers, "views": { "board": true },
            "stale": { "tables": ["vaults"], "views": ["stats"] },
        })
    );
    assert_eq!(admin.patch(at(role), json!({})).await.expect(200)["stale"], told["stale"]);
    let patched = admin
        .patch(
            at(role),
            json!({ "tables": { "ledgers": { "create": "m" } }, "views": { "board": false } }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&patched["tables"]["ledgers"]["create"], &patched["stale"]),
        (&json!("m"), &told["stale"])
    );
    // It is not sent back in, and goes by name.
    let named = admin.patch(at(role), json!({ "tables": { "vaults": { "read": "m" } } })).await;
    assert_eq!(pointers(&named)[0].0, "/tables/vaults");
    admin.put(at(role), told.clone()).await.refused(422, "unknown_field");
    let without = admin
        .patch(at(role), json!({ "tables": { "vaults": null }, "views": { "stats": null } }))
        .await
        .expect(200);
    assert_eq!(without["stale"], json!({ "tables": [], "views": [] }));
}

#[tokio::test]
async fn a_null_level_is_told_what_to_send_instead() {
    let world = World::new().await;
    let admin = world.admin();
    let role =
        world.role_with(&world.acme, "clerk", json!({ "members": ["a", "n", "n", "n"] })).await;
    let refused = admin.patch(at(role), json!({ "tables": { "members": { "read": null } } })).await;
    assert_eq!(
        pointers(&refused),
        [("/tables/members/read".to_owned(), "invalid_type".to_owned())]
    );
    let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
    assert!(
        ["`n`", "`a`", "null in the table's place"].iter().all(|part| detail.contains(part)),
        "{detail}"
    );
    admin.patch(at(role), json!({ "tables": { "members": null } })).await.expect(200);
}

#[tokio::test]
async fn a_sync_drops_what_is_stale_and_so_does_a_replacement() {
    let world = World::new().await;
    let admin = world.admin();
    let (role, instance) = with_stale_rules(&world).await;
    let sync = format!("/api/features/instances/{instance}/sync-roles?addOnly=false");
    let report = admin.post(sync.clone(), json!({})).await.expect(200);
    let gone = report["changes"][0]["permissions"].to_string();
    assert!(gone.contains("vaults") && gone.contains("stats"), "{report}");
    assert_eq!(
        admin.get(at(role)).await.expect(200)["stale"],
        json!({ "tables": [], "views": [] })
    );
    assert_eq!(admin.post(sync, json!({})).await.expect(200)["changes"], json!([]));
    let (other, _) = {
        world.root().delete("/api/features/trustee").await.refused(409, "feature_in_use");
        admin.delete(format!("/api/features/instances/{instance}")).await.expect(204);
        world.root().delete("/api/features/trustee").await.expect(204);
        with_stale_rules(&world).await
    };
    let replaced = admin.put(at(other), json!({ "tables": {}, "views": {} })).await.expect(200);
    assert_eq!(replaced, answered(json!({ "tables": {}, "views": {} })));
}

#[tokio::test]
async fn a_delegate_gives_no_role_with_stale_rules_that_they_would_not_have() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (role, instance) = with_stale_rules(&world).await;
    let path = |rest: &str| format!("/api/features/instances/{instance}{rest}");
    let chief = admin.post(path("/roles"), json!({ "label": "chief" })).await.id();
    let all = rules(&json!({ "*": ["a", "a", "a", "a"] }));
    admin.put(at(chief), json!({ "tables": all, "views": { "board": true } })).await.expect(200);
    let cora = world.member_with(acme, "cora", &[acme.role("user")]).await;
    admin.post(path("/users"), json!({ "userId": cora.id, "roleIds": [chief] })).await.expect(201);
    let (desk, body) =
        (world.desk(&cora, acme), json!({ "userId": acme.member.id, "roleIds": [role] }));
    desk.post(path("/users"), body.clone()).await.refused(403, "grant_exceeds_own_access");
    // No `*` gives views; what is stale of tables is within it.
    admin.patch(at(role), json!({ "views": { "stats": null } })).await.expect(200);
    desk.post(path("/users"), body).await.expect(201);
}
