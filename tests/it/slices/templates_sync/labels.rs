//! Labels that templates give away, take over, or find taken: one sync brings the copies to rest.

use serde_json::json;
use uuid::Uuid;

use super::{Stage, change, counts, template};

/// Nothing is left to do: neither in the counts nor in the versions.
async fn rests(stage: &Stage, add_only: bool) {
    let before = stage.state().await;
    let [added, removed, _, updated, _] = counts(&stage.sync(add_only).await);
    assert_eq!((added, removed, updated), (0, 0, 0));
    assert_eq!(stage.state().await, before, "a sync that has nothing to do changes nothing");
}

#[tokio::test]
async fn templates_that_swap_their_labels_swap_those_of_their_copies() {
    let stage = Stage::set().await;
    let root = stage.world.root();
    let chief = template(&stage.world, "chief", json!({ "ledgers": ["a", "a", "a", "a"] })).await;
    stage.sync(false).await;
    let before = stage.roles().await;
    let rename = async |template: Uuid, label: &str| {
        root.patch(format!("/api/roles/{template}"), json!({ "label": label })).await.expect(200)
    };
    rename(chief, "between").await;
    rename(stage.clerk, "chief").await;
    rename(chief, "clerk").await;
    let report = stage.sync(false).await;
    assert_eq!(counts(&report), [0, 0, 0, 2, 0]);
    assert_eq!(change(&report, "clerk")["label"], json!({ "from": "clerk", "to": "chief" }));
    assert_eq!(change(&report, "clerk").get("description"), None);
    let after = stage.roles().await;
    assert_eq!(
        (&after["chief"]["id"], &after["clerk"]["id"]),
        (&before["clerk"]["id"], &before["chief"]["id"])
    );
    rests(&stage, false).await;
}

#[tokio::test]
async fn a_template_made_anew_under_its_name_gets_its_copy_in_one_sync() {
    let stage = Stage::set().await;
    stage.world.root().delete(format!("/api/roles/{}", stage.clerk)).await.expect(204);
    let anew = template(&stage.world, "clerk", json!({ "ledgers": ["m", "n", "n", "n"] })).await;
    let report = stage.sync(false).await;
    assert_eq!(counts(&report), [1, 1, 0, 0, 0]);
    assert_eq!(stage.roles().await["clerk"]["templateRoleId"], json!(anew));
    rests(&stage, false).await;
}

#[tokio::test]
async fn a_label_that_a_handmade_role_has_is_left_to_it_for_good() {
    let stage = Stage::set().await;
    let (root, admin) = (stage.world.root(), stage.world.admin());
    admin.post(stage.path("/roles"), json!({ "label": "Scribe" })).await.expect(201);
    root.patch(
        format!("/api/roles/{}", stage.clerk),
        json!({ "label": "scribe", "description": { "en": "Writes" } }),
    )
    .await
    .expect(200);
    let report = stage.sync(false).await;
    let updated = change(&report, "clerk");
    assert_eq!((&updated["change"], updated.get("label")), (&json!("updated"), None));
    assert_eq!(updated["description"], json!({ "from": {}, "to": { "en": "Writes" } }));
    rests(&stage, false).await;
    let skipped = stage.sync(false).await;
    let skipped = change(&skipped, "clerk");
    assert_eq!(
        (&skipped["change"], &skipped["label"]["to"]),
        (&json!("skipped: label_taken"), &json!("scribe"))
    );
}
