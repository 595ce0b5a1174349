//! `/api/roles/{roleId}/permissions`: what a role permits.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::plays::{
    at_version, catalogue, draw_read, draw_role, note, open, readable, require_within_own,
};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, may_but_null, shaped};
use crate::model::world::access::{MINE, Merged, READ, UPDATE};
use crate::model::world::{Permissions, Role, World};

const ONE: &str = "/api/roles/{roleId}/permissions";

pub const OPERATIONS: &[Operation] = &[
    Operation::get("get_role_permissions", ONE, Guard::Role(READ), draw_read, get),
    Operation::put("replace_role_permissions", ONE, Guard::Role(UPDATE), draw_replace, replace)
        .asking(&[&["dryRun"]]),
    Operation::patch("update_role_permissions", ONE, Guard::Role(UPDATE), draw_update, update)
        .asking(&[&["dryRun"]]),
];

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    readable(world, entered, call)
        .map(|role| Reply::ok(role.permissions.answer(&catalogue(world, &role))))
}

fn draw_replace(dice: &mut Dice<'_>) -> Option<()> {
    let role = draw_role(dice)?;
    let known = catalogue(dice.world, dice.world.role(role)?);
    let permissions = dice.permissions(&known);
    dice.send(permissions);
    dice.dry_run();
    at_version(dice, role);
    Some(())
}

fn replace(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [shape::Field; 3] = [
        may_but_null("tables", Kind::Rules),
        may_but_null("views", Kind::Flags),
        may("version", Kind::Whole),
    ];
    let wanted = shape::permissions(shaped(call, &FIELDS)?);
    let sent = (wanted.tables.keys().cloned().collect(), wanted.views.keys().cloned().collect());
    change(world, entered, call, &sent, |_| wanted)
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let id = draw_role(dice)?;
    let role = dice.world.role(id)?;
    let known = catalogue(dice.world, role);
    let tables: Vec<String> = known.tables.iter().cloned().chain(["*".to_owned()]).collect();
    let mut patches = Map::new();
    for _ in 0..dice.below(3) {
        let table = dice.one_of(&tables)?;
        let mut patch = dice.rule(&table);
        for part in ["view", "read", "create", "update", "delete"] {
            if dice.chance(0.3) {
                patch.as_object_mut()?.remove(part);
            }
        }
        let patch = if dice.chance(0.2) { Value::Null } else { patch };
        patches.insert(table, patch);
    }
    let mut views = Map::new();
    for view in &known.views {
        if dice.chance(0.3) {
            let allowed = if dice.chance(0.3) { Value::Null } else { json!(dice.chance(0.5)) };
            views.insert(view.clone(), allowed);
        }
    }
    let body = dice.some(vec![("tables", 0.9, patches.into()), ("views", 0.5, views.into())]);
    dice.send(body.into());
    dice.dry_run();
    at_version(dice, id);
    Some(())
}

/// Those named change, null removes.
fn patched(mut permissions: Permissions, body: &Map<String, Value>) -> Permissions {
    for (table, patch) in body.get("tables").and_then(Value::as_object).into_iter().flatten() {
        if patch.is_null() {
            permissions.tables.remove(table);
        } else {
            let rule = permissions.tables.get(table).copied().unwrap_or_default();
            permissions.tables.insert(table.clone(), shape::patched(rule, patch));
        }
    }
    for (view, allowed) in body.get("views").and_then(Value::as_object).into_iter().flatten() {
        match allowed.as_bool() {
            None => permissions.views.remove(view),
            Some(allowed) => permissions.views.insert(view.clone(), allowed),
        };
    }
    permissions
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [shape::Field; 3] = [
        may_but_null("tables", Kind::RulePatches),
        may_but_null("views", Kind::FlagsOrNull),
        may_but_null("version", Kind::Whole),
    ];
    let body = shaped(call, &FIELDS)?;
    let named = |part: &str| {
        body.get(part)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|row| row.0.clone())
            .collect()
    };
    change(world, entered, call, &(named("tables"), named("views")), |before| patched(before, body))
}

/// SysAdmins do not change their own access, not even as an admin of the mandate.
fn raises_own(world: &World, entered: &Entered, role: &Role, after: &Permissions) -> bool {
    let known = catalogue(world, role);
    let holds = || world.nearness(entered.mandate(), entered.user, &world.holders(role.id)) == MINE;
    let raises = || !Merged::of([after], &known).within(&Merged::of([&role.permissions], &known));
    entered.flag && !role.is_template() && holds() && raises()
}

/// Names of tables and views.
type Sent = (BTreeSet<String>, BTreeSet<String>);

fn change(
    world: &mut World,
    entered: &Entered,
    call: &Call,
    (tables, views): &Sent,
    wanted: impl FnOnce(Permissions) -> Permissions,
) -> Outcome {
    let role = open(world, entered, call, UPDATE)?;
    let after = wanted(role.permissions.clone());
    if !after.is_valid(&catalogue(world, &role), tables, views) {
        return Err(Refusal::invalid());
    }
    require_within_own(world, entered, &role, &after)?;
    if raises_own(world, entered, &role, &after) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    if !role.is_template()
        && !after.within(
            &Merged::of([&role.permissions], &catalogue(world, &role)),
            &catalogue(world, &role),
        )
    {
        world.require_opens_nothing(entered, role.instance, &world.holders(role.id), &[&after])?;
    }
    let answer = after.answer(&catalogue(world, &role));
    if after == role.permissions {
        return Ok(Reply::ok(answer));
    }
    let changed = world.role_mut(role.id);
    changed.permissions = after;
    changed.version += 1;
    note(world, entered, &role, "role_permissions_changed");
    Ok(Reply::ok(answer))
}
