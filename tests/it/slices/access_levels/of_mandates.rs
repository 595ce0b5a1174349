//! Of the tables of a mandate.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::json;
use uuid::Uuid;

use super::super::kit::{denied, set};
use super::{Stage, gets};

#[tokio::test]
async fn members() {
    let stage = Stage::set().await;
    let (acme, desk) = (&stage.world.acme, stage.desk());
    let list = acme.path("/users");
    let row = |id: &str| format!("{list}/{id}");
    stage
        .closed(
            "members",
            &list,
            &[row(&stage.peer.id.to_string()), row(&Uuid::now_v7().to_string())],
        )
        .await;
    let mine = set([stage.caller.id]);
    let near = set([stage.caller.id, stage.peer.id]);
    let all =
        set([stage.caller.id, stage.peer.id, stage.outsider.id, acme.admin.id, acme.member.id]);
    for (level, reached) in [("m", &mine), ("g", &near), ("a", &all)] {
        stage.allow("members", [level, "n", "n", "n"]).await;
        assert_eq!(&desk.walk(&list, "userId").await, reached, "{level}");
        gets(&desk, row, &all, reached).await;
        gets(&desk, |id| format!("{list}/{id}/access"), &all, reached).await;
        let found = desk.walk(&format!("{list}?q=olga"), "userId").await;
        assert_eq!(
            found.contains(&stage.outsider.id.to_string()),
            level == "a",
            "search at {level}"
        );
        let held = desk.walk(&format!("{list}?roleId={}", stage.peers_role), "userId").await;
        assert_eq!(held.contains(&stage.peer.id.to_string()), level != "m", "filter at {level}");
    }
}

#[tokio::test]
async fn changing_and_removing_members() {
    let stage = Stage::set().await;
    let (acme, desk) = (&stage.world.acme, stage.desk());
    let row = |id: Uuid| acme.path(&format!("/users/{id}"));
    let off = json!({ "enabled": false });
    // Seen, but not to be changed that way: the answer names what would do.
    stage.allow("members", ["a", "n", "m", "m"]).await;
    denied(&desk.patch(row(stage.peer.id), off.clone()).await, "members", "update", "g");
    denied(&desk.patch(row(stage.outsider.id), off.clone()).await, "members", "update", "a");
    denied(&desk.delete(row(stage.outsider.id)).await, "members", "delete", "a");
    let roles = json!({ "roleIds": [stage.probe] });
    denied(
        &desk.put(format!("{}/roles", row(stage.peer.id)), roles.clone()).await,
        "members",
        "update",
        "g",
    );
    // Not seen: as if it were not there.
    stage.allow("members", ["g", "n", "m", "m"]).await;
    desk.patch(row(stage.outsider.id), off.clone()).await.refused(404, "not_found");
    desk.delete(row(stage.outsider.id)).await.refused(404, "not_found");
    desk.put(format!("{}/roles", row(stage.outsider.id)), roles).await.refused(404, "not_found");
    denied(&desk.patch(row(stage.peer.id), off.clone()).await, "members", "update", "g");
    stage.allow("members", ["g", "n", "g", "g"]).await;
    desk.patch(row(stage.peer.id), off.clone()).await.expect(200);
    desk.patch(row(stage.outsider.id), off.clone()).await.refused(404, "not_found");
    desk.delete(row(stage.peer.id)).await.expect(204);
    stage.allow("members", ["a", "n", "a", "a"]).await;
    desk.patch(row(stage.outsider.id), off.clone()).await.expect(200);
    desk.delete(row(stage.outsider.id)).await.expect(204);
    // `n`: refused before any lookup.
    stage.allow("members", ["a", "n", "n", "n"]).await;
    for id in [acme.member.id, Uuid::now_v7()] {
        denied(&desk.patch(row(id), off.clone()).await, "members", "update", "m");
        denied(&desk.delete(row(id)).await, "members", "delete", "m");
    }
}

#[tokio::test]
async fn groups() {
    let stage = Stage::set().await;
    let (acme, desk) = (&stage.world.acme, stage.desk());
    let list = acme.path("/groups");
    let row = |id: &str| format!("{list}/{id}");
    stage
        .closed(
            "groups",
            &list,
            &[row(&stage.shared.to_string()), row(&Uuid::now_v7().to_string())],
        )
        .await;
    let mine = set([stage.shared]);
    let near = set([stage.shared, stage.peers_group]);
    let all = set([stage.shared, stage.peers_group, stage.outsiders_group, acme.everyone]);
    for (level, reached) in [("m", &mine), ("g", &near), ("a", &all)] {
        stage.allow("groups", [level, "n", "n", "n"]).await;
        assert_eq!(&desk.walk(&list, "id").await, reached, "{level}");
        gets(&desk, row, &all, reached).await;
        gets(&desk, |id| format!("{list}/{id}/members"), &all, reached).await;
        let found = desk.walk(&format!("{list}?q=outsider"), "id").await;
        assert_eq!(found.len(), usize::from(level == "a"), "search at {level}");
    }
    stage.allow("groups", ["a", "n", "m", "m"]).await;
    let body = json!({ "description": "x" });
    desk.patch(row(&stage.shared.to_string()), body.clone()).await.expect(200);
    denied(
        &desk.patch(row(&stage.peers_group.to_string()), body.clone()).await,
        "groups",
        "update",
        "g",
    );
    denied(
        &desk.patch(row(&stage.outsiders_group.to_string()), body.clone()).await,
        "groups",
        "update",
        "a",
    );
    denied(&desk.delete(row(&stage.outsiders_group.to_string())).await, "groups", "delete", "a");
    let members = format!("{}/members", row(&stage.outsiders_group.to_string()));
    denied(&desk.put(members, json!({ "userIds": [] })).await, "groups", "update", "a");
    stage.allow("groups", ["g", "n", "g", "g"]).await;
    desk.patch(row(&stage.peers_group.to_string()), body.clone()).await.expect(200);
    desk.patch(row(&stage.outsiders_group.to_string()), body).await.refused(404, "not_found");
    desk.delete(row(&stage.outsiders_group.to_string())).await.refused(404, "not_found");
    desk.delete(row(&stage.peers_group.to_string())).await.expect(204);
    denied(&desk.post(list, json!({ "name": "new" })).await, "groups", "create", "m");
}

