//! Which roles somebody's access comes from is told alike by whatever tells it: `…/access` and
//! `explain` name the very same roles, to callers who may read members and, of roles, what each
//! pair of levels reaches.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::World;
use crate::harness::world::{Person, rules};
use crate::slices::kit::Desk;

const LEVELS: [&str; 4] = ["n", "m", "g", "a"];
const OPERATIONS: [&str; 4] = ["read", "create", "update", "delete"];
/// A table of the mandate, and one of the instance, with what roles give of them.
const TABLES: [&str; 2] = ["groups", "playbooks"];

/// The world, with somebody whom the questions are about. Of the roles that they hold in the
/// mandate and in the instance the caller holds one too, somebody of the caller's group another,
/// and nobody else the third.
struct Stage {
    world: World,
    target: Person,
    near: Person,
    roles: [Uuid; 3],
    instance_roles: [Uuid; 3],
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let acme = &world.acme;
        let target = world.member_with(acme, "target", &[acme.role("user")]).await;
        let near = world.member_with(acme, "near", &[acme.role("user")]).await;
        sqlx::query("update groups set auto_join = false").execute(&world.app.sql).await.unwrap();
        sqlx::query("delete from group_members").execute(&world.app.sql).await.unwrap();
        let (mut roles, mut instance_roles) = ([Uuid::nil(); 3], [Uuid::nil(); 3]);
        // The highest level comes from different roles, and now and then from several.
        let given = [["a", "m", "n", "n"], ["a", "m", "m", "n"], ["g", "n", "g", "g"]];
        for (index, levels) in given.into_iter().enumerate() {
            roles[index] =
                world.role_with(acme, &format!("role-{index}"), json!({ "groups": levels })).await;
            let path = acme.instance_path("/roles");
            instance_roles[index] =
                world.admin().post(path, json!({ "label": format!("irole-{index}") })).await.id();
            let body = json!({ "tables": rules(&json!({ "playbooks": levels })) });
            world
                .admin()
                .put(format!("/api/roles/{}/permissions", instance_roles[index]), body)
                .await
                .expect(200);
        }
        let stage = Self { world, target, near, roles, instance_roles };
        stage.give(stage.target.id, &roles, &instance_roles).await;
        stage.give(stage.near.id, &roles[1..2], &instance_roles[1..2]).await;
        stage
    }

    async fn give(&self, user: Uuid, roles: &[Uuid], instance_roles: &[Uuid]) {
        let acme = &self.world.acme;
        self.world
            .admin()
            .put(acme.path(&format!("/users/{user}/roles")), json!({ "roleIds": roles }))
            .await
            .expect(200);
        self.world.admit(acme, user, instance_roles).await;
    }

    /// Somebody with these levels of reading `roles` and `instance-roles`.
    async fn caller(&self, by_roles: &str, by_instance: &str) -> Person {
        let (world, acme, name) =
            (&self.world, &self.world.acme, format!("caller-{by_roles}{by_instance}"));
        let reads = json!({ "members": ["a", "n", "n", "n"], "roles": [by_roles, "n", "n", "n"] });
        let role = world.role_with(acme, &name, reads).await;
        let caller = world.member_with(acme, &name, &[role, self.roles[0]]).await;
        let own =
            world.admin().post(acme.instance_path("/roles"), json!({ "label": name })).await.id();
        let body =
            json!({ "tables": rules(&json!({ "instance-roles": [by_instance, "n", "n", "n"] })) });
        world.admin().put(format!("/api/roles/{own}/permissions"), body).await.expect(200);
        world.admit(acme, caller.id, &[own, self.instance_roles[0]]).await;
        let group = world.admin().post(acme.path("/groups"), json!({ "name": name })).await.id();
        let body = json!({ "userIds": [caller.id, self.near.id] });
        world.admin().put(acme.path(&format!("/groups/{group}/members")), body).await.expect(200);
        caller
    }

    fn desk(&self, person: &Person) -> Desk<'_> {
        self.world.desk(person, &self.world.acme)
    }
}

