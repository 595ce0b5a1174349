//! `/api/features/instances/{instanceId}/sync-roles`: bringing copies back in line with their
//! templates.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::admit::levels_by_row;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::world::access::{ALL, Merged, OPERATIONS as NAMES, UPDATE, letter};
use crate::model::world::{Event, Permissions, Role, World, key};

pub const OPERATIONS: &[Operation] = &[Operation::post(
    "sync_instance_roles",
    "/api/features/instances/{instanceId}/sync-roles",
    Guard::Instance {
        through: ("instances", UPDATE),
        own: Some(("instance-roles", UPDATE)),
        sys: true,
    },
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
            changes.push(json!({
                "table": table, "operation": "view", "from": was.map(|rule| rule.view),
                "to": is.map(|rule| rule.view),
            }));
        }
        for (operation, name) in NAMES
            .into_iter()
            .enumerate()
            .filter(|(operation, _)| a.levels[*operation] != b.levels[*operation])
        {
            let (from, to) = (letter(a.levels[operation]), letter(b.levels[operation]));
            changes.push(json!({ "table": table, "operation": name, "from": from, "to": to }));
        }
    }
    let views: BTreeSet<&String> = from.views.keys().chain(to.views.keys()).collect();
    for view in views {
        let allowed = |of: &Permissions| of.views.get(view).copied().unwrap_or(false);
        if allowed(from) != allowed(to) {
            changes.push(json!({
                "view": view, "operation": "allowed", "from": allowed(from), "to": allowed(to),
            }));
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
    /// What a delegate would have to be able to give: of each role that changes, before and after.
    edited: Vec<Permissions>,
}
const ADDED: usize = 0;
const REMOVED: usize = 1;
const UNCHANGED: usize = 2;
const UPDATED: usize = 3;
const KEPT: usize = 4;

impl Plan {
    fn of(world: &World, entered: &Entered, add_only: bool) -> Self {
        let (instance, mut plan) = (world.instance(entered.instance()), Self::default());
        let catalogue = world.catalogue_of(instance.id);
        let mut present: Vec<&Role> = world.roles_of(instance.mandate, Some(instance.id)).collect();
        let known_to = |role: &Role| Role {
            permissions: role.permissions.known_to(&catalogue),
            ..role.clone()
        };
        let mut templates: Vec<Role> =
            world.templates_of(Some(&instance.feature)).map(known_to).collect();
        present.sort_by_key(|role| key(&role.label));
        templates.sort_by_key(|role| key(&role.label));
        let withheld = withheld(world, &templates, &present, add_only);
        for template in &templates {
            let label_is_taken = withheld.contains(&key(&template.label));
            match present.iter().find(|role| role.template == Some(template.id)) {
                None => plan.missing(world, template, label_is_taken),
                Some(copy) if add_only => plan.compared(world, entered, template, copy),
                Some(copy) => plan.copied(world, entered, template, copy, label_is_taken),
            }
        }
        let known: Vec<Uuid> = templates.iter().map(|role| role.id).collect();
        for orphan in
            present.iter().filter(|role| role.template.is_some_and(|id| !known.contains(&id)))
        {
            plan.orphaned(world, orphan, add_only);
        }
        plan
    }

    fn tell(
        &mut self,
        world: &World,
        role: &Role,
        change: &str,
        more: Value,
        holders: &BTreeSet<Uuid>,
    ) {
        let mut told = json!({ "role": role.label, "change": change, "permissions": [] });
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if !holders.is_empty() {
            // By username.
            let mut holders: Vec<&Uuid> = holders.iter().collect();
            holders.sort_by_key(|user| &world.user(**user).username);
            told["holders"] = holders.into_iter().map(|user| json!({ "userId": user })).collect();
        }
        self.changes.push(told);
    }

    fn missing(&mut self, world: &World, template: &Role, label_is_taken: bool) {
        if label_is_taken {
            return self.tell(world, template, "skipped: label_taken", json!({}), &[].into());
        }
        self.counts[ADDED] += 1;
        self.add.push(template.id);
        let permissions = differences(&Permissions::default(), &template.permissions);
        self.tell(world, template, "added", json!({ "permissions": permissions }), &[].into());
    }

    fn compared(&mut self, world: &World, entered: &Entered, template: &Role, copy: &Role) {
        self.counts[UNCHANGED] += 1;
        let more = difference(world, entered, copy, template, true);
        if is_something(&more) {
            self.tell(world, copy, "differs", more, &[].into());
        }
    }

    fn copied(
        &mut self,
        world: &World,
        entered: &Entered,
        template: &Role,
        copy: &Role,
        label_is_taken: bool,
    ) {
        let more = difference(world, entered, copy, template, !label_is_taken);
        if !is_something(&more) {
            self.counts[UNCHANGED] += 1;
            if copy.label != template.label {
                let label = json!({ "label": { "from": copy.label, "to": template.label } });
                self.tell(world, copy, "skipped: label_taken", label, &[].into());
            }
            return;
        }
        self.counts[UPDATED] += 1;
        let merged =
            |role: &Role| Merged::of([&role.permissions], &world.catalogue_of(entered.instance()));
        self.raises_caller |= world.holders(copy.id).contains(&entered.user)
            && !merged(template).within(&merged(copy));
        self.edited.extend([copy.permissions.clone(), template.permissions.clone()]);
        let texts = more.get("label").is_some() || more.get("description").is_some();
        self.reset.push(Role {
            label: if label_is_taken { copy.label.clone() } else { template.label.clone() },
            description: template.description.clone(),
            permissions: template.permissions.clone(),
            version: copy.version
                + i64::from(texts)
                + i64::from(copy.permissions != template.permissions),
            ..copy.clone()
        });
        self.tell(world, copy, "updated", more, &[].into());
    }

    fn orphaned(&mut self, world: &World, orphan: &Role, add_only: bool) {
        let holders = world.holders(orphan.id);
        if add_only {
            self.counts[UNCHANGED] += 1;
        } else if holders.is_empty() {
            self.counts[REMOVED] += 1;
            self.remove.push(orphan.id);
            self.edited.push(orphan.permissions.clone());
            let permissions = differences(&orphan.permissions, &Permissions::default());
            self.tell(world, orphan, "removed", json!({ "permissions": permissions }), &holders);
        } else {
            self.counts[KEPT] += 1;
            self.tell(world, orphan, "kept", json!({}), &holders);
        }
    }

    fn answer(&self) -> Value {
        let [added, removed, unchanged, updated, kept] = self.counts;
        json!({
            "added": added, "removed": removed, "unchanged": unchanged, "updated": updated,
            "kept": kept, "changes": self.changes,
        })
    }
}

fn id_of(id: &Value) -> Uuid {
    id.as_str().unwrap().parse().unwrap()
}

/// All in which a copy is not as its template.
fn difference(
    world: &World,
    entered: &Entered,
    copy: &Role,
    template: &Role,
    with_label: bool,
) -> Value {
    let known = world.catalogue_of(entered.instance());
    let mut permissions = differences(&copy.permissions, &template.permissions);
    for (view, _) in copy
        .permissions
        .views
        .iter()
        .filter(|(view, allowed)| !**allowed && !known.views.contains(*view))
    {
        permissions
            .push(json!({ "view": view, "operation": "allowed", "from": false, "to": null }));
    }
    let mut more = json!({ "permissions": permissions });
    if with_label && copy.label != template.label {
        more["label"] = json!({ "from": copy.label, "to": template.label });
    }
    if copy.description != template.description {
        more["description"] = json!({ "from": copy.description, "to": template.description });
    }
    more
}

fn is_something(more: &Value) -> bool {
    more.as_object().unwrap().len() > 1 || more["permissions"] != json!([])
}

/// The labels that are not to be had: those of roles that stay as they are, and of copies that
/// cannot have the label of their template for that reason.
fn withheld(
    world: &World,
    templates: &[Role],
    present: &[&Role],
    add_only: bool,
) -> BTreeSet<String> {
    let template_of =
        |role: &Role| templates.iter().find(|template| role.template == Some(template.id));
    let stays = |role: &Role| {
        let goes = role.template.is_some()
            && template_of(role).is_none()
            && world.holders(role.id).is_empty();
        add_only || !(template_of(role).is_some() || goes)
    };
    let mut withheld: BTreeSet<String> =
        present.iter().filter(|role| stays(role)).map(|role| key(&role.label)).collect();
    for _ in present {
        let stuck = |role: &&&Role| {
            template_of(role).is_some_and(|template| withheld.contains(&key(&template.label)))
        };
        let stuck: Vec<String> =
            present.iter().filter(stuck).map(|role| key(&role.label)).collect();
        withheld.extend(stuck);
    }
    withheld
}

fn sync(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let add_only = call.asked_as::<bool>("addOnly")?.unwrap_or(true);
    let levels = levels_by_row(world, entered, ("instances", UPDATE), ("instance-roles", UPDATE))?;
    // A sync reaches every role of the instance.
    crate::model::admit::admit("instance-roles", UPDATE, levels, ALL)?;
    let mut plan = Plan::of(world, entered, add_only);
    for change in plan.changes.iter_mut().filter(|change| change.get("holders").is_some()) {
        let holders = change["holders"].as_array().unwrap().iter();
        let named: Vec<Value> = holders
            .filter(|row| world.may_name(call, entered, id_of(&row["userId"])))
            .cloned()
            .collect();
        if named.is_empty() {
            change.as_object_mut().unwrap().remove("holders");
        } else {
            change["holders"] = json!(named);
        }
    }
    if plan.raises_caller && (world.is_delegate(entered) || entered.flag) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    let (own, catalogue) = (world.own_access(entered), world.catalogue_of(entered.instance()));
    if world.is_delegate(entered)
        && plan.edited.iter().any(|permissions| !permissions.within(&own, &catalogue))
    {
        return Err(Refusal::of(403, "grant_exceeds_own_access"));
    }
    for role in &plan.reset {
        let before = Merged::of([&world.role(role.id).unwrap().permissions], &catalogue);
        if !role.permissions.within(&before, &catalogue) {
            world.require_opens_nothing(
                entered,
                Some(entered.instance()),
                &world.holders(role.id),
                &[&role.permissions],
            )?;
        }
    }
    let (mandate, instance) = (entered.mandate(), entered.instance());
    if !call.is_dry_run() {
        world.roles.retain(|role| !plan.remove.contains(&role.id));
        for role in &plan.reset {
            *world.role_mut(role.id) = role.clone();
        }
        for template in &plan.add {
            world.copy_template(*template, mandate, Some(instance), told);
            let copy = world.role_mut(told.copy_of(*template));
            copy.permissions = copy.permissions.known_to(&catalogue);
        }
        if !(plan.add.is_empty() && plan.reset.is_empty() && plan.remove.is_empty()) {
            world.note(
                entered.user,
                mandate,
                Event::of("instance_roles_synced", "instance", instance),
            );
        }
    }
    Ok(Reply::ok(plan.answer()))
}
