//! Of instances, and of who is admitted to one.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::kit::{denied, set};
use super::{Stage, gets};
use crate::harness::World;
use crate::harness::world::rules;

/// A new instance of Acme to which one person is admitted, with a role that permits nothing.
async fn instance_for(world: &World, label: &str, user: Uuid) -> Uuid {
    let admin = world.admin();
    let body = json!({ "featureCode": "playbooks", "label": label, "copyTemplateRoles": false });
    let id = admin.post("/api/features/instances", body).await.id();
    let role = admin
        .post(format!("/api/features/instances/{id}/roles"), json!({ "label": "guest" }))
        .await
        .id();
    let body = json!({ "userId": user, "roleIds": [role] });
    admin.post(format!("/api/features/instances/{id}/users"), body).await.expect(201);
    id
}

#[tokio::test]
async fn instances() {
    let stage = Stage::set().await;
    let (acme, desk) = (&stage.world.acme, stage.desk());
    let of_caller = instance_for(&stage.world, "of the caller", stage.caller.id).await;
    let of_peer = instance_for(&stage.world, "of the peer", stage.peer.id).await;
    let of_outsider = instance_for(&stage.world, "of the outsider", stage.outsider.id).await;
    let list = "/api/features/instances".to_owned();
    let row = |id: &str| format!("/api/features/instances/{id}");
    stage
        .closed("instances", &list, &[row(&of_peer.to_string()), row(&Uuid::now_v7().to_string())])
        .await;
    let (mine, near) = (set([of_caller]), set([of_caller, of_peer]));
    let all = set([of_caller, of_peer, of_outsider, acme.instance]);
    for (level, reached) in [("m", &mine), ("g", &near), ("a", &all)] {
        stage.allow("instances", [level, "n", "n", "n"]).await;
        assert_eq!(&desk.walk(&list, "id").await, reached, "{level}");
        assert_eq!(
            &desk.walk(&format!("{list}?featureCode=playbooks"), "id").await,
            reached,
            "{level}"
        );
        gets(&desk, row, &all, reached).await;
        gets(&desk, |id| format!("/api/features/instances/{id}/users"), &all, reached).await;
    }
    stage.allow("instances", ["a", "n", "m", "m"]).await;
    let body = json!({ "enabled": true });
    desk.patch(row(&of_caller.to_string()), body.clone()).await.expect(200);
    denied(&desk.patch(row(&of_peer.to_string()), body.clone()).await, "instances", "update", "g");
    denied(
        &desk.patch(row(&of_outsider.to_string()), body.clone()).await,
        "instances",
        "update",
        "a",
    );
    denied(&desk.delete(row(&of_outsider.to_string())).await, "instances", "delete", "a");
    stage.allow("instances", ["g", "n", "g", "g"]).await;
    desk.patch(row(&of_peer.to_string()), body.clone()).await.expect(200);
    desk.patch(row(&of_outsider.to_string()), body).await.refused(404, "not_found");
    desk.delete(row(&of_outsider.to_string())).await.refused(404, "not_found");
    desk.delete(row(&of_peer.to_string())).await.expect(204);
}

/// Fills the one role of the caller in Acme's instance, and admits everybody.
async fn admitted(stage: &Stage) -> Uuid {
    let (world, acme) = (&stage.world, &stage.world.acme);
    let role = world
        .admin()
        .post(acme.instance_path("/roles"), json!({ "label": "instance probe" }))
        .await
        .id();
    world.admit(acme, stage.caller.id, &[role]).await;
    let idle =
        world.admin().post(acme.instance_path("/roles"), json!({ "label": "idle" })).await.id();
    for person in [&stage.peer, &stage.outsider] {
        world.admit(acme, person.id, &[idle]).await;
    }
    role
}

#[tokio::test]
async fn admissions_to_an_instance() {
    let stage = Stage::set().await;
    let (world, acme, desk) = (&stage.world, &stage.world.acme, stage.desk());
    let role = admitted(&stage).await;
    let allow = async |levels: Value| {
        let body = json!({ "tables": rules(&json!({ "access": levels })) });
        world.admin().put(format!("/api/roles/{role}/permissions"), body).await.expect(200);
    };
    let list = acme.instance_path("/users");
    let row = |id: Uuid| format!("{list}/{id}");
    assert_eq!(desk.get(list.clone()).await.code(), "permission_denied");
    for (level, reached) in [
        ("m", set([stage.caller.id])),
        ("g", set([stage.caller.id, stage.peer.id])),
        ("a", set([stage.caller.id, stage.peer.id, stage.outsider.id])),
    ] {
        allow(json!([level, "n", "n", "n"])).await;
        assert_eq!(desk.walk(&list, "userId").await, reached, "{level}");
    }
    let off = json!({ "enabled": false });
    allow(json!(["a", "n", "m", "m"])).await;
    denied(&desk.patch(row(stage.peer.id), off.clone()).await, "access", "update", "g");
    denied(&desk.delete(row(stage.outsider.id)).await, "access", "delete", "a");
    allow(json!(["g", "n", "g", "g"])).await;
    desk.patch(row(stage.outsider.id), off.clone()).await.refused(404, "not_found");
    desk.delete(row(stage.outsider.id)).await.refused(404, "not_found");
    desk.patch(row(stage.peer.id), off).await.expect(200);
    desk.delete(row(stage.peer.id)).await.expect(204);
}
