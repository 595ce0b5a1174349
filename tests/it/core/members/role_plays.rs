//! `/api/mandates/{mandateId}/users/{userId}/roles`: which mandate roles a member holds.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::plays::reached;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped};
use crate::model::world::access::{Catalogue, UPDATE};
use crate::model::world::{Event, World};

const ALL: &str = "/api/mandates/{mandateId}/users/{userId}/roles";
const ONE: &str = "/api/mandates/{mandateId}/users/{userId}/roles/{roleId}";
const GUARD: Guard = Guard::MandateOrSys("members", UPDATE);

pub const OPERATIONS: &[Operation] = &[
    Operation::put("replace_member_roles", ALL, GUARD, draw_replace, replace)
        .asking(&[&["dryRun"]]),
    Operation::put("assign_member_role", ONE, GUARD, draw_one, assign).asking(&[&["dryRun"]]),
    Operation::delete("revoke_member_role", ONE, GUARD, draw_revoke, revoke).asking(&[&["dryRun"]]),
];

/// 404 that points to those that are not roles of the mandate, or of its instance.
pub fn require_named(
    world: &World,
    mandate: Uuid,
    instance: Option<Uuid>,
    body: &Map<String, Value>,
) -> Result<(), Refusal> {
    let unknown = unknown_roles(world, mandate, instance, body);
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::unknown("unknown_role", &unknown)) }
}

pub fn unknown_roles(
    world: &World,
    mandate: Uuid,
    instance: Option<Uuid>,
    body: &Map<String, Value>,
) -> Vec<String> {
    shape::unknown_among(body, "roleIds", |id| {
        world.roles_of(mandate, instance).any(|role| role.id == id)
    })
}

/// 404 where the role of a path is not one of the mandate.
fn require_known(world: &World, mandate: Uuid, role: Uuid) -> Result<(), Refusal> {
    if world.roles_of(mandate, None).any(|known| known.id == role) {
        Ok(())
    } else {
        Err(Refusal::not_found())
    }
}

/// A delegate gives only what is within their own access, and never `admin`; nobody raises their
/// own.
pub fn require_grantable<'a>(
    world: &World,
    entered: &Entered,
    target: Uuid,
    roles: impl IntoIterator<Item = &'a Uuid>,
) -> Result<(), Refusal> {
    if !world.is_delegate(entered) {
        return Ok(());
    }
    let (own, catalogue) =
        (world.in_mandate(entered.mandate(), entered.user), Catalogue::of_mandates());
    let grantable = |id: &Uuid| {
        let role = world.role(*id).unwrap();
        !role.protected && role.permissions.within(&own, &catalogue)
    };
    if roles.into_iter().all(grantable) {
        return Ok(());
    }
    Err(Refusal::of(
        403,
        if target == entered.user { "self_escalation" } else { "grant_exceeds_own_access" },
    ))
}

fn draw_member(dice: &mut Dice<'_>) -> Option<(Uuid, Uuid)> {
    let mandate = dice.mandate_in_path()?;
    let member = dice.member_of(mandate)?;
    dice.arg(member);
    dice.dry_run();
    Some((mandate, member))
}

fn version(dice: &mut Dice<'_>, (mandate, member): (Uuid, Uuid)) {
    let version = dice.world.member(mandate, member).map_or(1, |row| row.version);
    dice.at_version(version);
}

fn draw_replace(dice: &mut Dice<'_>) -> Option<()> {
    let whom = draw_member(dice)?;
    let roles = dice.roles_of(whom.0, None);
    dice.send(json!({ "roleIds": roles }));
    version(dice, whom);
    Some(())
}

fn draw_one(dice: &mut Dice<'_>) -> Option<()> {
    let whom = draw_member(dice)?;
    let role = dice.role_of(whom.0, None)?;
    dice.arg(role);
    version(dice, whom);
    Some(())
}

fn draw_revoke(dice: &mut Dice<'_>) -> Option<()> {
    let whom = draw_member(dice)?;
    let held: Vec<Uuid> = dice
        .world
        .member(whom.0, whom.1)
        .into_iter()
        .flat_map(|row| row.roles.iter().copied())
        .collect();
    let role = if dice.chance(0.8) && !held.is_empty() {
        dice.one_of(&held)?
    } else {
        dice.role_of(whom.0, None)?
    };
    dice.arg(role);
    version(dice, whom);
    Some(())
}

fn replace(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("userId")?;
    let body = shaped(call, &[needs("roleIds", Kind::Ids), may("version", Kind::Whole)])?;
    let roles = shape::ids(body, "roleIds");
    if roles.is_empty() {
        return Err(Refusal::invalid());
    }
    let known = require_named(world, entered.mandate(), None, body);
    change(world, entered, call, known, |_| roles)
}

fn assign(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("userId")?;
    let role = call.id("roleId")?;
    let known = require_known(world, entered.mandate(), role);
    change(world, entered, call, known, |held| held.iter().copied().chain([role]).collect())
}

fn revoke(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("userId")?;
    let role = call.id("roleId")?;
    let known = require_known(world, entered.mandate(), role);
    change(world, entered, call, known, |held| {
        held.iter().copied().filter(|id| *id != role).collect()
    })
}

fn change(
    world: &mut World,
    entered: &Entered,
    call: &Call,
    known: Result<(), Refusal>,
    wanted: impl FnOnce(&BTreeSet<Uuid>) -> BTreeSet<Uuid>,
) -> Outcome {
    let (mandate, user) = (entered.mandate(), reached(world, entered, call, UPDATE)?);
    let member = world.member(mandate, user).unwrap();
    require_version(call, member.version)?;
    if entered.as_sys && user == entered.user {
        return Err(Refusal::of(403, "self_escalation"));
    }
    known?;
    let (before, after) = (member.roles.clone(), wanted(&member.roles));
    if before == after {
        return Ok(Reply::ok(world.member_answer(member)));
    }
    require_grantable(world, entered, user, after.difference(&before))?;
    world.require_targets(entered, None, [user])?;
    let given: Vec<_> =
        after.difference(&before).map(|role| &world.role(*role).unwrap().permissions).collect();
    world.require_opens_nothing(entered, None, &[user].into(), &given)?;
    if after.is_empty() {
        return Err(Refusal::of(409, "last_role"));
    }
    let loses_admin = before.difference(&after).any(|role| world.role(*role).unwrap().protected);
    if loses_admin && world.is_last_admin(mandate, user) {
        return Err(Refusal::of(409, "last_mandate_admin"));
    }
    let member = world.member_mut(mandate, user);
    member.roles = after;
    member.version += 1;
    world.note(entered.user, mandate, Event::of("role_assigned", "member", user).target(user));
    Ok(Reply::ok(world.member_answer(world.member(mandate, user).unwrap())))
}
