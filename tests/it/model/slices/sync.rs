//! `/api/features/instances/{instanceId}/sync-roles`: bringing copies back in line with their templates.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::call::Call;
use super::super::dice::Dice;
use super::super::enter::{Entered, Guard};
use super::super::operations::{Operation, Told};
use super::super::reply::{Outcome, Refusal, Reply};
use super::super::world::access::{ALL, Merged, OPERATIONS as NAMES, UPDATE, letter};
use super::super::world::{Event, Permissions, Role, World, key};
use super::admissions::levels_by_row;

pub const OPERATIONS: &[Operation] = &[Operation::post(
    "sync_instance_roles",
    "/api/features/instances/{instanceId}/sync-roles",
    Guard::Instance { through: ("instances", UPDATE), own: Some(("instance-roles", UPDATE)), sys: true },
    draw,
    sync,
)
.asking(&[&["addOnly", "dryRun"]])];

fn draw(dice: &mut Dice<'_>) -> Option<()> {
    dice.instance_in_path()?;
    if dice.chance(0.6) {
        let add_only = dice.chance(0.3);
        dice.ask("addOnly", add_only);
    }
    dice.dry_run();
    Some(())
}

/// What differs, permission by permission.
fn differences(from: &Permissions, to: &Permissions) -> Vec<Value> {
    let mut changes = Vec::new();
    let tables: BTreeSet<&String> = from.tables.keys().chain(to.tables.keys()).collect();
    for table in tables {
        let (was, is) = (from.tables.get(table), to.tables.get(table));
        let (a, b) = (was.copied().unwrap_or_default(), is.copied().unwrap_or_default());
        if a.view != b.view || (a == b && was.is_some() != is.is_some()) {
            changes.push(json!({ "table": table, "operation": "view", "from": was.map(|rule| rule.view), "to": is.map(|rule| rule.view) }));
        }
        for (operation, name) in NAMES.into_iter().enumerate().filter(|(operation, _)| a.levels[*operation] != b.levels[*operation]) {
            let (from, to) = (letter(a.levels[operation]), letter(b.levels[operation]));
            changes.push(json!({ "table": table, "operation": name, "from": from, "to": to }));
        }
    }
    let views: BTreeSet<&String> = from.views.keys().chain(to.views.keys()).collect();
    for view in views {
        let allowed = |of: &Permissions| of.views.get(view).copied().unwrap_or(false);
        if allowed(from) != allowed(to) {
            changes.push(json!({ "view": view, "operation": "allowed", "from": allowed(from), "to": allowed(to) }));
        }
    }
    changes
}

/// What is to be done, and the report of it.
#[derive(Default)]
struct Plan {
    counts: [usize; 5],
    changes: Vec<Value>,
    add: Vec<Uuid>,
    /// The copy as it is to be.
    reset: Vec<Role>,
    remove: Vec<Uuid>,
    raises_caller: bool,
}
const ADDED: usize = 0;
const REMOVED: usize = 1;
const UNCHANGED: usize = 2;
const UPDATED: usize = 3;
const KEPT: usize = 4;

impl Plan {
    fn of(world: &World, entered: &Entered, add_only: bool) -> Self {
        let (instance, mut plan) = (world.instance(entered.instance()), Self::default());
        let mut present: Vec<&Role> = world.roles_of(instance.mandate, Some(instance.id)).collect();
        let mut templates: Vec<&Role> = world.templates_of(Some(&instance.feature)).collect();
        present.sort_by_key(|role| key(&role.label));
        templates.sort_by_key(|role| key(&role.label));
        for template in &templates {
            match present.iter().find(|role| role.template == Some(template.id)) {
                None => plan.missing(world, template, &present),
                Some(copy) => plan.copied(world, entered, template, copy, &present, add_only),
            }
        }
        let known: Vec<Uuid> = templates.iter().map(|role| role.id).collect();
        for orphan in present.iter().filter(|role| role.template.is_some_and(|id| !known.contains(&id))) {
            plan.orphaned(world, orphan, add_only);
        }
        plan
    }

