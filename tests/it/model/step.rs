//! One step of the model: a call is let in and played; with `dryRun`, in a copy that is thrown away.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Call;
use super::enter::Entered;
use super::operations::Told;
use super::reply::{Outcome, Reply};
use super::slices::admissions::levels_by_row;
use super::world::World;
use super::world::access::{Merged, OPERATIONS, READ, letter};

impl World {
    /// What the call is answered; the world becomes what it is after the call.
    pub fn step(&mut self, call: &Call, told: &Told) -> Outcome {
        let entered = self.enter(call);
        if let Some((mandate, user)) = self.visited.take() {
            self.member_mut(mandate, user).used = true;
        }
        let entered = entered?;
        if call.is_dry_run() && call.operation.id != "sync_instance_roles" {
            return self.preview(call, told, &entered);
        }
        (call.operation.play)(self, &entered, call, told)
    }

    /// The code that the call would be refused with, as far as it can be told without making it.
    pub fn foreseen(&mut self, call: &Call) -> Result<(), &'static str> {
        let entered = self.enter(call).map_err(|refusal| refusal.code)?;
        // Copying the trail would cost more than all the rest.
        let trail = std::mem::take(&mut self.trail);
        let outcome = (call.operation.play)(&mut self.clone(), &entered, call, &Told::default());
        self.trail = trail;
        outcome.map(|_| ()).map_err(|refusal| refusal.code)
    }

    /// What would change, after the same refusals.
    fn preview(&self, call: &Call, told: &Told, entered: &Entered) -> Outcome {
        let mut after = self.clone();
        (call.operation.play)(&mut after, entered, call, told)?;
        let Some(mandate) = entered.named_mandate().filter(|_| !is_of_template(self, call)) else {
            return Ok(Reply::ok(json!({ "changes": [], "totals": { "users": 0, "gained": 0, "lost": 0 }, "adminsLeft": null })));
        };
        let users = self.users.iter().map(|user| user.id);
        let each: Vec<(Uuid, Vec<Value>)> = users.map(|user| (user, changes(self, &after, mandate, user))).collect();
        let users = each.iter().filter(|(_, changes)| !changes.is_empty()).count();
        let told: Vec<&Value> =
            each.iter().filter(|(user, _)| self.may_name(call, entered, *user)).flat_map(|(_, changes)| changes).collect();
        let changes: Vec<&Value> = each.iter().flat_map(|(_, changes)| changes).collect();
        let order = |level: &Value| ["n", "m", "g", "a"].iter().position(|letter| level == letter);
        let gained = changes.iter().filter(|change| order(&change["to"]) > order(&change["from"])).count();
        let totals = json!({ "users": users, "gained": gained, "lost": changes.len() - gained });
        Ok(Reply::ok(json!({ "changes": told, "totals": totals, "adminsLeft": after.effective_admins(mandate).len() })))
    }
}

impl World {
    /// Whether the caller may be told of somebody: whom the call names, and whom they may list.
    pub fn may_name(&self, call: &Call, entered: &Entered, user: Uuid) -> bool {
        let in_path = call.names("userId") && call.id("userId").ok() == Some(user);
        let in_body = call.json().is_some_and(|body| body["userId"] == json!(user));
        let nearness = self.nearness_of(entered.mandate(), entered.user, user);
        let listed_in_instance = || {
            let levels = levels_by_row(self, entered, ("instances", READ), ("access", READ));
            self.admission(entered.instance(), user).is_some() && levels.is_ok_and(|(level, _)| nearness <= level)
        };
        let listed = nearness <= self.level(entered, "members", READ) || (entered.is_in_instance() && listed_in_instance());
        in_path || in_body || user == entered.user || listed
    }
}

fn is_of_template(world: &World, call: &Call) -> bool {
    let role = call.names("roleId").then(|| call.id("roleId").ok()).flatten();
    role.and_then(|id| world.role(id)).is_some_and(super::world::Role::is_template)
}

/// Level by level, in the mandate and in its instances.
fn changes(before: &World, after: &World, mandate: Uuid, user: Uuid) -> Vec<Value> {
    let mut instances: Vec<Uuid> = before.instances.iter().filter(|row| row.mandate == mandate).map(|row| row.id).collect();
    instances.sort();
    let places = std::iter::once(None).chain(instances.into_iter().map(Some));
    let access = |world: &World, place: Option<Uuid>| -> Merged {
        place.map_or_else(|| world.in_mandate(mandate, user), |instance| world.in_instance(instance, user))
    };
    let mut changes = Vec::new();
    for place in places {
        let (from, to) = (access(before, place), access(after, place));
        for table in from.tables.keys() {
            for (operation, name) in OPERATIONS.into_iter().enumerate() {
                let (from, to) = (from.level(table, operation), to.level(table, operation));
                if from != to {
                    let levels = (letter(from), letter(to));
                    changes.push(json!({
                        "userId": user, "instanceId": place, "table": table, "operation": name, "from": levels.0, "to": levels.1,
                    }));
                }
            }
        }
    }
    changes
}