#[tokio::test]
async fn roles() {
    let stage = Stage::set().await;
    let (acme, desk) = (&stage.world.acme, stage.desk());
    let list = acme.path("/roles");
    let row = |id: &str| format!("/api/roles/{id}");
    stage
        .closed(
            "roles",
            &list,
            &[row(&stage.peers_role.to_string()), row(&Uuid::now_v7().to_string())],
        )
        .await;
    let mine = set([stage.probe]);
    let near = set([stage.probe, stage.peers_role]);
    let own = ["admin", "user", "viewer"].map(|label| acme.role(label));
    let all = set(own.into_iter().chain([stage.probe, stage.peers_role, stage.outsiders_role]));
    for (level, reached) in [("m", &mine), ("g", &near), ("a", &all)] {
        stage.allow("roles", [level, "n", "n", "n"]).await;
        assert_eq!(&desk.walk(&list, "id").await, reached, "{level}");
        gets(&desk, row, &all, reached).await;
        gets(&desk, |id| format!("/api/roles/{id}/permissions"), &all, reached).await;
    }
    stage.allow("roles", ["a", "n", "m", "m"]).await;
    let body = json!({ "description": { "en": "x" } });
    desk.patch(row(&stage.probe.to_string()), body.clone()).await.expect(200);
    denied(
        &desk.patch(row(&stage.peers_role.to_string()), body.clone()).await,
        "roles",
        "update",
        "g",
    );
    denied(
        &desk.patch(row(&stage.outsiders_role.to_string()), body.clone()).await,
        "roles",
        "update",
        "a",
    );
    denied(
        &desk.put(format!("/api/roles/{}/permissions", stage.outsiders_role), json!({})).await,
        "roles",
        "update",
        "a",
    );
    denied(&desk.delete(row(&stage.outsiders_role.to_string())).await, "roles", "delete", "a");
    stage.allow("roles", ["g", "n", "g", "g"]).await;
    desk.patch(row(&stage.peers_role.to_string()), body.clone()).await.expect(200);
    desk.patch(row(&stage.outsiders_role.to_string()), body).await.refused(404, "not_found");
    desk.delete(row(&stage.outsiders_role.to_string())).await.refused(404, "not_found");
}

#[tokio::test]
async fn audit() {
    let stage = Stage::set().await;
    let (acme, world) = (&stage.world.acme, &stage.world);
    let maker = world.role_with(acme, "maker", json!({ "groups": ["a", "a", "n", "n"] })).await;
    for person in [&stage.caller, &stage.peer, &stage.outsider] {
        let path = acme.path(&format!("/users/{}/roles/{maker}", person.id));
        world.admin().ask(Method::PUT, path).send().await.expect(200);
        let body = json!({ "name": format!("made by {}", person.name) });
        world.desk(person, acme).post(acme.path("/groups"), body).await.expect(201);
    }
    let desk = stage.desk();
    let list = acme.path("/audit");
    stage.allow("mandate", ["a", "n", "n", "n"]).await;
    denied(&desk.get(list.clone()).await, "audit", "read", "m");
    let actors = async || {
        let page = desk.get(format!("{list}?limit=200")).await.expect(200);
        let items = page["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|event| event["actorId"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    for (level, reached) in [
        ("m", set([stage.caller.id])),
        ("g", set([stage.caller.id, stage.peer.id])),
        (
            "a",
            set([
                stage.caller.id,
                stage.peer.id,
                stage.outsider.id,
                acme.admin.id,
                world.sys_admin.id,
            ]),
        ),
    ] {
        stage.allow("audit", [level, "n", "n", "n"]).await;
        assert_eq!(actors().await, reached, "{level}");
        let walked = desk.walk(&format!("{list}?actorId={}", stage.outsider.id), "id").await;
        assert_eq!(walked.len(), usize::from(level == "a"), "filter at {level}");
        desk.walk(&list, "id").await;
    }
}

#[tokio::test]
async fn the_mandate_itself_knows_only_none_and_all() {
    let stage = Stage::set().await;
    let (acme, desk) = (&stage.world.acme, stage.desk());
    stage.allow("members", ["m", "n", "n", "n"]).await;
    // What is needed is a level that the table knows.
    denied(&desk.get(acme.path("")).await, "mandate", "read", "a");
    denied(&desk.patch(acme.path(""), json!({ "name": "x" })).await, "mandate", "update", "a");
    let body = json!({ "username": "nobody", "roleIds": [stage.probe] });
    denied(&desk.post(acme.path("/users"), body).await, "members", "create", "a");
    stage.allow("mandate", ["a", "n", "n", "n"]).await;
    desk.get(acme.path("")).await.expect(200);
    denied(&desk.patch(acme.path(""), json!({ "name": "x" })).await, "mandate", "update", "a");
    stage.allow("mandate", ["a", "n", "a", "n"]).await;
    desk.patch(acme.path(""), json!({ "name": "x" })).await.expect(200);
}
