//! The mandates, people and instances of a history.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use super::{Stage, by_admin};
use crate::harness::app::uuid;
use crate::harness::world::{Person, Tenant, World, rules};

impl Stage {
    pub(super) async fn new(seed: u64) -> Self {
        let world = World::new().await;
        let nodes =
            [world.app.clone(), world.app.another_node(), world.app.another_node_without_cache()];
        let acme = &world.acme;
        let reads = world
            .role_with(
                acme,
                "reads",
                json!({ "members": ["a", "n", "n", "n"], "audit": ["m", "n", "n", "n"] }),
            )
            .await;
        let keeps = world
            .role_with(
                acme,
                "keeps",
                json!({ "*": ["g", "n", "g", "n"], "instances": ["a", "a", "a", "n"] }),
            )
            .await;
        let mut people = Vec::new();
        for name in ["ann", "ben", "cid", "dot"] {
            let person = world.member_with(acme, name, &[reads, acme.role("user")]).await;
            world.admit(acme, person.id, &[acme.instance_role("playbooks-editor")]).await;
            people.push(person);
        }
        let (desk, shelf) = (desk(&world).await, shelf(&world, &people[..2]).await);
        let instance_roles = ["playbooks-editor", "playbooks-viewer", "playbooks-contributor"]
            .map(|label| acme.instance_role(label))
            .to_vec();
        let group = world
            .app
            .post(acme.path("/groups"))
            .bearer(&acme.admin.token)
            .mandate(acme.id)
            .json(json!({ "name": "team" }));
        let group = group.send().await.id();
        let mandate_roles = vec![reads, keeps, acme.role("user"), acme.role("viewer")];
        Self {
            nodes,
            people,
            mandate_roles,
            instance_roles,
            group,
            shelf,
            desk,
            world,
            random: StdRng::seed_from_u64(seed),
        }
    }

    pub(super) fn person(&mut self) -> usize {
        self.random.random_range(0..self.people.len())
    }

    pub(super) fn some(&mut self, ids: &[Uuid]) -> Vec<Uuid> {
        let count = self.random.random_range(1..=ids.len());
        ids.sample(&mut self.random, count).copied().collect()
    }

    /// Given back more often than taken away, else all would soon be gone.
    pub(super) fn on(&mut self) -> bool {
        self.random.random_bool(0.65)
    }
}

/// A second mandate of the same people, with an instance of a feature that can be changed.
async fn desk(world: &World) -> Tenant {
    let (app, sys_admin) = (&world.app, &world.sys_admin.token);
    let feature = json!({ "code": "desk", "tables": ["tickets"], "views": ["board"] });
    app.post("/api/features").bearer(sys_admin).json(feature).send().await.expect(201);
    let body = json!({ "roleLabel": "desk-clerk", "featureCode": "desk" });
    let template =
        app.post("/api/features/templates/roles").bearer(sys_admin).json(body).send().await.id();
    let body = json!({
        "tables": rules(&json!({ "*": ["a", "m", "g", "n"] })), "views": { "board": true },
    });
    app.put(format!("/api/roles/{template}/permissions"))
        .bearer(sys_admin)
        .json(body)
        .send()
        .await
        .expect(200);
    let mut desk = world.globex.clone();
    let body = json!({ "featureCode": "desk", "label": "Front desk" });
    let made = app
        .post("/api/features/instances")
        .bearer(&desk.admin.token)
        .mandate(desk.id)
        .json(body)
        .send()
        .await;
    desk.instance = made.id();
    let roles = app
        .get(desk.instance_path("/roles"))
        .bearer(&desk.admin.token)
        .mandate(desk.id)
        .send()
        .await
        .expect(200);
    desk.instance_roles = json!({ "desk-clerk": roles["items"][0]["id"] });
    for name in ["ann", "ben", "cid", "dot"] {
        let body = json!({ "username": name, "roleIds": [desk.role("user")] });
        let added = app
            .post(desk.path("/users"))
            .bearer(&desk.admin.token)
            .mandate(desk.id)
            .json(body)
            .send()
            .await
            .expect(201);
        world.admit(&desk, uuid(&added["userId"]), &[desk.instance_role("desk-clerk")]).await;
    }
    desk
}

/// The other instance, to which these people are admitted.
async fn shelf(world: &World, people: &[Person]) -> Tenant {
    let mut shelf = world.acme.clone();
    let call = world
        .app
        .post("/api/features/instances")
        .json(json!({ "featureCode": "playbooks", "label": "Shelf" }));
    shelf.instance = by_admin(call, &shelf).await.id();
    let roles = by_admin(world.app.get(shelf.instance_path("/roles")), &shelf).await.expect(200);
    let by_label = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| (role["label"].as_str().unwrap().to_owned(), role["id"].clone()));
    shelf.instance_roles = by_label.collect::<serde_json::Map<_, _>>().into();
    for person in people {
        world.admit(&shelf, person.id, &[shelf.instance_role("playbooks-viewer")]).await;
    }
    shelf
}
