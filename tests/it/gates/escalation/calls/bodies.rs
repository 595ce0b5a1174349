//! The body of a call: what each operation asks for, often right and often greedy.

use rand::RngExt;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::script::permissions;
use super::super::stage::{TABLES, VIEWS};
use super::{Dice, Picked};
use crate::harness::app::PASSWORD;

impl Dice<'_> {
    pub(super) fn body(&mut self, operation: &str, picked: &Picked) -> Option<Value> {
        let Picked { actor, mandate, group, role, place, .. } = *picked;
        let (method, path) = operation.split_once(' ').unwrap();
        match path.split('/').nth(2).unwrap() {
            "mandates" => self.mandate_body(method, path, actor, (mandate, group)),
            "roles" => self.role_body(method, path, role),
            "features" => self.feature_body(method, path, actor, place),
            "invitations" => Some(json!({ "token": picked.invitation })),
            _ => self.user_body(method, path, actor),
        }
    }

    fn mandate_body(
        &mut self,
        method: &str,
        path: &str,
        actor: usize,
        (mandate, group): (Uuid, Uuid),
    ) -> Option<Value> {
        let rest = path.trim_start_matches("/api/mandates").trim_start_matches("/{mandateId}");
        Some(match (method, rest) {
            ("POST", "") => {
                json!({ "name": self.word("mandate"), "adminUserId": self.user(actor) })
            }
            ("PATCH" | "PUT", "") if self.random.random_bool(0.6) => {
                json!({ "name": self.word("mandate") })
            }
            ("PATCH" | "PUT", "") => {
                json!({ "enabled": self.random.random_bool(0.9), "language": "de" })
            }
            ("PUT", "/limits") => {
                json!({ "classes": { "work": self.random.random_range(1..1000) } })
            }
            ("POST", "/users") => {
                let view = self.view;
                let is_member =
                    |user| view.memberships.iter().any(|row| (row.0, row.1) == (mandate, user));
                json!({
                    "targetUserId": self.newcomer(actor, is_member),
                    "roleIds": self.given(mandate, None),
                })
            }
            ("POST", "/invitations") => self.invitation(mandate),
            ("PATCH", "/users/{userId}") => json!({ "enabled": self.yes() }),
            ("PUT", "/users/{userId}/roles") => json!({ "roleIds": self.given(mandate, None) }),
            ("POST", "/groups") | ("PATCH", "/groups/{groupId}") => {
                json!({ "name": self.word("group"), "autoJoin": self.yes() })
            }
            ("PUT", "/groups/{groupId}/members") => {
                json!({ "userIds": self.company(actor, group) })
            }
            ("POST", "/roles") => json!({ "label": self.word("role") }),
            _ => return None,
        })
    }

    /// Of somebody who takes part, to an instance too now and then.
    fn invitation(&mut self, mandate: Uuid) -> Value {
        let name = self.people.choose(self.random).unwrap().name;
        let mut body = json!({
            "email": format!("{}@Example.com", name.to_uppercase()),
            "roleIds": self.given(mandate, None),
        });
        if self.random.random_bool(0.3) {
            let (of, instance) = self.instance();
            let roles = self.given(of, Some(instance));
            body["instances"] = json!([{ "instanceId": instance, "roleIds": roles }]);
        }
        body
    }

    /// Some members of the main mandate; oneself now and then, and often beside who is in the group
    /// already.
    fn company(&mut self, actor: usize, group: Uuid) -> Vec<Uuid> {
        let members: Vec<Uuid> = self
            .view
            .memberships
            .iter()
            .filter(|row| row.0 == self.scene.main)
            .map(|row| row.1)
            .collect();
        let count = self.random.random_range(1..4);
        let mut company: Vec<Uuid> = members.sample(self.random, count).copied().collect();
        if self.random.random_bool(0.7) {
            company.extend(
                self.view.group_members.iter().filter(|row| row.1 == group).map(|row| row.2),
            );
        }
        if self.random.random_bool(0.3) {
            company.push(self.people[actor].id);
        }
        company
    }

    fn role_body(&mut self, method: &str, path: &str, role: Uuid) -> Option<Value> {
        let feature_role =
            self.view.roles.iter().any(|found| found.id == role && found.feature.is_some());
        Some(match (method, path.ends_with("/permissions")) {
            ("PUT", _) => permissions(self.random, feature_role),
            ("PATCH", true) => {
                // One table of them; now and then without its rule, so that `*` speaks for it.
                let mut some = permissions(self.random, feature_role);
                let tables = some["tables"].as_object_mut().unwrap();
                let kept = tables
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
                    .choose(self.random)
                    .cloned()
                    .unwrap_or_default();
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

    fn feature_body(
        &mut self,
        method: &str,
        path: &str,
        actor: usize,
        place: (Uuid, Uuid),
    ) -> Option<Value> {
        let rest = path.trim_start_matches("/api/features");
        let roles = |dice: &mut Self| dice.given(place.0, Some(place.1));
        Some(match (method, rest) {
            ("POST", "") => {
                json!({ "code": format!("f{}", self.random.random::<u32>()), "tables": TABLES })
            }
            ("PATCH", "/{featureCode}") => {
                let tables = &[TABLES[0], TABLES[1], "drafts"][..self.random.random_range(1..=3)];
                json!({ "tables": tables, "views": VIEWS })
            }
            ("POST", "/instances") if self.random.random_bool(0.3) => {
                json!({
                    "featureCode": "desk", "label": self.word("desk"),
                    "grantCreatorRole": format!("desk {}", self.random.random_range(0..3)),
                })
            }
            ("POST", "/instances") => {
                json!({
                    "featureCode": "desk", "label": self.word("desk"),
                    "copyTemplateRoles": self.yes(),
                })
            }
            ("PATCH", "/instances/{instanceId}") => {
                json!({ "label": self.word("desk"), "enabled": self.yes() })
            }
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
            ("PUT", "/instances/{instanceId}/users/{userId}/roles") => {
                json!({ "roleIds": roles(self) })
            }
            ("POST", "/templates/roles") if self.yes() => {
                json!({ "roleLabel": self.word("template"), "featureCode": "desk" })
            }
            ("POST", "/templates/roles") => json!({ "roleLabel": self.word("template") }),
            _ => return None,
        })
    }

    fn user_body(&mut self, method: &str, path: &str, actor: usize) -> Option<Value> {
        Some(match (method, path) {
            ("POST", "/api/users") => {
                json!({
                    "username": format!("u{}", self.random.random::<u32>()), "password": PASSWORD,
                    "isSysAdmin": self.random.random_bool(0.2),
                    "mustChangePassword": self.random.random_bool(0.1),
                })
            }
            ("PATCH", _) => match self.random.random_range(0..3) {
                0 => json!({ "firstName": self.word("Ann") }),
                1 => json!({ "enabled": self.random.random_bool(0.85) }),
                _ => json!({ "isSysAdmin": self.random.random_bool(0.5) }),
            },
            ("DELETE", "/api/users/{userId}") => json!({ "password": PASSWORD }),
            ("POST", "/api/users/{userId}/email") => {
                json!({ "email": format!("e{}@example.com", self.random.random::<u32>()) })
            }
            ("POST", "/api/auth/login") => {
                json!({ "username": self.people[actor].name, "password": PASSWORD })
            }
            _ => return None,
        })
    }
}