    fn tell(&mut self, world: &World, role: &Role, change: &str, permissions: Vec<Value>, holders: &BTreeSet<Uuid>) {
        let mut told = json!({ "role": role.label, "change": change, "permissions": permissions });
        if !holders.is_empty() {
            // By username.
            let mut holders: Vec<&Uuid> = holders.iter().collect();
            holders.sort_by_key(|user| &world.user(**user).username);
            told["holders"] = holders.into_iter().map(|user| json!({ "userId": user })).collect();
        }
        self.changes.push(told);
    }

    fn missing(&mut self, world: &World, template: &Role, present: &[&Role]) {
        if present.iter().any(|role| key(&role.label) == key(&template.label)) {
            return self.tell(world, template, "skipped: label_taken", Vec::new(), &[].into());
        }
        self.counts[ADDED] += 1;
        self.add.push(template.id);
        self.tell(world, template, "added", differences(&Permissions::default(), &template.permissions), &[].into());
    }

    fn copied(&mut self, world: &World, entered: &Entered, template: &Role, copy: &Role, present: &[&Role], add_only: bool) {
        let permissions = differences(&copy.permissions, &template.permissions);
        if copy.label == template.label && copy.description == template.description && permissions.is_empty() {
            self.counts[UNCHANGED] += 1;
            return;
        }
        self.tell(world, copy, if add_only { "differs" } else { "updated" }, permissions, &[].into());
        self.counts[if add_only { UNCHANGED } else { UPDATED }] += 1;
        if add_only {
            return;
        }
        let merged = |role: &Role| Merged::of([&role.permissions], &world.catalogue_of(entered.instance()));
        self.raises_caller |= world.holders(copy.id).contains(&entered.user) && !merged(template).within(&merged(copy));
        let taken = present.iter().any(|role| role.id != copy.id && key(&role.label) == key(&template.label));
        self.reset.push(Role {
            label: if taken { copy.label.clone() } else { template.label.clone() },
            description: template.description.clone(),
            permissions: template.permissions.clone(),
            version: copy.version + 2,
            ..copy.clone()
        });
    }

    fn orphaned(&mut self, world: &World, orphan: &Role, add_only: bool) {
        let holders = world.holders(orphan.id);
        if add_only {
            self.counts[UNCHANGED] += 1;
        } else if holders.is_empty() {
            self.counts[REMOVED] += 1;
            self.remove.push(orphan.id);
            self.tell(world, orphan, "removed", differences(&orphan.permissions, &Permissions::default()), &holders);
        } else {
            self.counts[KEPT] += 1;
            self.tell(world, orphan, "kept", Vec::new(), &holders);
        }
    }

    fn answer(&self) -> Value {
        let [added, removed, unchanged, updated, kept] = self.counts;
        json!({ "added": added, "removed": removed, "unchanged": unchanged, "updated": updated, "kept": kept, "changes": self.changes })
    }
}

fn sync(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let add_only = call.asked_as::<bool>("addOnly")?.unwrap_or(true);
    let levels = levels_by_row(world, entered, ("instances", UPDATE), ("instance-roles", UPDATE))?;
    // A sync reaches every role of the instance.
    super::super::enter::admit("instance-roles", UPDATE, levels, ALL)?;
    let plan = Plan::of(world, entered, add_only);
    if plan.raises_caller && (world.is_delegate(entered) || entered.flag) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    let (mandate, instance) = (entered.mandate(), entered.instance());
    if !call.is_dry_run() {
        world.roles.retain(|role| !plan.remove.contains(&role.id));
        for role in &plan.reset {
            *world.role_mut(role.id) = role.clone();
        }
        for template in &plan.add {
            world.copy_template(*template, mandate, Some(instance), told);
        }
        world.note(entered.user, mandate, Event::of("instance_roles_synced", "instance", instance));
    }
    Ok(Reply::ok(plan.answer()))
}
