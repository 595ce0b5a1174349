//! A dry run names nobody to a caller who could not list them, whatever levels of `members`, and of
//! the instance's `access`, the caller has; it counts everybody all the same. (That the real thing
//! then does what was told is [`super::dry_run_agrees`].)

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::World;
use crate::harness::world::{Person, rules};
use crate::slices::kit::{Desk, values};

const LEVELS: [&str; 4] = ["n", "m", "g", "a"];

/// Somebody of the caller's group and a stranger to it hold a role of the mandate and one of the
/// instance.
struct Stage {
    world: World,
    near: Person,
    far: Person,
    role: Uuid,
    instance_role: Uuid,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let acme = &world.acme;
        let role = world.role_with(acme, "held", json!({ "groups": ["m", "n", "n", "n"] })).await;
        let near = world.member_with(acme, "near", &[role]).await;
        let far = world.member_with(acme, "far", &[role]).await;
        let instance_role = acme.instance_role("playbooks-viewer");
        for person in [&near, &far] {
            world.admit(acme, person.id, &[instance_role]).await;
        }
        sqlx::query("update groups set auto_join = false").execute(&world.app.sql).await.unwrap();
        sqlx::query("delete from group_members").execute(&world.app.sql).await.unwrap();
        Self { world, near, far, role, instance_role }
    }

    /// Somebody who may edit any role, with these levels of reading `members` and the instance's
    /// `access`.
    async fn caller(&self, by_members: &str, by_access: &str) -> Person {
        let (world, acme, name) =
            (&self.world, &self.world.acme, format!("caller-{by_members}{by_access}"));
        let may = json!({ "roles": ["a", "n", "a", "n"], "members": [by_members, "n", "n", "n"] });
        let role = world.role_with(acme, &name, may).await;
        let caller = world.member_with(acme, &name, &[role, self.role]).await;
        let own =
            world.admin().post(acme.instance_path("/roles"), json!({ "label": name })).await.id();
        let tables = json!({
            "access": [by_access, "n", "n", "n"],
            "playbooks": ["a", "n", "n", "n"],
            "playbook_versions": ["a", "n", "n", "n"],
        });
        let body = json!({ "tables": rules(&tables) });
        world.admin().put(format!("/api/roles/{own}/permissions"), body).await.expect(200);
        world.admit(acme, caller.id, &[own, self.instance_role]).await;
        let group = world.admin().post(acme.path("/groups"), json!({ "name": name })).await.id();
        let body = json!({ "userIds": [caller.id, self.near.id] });
        world.admin().put(acme.path(&format!("/groups/{group}/members")), body).await.expect(200);
        caller
    }

    async fn cleared(&self, desk: &Desk<'_>, role: Uuid) -> Value {
        desk.ask(Method::PUT, format!("/api/roles/{role}/permissions?dryRun=true"))
            .json(json!({}))
            .send()
            .await
            .expect(200)
    }
}

fn named(preview: &Value) -> BTreeSet<String> {
    preview["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["userId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_dry_run_names_those_whom_the_caller_may_list_and_counts_everybody() {
    let stage = Stage::new().await;
    let acme = &stage.world.acme;
    let mut callers = 0;
    for by_members in LEVELS {
        for by_access in LEVELS {
            let caller = stage.caller(by_members, by_access).await;
            callers += 1;
            let desk = stage.world.desk(&caller, acme);
            let lists = async |path: String| -> BTreeSet<String> {
                let page = desk.get(path).await;
                if page.status == 403 {
                    BTreeSet::new()
                } else {
                    values(&page.expect(200), "userId").into_iter().collect()
                }
            };
            let members = lists(acme.path("/users?limit=200")).await;
            let admitted = lists(acme.instance_path("/users?limit=200")).await;
            let people = [stage.near.id, stage.far.id].map(|id| id.to_string());
            let among = |known: &BTreeSet<String>| {
                people.iter().filter(|id| known.contains(*id)).cloned().collect::<BTreeSet<_>>()
            };

            let preview = stage.cleared(&desk, stage.role).await;
            let others: BTreeSet<String> =
                named(&preview).into_iter().filter(|id| people.contains(id)).collect();
            assert_eq!(others, among(&members), "{by_members}{by_access}: {preview}");
            assert!(named(&preview).contains(&caller.id.to_string()), "oneself");
            // Those two, this caller and the earlier ones.
            assert_eq!(preview["totals"]["users"], json!(2 + callers), "{preview}");

            let preview = stage.cleared(&desk, stage.instance_role).await;
            let either: BTreeSet<String> = members.union(&admitted).cloned().collect();
            assert_eq!(named(&preview), among(&either), "{by_members}{by_access}: {preview}");
            assert_eq!(preview["totals"]["users"], json!(2), "{preview}");
        }
    }
}

/// A caller who reads nobody, and yet reached whom the request names.
#[tokio::test]
async fn whom_the_request_names_is_no_secret() {
    let stage = Stage::new().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let caller = stage.caller("n", "n").await;
    let admits = json!({ "instances": ["a", "n", "a", "n"] });
    let role = world.role_with(acme, "admits", admits).await;
    world
        .admin()
        .ask(Method::PUT, acme.path(&format!("/users/{}/roles/{role}", caller.id)))
        .send()
        .await
        .expect(200);
    let path = acme.instance_path(&format!("/users/{}?dryRun=true", stage.far.id));
    let answer = world.desk(&caller, acme).ask(Method::DELETE, path).send().await.expect(200);
    assert_eq!(named(&answer), [stage.far.id.to_string()].into());
}
