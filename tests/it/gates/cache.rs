//! What is answered from a cache is what would be answered without one: over random histories that
//! end in something being taken away as often as given, two nodes with caches and one without are
//! asked the same after every change.

use std::fmt::Write;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::Executor;
use uuid::Uuid;

use super::effort::is_full;
use crate::harness::app::{Call, uuid};
use crate::harness::world::{Person, Tenant, World, rules};
use crate::harness::{Answer, TestApp};

/// The service on three nodes, of which the last keeps nothing, and people whose access changes.
struct Stage {
    world: World,
    nodes: [TestApp; 3],
    people: Vec<Person>,
    /// Roles of Acme that people hold, beside its templates.
    mandate_roles: Vec<Uuid>,
    instance_roles: Vec<Uuid>,
    group: Uuid,
    /// Acme with its other instance of `playbooks`: where one is open to somebody, it need not be
    /// named; where both are, it must.
    shelf: Tenant,
    /// The instance of a feature that SysAdmins may change.
    desk: Tenant,
    random: StdRng,
}

impl Stage {
    async fn new(seed: u64) -> Self {
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

    fn person(&mut self) -> usize {
        self.random.random_range(0..self.people.len())
    }

    fn some(&mut self, ids: &[Uuid]) -> Vec<Uuid> {
        let count = self.random.random_range(1..=ids.len());
        ids.sample(&mut self.random, count).copied().collect()
    }

    /// Given back more often than taken away, else all would soon be gone.
    fn on(&mut self) -> bool {
        self.random.random_bool(0.65)
    }

    /// One random change through the first node, and whom it concerns.
    async fn change(&mut self) -> (String, Answer, usize) {
        let person = self.person();
        let (what, answer) = match self.random.random_range(0..4) {
            0 => self.change_account_or_mandate(person).await,
            1 => self.change_membership(person).await,
            2 => self.change_admission(person).await,
            _ => self.change_what_all_share().await,
        };
        (what, answer, person)
    }

    async fn change_account_or_mandate(&mut self, person: usize) -> (String, Answer) {
        let (kind, on, number) =
            (self.random.random_range(0..7), self.on(), self.random.random_range(0..1_000));
        if kind == 0 {
            return self.sign_out(person).await;
        }
        let (app, id) = (&self.nodes[0], self.people[person].id);
        let mandate = if on { self.world.acme.path("") } else { self.desk.path("") };
        let (what, call) = match kind {
            1 | 2 => {
                ("account", app.patch(format!("/api/users/{id}")).json(json!({ "enabled": on })))
            }
            3 => ("flag", app.patch(format!("/api/users/{id}")).json(json!({ "isSysAdmin": on }))),
            4 => (
                "rename",
                app.patch(mandate).json(
                    json!({ "name": format!("name {number}"), "code": format!("code-{number}") }),
                ),
            ),
            5 => ("mandate", app.patch(self.world.acme.path("")).json(json!({ "enabled": on }))),
            _ if on => ("restore", app.post(self.desk.path("/restore"))),
            _ => ("delete", app.delete(self.desk.path(""))),
        };
        (format!("{what} {on}"), call.bearer(&self.world.sys_admin.token).send().await)
    }

    /// Signs out; the token is asked about once more before the next sign-in.
    async fn sign_out(&mut self, person: usize) -> (String, Answer) {
        let answer =
            self.nodes[0].post("/api/auth/logout").bearer(&self.people[person].token).send().await;
        if answer.status.is_success() {
            assert_eq!(self.difference(person).await, None);
            self.people[person].token =
                self.nodes[0].sign_in(&self.people[person].name.clone()).await;
        }
        ("sign out".to_owned(), answer)
    }

    async fn change_membership(&mut self, person: usize) -> (String, Answer) {
        let (kind, on) = (self.random.random_range(0..6), self.on());
        let roles = self.some(&self.mandate_roles.clone());
        let group: Vec<Uuid> = self.people.iter().map(|person| person.id).collect();
        let group = self.some(&group);
        let (app, id, acme) = (&self.nodes[0], self.people[person].id, &self.world.acme);
        let member = acme.path(&format!("/users/{id}"));
        let (what, call) = match kind {
            0 | 1 => ("membership", app.patch(member).json(json!({ "enabled": on }))),
            2 => ("roles", app.put(format!("{member}/roles")).json(json!({ "roleIds": roles }))),
            3 if on => (
                "join",
                app.post(acme.path("/users")).json(json!({ "targetUserId": id, "roleIds": roles })),
            ),
            3 => ("remove", app.delete(member)),
            4 => (
                "group",
                app.put(acme.path(&format!("/groups/{}/members", self.group)))
                    .json(json!({ "userIds": group })),
            ),
            _ => (
                "group name",
                app.patch(acme.path(&format!("/groups/{}", self.group)))
                    .json(json!({ "autoJoin": on })),
            ),
        };
        (format!("{what} {on}"), by_admin(call, acme).await)
    }

    async fn change_admission(&mut self, person: usize) -> (String, Answer) {
        let (kind, on, place) =
            (self.random.random_range(0..5), self.on(), self.random.random_range(0..4));
        let all = match place {
            0 => vec![self.desk.instance_role("desk-clerk")],
            1 => vec![
                self.shelf.instance_role("playbooks-editor"),
                self.shelf.instance_role("playbooks-viewer"),
            ],
            _ => self.instance_roles.clone(),
        };
        let roles = self.some(&all);
        let tenant = [&self.desk, &self.shelf, &self.world.acme][place.min(2)];
        let (app, id) = (&self.nodes[0], self.people[person].id);
        let users = tenant.instance_path("/users");
        let (what, call) = match kind {
            0 | 1 => {
                ("admission", app.patch(format!("{users}/{id}")).json(json!({ "enabled": on })))
            }
            2 => (
                "instance roles",
                app.put(format!("{users}/{id}/roles")).json(json!({ "roleIds": roles })),
            ),
            3 if on => ("admit", app.post(users).json(json!({ "userId": id, "roleIds": roles }))),
            3 => ("end", app.delete(format!("{users}/{id}"))),
            _ => (
                "instance",
                app.patch(tenant.instance_path(""))
                    .json(json!({ "enabled": on, "label": format!("shelf {place} {on}") })),
            ),
        };
        (format!("{what} {on} {place}"), by_admin(call, tenant).await)
    }

    async fn change_what_all_share(&mut self) -> (String, Answer) {
        let (kind, on, number) =
            (self.random.random_range(0..6), self.on(), self.random.random_range(0..1_000));
        let read = ["n", "m", "g", "a"].choose(&mut self.random).unwrap();
        let mandate_role =
            self.mandate_roles[self.random.random_range(0..self.mandate_roles.len())];
        let instance_role =
            self.instance_roles[self.random.random_range(0..self.instance_roles.len())];
        let (app, acme) = (&self.nodes[0], &self.world.acme);
        let table =
            |name: &str| json!({ "tables": rules(&json!({ name: [read, "m", "n", "n"] })) });
        let (what, call) = match kind {
            0 => (
                "permissions",
                app.put(format!("/api/roles/{mandate_role}/permissions")).json(table("groups")),
            ),
            1 => (
                "permission",
                app.patch(format!("/api/roles/{instance_role}/permissions"))
                    .json(table("playbooks")),
            ),
            2 => (
                "label",
                app.patch(format!("/api/roles/{instance_role}"))
                    .json(json!({ "label": format!("role {number}") })),
            ),
            3 => ("sync", app.post(acme.instance_path("/sync-roles?addOnly=false"))),
            _ => {
                let tables = if on { json!(["tickets", "notes"]) } else { json!(["tickets"]) };
                let body = json!({
                    "icon": format!("mdi-{number}"), "label": { "en": format!("Desk {number}") },
                    "tables": tables,
                });
                let call =
                    app.patch("/api/features/desk").bearer(&self.world.sys_admin.token).json(body);
                return (format!("feature {on}"), call.send().await);
            }
        };
        (format!("{what} {read}"), by_admin(call, acme).await)
    }

    /// Where the nodes do not agree about what is open to a person.
    async fn difference(&self, person: usize) -> Option<String> {
        let token = &self.people[person].token;
        let (acme, desk) = (&self.world.acme, &self.desk);
        let contexts =
            [(acme.id, Some(acme.instance)), (acme.id, None), (desk.id, Some(desk.instance))];
        let mut found = String::new();
        for (mandate, instance) in contexts {
            self.compare(&mut found, |node| {
                let call = node.get("/api/access/me").bearer(token).mandate(mandate);
                if let Some(instance) = instance { call.instance(instance) } else { call }
            })
            .await;
        }
        self.compare(&mut found, |node| node.get("/api/features/my").bearer(token)).await;
        // No instance is named: which one is meant is kept too.
        self.compare(&mut found, |node| node.get("/api/playbooks").bearer(token).mandate(acme.id))
            .await;
        for (mandate, path, question) in self.questions() {
            self.compare(&mut found, |node| {
                node.post(path).bearer(token).mandate(mandate).json(question.clone())
            })
            .await;
        }
        (!found.is_empty()).then_some(found)
    }

    /// About the caller: in the mandate, and in instances that are not named.
    fn questions(&self) -> [(Uuid, &'static str, Value); 4] {
        let (acme, desk, other) = (self.world.acme.id, self.desk.id, self.people[0].id);
        let check = |table: &str, operation: &str| {
            json!({
                "table": table, "operation": operation, "ownerId": other,
            })
        };
        let in_mandate =
            ["members", "groups", "instances", "audit"].map(|table| check(table, "read"));
        let in_playbooks = [
            check("playbooks", "read"),
            check("playbook_versions", "update"),
            check("instance-roles", "read"),
        ];
        [
            (acme, "/api/access/check", json!({ "checks": in_mandate })),
            (acme, "/api/access/check", json!({ "checks": in_playbooks })),
            (acme, "/api/access/explain", check("playbooks", "create")),
            (
                desk,
                "/api/access/check",
                json!({ "checks": [check("tickets", "update"), check("notes", "read")] }),
            ),
        ]
    }

    async fn compare(&self, found: &mut String, call: impl for<'a> Fn(&'a TestApp) -> Call<'a>) {
        let fresh = told(call(&self.nodes[2])).await;
        for node in 0..2 {
            let answer = told(call(&self.nodes[node])).await;
            if answer != fresh {
                writeln!(found, "node {node} answers {answer:?}\ninstead of {fresh:?}").unwrap();
            }
        }
    }

    /// Goes on until so many changes were made; the first difference and how many changes it took,
    /// or nothing.
    async fn history(&mut self, changes: usize) -> Option<String> {
        let mut told = Vec::new();
        let mut attempts = 0;
        while told.len() < changes {
            attempts += 1;
            assert!(
                attempts < changes * 10,
                "most changes are refused, the last ones made were {:?}",
                told.last()
            );
            let (what, answer, concerned) = self.change().await;
            assert!(!answer.status.is_server_error(), "{what}: {}", answer.body);
            if !answer.status.is_success() {
                continue;
            }
            told.push(what);
            for person in [concerned, self.person()] {
                if let Some(difference) = self.difference(person).await {
                    let last = &told[told.len().saturating_sub(5)..];
                    return Some(format!(
                        "after {} changes, the last ones {last:?}: {difference}",
                        told.len()
                    ));
                }
            }
        }
        None
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

async fn by_admin(call: Call<'_>, tenant: &Tenant) -> Answer {
    call.bearer(&tenant.admin.token).mandate(tenant.id).send().await
}

/// Status, tag and body, without the request's own id.
async fn told(call: Call<'_>) -> (u16, String, Value) {
    let mut answer = call.send().await;
    if let Some(body) = answer.body.as_object_mut() {
        body.remove("requestId");
    }
    (answer.status.as_u16(), answer.header("etag").to_owned(), answer.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_answer_is_the_one_that_would_be_given_afresh() {
    for seed in 0..if is_full() { 4 } else { 1 } {
        let difference = Stage::new(seed).await.history(130).await;
        assert_eq!(difference, None, "seed {seed}");
    }
}

/// The test of the test: caches that nobody tells of changes are found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_triggers_that_raise_epochs_the_same_history_finds_a_stale_answer() {
    let mut stage = Stage::new(0).await;
    let statement = "alter table memberships disable trigger user;
                       alter table member_roles disable trigger user;
                     alter table role_permissions disable trigger user;
                       alter table feature_accesses disable trigger user";
    stage.world.app.sql.execute(statement).await.unwrap();
    assert!(stage.history(300).await.is_some());
}
