//! `/api/mandates/{mandateId}/groups`: whom the level `g` reaches.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, may_but_null, needs, shaped};
use crate::model::world::access::{CREATE, DELETE, READ, UPDATE};
use crate::model::world::{Event, Group, World, key};

const ALL: &str = "/api/mandates/{mandateId}/groups";
const ONE: &str = "/api/mandates/{mandateId}/groups/{groupId}";
const MEMBERS: &str = "/api/mandates/{mandateId}/groups/{groupId}/members";
const MEMBER: &str = "/api/mandates/{mandateId}/groups/{groupId}/members/{userId}";

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_groups", ALL, Guard::MandateOrSys("groups", READ), draw_list, list)
        .asking(&[LIST, &["q"]]),
    Operation::post("create_group", ALL, Guard::Mandate("groups", CREATE), draw_create, create),
    Operation::get("get_group", ONE, Guard::Mandate("groups", READ), draw_one, get),
    Operation::patch("update_group", ONE, Guard::Mandate("groups", UPDATE), draw_update, update)
        .asking(&[&["dryRun"]]),
    Operation::delete("delete_group", ONE, Guard::Mandate("groups", DELETE), draw_delete, delete)
        .asking(&[&["dryRun"]]),
    Operation::get(
        "list_group_members",
        MEMBERS,
        Guard::Mandate("groups", READ),
        draw_members,
        members,
    )
    .asking(&[LIST]),
    Operation::put(
        "replace_group_members",
        MEMBERS,
        Guard::Mandate("groups", UPDATE),
        draw_replace,
        replace,
    )
    .asking(&[&["dryRun"]]),
    Operation::put("add_group_member", MEMBER, Guard::Mandate("groups", UPDATE), draw_add, add)
        .asking(&[&["dryRun"]]),
    Operation::delete(
        "remove_group_member",
        MEMBER,
        Guard::Mandate("groups", UPDATE),
        draw_remove,
        remove,
    )
    .asking(&[&["dryRun"]]),
];

fn in_path(dice: &mut Dice<'_>) -> Option<Uuid> {
    let mandate = dice.mandate()?;
    dice.arg(mandate);
    Some(mandate)
}

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate_in_path()?;
    dice.list(&["name"]);
    if dice.chance(0.2) {
        dice.ask("q", "a");
    }
    Some(())
}

/// A group is mine when I belong to it.
fn nearness(world: &World, entered: &Entered, group: &Group) -> u8 {
    world.nearness(group.mandate, entered.user, &group.members)
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let asked = Asked::of(world, call, &["name"])?;
    let level = world.level(entered, "groups", READ);
    let found = |row: &&Group| {
        let fits = call.asked("q").is_none_or(|text| key(&row.name).contains(text));
        row.mandate == entered.mandate() && nearness(world, entered, row) <= level && fits
    };
    asked.page(
        world
            .groups
            .iter()
            .filter(found)
            .map(|row| Row::of(key(&row.name), row.id, row.answer()))
            .collect(),
    )
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    in_path(dice)?;
    let (name, description, joins) = (dice.name(), dice.description(), dice.chance(0.3));
    let mut body =
        dice.some(vec![("description", 0.4, description), ("autoJoin", 0.4, json!(joins))]);
    body.insert("name".to_owned(), json!(name));
    dice.send(body.into());
    Some(())
}

/// 409 where another group has the name; whose id is told to those who may read it.
fn require_free(
    world: &World,
    entered: &Entered,
    name: &str,
    own: Option<Uuid>,
) -> Result<(), Refusal> {
    let mandate = entered.mandate();
    let other = world
        .groups
        .iter()
        .find(|row| row.mandate == mandate && Some(row.id) != own && key(&row.name) == key(name));
    let Some(other) = other else { return Ok(()) };
    let readable = world.level(entered, "groups", READ) >= nearness(world, entered, other);
    Err(Refusal {
        with: json!({ "id": readable.then_some(other.id) }),
        ..Refusal::of(409, "name_taken")
    })
}

