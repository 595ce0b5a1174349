//! Template roles: copied when mandates and instances are made ([`copies`]), and synced only when
//! somebody says so ([`syncs`], [`labels`]).

mod copies;
mod labels;
mod syncs;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::World;
use crate::harness::app::uuid;
use crate::harness::world::rules;

/// A feature `trustee` with the template `clerk` (reads all ledgers, sees the board) and an
/// instance of it in Acme.
struct Stage {
    world: World,
    clerk: Uuid,
    instance: Uuid,
}

const TEMPLATES: &str = "/api/features/templates/roles";

impl Stage {
    async fn set() -> Self {
        let world = World::new().await;
        let root = world.root();
        root.post(
            "/api/features",
            json!({ "code": "trustee", "tables": ["ledgers"], "views": ["board"] }),
        )
        .await
        .expect(201);
        let clerk = template(&world, "clerk", json!({ "ledgers": ["a", "n", "n", "n"] })).await;
        root.patch(permissions(clerk), json!({ "views": { "board": true } })).await.expect(200);
        let body = json!({ "featureCode": "trustee", "label": "Accounting" });
        let instance = world.admin().post("/api/features/instances", body).await.id();
        Self { world, clerk, instance }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/features/instances/{}{rest}", self.instance)
    }

    /// The instance's roles by label.
    async fn roles(&self) -> BTreeMap<String, Value> {
        let page = self.world.admin().get(self.path("/roles?limit=200")).await.expect(200);
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|role| (role["label"].as_str().unwrap().to_owned(), role.clone()))
            .collect()
    }

    async fn copy(&self, label: &str) -> Uuid {
        uuid(&self.roles().await[label]["id"])
    }

    /// Everything that a sync could change.
    async fn state(&self) -> Vec<Value> {
        let mut state = Vec::new();
        for role in self.roles().await.into_values() {
            let permissions =
                self.world.admin().get(permissions(uuid(&role["id"]))).await.expect(200);
            state.push(json!([role, permissions]));
        }
        state
    }

    /// A dry run first: it must answer the very same and change nothing.
    async fn sync(&self, add_only: bool) -> Value {
        let before = self.state().await;
        let path = self.path(&format!("/sync-roles?addOnly={add_only}"));
        let preview =
            self.world.admin().post(format!("{path}&dryRun=true"), json!({})).await.expect(200);
        assert_eq!(self.state().await, before, "a dry run changes nothing");
        let done = self.world.admin().post(path, json!({})).await.expect(200);
        assert_eq!(preview, done);
        done
    }
}

fn permissions(role: Uuid) -> String {
    format!("/api/roles/{role}/permissions")
}

async fn template(world: &World, label: &str, tables: Value) -> Uuid {
    let id = world
        .root()
        .post(TEMPLATES, json!({ "roleLabel": label, "featureCode": "trustee" }))
        .await
        .id();
    world.root().put(permissions(id), json!({ "tables": rules(&tables) })).await.expect(200);
    id
}

/// `added`, `removed`, `unchanged`, `updated`, `kept`.
fn counts(report: &Value) -> [u64; 5] {
    ["added", "removed", "unchanged", "updated", "kept"]
        .map(|count| report[count].as_u64().unwrap_or_else(|| panic!("{report}")))
}

/// The one change of a report that concerns a role.
fn change<'a>(report: &'a Value, role: &str) -> &'a Value {
    let changes: Vec<_> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["role"] == role)
        .collect();
    assert_eq!(changes.len(), 1, "{role} in {report}");
    changes[0]
}
