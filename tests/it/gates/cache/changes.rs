//! What gives and takes access, by chance: each raises an epoch that caches go by.

use rand::RngExt;
use rand::seq::IndexedRandom;
use serde_json::json;
use uuid::Uuid;

use super::{Stage, by_admin};
use crate::harness::Answer;
use crate::harness::world::rules;

impl Stage {
    /// One random change through the first node, and whom it concerns.
    pub(super) async fn change(&mut self) -> (String, Answer, usize) {
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
}
