//! `/api/features/instances`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Field, Kind, may, may_but_null, needs, shaped};
use crate::model::world::access::{CREATE, DELETE, Merged, READ, UPDATE};
use crate::model::world::{Admission, Event, Instance, World, key};

const ALL: &str = "/api/features/instances";
const ONE: &str = "/api/features/instances/{instanceId}";

const fn guard(operation: usize) -> Guard {
    Guard::Instance { through: ("instances", operation), own: None, sys: true }
}

pub const OPERATIONS: &[Operation] = &[
    Operation::get(
        "list_feature_instances",
        ALL,
        Guard::MandateOrEverywhere("instances", READ),
        draw_list,
        list,
    )
    .asking(&[LIST, &["featureCode", "userId", "mandateId"]]),
    Operation::post(
        "create_feature_instance",
        ALL,
        Guard::Mandate("instances", CREATE),
        draw_create,
        create,
    ),
    Operation::get(
        "get_feature_instance",
        ONE,
        guard(READ),
        |dice| dice.instance_in_path().map(|_| ()),
        get,
    ),
    Operation::patch("update_feature_instance", ONE, guard(UPDATE), draw_update, update),
    Operation::delete("delete_feature_instance", ONE, guard(DELETE), draw_delete, delete),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate()?;
    if dice.chance(0.3) {
        dice.call.mandate = None;
    }
    dice.list(&["label"]);
    if dice.chance(0.3) {
        let other =
            dice.one_of(&dice.world.mandates.iter().map(|row| row.id).collect::<Vec<_>>())?;
        let asked = if dice.chance(0.7) { mandate } else { other };
        dice.ask("mandateId", asked);
    }
    if dice.chance(0.3) {
        let code = ["playbooks", "bookings", "nothing"][dice.below(3)];
        dice.ask("featureCode", code);
    }
    if dice.chance(0.3) {
        let user = dice.member_of(mandate)?;
        dice.ask("userId", user);
    }
    Some(())
}

impl World {
    /// Whether somebody's admission is there and enabled.
    fn has_open(&self, instance: Uuid, user: Uuid) -> bool {
        let admissions = self.admissions.iter();
        admissions.filter(|row| row.enabled).any(|row| (row.instance, row.user) == (instance, user))
    }

    /// An instance is mine when I have access to it.
    pub fn instance_nearness(&self, entered: &Entered, instance: Uuid) -> u8 {
        let admitted = self
            .admissions
            .iter()
            .filter(|row| row.instance == instance && row.enabled)
            .map(|row| row.user)
            .collect();
        self.nearness(self.instance(instance).mandate, entered.user, &admitted)
    }
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let asked = Asked::of(world, call, &["label"])?;
    let user = call.asked_as::<Uuid>("userId")?;
    let (asked_for, named) = (call.asked_as::<Uuid>("mandateId")?, entered.named_mandate());
    if asked_for.is_some() && named.is_some() && asked_for != named {
        return Err(Refusal::of(403, "mandate_access_denied"));
    }
    let wanted = asked_for.or(named);
    let reached = |row: &Instance| {
        entered.as_sys
            || world.instance_nearness(entered, row.id) <= world.level(entered, "instances", READ)
    };
    let found = |row: &&Instance| {
        let fits = call.asked("featureCode").is_none_or(|code| row.feature == code)
            && user.is_none_or(|user| world.has_open(row.id, user))
            && wanted.is_none_or(|id| row.mandate == id);
        fits && world.living_mandate(row.mandate).is_some() && reached(row)
    };
    asked.page(
        world
            .instances
            .iter()
            .filter(found)
            .map(|row| Row::of(key(&row.label), row.id, row.answer()))
            .collect(),
    )
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate()?;
    let codes: Vec<String> = dice.world.features.iter().map(|row| row.code.clone()).collect();
    let code = match dice.below(10) {
        0 => "nothing".to_owned(),
        1..=3 => "playbooks".to_owned(),
        4..=5 => "bookings".to_owned(),
        _ => dice.one_of(&codes)?,
    };
    let labels: Vec<String> = dice
        .world
        .templates_of(Some(&code))
        .map(|role| role.label.to_uppercase())
        .chain(["no role".to_owned()])
        .collect();
    let (label, role, copies) = (dice.name(), dice.one_of(&labels)?, dice.chance(0.5));
    let mut body = dice.some(vec![
        ("copyTemplateRoles", 0.2, json!(copies)),
        ("grantCreatorRole", 0.3, json!(role)),
    ]);
    body.extend([("featureCode".to_owned(), json!(code)), ("label".to_owned(), json!(label))]);
    dice.send(body.into());
    Some(())
}

fn require_free(world: &World, instance: &Instance) -> Result<(), Refusal> {
    let place = (instance.mandate, &instance.feature);
    let taken = |row: &Instance| {
        row.id != instance.id
            && (row.mandate, &row.feature) == place
            && key(&row.label) == key(&instance.label)
    };
    if world.instances.iter().any(taken) { Err(Refusal::of(409, "label_taken")) } else { Ok(()) }
}

