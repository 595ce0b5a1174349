//! `/api/features/instances/{instanceId}/users`: who is admitted, and with which roles.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use crate::core::members::role_plays::{require_named, unknown_roles};
use crate::model::admit::{admit, levels_by_row};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped};
use crate::model::world::access::{CREATE, DELETE, READ, UPDATE};
use crate::model::world::{Admission, Event, World};

const USERS: &str = "/api/features/instances/{instanceId}/users";
const USER: &str = "/api/features/instances/{instanceId}/users/{userId}";
const ROLES: &str = "/api/features/instances/{instanceId}/users/{userId}/roles";

const fn guard(through: usize, own: usize) -> Guard {
    Guard::Instance { through: ("instances", through), own: Some(("access", own)), sys: false }
}

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_instance_users", USERS, guard(READ, READ), draw_list, list)
        .asking(&[LIST]),
    Operation::post("add_instance_user", USERS, guard(UPDATE, CREATE), draw_add, add)
        .asking(&[&["dryRun"]]),
    Operation::patch("update_instance_user", USER, guard(UPDATE, UPDATE), draw_update, update)
        .asking(&[&["dryRun"]]),
    Operation::delete("remove_instance_user", USER, guard(UPDATE, DELETE), draw_remove, remove)
        .asking(&[&["dryRun"]]),
    Operation::put(
        "replace_instance_user_roles",
        ROLES,
        guard(UPDATE, UPDATE),
        draw_replace,
        replace,
    )
    .asking(&[&["dryRun"]]),
];

fn levels(world: &World, entered: &Entered, operation: usize) -> Result<(u8, u8), Refusal> {
    levels_by_row(world, entered, ("instances", UPDATE), ("access", operation))
}

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.instance_in_path()?;
    dice.list(&["username"]);
    Some(())
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let asked = Asked::of(world, call, &["username"])?;
    let (level, _) = levels_by_row(world, entered, ("instances", READ), ("access", READ))?;
    let near = |row: &&Admission| world.nearness_of(row.mandate, entered.user, row.user) <= level;
    let here =
        world.admissions.iter().filter(|row| row.instance == entered.instance()).filter(near);
    asked.page(
        here.map(|row| {
            Row::of(&world.user(row.user).username, row.user, world.admission_answer(row))
        })
        .collect(),
    )
}

fn draw_instance(dice: &mut Dice<'_>) -> Option<(Uuid, Uuid)> {
    let instance = dice.instance_in_path()?;
    dice.dry_run();
    Some((dice.world.instance(instance).mandate, instance))
}

fn draw_add(dice: &mut Dice<'_>) -> Option<()> {
    let (mandate, instance) = draw_instance(dice)?;
    let (user, roles) = (dice.member_of(mandate)?, dice.roles_of(mandate, Some(instance)));
    dice.send(json!({ "userId": user, "roleIds": roles }));
    Some(())
}

/// A delegate gives only roles within their own access in the instance; nobody raises their own,
/// SysAdmins not even as admins.
pub fn may_give<'a>(
    world: &World,
    entered: &Entered,
    target: Uuid,
    roles: impl IntoIterator<Item = &'a Uuid>,
) -> Result<(), Refusal> {
    let own = target == entered.user;
    if own && entered.flag {
        return Err(Refusal::of(403, "self_escalation"));
    }
    let (access, catalogue) = (world.own_access(entered), world.catalogue_of(entered.instance()));
    let within = |role: &Uuid| world.role(*role).unwrap().permissions.within(&access, &catalogue);
    let roles: Vec<&Uuid> = roles.into_iter().collect();
    if world.is_delegate(entered) && !roles.iter().copied().all(within) {
        return Err(Refusal::of(
            403,
            if own { "self_escalation" } else { "grant_exceeds_own_access" },
        ));
    }
    let given: Vec<_> = roles.iter().map(|role| &world.role(**role).unwrap().permissions).collect();
    world.require_opens_nothing(entered, Some(entered.instance()), &[target].into(), &given)
}

/// With whom is admitted the instance comes near: a delegate who may do more to near ones does not
/// come to reach it so.
pub fn require_no_nearer(world: &World, entered: &Entered, user: Uuid) -> Result<(), Refusal> {
    let (before, after) = (
        world.instance_nearness(entered, entered.instance()),
        world.nearness_of(entered.mandate(), entered.user, user),
    );
    let gains = world.gains_by_nearness(entered, "instances", before, after);
    if gains { Err(Refusal::of(403, "self_escalation")) } else { Ok(()) }
}

fn named_roles(
    body: &serde_json::Map<String, serde_json::Value>,
) -> Result<BTreeSet<Uuid>, Refusal> {
    Some(shape::ids(body, "roleIds")).filter(|roles| !roles.is_empty()).ok_or_else(Refusal::invalid)
}

fn note(world: &mut World, entered: &Entered, action: &'static str, user: Uuid) {
    world.note(
        entered.user,
        entered.mandate(),
        Event::of(action, "instance", entered.instance()).target(user),
    );
}

fn answer(world: &World, instance: Uuid, user: Uuid) -> serde_json::Value {
    world.admission_answer(world.admission(instance, user).unwrap())
}

