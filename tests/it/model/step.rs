//! One step of the model: a call is let in and played; with `dryRun`, in a copy that is thrown
//! away.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::admit::levels_by_row;
use super::call::Call;
use super::enter::{Entered, Guard};
use super::operations::Told;
use super::reply::{Outcome, Reply};
use super::world::access::{Merged, NEAR, OPERATIONS, READ, letter};
use super::world::{Event, World};

/// Events of asking who is called so.
const LOOKED_UP: [&str; 2] = ["lookup_failed", "user_looked_up"];
/// What changes who is in which group.
const REGROUPING: [&str; 5] =
    ["add_member", "remove_member", "update_group", "delete_group", "replace_group_members"];

impl World {
    /// What the call is answered; the world becomes what it is after the call.
    pub fn step(&mut self, call: &Call, told: &Told) -> Outcome {
        let entered = self.enter(call);
        if let Some((mandate, user)) = self.visited.take() {
            self.member_mut(mandate, user).used = true;
        }
        let acts = self.who_acts(call);
        self.acting = acts.map(|(by, _)| by);
        let outcome = match &entered {
            Ok(entered) => self.played(call, told, entered),
            Err(refusal) => Err(refusal.clone()),
        };
        self.acting = None;
        if let Some(acts) = acts {
            self.tell_of_request(call, acts, (&entered, &outcome));
        }
        self.settle_impersonations();
        outcome
    }

    /// Who acts as whom in the call, if its session is alive and matters.
    fn who_acts(&self, call: &Call) -> Option<(Uuid, Uuid)> {
        let session = &self.sessions[call.session?];
        let matters = !matches!(call.operation.guard, Guard::Public);
        let (by, _) = session.by.filter(|_| matters && !session.ended)?;
        self.user(session.user).active().then_some((by, session.user))
    }