fn create(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let body = shaped(
        call,
        &[needs("name", Kind::Text), may("description", Kind::Text), may("autoJoin", Kind::Flag)],
    )?;
    let name = shape::named(body, "name")?.unwrap_or_default();
    shape::described(shape::text(body, "description"))?;
    if shape::flag(body, "autoJoin") == Some(true) && world.is_delegate(entered) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    require_free(world, entered, &name, None)?;
    let group = Group {
        id: told.id(),
        mandate: entered.mandate(),
        name,
        description: shape::text(body, "description").map(str::to_owned),
        auto_join: shape::flag(body, "autoJoin").unwrap_or(false),
        members: [].into(),
        version: 1,
    };
    let answer = group.answer();
    world.note(entered.user, group.mandate, Event::of("group_created", "group", group.id));
    world.groups.push(group);
    Ok(Reply::created(answer))
}

fn draw_group(dice: &mut Dice<'_>) -> Option<Uuid> {
    let mandate = in_path(dice)?;
    let groups: Vec<Uuid> = dice
        .world
        .groups
        .iter()
        .filter(|row| row.mandate == mandate || dice.world.groups.len() < 3)
        .map(|row| row.id)
        .collect();
    let group = dice.one_of(&groups)?;
    dice.arg(group);
    Some(group)
}

fn draw_one(dice: &mut Dice<'_>) -> Option<()> {
    draw_group(dice).map(|_| ())
}

/// The group of the path, where the operation reaches it.
fn reached(
    world: &World,
    entered: &Entered,
    call: &Call,
    operation: usize,
) -> Result<Group, Refusal> {
    let group =
        world.group(entered.mandate(), call.id("groupId")?).ok_or_else(Refusal::not_found)?;
    world.admit(entered, "groups", operation, nearness(world, entered, group))?;
    Ok(group.clone())
}

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    reached(world, entered, call, READ).map(|group| Reply::ok(group.answer()))
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let group = draw_group(dice)?;
    let (name, description, joins) = (dice.name(), dice.description(), dice.chance(0.5));
    let description = if dice.chance(0.3) { Value::Null } else { description };
    let body = dice.some(vec![
        ("name", 0.5, json!(name)),
        ("description", 0.4, description),
        ("autoJoin", 0.3, json!(joins)),
    ]);
    dice.send(body.into());
    dice.dry_run();
    at_version(dice, group);
    Some(())
}

fn at_version(dice: &mut Dice<'_>, group: Uuid) {
    let version = dice.world.groups.iter().find(|row| row.id == group).map_or(1, |row| row.version);
    dice.at_version(version);
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [shape::Field; 4] = [
        may_but_null("name", Kind::Text),
        may("description", Kind::Text),
        may_but_null("autoJoin", Kind::Flag),
        may_but_null("version", Kind::Whole),
    ];
    call.id("groupId")?;
    let body: &Map<String, Value> = shaped(call, &FIELDS)?;
    let name = shape::named(body, "name")?;
    shape::described(shape::text(body, "description"))?;
    let before = reached(world, entered, call, UPDATE)?;
    require_version(call, before.version)?;
    if shape::flag(body, "autoJoin").is_some_and(|wanted| wanted != before.auto_join)
        && world.is_delegate(entered)
    {
        return Err(Refusal::of(403, "self_escalation"));
    }
    if let Some(name) = &name {
        require_free(world, entered, name, Some(before.id))?;
    }
    let group = world.group_mut(before.id);
    group.name = name.unwrap_or_else(|| before.name.clone());
    group.description =
        shape::clearable(body, "description").unwrap_or_else(|| before.description.clone());
    group.auto_join = shape::flag(body, "autoJoin").unwrap_or(before.auto_join);
    if *group == before {
        return Ok(Reply::ok(before.answer()));
    }
    group.version += 1;
    let answer = group.answer();
    world.note(entered.user, before.mandate, Event::of("group_updated", "group", before.id));
    Ok(Reply::ok(answer))
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    let group = draw_group(dice)?;
    let few =
        dice.world.groups.iter().filter(|row| row.mandate.to_string() == dice.call.args[0]).count()
            < 2;
    if few && !dice.daring {
        return None;
    }
    dice.dry_run();
    at_version(dice, group);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let group = reached(world, entered, call, DELETE)?;
    require_version(call, group.version)?;
    world.require_regrouping(entered, &group.members, &BTreeSet::new())?;
    world.groups.retain(|row| row.id != group.id);
    world.note(entered.user, group.mandate, Event::of("group_deleted", "group", group.id));
    Ok(Reply::nothing())
}

