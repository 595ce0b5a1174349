//! What the levels n, m, g and a reach of bookings: in the list and its count, by id, for deciding
//! and for deleting.

use serde_json::json;
use uuid::Uuid;

use super::bookings::{LIST, booked, desk, row, with_instance, world};
use super::kit::{Desk, denied, set};
use crate::harness::World;
use crate::harness::world::{Person, Tenant, rules};

/// Acme's bookings with a caller, a peer who shares a group with them, an outsider who shares none,
/// and somebody who left; each has requested one. The caller and the peer have others in a second
/// instance, and the caller has one in the twin mandate too.
struct Stage {
    world: World,
    caller: Person,
    probe: Uuid,
    mine: Uuid,
    peers: Uuid,
    outsiders: Uuid,
    of_who_left: Uuid,
    elsewhere: Vec<Uuid>,
}

impl Stage {
    async fn set() -> Self {
        let world = world().await;
        let acme = &world.acme;
        for tenant in [acme, &world.globex] {
            let everyone = tenant.path(&format!("/groups/{}", tenant.everyone));
            let admin = world.desk(&tenant.admin, tenant);
            admin.patch(everyone.clone(), json!({ "autoJoin": false })).await.expect(200);
            admin.put(format!("{everyone}/members"), json!({ "userIds": [] })).await.expect(200);
        }
        let probe = world
            .admin()
            .post(acme.instance_path("/roles"), json!({ "label": "probe" }))
            .await
            .id();
        let requester = acme.instance_role("bookings-requester");
        let mut people = Vec::new();
        for name in ["cleo", "pete", "olga", "gone"] {
            let person = world.member_with(acme, name, &[acme.role("user")]).await;
            world.admit(acme, person.id, &[requester]).await;
            people.push(person);
        }
        let [caller, peer, outsider, gone] = people.try_into().unwrap();
        let group =
            world.admin().post(acme.path("/groups"), json!({ "name": "shared" })).await.id();
        let members = json!({ "userIds": [caller.id, peer.id, gone.id] });
        world
            .admin()
            .put(acme.path(&format!("/groups/{group}/members")), members)
            .await
            .expect(200);
        let mut made = Vec::new();
        for person in [&caller, &peer, &outsider, &gone] {
            made.push(booked(&desk(&world, person)).await);
        }
        let elsewhere = elsewhere(&world, &caller, &peer).await;
        world.admin().delete(acme.path(&format!("/users/{}", gone.id))).await.expect(204);
        let roles = acme.instance_path(&format!("/users/{}/roles", caller.id));
        world.admin().put(roles, json!({ "roleIds": [probe] })).await.expect(200);
        let [mine, peers, outsiders, of_who_left] = made[..] else { unreachable!() };
        Self { world, caller, probe, mine, peers, outsiders, of_who_left, elsewhere }
    }

    fn desk(&self) -> Desk<'_> {
        desk(&self.world, &self.caller)
    }

    /// What the caller may do from now on: `[read, create, update, delete]`.
    async fn allow(&self, levels: [&str; 4]) {
        let body = json!({ "tables": rules(&json!({ "bookings": levels })) });
        self.world
            .admin()
            .put(format!("/api/roles/{}/permissions", self.probe), body)
            .await
            .expect(200);
    }

    fn reached(&self, level: &str) -> Vec<Uuid> {
        let count = match level {
            "m" => 1,
            "g" => 2,
            _ => 4,
        };
        [self.mine, self.peers, self.outsiders, self.of_who_left].into_iter().take(count).collect()
    }

    fn all(&self) -> Vec<Uuid> {
        let own = self.reached("a");
        own.into_iter().chain(self.elsewhere.iter().copied()).collect()
    }
}

/// The caller's and the peer's bookings in another instance of Acme; and the caller's in the twin,
/// where they share a group too.
async fn elsewhere(world: &World, caller: &Person, peer: &Person) -> Vec<Uuid> {
    let other = with_instance(world, &world.acme, "Cars").await;
    let mut made = Vec::new();
    for person in [caller, peer] {
        made.push(booked_in(world, &other, person).await);
    }
    let twin = &world.globex;
    let admin = world.desk(&twin.admin, twin);
    for person in [caller, peer] {
        let body = json!({ "targetUserId": person.id, "roleIds": [twin.role("user")] });
        admin.post(twin.path("/users"), body).await.expect(201);
        made.push(booked_in(world, twin, person).await);
    }
    let group = admin.post(twin.path("/groups"), json!({ "name": "shared" })).await.id();
    let members = json!({ "userIds": [caller.id, peer.id] });
    admin.put(twin.path(&format!("/groups/{group}/members")), members).await.expect(200);
    made
}

async fn booked_in(world: &World, tenant: &Tenant, person: &Person) -> Uuid {
    world.admit(tenant, person.id, &[tenant.instance_role("bookings-requester")]).await;
    booked(&world.desk(person, tenant).in_instance(tenant.instance)).await
}

