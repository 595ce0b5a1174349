//! What a world is made of: random roles, who holds them, groups and instances, as rows.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{
    ADMIN, GUEST, LEAD, OTHER_SYS_ADMIN, OUTSIDER, SYS_ADMIN, Scene, TABLES, VIEWS,
};
use crate::core::tables::{INSTANCE_TABLES, MANDATE_TABLES, lowered};

#[derive(Default)]
pub struct Rows {
    pub mandates: Vec<Value>,
    pub roles: Vec<Value>,
    pub memberships: Vec<Value>,
    pub member_roles: Vec<Value>,
    pub groups: Vec<Value>,
    pub group_members: Vec<Value>,
    pub instances: Vec<Value>,
    pub accesses: Vec<Value>,
    pub access_roles: Vec<Value>,
}

pub struct Script {
    pub random: StdRng,
    pub rows: Rows,
}

/// Random permissions of a scope, as bodies carry them; well-formed and of levels that the tables
/// know.
pub fn permissions(random: &mut StdRng, instance: bool) -> Value {
    let tables: Vec<&str> = if instance {
        TABLES.iter().chain(INSTANCE_TABLES.iter()).copied().collect()
    } else {
        MANDATE_TABLES.clone()
    };
    let mut rules = serde_json::Map::new();
    if random.random_bool(0.2) {
        rules.insert("*".to_owned(), rule(random, "*"));
    }
    for table in tables {
        if random.random_bool(0.45) {
            rules.insert(table.to_owned(), rule(random, table));
        }
    }
    let views: serde_json::Map<String, Value> = if instance {
        VIEWS
            .iter()
            .filter_map(|view| {
                if random.random_bool(0.5) {
                    Some(((*view).to_owned(), json!(random.random_bool(0.7))))
                } else {
                    None
                }
            })
            .collect()
    } else {
        serde_json::Map::new()
    };
    json!({ "tables": rules, "views": views })
}

fn rule(random: &mut StdRng, table: &str) -> Value {
    let mut level = || *[0, 1, 2, 2, 3, 3, 3, 3].choose(random).unwrap();
    let (read, create, update, delete) = (level(), level(), level(), level());
    let [read, create, update, delete] = [(0, read), (1, create), (2, update), (3, delete)]
        .map(|(operation, level)| lowered(table, operation, level));
    let letter = |level: u8| ["n", "m", "g", "a"][usize::from(level)];
    json!({
        "view": read > 0 || create > 0, "read": letter(read), "create": letter(create),
        "update": letter(update.min(read)), "delete": letter(delete.min(read)),
    })
}