fn add(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("userId", Kind::Id), needs("roleIds", Kind::Ids)])?;
    let (user, roles) = (shape::id(body, "userId").unwrap_or_default(), named_roles(body)?);
    let (mandate, instance) = (entered.mandate(), entered.instance());
    let levels = levels(world, entered, CREATE)?;
    let unknown = unknown_roles(world, mandate, Some(instance), body);
    if world.member(mandate, user).is_none() {
        let mut refusal = Refusal::unknown("unknown_role", &unknown);
        refusal.with["errors"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({ "pointer": "/userId", "code": "unknown_user" }));
        return Err(refusal);
    }
    require_named(world, mandate, Some(instance), body)?;
    admit("access", CREATE, levels, world.nearness_of(mandate, entered.user, user))?;
    may_give(world, entered, user, &roles)?;
    require_no_nearer(world, entered, user)?;
    if world.admission(instance, user).is_some() {
        return Err(Refusal::of(409, "already_has_access"));
    }
    world.admissions.push(Admission { mandate, instance, user, roles, enabled: true, version: 1 });
    note(world, entered, "instance_access_granted", user);
    Ok(Reply::created(answer(world, instance, user)))
}

/// An admission of the instance, one that there is rather than another.
fn draw_admission(dice: &mut Dice<'_>) -> Option<(Uuid, Uuid, Uuid)> {
    let (mandate, instance) = draw_instance(dice)?;
    let admitted: Vec<Uuid> = dice
        .world
        .admissions
        .iter()
        .filter(|row| row.instance == instance)
        .map(|row| row.user)
        .collect();
    let user = if admitted.is_empty() || dice.chance(0.1) {
        dice.member_of(mandate)?
    } else {
        dice.one_of(&admitted)?
    };
    dice.arg(user);
    Some((mandate, instance, user))
}

fn at_version(dice: &mut Dice<'_>, instance: Uuid, user: Uuid) {
    let version = dice.world.admission(instance, user).map_or(1, |row| row.version);
    dice.at_version(version);
}

/// The admission of the path, where the operation reaches it and its holder.
fn open(
    world: &World,
    entered: &Entered,
    call: &Call,
    operation: usize,
) -> Result<Admission, Refusal> {
    let (user, levels) = (call.id("userId")?, levels(world, entered, operation)?);
    let admission = world.admission(entered.instance(), user).ok_or_else(Refusal::not_found)?;
    admit("access", operation, levels, world.nearness_of(entered.mandate(), entered.user, user))?;
    require_version(call, admission.version)?;
    world.require_targets(entered, Some(entered.instance()), [user])?;
    Ok(admission.clone())
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let (_, instance, user) = draw_admission(dice)?;
    let disabled = dice.world.admission(instance, user).is_some_and(|row| !row.enabled);
    let enabled = dice.chance(if disabled { 0.95 } else { 0.7 });
    dice.send(json!({ "enabled": enabled }));
    at_version(dice, instance, user);
    Some(())
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("userId")?;
    let body = shaped(call, &[needs("enabled", Kind::Flag), may("version", Kind::Whole)])?;
    let enabled = shape::flag(body, "enabled").unwrap_or_default();
    let before = open(world, entered, call, UPDATE)?;
    if enabled && !before.enabled {
        may_give(world, entered, before.user, &before.roles)?;
        require_no_nearer(world, entered, before.user)?;
    }
    if enabled == before.enabled {
        return Ok(Reply::ok(answer(world, before.instance, before.user)));
    }
    let admission = world.admission_mut(before.instance, before.user);
    admission.enabled = enabled;
    admission.version += 1;
    note(world, entered, "instance_access_updated", before.user);
    Ok(Reply::ok(answer(world, before.instance, before.user)))
}

fn draw_remove(dice: &mut Dice<'_>) -> Option<()> {
    let (_, instance, user) = draw_admission(dice)?;
    at_version(dice, instance, user);
    Some(())
}

fn remove(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let before = open(world, entered, call, DELETE)?;
    world.admissions.retain(|row| (row.instance, row.user) != (before.instance, before.user));
    note(world, entered, "instance_access_revoked", before.user);
    Ok(Reply::nothing())
}

fn draw_replace(dice: &mut Dice<'_>) -> Option<()> {
    let (mandate, instance, user) = draw_admission(dice)?;
    let roles = dice.roles_of(mandate, Some(instance));
    dice.send(json!({ "roleIds": roles }));
    at_version(dice, instance, user);
    Some(())
}

fn replace(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("userId")?;
    let body = shaped(call, &[needs("roleIds", Kind::Ids), may("version", Kind::Whole)])?;
    let wanted = named_roles(body)?;
    let before = open(world, entered, call, UPDATE)?;
    require_named(world, before.mandate, Some(before.instance), body)?;
    may_give(world, entered, before.user, wanted.difference(&before.roles))?;
    if wanted != before.roles {
        let admission = world.admission_mut(before.instance, before.user);
        admission.roles = wanted;
        admission.version += 1;
        note(world, entered, "instance_role_assigned", before.user);
    }
    Ok(Reply::ok(answer(world, before.instance, before.user)))
}
