//! What the levels n, m, g and a reach, in every way there is to a row: list, count, search,
//! cursor, get, change, delete.

mod of_instances;
mod of_mandates;

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::kit::{Desk, denied};
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