impl Script {
    fn id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }

    pub fn write(&mut self, people: &[Uuid]) -> Scene {
        let (main, foreign, gone) = (
            self.mandate("main", false),
            self.mandate("foreign", false),
            self.mandate("gone", true),
        );
        let _ = gone;
        let templates: Vec<(Uuid, Value)> = (0..3).map(|number| self.template(number)).collect();
        let members: Vec<Uuid> = people
            .iter()
            .enumerate()
            .filter(|(index, _)| ![OTHER_SYS_ADMIN, OUTSIDER].contains(index))
            .map(|(_, id)| *id)
            .collect();
        self.people_main(main, people, &members);
        let (first, second) =
            (self.instance(main, "first", &templates), self.instance(main, "second", &templates));
        for (instance, roles) in [first, second] {
            let others: Vec<Uuid> =
                members.iter().copied().filter(|member| *member != people[GUEST]).collect();
            self.admit(main, instance, &others, &roles);
        }
        let strangers = [people[OTHER_SYS_ADMIN], people[OUTSIDER], people[4]];
        let admin = self
            .role(json!({ "mandate_id": foreign, "label": "admin", "protected": true }), &all());
        for stranger in strangers {
            let role = if stranger == people[OTHER_SYS_ADMIN] {
                admin
            } else {
                self.random_role(foreign, 0)
            };
            self.join(foreign, stranger, true, &[role]);
        }
        let (instance, roles) = self.instance(foreign, "abroad", &templates);
        self.admit(foreign, instance, &strangers, &roles);
        Scene { main, foreign }
    }

    /// Roles, members and groups of the main mandate.
    fn people_main(&mut self, main: Uuid, people: &[Uuid], members: &[Uuid]) {
        let admin =
            self.role(json!({ "mandate_id": main, "label": "admin", "protected": true }), &all());
        let roles: Vec<Uuid> = (1..=5).map(|number| self.random_role(main, number)).collect();
        for member in members {
            let is_admin = *member == people[ADMIN]
                || (*member == people[SYS_ADMIN] && self.random.random_bool(0.2));
            let count = self.random.random_range(1..=3);
            let mut held: Vec<Uuid> = roles.sample(&mut self.random, count).copied().collect();
            if *member == people[LEAD] {
                held = vec![self.lead(main)];
            } else if *member == people[GUEST] {
                held = vec![self.role(
                    json!({ "mandate_id": main, "label": "guest" }),
                    &json!({ "tables": {}, "views": {} }),
                )];
            }
            if is_admin {
                held.push(admin);
            }
            let enabled = is_admin || self.random.random_bool(0.92);
            self.join(main, *member, enabled, &held);
        }
        // Where everybody shares a group, no other brings anybody nearer to anybody.
        let all_share = self.random.random_bool(0.4);
        for (number, name) in ["everyone", "team", "crew"].into_iter().enumerate() {
            let group = self.id();
            self.rows.groups.push(
                json!({ "id": group, "mandate_id": main, "name": name, "auto_join": number == 0 }),
            );
            for member in members {
                let likely = if *member == people[LEAD] { 0.7 } else { 0.25 };
                let alone = *member == people[GUEST] && !all_share;
                if (number == 0 && all_share) || (self.random.random_bool(likely) && !alone) {
                    self.rows
                        .group_members
                        .push(json!({ "mandate_id": main, "group_id": group, "user_id": member }));
                }
            }
        }
    }

    /// A role that reaches all of every table but one, which it reaches by groups in part.
    fn lead(&mut self, main: Uuid) -> Uuid {
        let mut permissions = json!({ "tables": {}, "views": {} });
        for table in ["members", "groups", "roles", "instances"] {
            permissions["tables"][table] =
                json!({ "view": true, "read": "a", "create": "a", "update": "a", "delete": "a" });
        }
        let (table, operation) = [
            ("members", "delete"),
            ("groups", "delete"),
            ("instances", "delete"),
            ("roles", "update"),
            ("roles", "read"),
        ]
        .choose(&mut self.random)
        .unwrap();
        for operation in [*operation, "update", "delete"] {
            permissions["tables"][table][operation] = json!("g");
        }
        if *table != "roles" {
            permissions["tables"][table]["update"] = json!("a");
        }
        self.role(json!({ "mandate_id": main, "label": "lead" }), &permissions)
    }

    fn mandate(&mut self, name: &str, deleted: bool) -> Uuid {
        let id = self.id();
        self.rows.mandates.push(json!({ "id": id, "name": name, "deleted": deleted }));
        id
    }

    fn role(&mut self, mut row: Value, permissions: &Value) -> Uuid {
        let id = self.id();
        row["id"] = json!(id);
        row["tables"] = permissions["tables"].clone();
        row["views"] = permissions["views"].clone();
        self.rows.roles.push(row);
        id
    }

    fn random_role(&mut self, mandate: Uuid, number: usize) -> Uuid {
        let permissions = permissions(&mut self.random, false);
        let label = format!("role {number} {}", self.random.random::<u32>());
        self.role(json!({ "mandate_id": mandate, "label": label }), &permissions)
    }

    fn template(&mut self, number: usize) -> (Uuid, Value) {
        let permissions = permissions(&mut self.random, true);
        (
            self.role(
                json!({ "feature_code": "desk", "label": format!("desk {number}") }),
                &permissions,
            ),
            permissions,
        )
    }

    fn join(&mut self, mandate: Uuid, user: Uuid, enabled: bool, roles: &[Uuid]) {
        self.rows
            .memberships
            .push(json!({ "mandate_id": mandate, "user_id": user, "enabled": enabled }));
        self.rows.member_roles.extend(
            roles
                .iter()
                .map(|role| json!({ "mandate_id": mandate, "user_id": user, "role_id": role })),
        );
    }

    /// An instance with copies of the templates, some of them changed since, one template not
    /// copied yet, and a role made by hand.
    fn instance(
        &mut self,
        mandate: Uuid,
        label: &str,
        templates: &[(Uuid, Value)],
    ) -> (Uuid, Vec<Uuid>) {
        let id = self.id();
        self.rows.instances.push(json!({ "id": id, "mandate_id": mandate, "label": label }));
        let mut roles = Vec::new();
        let row = |label: &str, template: Option<Uuid>| {
            json!({
                "mandate_id": mandate, "instance_id": id, "feature_code": "desk", "label": label,
                "template_role_id": template,
            })
        };
        for (number, (template, original)) in templates.iter().enumerate().skip(1) {
            let permissions = if self.random.random_bool(0.5) {
                original.clone()
            } else {
                permissions(&mut self.random, true)
            };
            roles.push(self.role(row(&format!("desk {number}"), Some(*template)), &permissions));
        }
        // Its template is gone.
        let orphan = self.id();
        let permissions_of_orphan = permissions(&mut self.random, true);
        roles.push(self.role(row("orphan", Some(orphan)), &permissions_of_orphan));
        let by_hand = permissions(&mut self.random, true);
        roles.push(self.role(row("by hand", None), &by_hand));
        (id, roles)
    }

    fn admit(&mut self, mandate: Uuid, instance: Uuid, members: &[Uuid], roles: &[Uuid]) {
        for member in members {
            if self.random.random_bool(0.4) {
                continue;
            }
            let enabled = self.random.random_bool(0.85);
            self.rows.accesses.push(json!({
                "mandate_id": mandate, "instance_id": instance, "user_id": member,
                "enabled": enabled,
            }));
            let count = self.random.random_range(1..=2);
            for role in roles.sample(&mut self.random, count) {
                self.rows.access_roles.push(json!({
                    "mandate_id": mandate, "instance_id": instance, "user_id": member,
                    "role_id": role,
                }));
            }
        }
    }
}

fn all() -> Value {
    json!({
        "tables": { "*": { "view": true, "read": "a", "create": "a", "update": "a",
        "delete": "a" } }, "views": {},
    })
}

pub const ALL_TO_OWNER: &str =
    "insert into access_roles (mandate_id, instance_id, user_id, role_id)
    values ('$mandate', '$place', '$owner', md5('$place' || 'all')::uuid)";
