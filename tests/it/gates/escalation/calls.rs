//! One random call: an operation, somebody who makes it, and a path and body that are sometimes right, often greedy (one's own
//! id, wider roles, templates, roles of elsewhere) and sometimes carry a field that nobody asked for.

use axum::http::Method;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reach::Snapshot;
use super::stage::{ADMIN, Actor, OTHER_SYS_ADMIN, SYS_ADMIN, Scene, TABLES, VIEWS, permissions};
use crate::harness::app::PASSWORD;

/// Who is let in at all.
#[derive(Clone, Copy, PartialEq)]
enum For {
    SysAdmins,
    Both,
    Members,
    Anybody,
}
use For::{Anybody, Both, Members, SysAdmins};

/// Every mutating operation, who is let in, and how often it is called beside the others. Rare: what costs a password hash,
/// and what ends the sequence for its caller or for all.
const OPERATIONS: [(&str, For, u32); 37] = [
    ("POST /api/mandates", SysAdmins, 9),
    ("PATCH /api/mandates/{mandateId}", Both, 12),
    ("PUT /api/mandates/{mandateId}", Both, 13),
    ("DELETE /api/mandates/{mandateId}", SysAdmins, 5),
    ("POST /api/mandates/{mandateId}/restore", SysAdmins, 6),
    ("POST /api/mandates/{mandateId}/users", Both, 25),
    ("PATCH /api/mandates/{mandateId}/users/{userId}", Both, 20),
    ("DELETE /api/mandates/{mandateId}/users/{userId}", Both, 8),
    ("PUT /api/mandates/{mandateId}/users/{userId}/roles", Both, 50),
    ("PUT /api/mandates/{mandateId}/users/{userId}/roles/{roleId}", Both, 50),
    ("DELETE /api/mandates/{mandateId}/users/{userId}/roles/{roleId}", Both, 25),
    ("POST /api/mandates/{mandateId}/groups", Members, 7),
    ("PATCH /api/mandates/{mandateId}/groups/{groupId}", Members, 9),
    ("DELETE /api/mandates/{mandateId}/groups/{groupId}", Members, 12),
    ("PUT /api/mandates/{mandateId}/groups/{groupId}/members", Members, 40),
    ("POST /api/mandates/{mandateId}/roles", Both, 8),
    ("PATCH /api/roles/{roleId}", Members, 15),
    ("DELETE /api/roles/{roleId}", Members, 24),
    ("PUT /api/roles/{roleId}/permissions", Members, 60),
    ("PATCH /api/roles/{roleId}/permissions", Members, 60),
    ("POST /api/features", SysAdmins, 6),
    ("PATCH /api/features/{featureCode}", SysAdmins, 11),
    ("DELETE /api/features/{featureCode}", SysAdmins, 17),
    ("POST /api/features/instances", Members, 14),
    ("PATCH /api/features/instances/{instanceId}", Both, 7),
    ("DELETE /api/features/instances/{instanceId}", Both, 9),
    ("POST /api/features/instances/{instanceId}/sync-roles", Both, 25),
    ("POST /api/features/instances/{instanceId}/roles", Members, 7),
    ("POST /api/features/instances/{instanceId}/users", Members, 40),
    ("PATCH /api/features/instances/{instanceId}/users/{userId}", Members, 30),
    ("DELETE /api/features/instances/{instanceId}/users/{userId}", Members, 19),
    ("PUT /api/features/instances/{instanceId}/users/{userId}/roles", Members, 50),
    ("POST /api/features/templates/roles", SysAdmins, 6),
    ("POST /api/users", SysAdmins, 4),
    ("PATCH /api/users/{userId}", Anybody, 30),
    ("POST /api/auth/login", Anybody, 2),
    ("POST /api/auth/logout", Anybody, 2),
];

/// The operations of the OpenAPI document that are tried here, as `METHOD path`.
pub fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(operation, ..)| *operation)
}

/// A call to be made.
#[derive(Debug)]
pub struct Call {
    pub operation: &'static str,
    /// Position of the caller among the people.
    pub actor: usize,
    pub method: Method,
    pub path: String,
    pub mandate: Option<Uuid>,
    pub body: Option<Value>,
    /// Carries a field that the operation does not know.
    pub poisoned: bool,
}

/// What a random call is drawn from.
pub struct Dice<'a> {
    pub random: &'a mut StdRng,
    pub view: &'a Snapshot,
    pub people: &'a [Actor],
    pub scene: Scene,
}

