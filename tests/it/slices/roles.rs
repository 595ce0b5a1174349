//! Roles: of a mandate, of an instance, and templates.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{pointers, points_at, set, values};
use crate::harness::World;
use crate::harness::world::answered;

#[tokio::test]
async fn a_mandate_role_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let made = admin
        .post(acme.path("/roles"), json!({ "label": " Clerk ", "description": { "en": "Types" } }))
        .await;
    let path = made.header("location").to_owned();
    let role = made.expect(201);
    let expected = json!({
        "id": role["id"], "label": "Clerk", "description": { "en": "Types" }, "scope": "mandate",
            "mandateId": acme.id,
        "featureCode": null, "instanceId": null, "templateRoleId": null, "protected": false,
            "version": 1,
    });
    assert_eq!(role, expected);
    assert_eq!(admin.get(path.clone()).await.expect(200), role);
    assert_eq!(
        admin.get(format!("{path}/permissions")).await.expect(200),
        answered(json!({ "tables": {}, "views": {} }))
    );
    let changed = admin.patch(path.clone(), json!({ "label": "Typist" })).await.expect(200);
    assert_eq!(
        (&changed["label"], &changed["description"], &changed["version"]),
        (&json!("Typist"), &json!({ "en": "Types" }), &json!(2))
    );
    admin.delete(path.clone()).await.expect(204);
    admin.get(path.clone()).await.refused(404, "not_found");
    admin.delete(path).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_instance_role_belongs_to_its_instance() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let made =
        admin.post(acme.instance_path("/roles"), json!({ "label": "clerk" })).await.expect(201);
    assert_eq!(
        (&made["scope"], &made["mandateId"], &made["instanceId"], &made["featureCode"]),
        (&json!("instance"), &json!(acme.id), &json!(acme.instance), &json!("playbooks")),
    );
    let listed = values(&admin.get(acme.instance_path("/roles")).await.expect(200), "label");
    assert!(
        listed.contains(&"clerk".to_owned()) && !listed.contains(&"admin".to_owned()),
        "{listed:?}"
    );
    assert!(
        !values(&admin.get(acme.path("/roles")).await.expect(200), "label")
            .contains(&"clerk".to_owned())
    );
    let path = format!("/api/roles/{}", made["id"].as_str().unwrap());
    admin.patch(path.clone(), json!({ "label": "typist" })).await.expect(200);
    admin.delete(path).await.expect(204);
}

#[tokio::test]
async fn labels_are_unique_where_the_role_belongs_however_they_are_written() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    for (list, taken) in
        [(acme.path("/roles"), "VIEWER"), (acme.instance_path("/roles"), " Playbooks-Viewer")]
    {
        admin.post(list.clone(), json!({ "label": taken })).await.refused(409, "label_taken");
        let other = admin.post(list.clone(), json!({ "label": "other" })).await.id();
        admin
            .patch(format!("/api/roles/{other}"), json!({ "label": taken }))
            .await
            .refused(409, "label_taken");
        points_at(&admin.post(list.clone(), json!({ "label": " " })).await, "/label");
        points_at(
            &admin.patch(format!("/api/roles/{other}"), json!({ "label": "" })).await,
            "/label",
        );
        points_at(&admin.post(list, json!({})).await, "/label");
    }
    // The same label in another place is another role.
    admin.post(acme.instance_path("/roles"), json!({ "label": "viewer" })).await.expect(201);
}

#[tokio::test]
async fn a_role_that_somebody_holds_stays() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    for role in [acme.role("user"), acme.instance_role("playbooks-viewer")] {
        admin.delete(format!("/api/roles/{role}")).await.refused(409, "role_in_use");
        admin.get(format!("/api/roles/{role}")).await.expect(200);
    }
    // A sleeping holder is a holder.
    admin
        .patch(acme.path(&format!("/users/{}", acme.member.id)), json!({ "enabled": false }))
        .await
        .expect(200);
    admin.delete(format!("/api/roles/{}", acme.role("user"))).await.refused(409, "role_in_use");
    admin.delete(acme.path(&format!("/users/{}", acme.member.id))).await.expect(204);
    for role in [acme.role("user"), acme.instance_role("playbooks-viewer")] {
        admin.delete(format!("/api/roles/{role}")).await.expect(204);
    }
}

