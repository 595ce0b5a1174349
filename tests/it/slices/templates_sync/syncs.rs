//! What a sync adds, changes, removes and leaves alone, and who may ask for it.

use serde_json::json;

use super::super::kit::set;
use super::{Stage, change, counts, permissions, template};
use crate::harness::world::{answered, rules};

#[tokio::test]
async fn a_missing_copy_is_added_and_an_equal_one_is_unchanged() {
    let stage = Stage::set().await;
    assert_eq!(counts(&stage.sync(true).await), [0, 0, 1, 0, 0]);
    template(&stage.world, "chief", json!({ "*": ["a", "a", "a", "a"] })).await;
    let report = stage.sync(true).await;
    assert_eq!(counts(&report), [1, 0, 1, 0, 0]);
    let added = change(&report, "chief");
    assert_eq!(added["change"], json!("added"));
    let listed = added["permissions"].as_array().unwrap();
    assert!(
        listed.contains(&json!({ "table": "*", "operation": "read", "from": "n", "to": "a" })),
        "{added}"
    );
    let made = stage.world.admin().get(permissions(stage.copy("chief").await)).await.expect(200);
    assert_eq!(made["tables"]["*"]["delete"], json!("a"));
    assert_eq!(counts(&stage.sync(false).await), [0, 0, 2, 0, 0], "twice is the same as once");
}

#[tokio::test]
async fn a_changed_copy_differs_until_a_sync_may_reset_it() {
    let stage = Stage::set().await;
    let (admin, copy) = (stage.world.admin(), stage.copy("clerk").await);
    let changed =
        json!({ "tables": rules(&json!({ "ledgers": ["a", "n", "m", "n"] })), "views": {} });
    admin.put(permissions(copy), changed.clone()).await.expect(200);
    let spared = stage.sync(true).await;
    assert_eq!(counts(&spared), [0, 0, 1, 0, 0]);
    let differs = change(&spared, "clerk");
    assert_eq!(differs["change"], json!("differs"));
    let difference = json!({ "table": "ledgers", "operation": "update", "from": "m", "to": "n" });
    let listed = differs["permissions"].as_array().unwrap();
    assert!(
        listed.contains(&difference) && listed.len() == 2,
        "the level and the view, nothing else: {differs}"
    );
    assert_eq!(admin.get(permissions(copy)).await.expect(200), answered(changed));
    let reset = stage.sync(false).await;
    assert_eq!(counts(&reset), [0, 0, 0, 1, 0]);
    assert_eq!(
        (&change(&reset, "clerk")["change"], change(&reset, "clerk")["permissions"].as_array()),
        (&json!("updated"), Some(listed))
    );
    let now = admin.get(permissions(copy)).await.expect(200);
    assert_eq!(
        (&now["tables"]["ledgers"]["update"], &now["views"]["board"]),
        (&json!("n"), &json!(true))
    );
}

#[tokio::test]
async fn copies_are_known_by_their_template_not_by_their_label() {
    let stage = Stage::set().await;
    let copy = stage.copy("clerk").await;
    stage
        .world
        .admin()
        .patch(format!("/api/roles/{copy}"), json!({ "label": "bookkeeper" }))
        .await
        .expect(200);
    let report = stage.sync(true).await;
    assert_eq!(counts(&report), [0, 0, 1, 0, 0], "no second copy");
    assert_eq!(set(stage.roles().await.keys()), set(["bookkeeper"]));
    stage.sync(false).await;
    assert_eq!(stage.copy("clerk").await, copy);
}

#[tokio::test]
async fn roles_made_by_hand_are_never_touched() {
    let stage = Stage::set().await;
    let admin = stage.world.admin();
    let by_hand = admin.post(stage.path("/roles"), json!({ "label": "Chief" })).await.id();
    admin.put(permissions(by_hand), json!({ "views": { "board": true } })).await.expect(200);
    template(&stage.world, "chief", json!({ "ledgers": ["a", "a", "a", "a"] })).await;
    for add_only in [true, false] {
        let before = stage.state().await;
        let report = stage.sync(add_only).await;
        assert_eq!(counts(&report), [0, 0, 1, 0, 0]);
        assert_eq!(change(&report, "chief")["change"], json!("skipped: label_taken"));
        assert_eq!(stage.state().await, before);
    }
}