impl Dice<'_> {
    pub fn call(&mut self) -> Call {
        let (operation, class, _) = *OPERATIONS.choose_weighted(self.random, |(.., weight)| *weight).unwrap();
        let actor = self.actor(class);
        let (method, template) = operation.split_once(' ').unwrap();
        let mandate = self.mandate();
        let place = self.instance();
        // The header names the mandate that the path is in, unless it lies.
        let mandate_of_path = if template.contains("{instanceId}") { place.0 } else { mandate };
        let lies = self.random.random_bool(0.03);
        let header = if lies { self.mandate() } else { mandate_of_path };
        let is_sys_admin = actor <= OTHER_SYS_ADMIN;
        let without = class == SysAdmins || class == Anybody || (is_sys_admin && class == Both && self.random.random_bool(0.7));
        let templates = is_sys_admin && template.starts_with("/api/roles") && self.random.random_bool(0.5);
        let target = self.user(actor);
        let mandate = if operation.ends_with("/restore") { self.deleted_mandate() } else { mandate };
        let role = if templates { self.template() } else { self.role(header) };
        let path = template
            .replace("{mandateId}", &mandate.to_string())
            .replace("{userId}", &target.to_string())
            .replace("{groupId}", &self.group(mandate).to_string())
            .replace("{roleId}", &role.to_string())
            .replace("{instanceId}", &place.1.to_string())
            .replace("{featureCode}", &self.feature());
        let path = if operation.ends_with("sync-roles") { format!("{path}?addOnly={}", self.random.random_bool(0.3)) } else { path };
        let mut body = self.body(operation, actor, mandate, place, role);
        let poisoned = self.random.random_bool(0.03) && body.as_mut().is_some_and(|body| self.poison(body));
        let method = method.parse().unwrap();
        Call { operation, actor, method, path, mandate: (!without && !templates).then_some(header), body, poisoned }
    }

    /// Half the time somebody who might be let in, else anybody but the SysAdmins.
    fn actor(&mut self, class: For) -> usize {
        let likely: &[usize] = match class {
            SysAdmins => &[SYS_ADMIN, SYS_ADMIN, SYS_ADMIN, OTHER_SYS_ADMIN],
            Both => &[SYS_ADMIN, SYS_ADMIN, ADMIN, 3, 4, 5, 6],
            Members | Anybody => &[SYS_ADMIN, ADMIN, 3, 4, 5, 6],
        };
        let anybody = self.random.random_range(ADMIN + 1..self.people.len());
        if self.random.random_bool(0.5) { anybody } else { *likely.choose(self.random).unwrap() }
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        items.choose(self.random).copied()
    }

    /// Oneself, gladly.
    fn user(&mut self, actor: usize) -> Uuid {
        let known: Vec<Uuid> = self.view.users.iter().map(|user| user.0).collect();
        match self.random.random_range(0..100) {
            0..40 => self.people[actor].id,
            40..98 => self.pick(&known).unwrap(),
            _ => Uuid::now_v7(),
        }
    }

    fn mandate(&mut self) -> Uuid {
        let known: Vec<Uuid> = self.view.mandates.iter().map(|mandate| mandate.0).collect();
        match self.random.random_range(0..100) {
            0..88 => self.scene.main,
            88..94 => self.scene.foreign,
            _ => self.pick(&known).unwrap_or_default(),
        }
    }

    fn deleted_mandate(&mut self) -> Uuid {
        let deleted: Vec<Uuid> = self.view.mandates.iter().filter(|mandate| mandate.1).map(|mandate| mandate.0).collect();
        if self.random.random_bool(0.9) { self.pick(&deleted).unwrap_or_default() } else { self.mandate() }
    }

    /// Mostly somebody who is not there yet, if that is not oneself again.
    fn newcomer(&mut self, actor: usize, is_there: impl Fn(Uuid) -> bool) -> Uuid {
        let others: Vec<Uuid> = self.view.users.iter().map(|user| user.0).filter(|user| !is_there(*user)).collect();
        if self.random.random_bool(0.7) { self.pick(&others).unwrap_or_default() } else { self.user(actor) }
    }

    fn group(&mut self, mandate: Uuid) -> Uuid {
        let own: Vec<Uuid> = self.view.groups.iter().filter(|group| group.0 == mandate).map(|group| group.1).collect();
        self.pick(&own).unwrap_or_default()
    }

    /// An instance, with its mandate.
    fn instance(&mut self) -> (Uuid, Uuid) {
        let (main, anywhere): (Vec<_>, Vec<_>) =
            self.view.instances.iter().map(|instance| (instance.0, instance.1)).partition(|place| place.0 == self.scene.main);
        let own = if self.random.random_bool(0.94) { &main } else { &anywhere };
        self.pick(own).unwrap_or_default()
    }

    fn feature(&mut self) -> String {
        let own: Vec<&str> = self.view.features.iter().map(|feature| feature.0.as_str()).collect();
        self.pick(&own).unwrap_or_default().to_owned()
    }

    fn roles(&self, wanted: impl Fn(&super::reach::Role) -> bool) -> Vec<Uuid> {
        self.view.roles.iter().filter(|role| wanted(role)).map(|role| role.id).collect()
    }

    /// A mandate role of the mandate, or one of its instances' roles.
    fn role(&mut self, mandate: Uuid) -> Uuid {
        let of_instances = self.random.random_bool(0.5);
        let own = self.roles(|role| role.mandate == Some(mandate) && role.instance.is_some() == of_instances);
        self.pick(&own).unwrap_or_default()
    }

    fn template(&mut self) -> Uuid {
        let templates = self.roles(|role| role.mandate.is_none());
        self.pick(&templates).unwrap_or_default()
    }

    /// Roles to give in a mandate or an instance; now and then one of elsewhere.
    fn given(&mut self, mandate: Uuid, instance: Option<Uuid>) -> Vec<Uuid> {
        let own = self.roles(|role| role.mandate == Some(mandate) && role.instance == instance);
        let any = self.roles(|_| true);
        let count = self.random.random_range(1..=2);
        let mut given: Vec<Uuid> = own.sample(self.random, count).copied().collect();
        if self.random.random_bool(0.05) {
            given.extend(self.pick(&any));
        }
        given
    }

    fn word(&mut self, kind: &str) -> String {
        format!("{kind} {}", self.random.random::<u32>())
    }

    fn yes(&mut self) -> bool {
        self.random.random_bool(0.75)
    }

    /// Adds a field that might raise somebody, were it not refused.
    fn poison(&mut self, body: &mut Value) -> bool {
        let fields = [
            ("isAdmin", json!(true)),
            ("mandateId", json!(self.scene.main)),
            ("ownerId", json!(self.people[ADMIN].id)),
            ("protected", json!(true)),
            ("scope", json!("mandate")),
            ("templateRoleId", json!(self.template())),
            ("actorId", json!(self.people[ADMIN].id)),
        ];
        let (field, value) = fields.choose(self.random).unwrap();
        body.as_object_mut().is_some_and(|body| body.insert((*field).to_owned(), value.clone()).is_none())
    }

    fn body(&mut self, operation: &str, actor: usize, mandate: Uuid, place: (Uuid, Uuid), role: Uuid) -> Option<Value> {
        let (method, path) = operation.split_once(' ').unwrap();
        match path.split('/').nth(2).unwrap() {
            "mandates" => self.mandate_body(method, path, actor, mandate),
            "roles" => self.role_body(method, path, role),
            "features" => self.feature_body(method, path, actor, place),
            _ => self.user_body(method, path, actor),
        }
    }

    fn mandate_body(&mut self, method: &str, path: &str, actor: usize, mandate: Uuid) -> Option<Value> {
        let rest = path.trim_start_matches("/api/mandates").trim_start_matches("/{mandateId}");
        Some(match (method, rest) {
            ("POST", "") => json!({ "name": self.word("mandate"), "adminUserId": self.user(actor) }),
            ("PATCH" | "PUT", "") if self.random.random_bool(0.6) => json!({ "name": self.word("mandate") }),
            ("PATCH" | "PUT", "") => json!({ "enabled": self.random.random_bool(0.9), "language": "de" }),
            ("POST", "/users") => {
                let view = self.view;
                let is_member = |user| view.memberships.iter().any(|row| (row.0, row.1) == (mandate, user));
                json!({ "targetUserId": self.newcomer(actor, is_member), "roleIds": self.given(mandate, None) })
            }
            ("PATCH", "/users/{userId}") => json!({ "enabled": self.yes() }),
            ("PUT", "/users/{userId}/roles") => json!({ "roleIds": self.given(mandate, None) }),
            ("POST", "/groups") | ("PATCH", "/groups/{groupId}") => json!({ "name": self.word("group"), "autoJoin": self.yes() }),
            ("PUT", "/groups/{groupId}/members") => json!({ "userIds": self.company(actor) }),
            ("POST", "/roles") => json!({ "label": self.word("role") }),
            _ => return None,
        })
    }

    /// Some members of the main mandate; oneself half the time.
    fn company(&mut self, actor: usize) -> Vec<Uuid> {
        let members: Vec<Uuid> = self.view.memberships.iter().filter(|row| row.0 == self.scene.main).map(|row| row.1).collect();
        let count = self.random.random_range(0..4);
        let mut company: Vec<Uuid> = members.sample(self.random, count).copied().collect();
        if self.random.random_bool(0.5) {
            company.push(self.people[actor].id);
        }
        company
    }

    fn role_body(&mut self, method: &str, path: &str, role: Uuid) -> Option<Value> {
        let feature_role = self.view.roles.iter().any(|found| found.id == role && found.feature.is_some());
        Some(match (method, path.ends_with("/permissions")) {
            ("PUT", _) => permissions(self.random, feature_role),
            ("PATCH", true) => {
                // One table of them; now and then without its rule, so that `*` speaks for it.
                let mut some = permissions(self.random, feature_role);
                let tables = some["tables"].as_object_mut().unwrap();
                let kept = tables.keys().cloned().collect::<Vec<_>>().choose(self.random).cloned().unwrap_or_default();
                tables.retain(|table, _| *table == kept);
                if self.random.random_bool(0.2) {
                    tables.values_mut().for_each(|rule| *rule = Value::Null);
                }
                some
            }
            ("PATCH", false) => json!({ "label": self.word("role") }),
            _ => return None,
        })
    }

    fn feature_body(&mut self, method: &str, path: &str, actor: usize, place: (Uuid, Uuid)) -> Option<Value> {
        let rest = path.trim_start_matches("/api/features");
        let roles = |dice: &mut Self| dice.given(place.0, Some(place.1));
        Some(match (method, rest) {
            ("POST", "") => json!({ "code": format!("f{}", self.random.random::<u32>()), "tables": TABLES }),
            ("PATCH", "/{featureCode}") => {
                let tables = &[TABLES[0], TABLES[1], "drafts"][..self.random.random_range(1..=3)];
                json!({ "tables": tables, "views": VIEWS })
            }
            ("POST", "/instances") if self.random.random_bool(0.3) => {
                json!({ "featureCode": "desk", "label": self.word("desk"), "grantCreatorRole": format!("desk {}", self.random.random_range(0..3)) })
            }
            ("POST", "/instances") => json!({ "featureCode": "desk", "label": self.word("desk"), "copyTemplateRoles": self.yes() }),
            ("PATCH", "/instances/{instanceId}") => json!({ "label": self.word("desk"), "enabled": self.yes() }),
            ("POST", "/instances/{instanceId}/roles") => json!({ "label": self.word("role") }),
            ("POST", "/instances/{instanceId}/users") => {
                let view = self.view;
                // Members who are not admitted; others are unknown there.
                let is_there = |user| {
                    view.accesses.iter().any(|row| (row.0, row.1) == (place.1, user))
                        || !view.memberships.iter().any(|row| (row.0, row.1) == (place.0, user))
                };
                json!({ "userId": self.newcomer(actor, is_there), "roleIds": roles(self) })
            }
            ("PATCH", "/instances/{instanceId}/users/{userId}") => json!({ "enabled": self.yes() }),
            ("PUT", "/instances/{instanceId}/users/{userId}/roles") => json!({ "roleIds": roles(self) }),
            ("POST", "/templates/roles") if self.yes() => json!({ "roleLabel": self.word("template"), "featureCode": "desk" }),
            ("POST", "/templates/roles") => json!({ "roleLabel": self.word("template") }),
            _ => return None,
        })
    }

    fn user_body(&mut self, method: &str, path: &str, actor: usize) -> Option<Value> {
        Some(match (method, path) {
            ("POST", "/api/users") => {
                json!({ "username": format!("u{}", self.random.random::<u32>()), "password": PASSWORD, "isSysAdmin": self.random.random_bool(0.2) })
            }
            ("PATCH", _) => match self.random.random_range(0..3) {
                0 => json!({ "firstName": self.word("Ann") }),
                1 => json!({ "enabled": self.random.random_bool(0.85) }),
                _ => json!({ "isSysAdmin": self.random.random_bool(0.5) }),
            },
            ("POST", "/api/auth/login") => json!({ "username": self.people[actor].name, "password": PASSWORD }),
            _ => return None,
        })
    }
}
