//! `/api/roles/{roleId}`: a role by its id, wherever it belongs.

use serde_json::json;
use uuid::Uuid;

use super::list_plays::{level, require_free};
use crate::model::admit::admit;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, may_but_null, shaped};
use crate::model::world::access::{Catalogue, DELETE, READ, UPDATE};
use crate::model::world::{Event, Permissions, Role, World};

const ONE: &str = "/api/roles/{roleId}";

pub const OPERATIONS: &[Operation] = &[
    Operation::get("get_role", ONE, Guard::Role(READ), draw_read, get),
    Operation::patch("update_role", ONE, Guard::Role(UPDATE), draw_update, update),
    Operation::delete("delete_role", ONE, Guard::Role(DELETE), draw_delete, delete),
];

/// A role of the mandate in the header, or a template.
pub fn draw_role(dice: &mut Dice<'_>) -> Option<Uuid> {
    let templates: Vec<Uuid> =
        dice.world.roles.iter().filter(|row| row.is_template()).map(|row| row.id).collect();
    let mandate = dice.mandate()?;
    let instances: Vec<Uuid> = dice
        .world
        .instances
        .iter()
        .filter(|row| row.mandate == mandate)
        .map(|row| row.id)
        .collect();
    let role = match dice.below(10) {
        0 => dice.one_of(&templates)?,
        1..=4 if !instances.is_empty() => {
            let instance = dice.one_of(&instances);
            dice.role_of(mandate, instance)?
        }
        _ => dice.role_of(mandate, None)?,
    };
    dice.arg(role);
    Some(role)
}

pub fn draw_read(dice: &mut Dice<'_>) -> Option<()> {
    draw_role(dice).map(|_| ())
}

pub fn at_version(dice: &mut Dice<'_>, role: Uuid) {
    let version = dice.world.role(role).map_or(1, |row| row.version);
    dice.at_version(version);
}

/// The role of the path, where reading reaches it.
pub fn readable(world: &World, entered: &Entered, call: &Call) -> Result<Role, Refusal> {
    reached(world, entered, call, READ)
}

/// The role of the path, where the operation reaches it.
fn reached(
    world: &World,
    entered: &Entered,
    call: &Call,
    operation: usize,
) -> Result<Role, Refusal> {
    let role = world.role(call.id("roleId")?).unwrap().clone();
    if role.is_template() {
        return Ok(role);
    }
    let table = if role.instance.is_some() { "instance-roles" } else { "roles" };
    let levels = (
        level(world, entered, role.instance, operation),
        level(world, entered, role.instance, READ),
    );
    admit(
        table,
        operation,
        levels,
        world.nearness(entered.mandate(), entered.user, &world.holders(role.id)),
    )?;
    Ok(role)
}

/// The role of the path, open for a change: not protected, of this version and, for a delegate,
/// within their own access.
pub fn open(
    world: &World,
    entered: &Entered,
    call: &Call,
    operation: usize,
) -> Result<Role, Refusal> {
    let role = reached(world, entered, call, operation)?;
    if role.protected {
        return Err(Refusal::of(409, "role_protected"));
    }
    require_version(call, role.version)?;
    require_within_own(world, entered, &role, &role.permissions)?;
    Ok(role)
}

pub fn catalogue(world: &World, role: &Role) -> Catalogue {
    let of_feature = |code: &String| world.feature(code).unwrap().catalogue();
    role.feature.as_ref().map_or_else(Catalogue::of_mandates, of_feature)
}

/// 403 where a delegate would give more than they have, in the context to which the role belongs.
pub fn require_within_own(
    world: &World,
    entered: &Entered,
    role: &Role,
    permissions: &Permissions,
) -> Result<(), Refusal> {
    if role.is_template() || !world.is_delegate(entered) {
        return Ok(());
    }
    let own = if role.instance.is_some() {
        world.own_access(entered)
    } else {
        world.in_mandate(entered.mandate(), entered.user)
    };
    let within = permissions.within(&own, &catalogue(world, role));
    if within { Ok(()) } else { Err(Refusal::of(403, "grant_exceeds_own_access")) }
}

/// In the trail of the role's mandate, or of the platform for a template.
pub fn note(world: &mut World, entered: &Entered, role: &Role, action: &'static str) {
    let event = Event::of(action, "role", role.id);
    match role.mandate {
        Some(mandate) => world.note(entered.user, mandate, event),
        None => world.note_everywhere(entered.user, &[], &event),
    }
}

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    readable(world, entered, call).map(|role| Reply::ok(role.answer()))
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let role = draw_role(dice)?;
    let (label, description) = (dice.name(), dice.text_patches());
    let description = if dice.chance(0.2) { serde_json::Value::Null } else { description };
    let body = dice.some(vec![("label", 0.6, json!(label)), ("description", 0.4, description)]);
    dice.send(body.into());
    at_version(dice, role);
    Some(())
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [shape::Field; 3] = [
        may_but_null("label", Kind::Text),
        may("description", Kind::TextPatches),
        may_but_null("version", Kind::Whole),
    ];
    let body = shaped(call, &FIELDS)?;
    let label = shape::named(body, "label")?;
    let before = open(world, entered, call, UPDATE)?;
    let mut role = before.clone();
    role.label = label.unwrap_or(role.label);
    if let Some(description) = body.get("description") {
        role.description = description
            .as_object()
            .map(|patch| shape::merged(role.description, patch))
            .unwrap_or_default();
    }
    if role == before {
        return Ok(Reply::ok(before.answer()));
    }
    require_free(world, &role)?;
    role.version += 1;
    let answer = role.answer();
    note(world, entered, &role, "role_updated");
    let id = role.id;
    *world.role_mut(id) = role;
    Ok(Reply::ok(answer))
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    let role = draw_role(dice)?;
    at_version(dice, role);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let role = open(world, entered, call, DELETE)?;
    if !world.holders(role.id).is_empty() {
        return Err(Refusal::of(409, "role_in_use"));
    }
    world.roles.retain(|row| row.id != role.id);
    note(world, entered, &role, "role_deleted");
    Ok(Reply::nothing())
}
