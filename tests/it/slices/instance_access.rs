//! Who is admitted to an instance.

use serde_json::json;
use uuid::Uuid;

use super::kit::{points_at, set};
use crate::harness::World;

#[tokio::test]
async fn an_admission_is_made_changed_and_ended() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (viewer, editor) =
        (acme.instance_role("playbooks-viewer"), acme.instance_role("playbooks-editor"));
    let list = acme.instance_path("/users");
    let row = format!("{list}/{}", acme.member.id);
    let made = admin
        .post(list.clone(), json!({ "userId": acme.member.id, "roleIds": [viewer, viewer] }))
        .await;
    assert_eq!(made.header("location"), row);
    let body = made.expect(201);
    let expected = json!({
        "userId": acme.member.id, "username": "acme-member", "instanceId": acme.instance,
        "roleIds": [viewer], "enabled": true, "version": 1,
    });
    assert_eq!(body, expected);
    admin
        .post(list.clone(), json!({ "userId": acme.member.id, "roleIds": [editor] }))
        .await
        .refused(409, "already_has_access");
    assert_eq!(admin.get(list.clone()).await.expect(200)["items"], json!([expected]));
    let replaced =
        admin.put(format!("{row}/roles"), json!({ "roleIds": [editor, viewer] })).await.expect(200);
    let held =
        replaced["roleIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
    assert_eq!((set(held), &replaced["version"]), (set([editor, viewer]), &json!(2)));
    let disabled = admin.patch(row.clone(), json!({ "enabled": false })).await.expect(200);
    assert_eq!((&disabled["enabled"], &disabled["version"]), (&json!(false), &json!(3)));
    admin.delete(row.clone()).await.expect(204);
    for answer in [
        admin.delete(row.clone()).await,
        admin.patch(row.clone(), json!({ "enabled": true })).await,
    ] {
        answer.refused(404, "not_found");
    }
    admin
        .put(format!("{row}/roles"), json!({ "roleIds": [editor] }))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn only_members_are_admitted_and_only_with_roles_of_the_instance() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (list, viewer) = (acme.instance_path("/users"), acme.instance_role("playbooks-viewer"));
    for user in [Uuid::now_v7(), world.globex.member.id, world.sys_admin.id] {
        admin
            .post(list.clone(), json!({ "userId": user, "roleIds": [viewer] }))
            .await
            .refused(404, "not_found");
    }
    for role in [Uuid::now_v7(), world.globex.instance_role("playbooks-viewer"), acme.role("user")]
    {
        admin
            .post(list.clone(), json!({ "userId": acme.member.id, "roleIds": [viewer, role] }))
            .await
            .refused(404, "not_found");
    }
    points_at(
        &admin.post(list.clone(), json!({ "userId": acme.member.id, "roleIds": [] })).await,
        "/roleIds",
    );
    points_at(&admin.post(list.clone(), json!({ "userId": acme.member.id })).await, "/roleIds");
    let body = json!({ "userId": acme.member.id, "roleIds": [viewer], "enabled": true });
    admin.post(list.clone(), body).await.refused(422, "unknown_field");
    assert_eq!(admin.get(list.clone()).await.expect(200)["items"], json!([]));
    world.admit(acme, acme.member.id, &[viewer]).await;
    let roles = format!("{list}/{}/roles", acme.member.id);
    points_at(&admin.put(roles.clone(), json!({ "roleIds": [] })).await, "/roleIds");
    let foreign = world.globex.instance_role("playbooks-viewer");
    admin.put(roles, json!({ "roleIds": [foreign] })).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_disabled_admission_opens_nothing_on_any_node() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let node = world.app.another_node();
    let there = async || {
        let call = node
            .get("/api/access/me")
            .bearer(&acme.member.token)
            .mandate(acme.id)
            .instance(acme.instance);
        call.send().await
    };
    there().await.expect(200);
    let row = acme.instance_path(&format!("/users/{}", acme.member.id));
    admin.patch(row.clone(), json!({ "enabled": false })).await.expect(200);
    there().await.refused(403, "instance_access_denied");
    admin.patch(row.clone(), json!({ "enabled": true })).await.expect(200);
    there().await.expect(200);
    admin.delete(row).await.expect(204);
    there().await.refused(403, "instance_access_denied");
}

#[tokio::test]
async fn every_change_writes_one_event() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let row = acme.instance_path(&format!("/users/{}", acme.member.id));
    let trail = acme.path(&format!("/audit?targetId={}&limit=200", acme.member.id));
    let events =
        async || admin.get(trail.clone()).await.expect(200)["items"].as_array().unwrap().len();
    let mut expected = events().await;
    let mut one_more = async |what: &str| {
        expected += 1;
        assert_eq!(events().await, expected, "{what}");
    };
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    one_more("admitted").await;
    let body = json!({ "roleIds": [acme.instance_role("playbooks-editor")] });
    admin.put(format!("{row}/roles"), body).await.expect(200);
    one_more("given roles").await;
    admin.patch(row.clone(), json!({ "enabled": false })).await.expect(200);
    one_more("disabled").await;
    admin.delete(row).await.expect(204);
    one_more("ended").await;
    let newest = admin.get(trail.clone()).await.expect(200)["items"][0].clone();
    assert!(
        newest["details"].to_string().contains("playbooks-editor"),
        "role labels as they were: {newest}"
    );
    assert!(
        !newest["details"].to_string().contains("acme-member"),
        "names of people never: {newest}"
    );
}
