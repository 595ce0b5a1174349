//! Copies are made with what they are for, and stay as they are.

use serde_json::json;

use super::super::kit::{set, values};
use super::{Stage, TEMPLATES, counts, permissions};
use crate::harness::World;
use crate::harness::app::uuid;
use crate::harness::world::{answered, rules};

#[tokio::test]
async fn a_new_mandate_gets_copies_of_the_mandate_templates() {
    let world = World::new().await;
    let root = world.root();
    let auditor = root.post(TEMPLATES, json!({ "roleLabel": "auditor" })).await.id();
    let body = json!({ "tables": rules(&json!({ "audit": ["a", "n", "n", "n"] })), "views": {} });
    root.put(permissions(auditor), body.clone()).await.expect(200);
    let made = root.post("/api/mandates", json!({ "name": "Initech" })).await.id();
    let listed = root.get(format!("/api/mandates/{made}/roles")).await.expect(200);
    assert_eq!(set(values(&listed, "label")), set(["admin", "auditor", "user", "viewer"]));
    let of_template = root.get(TEMPLATES).await.expect(200);
    for copy in listed["items"].as_array().unwrap() {
        let template = of_template["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["id"] == copy["templateRoleId"]);
        let template = template.unwrap_or_else(|| panic!("{copy} remembers no template"));
        assert_eq!(
            (&copy["label"], &copy["scope"], &copy["protected"]),
            (&template["label"], &json!("mandate"), &template["protected"])
        );
        assert_eq!(copy["mandateId"], json!(made));
    }
    // An admin can read what was copied.
    let person = world.stranger("ines").await;
    let admin = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["label"] == "admin")
        .unwrap()["id"]
        .clone();
    let added = json!({ "targetUserId": person.id, "roleIds": [admin] });
    root.post(format!("/api/mandates/{made}/users"), added).await.expect(201);
    let copy =
        listed["items"].as_array().unwrap().iter().find(|role| role["label"] == "auditor").unwrap()
            ["id"]
            .clone();
    let read = world
        .app
        .get(permissions(uuid(&copy)))
        .bearer(&person.token)
        .mandate(made)
        .send()
        .await
        .expect(200);
    assert_eq!(read, answered(body));
    // The mandates that were there before have no copy of it.
    let acme = values(&world.admin().get(world.acme.path("/roles")).await.expect(200), "label");
    assert_eq!(set(acme), set(["admin", "user", "viewer"]));
}

#[tokio::test]
async fn a_new_instance_gets_copies_unless_it_says_otherwise() {
    let stage = Stage::set().await;
    let admin = stage.world.admin();
    let roles = stage.roles().await;
    assert_eq!(set(roles.keys()), set(["clerk"]));
    assert_eq!(
        (&roles["clerk"]["templateRoleId"], &roles["clerk"]["scope"]),
        (&json!(stage.clerk), &json!("instance"))
    );
    let copied = admin.get(permissions(stage.copy("clerk").await)).await.expect(200);
    let expected = json!({
        "tables": rules(&json!({ "ledgers": ["a", "n", "n", "n"] })), "views": { "board": true },
    });
    assert_eq!(copied, answered(expected));
    let body = json!({ "featureCode": "trustee", "label": "Bare", "copyTemplateRoles": false });
    let bare = admin.post("/api/features/instances", body).await.id();
    assert_eq!(
        admin.get(format!("/api/features/instances/{bare}/roles")).await.expect(200)["items"],
        json!([])
    );
    let synced = admin
        .post(format!("/api/features/instances/{bare}/sync-roles"), json!({}))
        .await
        .expect(200);
    assert_eq!(counts(&synced), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn changing_or_deleting_a_template_changes_no_copy() {
    let stage = Stage::set().await;
    let root = stage.world.root();
    let before = stage.state().await;
    root.put(permissions(stage.clerk), json!({})).await.expect(200);
    root.patch(format!("/api/roles/{}", stage.clerk), json!({ "label": "scribe" }))
        .await
        .expect(200);
    assert_eq!(stage.state().await, before);
    // A template is never in use by its copies, and they stay known as copies of it.
    root.delete(format!("/api/roles/{}", stage.clerk)).await.expect(204);
    assert_eq!(stage.state().await, before);
}
