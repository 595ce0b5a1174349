//! What is answered from a cache is what would be answered without one: over random histories that
//! end in something being taken away as often as given, two nodes with caches and one without are
//! asked the same after every change.

mod changes;
mod stage;

use std::fmt::Write;

use rand::rngs::StdRng;
use serde_json::{Value, json};
use sqlx::Executor;
use uuid::Uuid;

use super::effort::is_full;
use crate::harness::app::Call;
use crate::harness::world::{Person, Tenant, World};
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
        for (mandate, path, question) in self.questions(person) {
            self.compare(&mut found, |node| {
                node.post(path).bearer(token).mandate(mandate).json(question.clone())
            })
            .await;
        }
        (!found.is_empty()).then_some(found)
    }

    /// About the caller: in the mandate, and in instances that are not named by the header.
    fn questions(&self, person: usize) -> [(Uuid, &'static str, Value); 7] {
        let (acme, desk, other) = (self.world.acme.id, self.desk.id, self.people[0].id);
        let evaluate = json!({
            "subject": { "type": "user", "id": self.people[person].id },
            "action": { "name": "update" }, "resource": { "type": "playbooks", "id": "any" },
            "context": { "instance": self.shelf.instance },
        });
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
            // What it would take names a role of those that there are.
            (acme, "/api/access/explain", json!({ "table": "groups", "operation": "create" })),
            (acme, "/api/access/explain", json!({ "table": "instances", "operation": "read" })),
            (acme, "/access/v1/evaluation", evaluate),
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