fn draw_members(dice: &mut Dice<'_>) -> Option<()> {
    draw_group(dice)?;
    dice.list(&["username"]);
    Some(())
}

fn member_rows(world: &World, group: &Group) -> Vec<Row> {
    let row = |user: &Uuid| {
        let username = &world.user(*user).username;
        Row::of(username, *user, json!({ "userId": user, "username": username }))
    };
    group.members.iter().map(row).collect()
}

fn members(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("groupId")?;
    let asked = Asked::of(world, call, &["username"])?;
    let group = reached(world, entered, call, READ)?;
    asked.page(member_rows(world, &group))
}

fn draw_replace(dice: &mut Dice<'_>) -> Option<()> {
    let group = draw_group(dice)?;
    let mandate = dice.world.groups.iter().find(|row| row.id == group)?.mandate;
    let mut members = dice.members_of(mandate, 5);
    if dice.chance(0.5) {
        members.extend(&dice.world.group(mandate, group)?.members);
    }
    dice.send(json!({ "userIds": members }));
    dice.dry_run();
    at_version(dice, group);
    Some(())
}

fn replace(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("groupId")?;
    let body = shaped(call, &[needs("userIds", Kind::Ids), may("version", Kind::Whole)])?;
    let wanted: BTreeSet<Uuid> = shape::ids(body, "userIds");
    let before = reached(world, entered, call, UPDATE)?;
    require_version(call, before.version)?;
    let strangers = shape::unknown_among(body, "userIds", |user| {
        world.member(before.mandate, user).is_some() || before.members.contains(&user)
    });
    if !strangers.is_empty() {
        return Err(Refusal::unknown("unknown_user", &strangers));
    }
    regroup(world, entered, &before, wanted)?;
    let rows = member_rows(world, world.group(before.mandate, before.id).unwrap());
    Asked::beginning_of("list_group_members", call, "username").page(rows)
}

fn regroup(
    world: &mut World,
    entered: &Entered,
    before: &Group,
    wanted: BTreeSet<Uuid>,
) -> Result<(), Refusal> {
    world.require_regrouping(entered, &before.members, &wanted)?;
    if wanted != before.members {
        let group = world.group_mut(before.id);
        group.members = wanted;
        group.version += 1;
        world.note(
            entered.user,
            before.mandate,
            Event::of("group_members_changed", "group", before.id),
        );
    }
    Ok(())
}

fn draw_add(dice: &mut Dice<'_>) -> Option<()> {
    let group = draw_group(dice)?;
    let mandate = dice.world.groups.iter().find(|row| row.id == group)?.mandate;
    let member = dice.member_of(mandate)?;
    draw_member(dice, group, member)
}

/// Mostly somebody who is there.
fn draw_remove(dice: &mut Dice<'_>) -> Option<()> {
    let group = draw_group(dice)?;
    let row = dice.world.groups.iter().find(|row| row.id == group)?;
    let (mandate, there) = (row.mandate, row.members.iter().copied().collect::<Vec<_>>());
    let member = if there.is_empty() || dice.chance(0.2) {
        dice.member_of(mandate)?
    } else {
        dice.one_of(&there)?
    };
    draw_member(dice, group, member)
}

fn draw_member(dice: &mut Dice<'_>, group: Uuid, member: Uuid) -> Option<()> {
    dice.arg(member);
    dice.dry_run();
    at_version(dice, group);
    Some(())
}

fn add(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    change_one(world, entered, call, BTreeSet::insert)
}

fn remove(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    change_one(world, entered, call, |members, user| members.remove(&user))
}

fn change_one(
    world: &mut World,
    entered: &Entered,
    call: &Call,
    change: impl FnOnce(&mut BTreeSet<Uuid>, Uuid) -> bool,
) -> Outcome {
    call.id("groupId")?;
    let user = call.id("userId")?;
    let before = reached(world, entered, call, UPDATE)?;
    require_version(call, before.version)?;
    world.member(before.mandate, user).ok_or_else(Refusal::not_found)?;
    let mut wanted = before.members.clone();
    change(&mut wanted, user);
    regroup(world, entered, &before, wanted)?;
    Ok(Reply::nothing())
}