/// The labels of a list.
fn labels(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()).collect()
}

/// What explain names of an operation: the roles that give the level; and whether it knows of one
/// that it does not name.
async fn explained(
    desk: &Desk<'_>,
    table: &str,
    operation: &str,
    user: Uuid,
) -> (Value, BTreeSet<String>, bool) {
    let body = json!({ "table": table, "operation": operation, "userId": user });
    let answer = desk.post("/api/access/explain", body).await.expect(200);
    let because = answer["because"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|role| role["level"] == answer["level"]);
    let (named, hidden): (Vec<&Value>, Vec<&Value>) =
        because.partition(|role| role["role"].is_string());
    let named = named.into_iter().map(|role| role["role"].as_str().unwrap().to_owned()).collect();
    (answer["level"].clone(), named, !hidden.is_empty())
}

#[tokio::test]
async fn access_names_the_roles_that_explain_names() {
    let stage = Stage::new().await;
    let acme = &stage.world.acme;
    let mut hidden_somewhere = 0;
    for by_roles in LEVELS {
        for by_instance in LEVELS {
            let caller = stage.caller(by_roles, by_instance).await;
            let desk = stage.desk(&caller).in_instance(acme.instance);
            for user in [stage.target.id, caller.id] {
                let path = acme.path(&format!("/users/{user}/access"));
                let whole =
                    desk.get(format!("{path}?instanceId={}", acme.instance)).await.expect(200);
                let mandate_only = desk.get(path).await.expect(200);
                assert_eq!(whole["tables"]["groups"], mandate_only["tables"]["groups"]);
                for table in TABLES {
                    for operation in OPERATIONS {
                        let (level, named, hidden) = explained(&desk, table, operation, user).await;
                        let told = &whole["tables"][table];
                        let case =
                            format!("{by_roles}{by_instance} of {table}.{operation}: {told}");
                        assert_eq!(told[operation], level, "{case}");
                        assert_eq!(labels(&told["from"][operation]), named, "{case}");
                        assert!(named.is_subset(&labels(&whole["roles"])), "{case}");
                        hidden_somewhere += usize::from(hidden);
                        assert!(
                            user != caller.id || !hidden,
                            "one's own roles everybody is told: {case}"
                        );
                    }
                }
                check_labels(&whole, user == caller.id, [by_roles, by_instance]);
            }
        }
    }
    assert!(hidden_somewhere >= 30, "{hidden_somewhere}");
}

/// Which of the roles are named at all: those that the level reaches; of an instance's by the
/// higher of two levels.
fn check_labels(access: &Value, own: bool, [by_roles, by_instance]: [&str; 2]) {
    if own {
        return;
    }
    let number = |level: &str| LEVELS.iter().position(|known| *known == level).unwrap();
    let reached = |level: usize, prefix: &str| {
        (0..3)
            .filter(|role| *role < level)
            .map(|role| format!("{prefix}-{role}"))
            .collect::<Vec<_>>()
    };
    let higher = number(by_roles).max(number(by_instance));
    let expected: BTreeSet<String> = [reached(number(by_roles), "role"), reached(higher, "irole")]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(labels(&access["roles"]), expected, "{by_roles}{by_instance}");
    // Nowhere else either.
    let text = access.to_string();
    for role in 0..3 {
        for prefix in ["role", "irole"] {
            let label = format!("\"{prefix}-{role}\"");
            assert_eq!(
                text.contains(&label),
                expected.contains(label.trim_matches('"')),
                "{by_roles}{by_instance}: {label} in {text}"
            );
        }
    }
}

/// SysAdmins are told every role.
#[tokio::test]
async fn a_sys_admin_is_told_every_role() {
    let stage = Stage::new().await;
    let acme = &stage.world.acme;
    let path =
        acme.path(&format!("/users/{}/access?instanceId={}", stage.target.id, acme.instance));
    let access = stage.world.root().get(path).await.expect(200);
    assert_eq!(labels(&access["roles"]).len(), 6, "{access}");
}
