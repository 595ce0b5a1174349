//! A stage for playbooks: who may own rows, from near the caller to far away, and how a playbook's
//! paths are written.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::Desk;
use crate::harness::World;
use crate::harness::world::{Person, Tenant, rules};

/// Everything on both tables.
pub const ALL: [&str; 4] = ["a", "a", "a", "a"];
/// Nothing.
pub const NONE: [&str; 4] = ["n", "n", "n", "n"];

/// Acme with a caller, a peer who shares a group with them, and an outsider who shares none. All
/// three work in Acme's instance, in a second one of the same feature, and in Globex, where all of
/// them share a group. In Acme's first instance the caller holds one role, which tests fill.
pub struct Stage {
    pub world: World,
    pub caller: Person,
    pub peer: Person,
    pub outsider: Person,
    pub elsewhere: Uuid,
    probe: Uuid,
}

impl Stage {
    pub async fn set() -> Self {
        let world = World::new().await;
        let (acme, globex) = (&world.acme, &world.globex);
        // Everybody shares `everyone`; in Acme nobody is to be in it.
        let everyone = acme.path(&format!("/groups/{}", acme.everyone));
        world.admin().patch(everyone.clone(), json!({ "autoJoin": false })).await.expect(200);
        world
            .admin()
            .put(format!("{everyone}/members"), json!({ "userIds": [] }))
            .await
            .expect(200);
        let user = acme.role("user");
        let caller = world.member_with(acme, "cleo", &[user]).await;
        let peer = world.member_with(acme, "pete", &[user]).await;
        let outsider = world.member_with(acme, "olga", &[user]).await;
        let group =
            world.admin().post(acme.path("/groups"), json!({ "name": "shared" })).await.id();
        let shared = json!({ "userIds": [caller.id, peer.id] });
        world.admin().put(acme.path(&format!("/groups/{group}/members")), shared).await.expect(200);
        let elsewhere = instance(&world, "playbooks", "Elsewhere").await;
        let probe = role_in(&world, acme.instance, "probe").await;
        let (here, there) = (
            role_in(&world, acme.instance, "everything").await,
            role_in(&world, elsewhere, "everything").await,
        );
        let globex_desk = world.desk(&globex.admin, globex);
        for person in [&caller, &peer, &outsider] {
            let role = if person.id == caller.id { probe } else { here };
            admit(&world, acme.instance, person.id, &[role]).await;
            admit(&world, elsewhere, person.id, &[there]).await;
            let member = json!({ "targetUserId": person.id, "roleIds": [globex.role("user")] });
            globex_desk.post(globex.path("/users"), member).await.expect(201);
            let access = json!({
                "userId": person.id, "roleIds": [globex.instance_role("playbooks-admin")],
            });
            globex_desk.post(globex.instance_path("/users"), access).await.expect(201);
        }
        Self { world, caller, peer, outsider, elsewhere, probe }
    }

    /// The caller in Acme's first instance.
    pub fn desk(&self) -> Desk<'_> {
        self.at(&self.caller)
    }
    /// Somebody in Acme's first instance.
    pub fn at(&self, person: &Person) -> Desk<'_> {
        self.world.desk(person, &self.world.acme).in_instance(self.world.acme.instance)
    }

    /// What the caller may do in Acme's first instance from now on:
    /// `[read, create, update, delete]` on each table.
    pub async fn allow(&self, playbooks: [&str; 4], versions: [&str; 4]) {
        let mut tables = json!({});
        for (table, levels) in [("playbooks", playbooks), ("playbook_versions", versions)] {
            if levels != NONE {
                tables[table] = json!(levels);
            }
        }
        permit(&self.world, self.probe, tables).await;
    }

    /// A playbook in Acme's first instance that this person owns.
    pub async fn playbook_of(&self, person: &Person, name: &str) -> Uuid {
        // The caller makes rows with the role that tests fill.
        self.allow(ALL, ALL).await;
        made(&self.at(person), name).await
    }
}

/// A playbook, by its name.
pub async fn made(desk: &Desk<'_>, name: &str) -> Uuid {
    desk.post("/api/playbooks", json!({ "name": name, "title": format!("Title of {name}") }))
        .await
        .id()
}

/// A new version of a playbook: its number.
pub async fn written(desk: &Desk<'_>, playbook: impl ToString, content: &str) -> i64 {
    let answer = desk.post(versions(playbook), json!({ "content": content })).await;
    answer.expect(201)["number"].as_i64().unwrap()
}

/// A further instance of a feature in Acme, without roles.
pub async fn instance(world: &World, feature: &str, label: &str) -> Uuid {
    let body = json!({ "featureCode": feature, "label": label, "copyTemplateRoles": false });
    world.admin().post("/api/features/instances", body).await.id()
}

/// A role of an instance in Acme that permits everything.
pub async fn role_in(world: &World, instance: Uuid, label: &str) -> Uuid {
    let role = world
        .admin()
        .post(format!("/api/features/instances/{instance}/roles"), json!({ "label": label }))
        .await
        .id();
    permit(world, role, json!({ "*": ALL })).await;
    role
}

/// Replaces what a role of Acme permits, in the short form of [`rules`].
pub async fn permit(world: &World, role: Uuid, tables: Value) {
    let body = json!({ "tables": rules(&tables) });
    world.admin().put(format!("/api/roles/{role}/permissions"), body).await.expect(200);
}

/// Admits a member of Acme to an instance there.
pub async fn admit(world: &World, instance: Uuid, user: Uuid, roles: &[Uuid]) {
    let body = json!({ "userId": user, "roleIds": roles });
    world.admin().post(format!("/api/features/instances/{instance}/users"), body).await.expect(201);
}

/// A member who may do everything with the playbooks of a tenant, by the template role for that.
pub async fn worker(world: &World, tenant: &Tenant, name: &str) -> Person {
    let person = world.member_with(tenant, name, &[tenant.role("user")]).await;
    world.admit(tenant, person.id, &[tenant.instance_role("playbooks-admin")]).await;
    person
}

/// A playbook's path; a name is encoded.
pub fn path(playbook: impl ToString) -> String {
    format!("/api/playbooks/{}", encoded(&playbook.to_string()))
}
pub fn versions(playbook: impl ToString) -> String {
    format!("{}/versions", path(playbook))
}
pub fn version(playbook: impl ToString, number: i64) -> String {
    format!("{}/{number}", versions(playbook))
}

/// Percent-encoded, everything but unreserved characters (RFC 3986).
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The numbers that a list of versions shows, page by page; the total must agree.
pub async fn numbers(desk: &Desk<'_>, list: &str, limit: usize) -> Vec<Vec<i64>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.get(format!("{list}?limit={limit}&count=true{cursor}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        pages.push(items.iter().map(|item| item["number"].as_i64().unwrap()).collect::<Vec<_>>());
        let Some(next) = page["nextCursor"].as_str() else {
            assert_eq!(
                page["total"],
                json!(pages.iter().map(Vec::len).sum::<usize>()),
                "the total of {list}"
            );
            return pages;
        };
        cursor = format!("&cursor={next}");
    }
}

/// A mandate's world with somebody who works in its playbooks.
pub async fn stage() -> (World, Person) {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    (world, wanda)
}