#[tokio::test]
async fn each_level_reads_its_rows_and_no_others() {
    let stage = Stage::set().await;
    let desk = stage.desk();
    for level in ["m", "g", "a"] {
        stage.allow([level, "n", "n", "n"]).await;
        let reached = set(stage.reached(level));
        for query in [
            "",
            "?sort=-eventTime",
            "?sort=createdAt",
            "?sort=-createdAt",
            "?status=pending",
            "?from=2000-01-01T00:00:00Z",
        ] {
            assert_eq!(
                desk.walk(&format!("{LIST}{query}"), "id").await,
                reached,
                "{level} {query}"
            );
        }
        assert!(desk.walk(&format!("{LIST}?status=accepted"), "id").await.is_empty());
        for id in stage.all() {
            let answer = desk.get(row(id)).await;
            if reached.contains(&id.to_string()) {
                assert_eq!(answer.id(), id);
            } else {
                answer.refused(404, "not_found");
            }
        }
        desk.get(row(Uuid::now_v7())).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn without_a_level_everything_is_refused_before_anything_is_looked_up() {
    let stage = Stage::set().await;
    let desk = stage.desk();
    stage.allow(["n", "n", "n", "n"]).await;
    denied(&desk.get(LIST).await, "bookings", "read", "m");
    denied(&desk.post(LIST, super::bookings::request(json!({}))).await, "bookings", "create", "m");
    for id in [stage.mine, stage.outsiders, stage.elsewhere[2], Uuid::now_v7()] {
        denied(&desk.get(row(id)).await, "bookings", "read", "m");
        denied(&desk.delete(row(id)).await, "bookings", "delete", "m");
        for verb in ["accept", "reject"] {
            denied(
                &desk.post(format!("{}/{verb}", row(id)), json!({})).await,
                "bookings",
                "update",
                "m",
            );
        }
    }
}

#[tokio::test]
async fn each_level_decides_its_rows_and_no_others() {
    let stage = Stage::set().await;
    let desk = stage.desk();
    let accept = async |id: Uuid| desk.post(format!("{}/accept", row(id)), json!({})).await;
    let reject = async |id: Uuid| desk.post(format!("{}/reject", row(id)), json!({})).await;
    // Seen, but not to be decided.
    stage.allow(["a", "n", "m", "n"]).await;
    denied(&accept(stage.peers).await, "bookings", "update", "g");
    denied(&reject(stage.outsiders).await, "bookings", "update", "a");
    denied(&accept(stage.of_who_left).await, "bookings", "update", "a");
    // Not seen: as if it were not there.
    stage.allow(["g", "n", "g", "n"]).await;
    for id in [stage.outsiders, stage.of_who_left]
        .into_iter()
        .chain(stage.elsewhere.iter().copied())
        .chain([Uuid::now_v7()])
    {
        accept(id).await.refused(404, "not_found");
        reject(id).await.refused(404, "not_found");
    }
    assert_eq!(accept(stage.peers).await.expect(200)["status"], "accepted");
    stage.allow(["a", "n", "a", "n"]).await;
    assert_eq!(reject(stage.outsiders).await.expect(200)["status"], "rejected");
    assert_eq!(accept(stage.of_who_left).await.expect(200)["status"], "accepted");
    for id in &stage.elsewhere {
        accept(*id).await.refused(404, "not_found");
    }
    let untouched = "select count(*) from bookings where status = 'pending'";
    assert_eq!(
        stage.world.app.count(untouched).await,
        1 + i64::try_from(stage.elsewhere.len()).unwrap()
    );
}

#[tokio::test]
async fn nobody_below_level_a_decides_their_own_request() {
    let stage = Stage::set().await;
    let desk = stage.desk();
    let path = |verb: &str| format!("{}/{verb}", row(stage.mine));
    for levels in [["a", "n", "m", "n"], ["a", "n", "g", "n"], ["g", "n", "g", "n"]] {
        stage.allow(levels).await;
        for verb in ["accept", "reject"] {
            desk.post(path(verb), json!({})).await.refused(403, "own_request");
            // It comes before what only a decider is told.
            desk.post(path(verb), json!({ "version": 7 })).await.refused(403, "own_request");
        }
    }
    stage.allow(["a", "n", "n", "n"]).await;
    denied(&desk.post(path("accept"), json!({})).await, "bookings", "update", "m");
    stage.allow(["a", "n", "a", "n"]).await;
    let decided = desk.post(path("accept"), json!({})).await.expect(200);
    assert_eq!(
        (&decided["decidedBy"], &decided["requestedBy"]["id"]),
        (&json!(stage.caller.id), &json!(stage.caller.id))
    );
    // Decided meanwhile: still first of all their own.
    stage.allow(["a", "n", "g", "n"]).await;
    desk.post(path("accept"), json!({})).await.refused(403, "own_request");
    stage.allow(["a", "n", "a", "n"]).await;
    desk.post(path("accept"), json!({})).await.refused(409, "already_decided");
}

#[tokio::test]
async fn each_level_deletes_its_rows_and_no_others() {
    let stage = Stage::set().await;
    let desk = stage.desk();
    stage.allow(["a", "n", "n", "m"]).await;
    denied(&desk.delete(row(stage.peers)).await, "bookings", "delete", "g");
    denied(&desk.delete(row(stage.outsiders)).await, "bookings", "delete", "a");
    stage.allow(["g", "n", "n", "g"]).await;
    for id in
        [stage.outsiders, stage.of_who_left].into_iter().chain(stage.elsewhere.iter().copied())
    {
        desk.delete(row(id)).await.refused(404, "not_found");
    }
    assert_eq!(desk.delete(row(stage.mine)).await.id(), stage.mine);
    assert_eq!(desk.delete(row(stage.peers)).await.id(), stage.peers);
    stage.allow(["a", "n", "n", "a"]).await;
    for id in &stage.elsewhere {
        desk.delete(row(*id)).await.refused(404, "not_found");
    }
    for id in [stage.outsiders, stage.of_who_left] {
        assert_eq!(desk.delete(row(id)).await.id(), id);
    }
    assert_eq!(
        stage.world.app.count("select count(*) from bookings").await,
        i64::try_from(stage.elsewhere.len()).unwrap()
    );
}