    fn played(&mut self, call: &Call, told: &Told, entered: &Entered) -> Outcome {
        if call.is_dry_run() && call.operation.id != "sync_instance_roles" {
            return self.preview(call, told, entered);
        }
        (call.operation.play)(self, entered, call, told)
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
    fn preview(&mut self, call: &Call, told: &Told, entered: &Entered) -> Outcome {
        let mut after = self.clone();
        let outcome = (call.operation.play)(&mut after, entered, call, told);
        // Whom a name names is told, though nothing was done with it.
        let is_lookup = |event: &&Event| LOOKED_UP.contains(&event.action);
        self.trail.extend(
            after.trail[self.trail.len()..].iter().filter(is_lookup).cloned().collect::<Vec<_>>(),
        );
        outcome?;
        // Nobody holds a template; and how others stand is not for somebody to know who may only
        // leave.
        let may_only_leave =
            |mandate: &Uuid| !entered.as_sys && !self.is_alive(*mandate, entered.user);
        let Some(mandate) = entered
            .named_mandate()
            .filter(|mandate| !is_of_template(self, call) && !may_only_leave(mandate))
        else {
            return Ok(Reply::ok(json!({
                "changes": [], "totals": { "users": 0, "gained": 0, "lost": 0 },
                "adminsLeft": null,
            })));
        };
        let users = self.users.iter().map(|user| user.id);
        let each: Vec<(Uuid, Vec<Value>)> =
            users.map(|user| (user, changes(self, &after, mandate, user))).collect();
        let users = each.iter().filter(|(_, changes)| !changes.is_empty()).count();
        let told: Vec<&Value> = each
            .iter()
            .filter(|(user, _)| self.may_name(call, entered, *user))
            .flat_map(|(_, changes)| changes)
            .collect();
        let changes: Vec<&Value> = each.iter().flat_map(|(_, changes)| changes).collect();
        let order = |level: &Value| ["n", "m", "g", "a"].iter().position(|letter| level == letter);
        let gained =
            changes.iter().filter(|change| order(&change["to"]) > order(&change["from"])).count();
        let totals = json!({ "users": users, "gained": gained, "lost": changes.len() - gained });
        let mut answer = json!({
            "changes": told, "totals": totals, "adminsLeft": after.effective_admins(mandate).len(),
        });
        if REGROUPING.contains(&call.operation.id) {
            answer["reach"] = self.reach(&after, call, entered);
        }
        Ok(Reply::ok(answer))
    }

    /// Whom each person would reach by groups and does not, and the other way round.
    fn reach(&self, after: &World, call: &Call, entered: &Entered) -> Value {
        let (mandate, mut changes, mut totals) = (entered.mandate(), Vec::new(), [0; 3]);
        for user in self.users.iter().map(|user| user.id) {
            let (then, now) = (self.by_groups(mandate, user), after.by_groups(mandate, user));
            let [gains, loses] = [&now - &then, &then - &now];
            if gains.is_empty() && loses.is_empty() {
                continue;
            }
            totals = [totals[0] + 1, totals[1] + gains.len(), totals[2] + loses.len()];
            if self.may_name(call, entered, user) {
                let named = |people: &BTreeSet<Uuid>| {
                    people
                        .iter()
                        .filter(|id| self.may_name(call, entered, **id))
                        .copied()
                        .collect::<Vec<_>>()
                };
                let (gained, lost) = (gains.len(), loses.len());
                changes.push(json!({
                    "userId": user, "gains": named(&gains), "loses": named(&loses),
                    "gained": gained, "lost": lost,
                }));
            }
        }
        json!({
            "changes": changes,
            "totals": { "users": totals[0], "gained": totals[1], "lost": totals[2] },
        })
    }

    /// Whose rows somebody reaches by level `g`, in whatever table of the mandate or of its
    /// instances.
    fn by_groups(&self, mandate: Uuid, user: Uuid) -> BTreeSet<Uuid> {
        let places = self
            .instances
            .iter()
            .filter(|row| row.mandate == mandate)
            .map(|row| self.in_instance(row.id, user));
        let mut places = places.chain([self.in_mandate(mandate, user)]);
        let looks =
            places.any(|access| access.tables.values().any(|rule| rule.levels.contains(&NEAR)));
        let mut reached = if looks { self.peers(mandate, user) } else { BTreeSet::new() };
        reached.remove(&user);
        reached
    }
}

impl World {
    /// Whether the caller may be told of somebody: whom the call names, and whom they may list.
    pub fn may_name(&self, call: &Call, entered: &Entered, user: Uuid) -> bool {
        let in_path = call.names("userId") && call.id("userId").ok() == Some(user);
        let in_body = call
            .json()
            .is_some_and(|body| body["userId"] == json!(user) || self.is_to_be_added(call, user));
        let nearness = self.nearness_of(entered.mandate(), entered.user, user);
        let listed_in_instance = || {
            let levels = levels_by_row(self, entered, ("instances", READ), ("access", READ));
            self.admission(entered.instance(), user).is_some()
                && levels.is_ok_and(|(level, _)| nearness <= level)
        };
        let listed = nearness <= self.level(entered, "members", READ)
            || (entered.is_in_instance() && listed_in_instance());
        in_path || in_body || user == entered.user || listed
    }
}

fn is_of_template(world: &World, call: &Call) -> bool {
    let role = call.names("roleId").then(|| call.id("roleId").ok()).flatten();
    role.and_then(|id| world.role(id)).is_some_and(super::world::Role::is_template)
}

/// Level by level, in the mandate and in its instances.
fn changes(before: &World, after: &World, mandate: Uuid, user: Uuid) -> Vec<Value> {
    let mut instances: Vec<Uuid> =
        before.instances.iter().filter(|row| row.mandate == mandate).map(|row| row.id).collect();
    instances.sort();
    let places = std::iter::once(None).chain(instances.into_iter().map(Some));
    let access = |world: &World, place: Option<Uuid>| -> Merged {
        place.map_or_else(
            || world.in_mandate(mandate, user),
            |instance| world.in_instance(instance, user),
        )
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
                        "userId": user, "instanceId": place, "table": table, "operation": name,
                            "from": levels.0, "to": levels.1,
                    }));
                }
            }
        }
    }
    changes
}