fn create(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    const FIELDS: [Field; 4] = [
        needs("featureCode", Kind::Text),
        needs("label", Kind::Text),
        may("copyTemplateRoles", Kind::Flag),
        may("grantCreatorRole", Kind::Text),
    ];
    let body = shaped(call, &FIELDS)?;
    let label = shape::named(body, "label")?.unwrap_or_default();
    let (mandate, feature) =
        (entered.mandate(), shape::text(body, "featureCode").unwrap_or_default().to_owned());
    let creator_role = shape::text(body, "grantCreatorRole");
    if creator_role.is_some() && (entered.flag || !world.is_admin(mandate, entered.user)) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    world
        .feature(&feature)
        .ok_or_else(|| Refusal::unknown_at("unknown_feature", "/featureCode"))?;
    let copies = shape::flag(body, "copyTemplateRoles").unwrap_or(true);
    let id = told.id();
    let instance =
        Instance { id, mandate, feature: feature.clone(), label, enabled: true, version: 1 };
    require_free(world, &instance)?;
    let template = creator_role.map(|label| {
        let found = world
            .templates_of(Some(&feature))
            .find(|role| copies && key(&role.label) == key(label));
        found
            .map(|role| role.id)
            .ok_or_else(|| Refusal::unknown_at("unknown_role", "/grantCreatorRole"))
    });
    let template = template.transpose()?;
    let answer = instance.answer();
    world.instances.push(instance);
    if copies {
        world.copy_templates(Some(&feature), mandate, Some(id), told);
    }
    if let Some(template) = template {
        let roles = [told.copy_of(template)].into();
        world.admissions.push(Admission {
            mandate,
            instance: id,
            user: entered.user,
            roles,
            enabled: true,
            version: 1,
        });
    }
    world.note(entered.user, mandate, Event::of("instance_created", "instance", id));
    Ok(Reply::created(answer))
}

/// The instance of the path, where the operation reaches it.
fn reached(world: &World, entered: &Entered, operation: usize) -> Result<Instance, Refusal> {
    let id = entered.instance();
    world.admit(entered, "instances", operation, world.instance_nearness(entered, id))?;
    Ok(world.instance(id).clone())
}

fn get(world: &mut World, entered: &Entered, _: &Call, _: &Told) -> Outcome {
    reached(world, entered, READ).map(|instance| Reply::ok(instance.answer()))
}

fn at_version(dice: &mut Dice<'_>, instance: Uuid) {
    let version = dice.world.instance(instance).version;
    dice.at_version(version);
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let instance = dice.instance_in_path()?;
    let disabled = !dice.world.instance(instance).enabled;
    let (label, enabled) = (dice.name(), dice.chance(if disabled { 0.95 } else { 0.6 }));
    let body: Value = dice
        .some(vec![
            ("label", 0.6, json!(label)),
            ("enabled", if disabled { 0.9 } else { 0.2 }, json!(enabled)),
        ])
        .into();
    dice.send(body);
    at_version(dice, instance);
    Some(())
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [Field; 3] = [
        may_but_null("label", Kind::Text),
        may_but_null("enabled", Kind::Flag),
        may_but_null("version", Kind::Whole),
    ];
    let body = shaped(call, &FIELDS)?;
    let label = shape::named(body, "label")?;
    let before = reached(world, entered, UPDATE)?;
    let mut instance = before.clone();
    require_version(call, instance.version)?;
    instance.label = label.unwrap_or(instance.label);
    let enabled = shape::flag(body, "enabled").unwrap_or(instance.enabled);
    if enabled && !instance.enabled {
        require_may_enable(world, entered, instance.id)?;
    }
    instance.enabled = enabled;
    if instance == before {
        return Ok(Reply::ok(before.answer()));
    }
    require_free(world, &instance)?;
    instance.version += 1;
    let answer = instance.answer();
    world.note(
        entered.user,
        instance.mandate,
        Event::of("instance_updated", "instance", instance.id),
    );
    let id = instance.id;
    *world.instance_mut(id) = instance;
    Ok(Reply::ok(answer))
}

/// It gives all roles of all that were admitted back, the caller's own too; and in a disabled
/// instance nobody has any.
fn require_may_enable(world: &World, entered: &Entered, instance: Uuid) -> Result<(), Refusal> {
    let catalogue = world.catalogue_of(instance);
    let gives = |roles: &std::collections::BTreeSet<Uuid>| {
        roles.iter().any(|role| {
            !world.role(*role).unwrap().permissions.within(&Merged::of([], &catalogue), &catalogue)
        })
    };
    let admitted = || world.admissions.iter().filter(|row| row.instance == instance && row.enabled);
    let own = admitted().any(|row| row.user == entered.user && gives(&row.roles));
    if own && (entered.flag || world.is_delegate(entered)) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    if world.is_delegate(entered) && admitted().any(|row| gives(&row.roles)) {
        return Err(Refusal::of(403, "grant_exceeds_own_access"));
    }
    Ok(())
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    let instance = dice.instance_in_path()?;
    // Most of the history is played in instances that stay.
    let (mandate, feature) =
        (dice.world.instance(instance).mandate, dice.world.instance(instance).feature.clone());
    let others = dice
        .world
        .instances
        .iter()
        .filter(|row| (row.mandate, &row.feature) == (mandate, &feature))
        .count();
    if others < 2 && ["playbooks", "bookings"].contains(&feature.as_str()) && !dice.daring {
        return None;
    }
    at_version(dice, instance);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let instance = reached(world, entered, DELETE)?;
    require_version(call, instance.version)?;
    world.remove_instance(instance.id);
    world.note(
        entered.user,
        instance.mandate,
        Event::of("instance_deleted", "instance", instance.id),
    );
    Ok(Reply::nothing())
}