#[tokio::test]
async fn a_copy_whose_template_is_gone_is_removed_unless_somebody_holds_it() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let chief = template(world, "chief", json!({ "ledgers": ["a", "a", "a", "a"] })).await;
    stage.sync(true).await;
    let held = stage.copy("clerk").await;
    let body = json!({ "userId": acme.member.id, "roleIds": [held] });
    world.admin().post(stage.path("/users"), body).await.expect(201);
    for template in [stage.clerk, chief] {
        world.root().delete(format!("/api/roles/{template}")).await.expect(204);
    }
    let before = stage.state().await;
    let spared = stage.sync(true).await;
    assert_eq!(
        (spared["added"].clone(), spared["removed"].clone(), spared["updated"].clone()),
        (json!(0), json!(0), json!(0))
    );
    assert_eq!(stage.state().await, before, "adding only removes nothing");
    let report = stage.sync(false).await;
    assert_eq!(counts(&report), [0, 1, 0, 0, 1]);
    assert_eq!(change(&report, "chief")["change"], json!("removed"));
    let kept = change(&report, "clerk");
    assert_eq!(kept["change"], json!("kept"));
    assert!(kept.to_string().contains("acme-member"), "the holders are named: {kept}");
    assert_eq!(set(stage.roles().await.keys()), set(["clerk"]));
    world.admin().delete(stage.path(&format!("/users/{}", acme.member.id))).await.expect(204);
    assert_eq!(counts(&stage.sync(false).await), [0, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_sync_is_audited_once_and_a_dry_run_not_at_all() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let events = async || {
        let trail = acme.path(&format!("/audit?targetId={}&limit=200", stage.instance));
        world.admin().get(trail).await.expect(200)["items"].as_array().unwrap().len()
    };
    template(&stage.world, "chief", json!({ "*": ["a", "a", "a", "a"] })).await;
    let before = events().await;
    world
        .admin()
        .post(stage.path("/sync-roles?dryRun=true&addOnly=false"), json!({}))
        .await
        .expect(200);
    assert_eq!(events().await, before);
    world.admin().post(stage.path("/sync-roles"), json!({})).await.expect(200);
    assert_eq!(events().await, before + 1);
    // One that changes nothing leaves none.
    world.admin().post(stage.path("/sync-roles"), json!({})).await.expect(200);
    assert_eq!(events().await, before + 1);
}

#[tokio::test]
async fn who_may_sync() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let path = stage.path("/sync-roles");
    // No body and no content type are needed.
    world
        .app
        .post(path.clone())
        .bearer(&acme.admin.token)
        .mandate(acme.id)
        .send()
        .await
        .expect(200);
    world.root().post(path.clone(), json!({})).await.expect(200);
    let user = world.desk(&acme.member, acme);
    user.post(path.clone(), json!({})).await.refused(403, "permission_denied");
    let keeper = world.admin().post(stage.path("/roles"), json!({ "label": "keeper" })).await.id();
    let tables = rules(&json!({ "instance-roles": ["a", "a", "a", "a"] }));
    world.admin().put(permissions(keeper), json!({ "tables": tables })).await.expect(200);
    let body = json!({ "userId": acme.member.id, "roleIds": [keeper] });
    world.admin().post(stage.path("/users"), body).await.expect(201);
    user.post(path.clone(), json!({})).await.expect(200);
    let other = world.desk(&world.globex.admin, &world.globex);
    other.post(path.clone(), json!({})).await.refused(404, "not_found");
    world
        .admin()
        .post(format!("{path}?dryrun=true"), json!({}))
        .await
        .refused(400, "unknown_parameter");
    world
        .admin()
        .post(format!("{path}?dryRun=perhaps"), json!({}))
        .await
        .refused(400, "invalid_parameter");
}

#[tokio::test]
async fn holders_are_named_to_those_only_who_may_list_them() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let clerk = stage.copy("clerk").await;
    let held = json!({ "userId": acme.member.id, "roleIds": [clerk] });
    world.admin().post(stage.path("/users"), held).await.expect(201);
    let keeper = world.admin().post(stage.path("/roles"), json!({ "label": "keeper" })).await.id();
    let tables = rules(&json!({ "instance-roles": ["a", "a", "a", "a"] }));
    world.admin().put(permissions(keeper), json!({ "tables": tables })).await.expect(200);
    let kim =
        world.member_with(acme, "kim", &[world.role_with(acme, "nothing", json!({})).await]).await;
    world
        .admin()
        .post(stage.path("/users"), json!({ "userId": kim.id, "roleIds": [keeper] }))
        .await
        .expect(201);
    world.root().delete(format!("/api/roles/{}", stage.clerk)).await.expect(204);
    let sync = stage.path("/sync-roles?addOnly=false");
    for (desk, named) in
        [(world.desk(&kim, acme), false), (world.admin(), true), (world.root(), true)]
    {
        let report = desk.post(sync.clone(), json!({})).await.expect(200);
        assert_eq!(change(&report, "clerk")["change"], json!("kept"));
        assert_eq!(report.to_string().contains("acme-member"), named, "{report}");
    }
}
