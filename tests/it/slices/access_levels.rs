//! What the levels n, m, g and a reach, in every way there is to a row: list, count, search,
//! cursor, get, change, delete.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Desk, denied, set};
use crate::harness::World;
use crate::harness::world::{Person, rules};

/// Acme with a caller, a peer who shares one group with them, and an outsider who shares none. Each
/// holds an own role that permits nothing; the caller's is the one that tests fill.
struct Stage {
    world: World,
    caller: Person,
    peer: Person,
    outsider: Person,
    probe: Uuid,
    peers_role: Uuid,
    outsiders_role: Uuid,
    shared: Uuid,
    peers_group: Uuid,
    outsiders_group: Uuid,
}

impl Stage {
    async fn set() -> Self {
        let world = World::new().await;
        let acme = &world.acme;
        // Everybody shares `everyone`; here nobody is to be in it.
        let everyone = acme.path(&format!("/groups/{}", acme.everyone));
        world.admin().patch(everyone.clone(), json!({ "autoJoin": false })).await.expect(200);
        world
            .admin()
            .put(format!("{everyone}/members"), json!({ "userIds": [] }))
            .await
            .expect(200);
        let probe = world.role_with(acme, "probe", json!({})).await;
        let peers_role = world.role_with(acme, "held by the peer", json!({})).await;
        let outsiders_role = world.role_with(acme, "held by the outsider", json!({})).await;
        let caller = world.member_with(acme, "cleo", &[probe]).await;
        let peer = world.member_with(acme, "pete", &[peers_role]).await;
        let outsider = world.member_with(acme, "olga", &[outsiders_role]).await;
        let shared = group(&world, "shared", &[caller.id, peer.id]).await;
        let peers_group = group(&world, "of the peer", &[peer.id]).await;
        let outsiders_group = group(&world, "of the outsider", &[outsider.id]).await;
        Self {
            world,
            caller,
            peer,
            outsider,
            probe,
            peers_role,
            outsiders_role,
            shared,
            peers_group,
            outsiders_group,
        }
    }

    fn desk(&self) -> Desk<'_> {
        self.world.desk(&self.caller, &self.world.acme)
    }

    /// What the caller may do from now on: `[read, create, update, delete]` on one table.
    async fn allow(&self, table: &str, levels: [&str; 4]) {
        let body = json!({ "tables": rules(&json!({ table: levels })) });
        self.world
            .admin()
            .put(format!("/api/roles/{}/permissions", self.probe), body)
            .await
            .expect(200);
    }

    /// `n` refuses the list and every row before any lookup, the same for ids that exist and that
    /// do not.
    async fn closed(&self, table: &str, list: &str, rows: &[String]) {
        self.allow("mandate", ["a", "n", "n", "n"]).await;
        denied(&self.desk().get(list).await, table, "read", "m");
        for row in rows {
            denied(&self.desk().get(row).await, table, "read", "m");
        }
    }
}

async fn group(world: &World, name: &str, members: &[Uuid]) -> Uuid {
    let admin = world.admin();
    let id = admin.post(world.acme.path("/groups"), json!({ "name": name })).await.id();
    admin
        .put(world.acme.path(&format!("/groups/{id}/members")), json!({ "userIds": members }))
        .await
        .expect(200);
    id
}

/// Gets every row: 200 where it is reached, else the 404 that unknown ids get.
async fn gets(
    desk: &Desk<'_>,
    path: impl Fn(&str) -> String,
    all: &BTreeSet<String>,
    reached: &BTreeSet<String>,
) {
    for id in all {
        let answer = desk.get(path(id)).await;
        if reached.contains(id) {
            answer.expect(200);
        } else {
            answer.refused(404, "not_found");
        }
    }
    desk.get(path(&Uuid::now_v7().to_string())).await.refused(404, "not_found");
}

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

#[tokio::test]
async fn ids_of_another_mandate_are_as_good_as_unknown() {
    let world = World::new().await;
    let (acme, globex, admin) = (&world.acme, &world.globex, world.admin());
    let same = async |path: String| {
        let answer = admin.get(path).await;
        answer.refused(404, "not_found");
        answer.body["detail"].clone()
    };
    for (own, foreign) in [
        (acme.path("/users/{}"), globex.member.id),
        (acme.path("/users/{}/access"), globex.member.id),
        (acme.path("/groups/{}"), globex.everyone),
        (acme.path("/groups/{}/members"), globex.everyone),
        ("/api/roles/{}".to_owned(), globex.role("user")),
        ("/api/roles/{}/permissions".to_owned(), globex.instance_role("playbooks-viewer")),
        ("/api/features/instances/{}".to_owned(), globex.instance),
        ("/api/features/instances/{}/users".to_owned(), globex.instance),
        ("/api/features/instances/{}/roles".to_owned(), globex.instance),
    ] {
        let unknown = same(own.replace("{}", &Uuid::now_v7().to_string())).await;
        assert_eq!(same(own.replace("{}", &foreign.to_string())).await, unknown, "{own}");
    }
}