#[tokio::test]
async fn the_role_admin_is_protected_as_a_copy_and_as_a_template() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let templates = root.get("/api/features/templates/roles").await.expect(200);
    let template = templates["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["label"] == "admin")
        .unwrap()["id"]
        .clone();
    for (desk, role) in [(world.admin(), json!(acme.role("admin"))), (root, template)] {
        let path = format!("/api/roles/{}", role.as_str().unwrap());
        assert_eq!(desk.get(path.clone()).await.expect(200)["protected"], json!(true));
        desk.patch(path.clone(), json!({ "label": "boss" })).await.refused(409, "role_protected");
        desk.put(format!("{path}/permissions"), json!({})).await.refused(409, "role_protected");
        desk.patch(format!("{path}/permissions"), json!({ "tables": { "*": null } }))
            .await
            .refused(409, "role_protected");
        desk.delete(path).await.refused(409, "role_protected");
    }
}

#[tokio::test]
async fn template_roles_are_for_sys_admins() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let path = "/api/features/templates/roles";
    let mandate = root
        .post(path, json!({ "roleLabel": "auditor", "description": { "en": "Reads" } }))
        .await
        .expect(201);
    assert_eq!(
        (&mandate["scope"], &mandate["mandateId"], &mandate["featureCode"]),
        (&json!("mandate-template"), &Value::Null, &Value::Null)
    );
    let feature = root
        .post(path, json!({ "roleLabel": "auditor", "featureCode": "playbooks" }))
        .await
        .expect(201);
    assert_eq!(
        (&feature["scope"], &feature["featureCode"]),
        (&json!("feature-template"), &json!("playbooks"))
    );
    root.post(path, json!({ "roleLabel": "AUDITOR" })).await.refused(409, "label_taken");
    root.post(path, json!({ "roleLabel": "Auditor", "featureCode": "playbooks" }))
        .await
        .refused(409, "label_taken");
    root.post(path, json!({ "roleLabel": "auditor", "featureCode": "nothing" }))
        .await
        .refused(404, "not_found");
    root.get(format!("{path}?featureCode=nothing")).await.refused(404, "not_found");
    let of_playbooks = root.get(format!("{path}?featureCode=playbooks")).await.expect(200);
    let expected = set([
        "auditor",
        "playbooks-admin",
        "playbooks-contributor",
        "playbooks-editor",
        "playbooks-viewer",
    ]);
    assert_eq!(set(values(&of_playbooks, "label")), expected);
    let template = format!("/api/roles/{}", mandate["id"].as_str().unwrap());
    assert_eq!(
        root.patch(template.clone(), json!({ "label": "reader" })).await.expect(200)["version"],
        json!(2)
    );
    // For members, admins too, a template is not there.
    world.admin().get(template.clone()).await.refused(404, "not_found");
    world.admin().delete(template.clone()).await.refused(404, "not_found");
    assert_eq!(world.admin().get(path).await.status.as_u16(), 403);
    assert_eq!(world.admin().post(path, json!({ "roleLabel": "x" })).await.status.as_u16(), 403);
    root.delete(template.clone()).await.expect(204);
    root.get(template).await.refused(404, "not_found");
    // SysAdmins reach templates only, not the roles of mandates.
    root.get(format!("/api/roles/{}", acme.role("user"))).await.refused(404, "not_found");
    root.get(format!("/api/roles/{}", Uuid::now_v7())).await.refused(404, "not_found");
}

#[tokio::test]
async fn descriptions_are_merged_and_bounded_as_a_whole() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let role = admin
        .post(
            acme.path("/roles"),
            json!({ "label": "clerk", "description": { "en": "Keeps", "de": "Hält" } }),
        )
        .await
        .id();
    let path = format!("/api/roles/{role}");
    let patched = admin
        .patch(path.clone(), json!({ "description": { "fr": "Tient", "EN": null } }))
        .await
        .expect(200);
    assert_eq!(patched["description"], json!({ "de": "Hält", "fr": "Tient" }));
    // Each patch is small; what they come to is not.
    for language in ["x1", "x2", "x3", "x4"].map(|name| format!("en-{name}")) {
        admin
            .patch(path.clone(), json!({ "description": { language: "x".repeat(4_000) } }))
            .await
            .expect(200);
    }
    let refused =
        admin.patch(path.clone(), json!({ "description": { "es": "x".repeat(4_000) } })).await;
    assert_eq!(pointers(&refused), [("/description".to_owned(), "too_long".to_owned())]);
    let wide = json!({ "en": "𝒳".repeat(4_000), "de": "x".repeat(4_000) });
    points_at(
        &admin.post(acme.path("/roles"), json!({ "label": "other", "description": wide })).await,
        "/description",
    );
    // A description may be emptied, by name or at once.
    let emptied = admin.patch(path.clone(), json!({ "description": null })).await.expect(200);
    assert_eq!(emptied["description"], json!({}));
    let same = admin.patch(path, json!({ "description": {}, "label": "clerk" })).await.expect(200);
    assert_eq!(same["version"], emptied["version"], "nothing changed");
}
