//! `/api/playbooks/{playbook}/versions`: numbered versions, and what they held before.

use serde_json::{Value, json};
use uuid::Uuid;

use super::plays::{draw_playbook, find_mut, nearness, open as open_playbook};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped, shaped_if_any};
use crate::model::world::access::{CREATE, DELETE, READ, UPDATE, least};
use crate::model::world::{Event, Revision, Version, World};

const ALL: &str = "/api/playbooks/{playbook}/versions";
const ONE: &str = "/api/playbooks/{playbook}/versions/{number}";
const TABLE: &str = "playbook_versions";

const fn guard(operation: usize) -> Guard {
    Guard::Feature("playbooks", TABLE, operation)
}

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_playbook_versions", ALL, guard(READ), draw_list, list).asking(&[LIST]),
    Operation::post("create_playbook_version", ALL, guard(CREATE), draw_create, create),
    Operation::get(
        "get_playbook_version",
        ONE,
        guard(READ),
        |dice| draw_version(dice).map(|_| ()),
        get,
    ),
    Operation::put("update_playbook_version", ONE, guard(UPDATE), draw_update, update),
    Operation::delete("delete_playbook_version", ONE, guard(DELETE), draw_delete, delete),
    Operation::post(
        "restore_playbook_version",
        "/api/playbooks/{playbook}/versions/{number}/restore",
        guard(DELETE),
        draw_restore,
        restore,
    ),
    Operation::get(
        "list_playbook_revisions",
        "/api/playbooks/{playbook}/versions/{number}/revisions",
        guard(READ),
        draw_revisions,
        revisions,
    )
    .asking(&[LIST]),
    Operation::put(
        "rollback_playbook_version",
        "/api/playbooks/{playbook}/versions/{number}/rollback",
        guard(UPDATE),
        draw_rollback,
        rollback,
    ),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    draw_playbook(dice)?;
    dice.list(&["-number"]);
    Some(())
}

/// The playbook of the path, where it may be read: whoever works with its versions must be able to.
fn parent(world: &World, entered: &Entered, call: &Call) -> Result<Uuid, Refusal> {
    if world.own_level(entered, "playbooks", READ) == 0 {
        return Err(Refusal::denied("playbooks", READ, least("playbooks", READ)));
    }
    open_playbook(world, entered, call, READ).map(|playbook| playbook.id)
}

fn versions(world: &World, playbook: Uuid) -> &[Version] {
    &world.playbooks.iter().find(|row| row.id == playbook).unwrap().versions
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let asked = Asked::of(world, call, &["-number"])?;
    let playbook = parent(world, entered, call)?;
    let level = world.own_level(entered, TABLE, READ);
    let found = versions(world, playbook)
        .iter()
        .filter(|row| !row.deleted && nearness(world, entered, row.owner) <= level);
    asked.page(
        found.map(|row| Row::of(format!("{:010}", row.number), Uuid::nil(), row.row())).collect(),
    )
}

fn content(dice: &mut Dice<'_>) -> String {
    match dice.below(25) {
        0 => "  \n".to_owned(),
        _ => format!("1. Say that you are on it.\n2. Grüße {}", dice.below(1_000)),
    }
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    draw_playbook(dice)?;
    let (content, number) = (content(dice), [1, 2, 3, 7, 0, 12][dice.below(6)]);
    let mut body = dice.some(vec![("version", 0.25, json!(number))]);
    body.insert("content".to_owned(), json!(content));
    dice.send(body.into());
    Some(())
}

fn checked_content(body: &serde_json::Map<String, Value>) -> Result<String, Refusal> {
    let content = shape::text(body, "content").unwrap_or_default().to_owned();
    if content.trim().is_empty() || content.len() > 1024 * 1024 {
        Err(Refusal::invalid())
    } else {
        Ok(content)
    }
}

fn note(world: &mut World, entered: &Entered, action: &'static str, playbook: Uuid) {
    world.note(entered.user, entered.mandate(), Event::of(action, "playbook_version", playbook));
}

fn create(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("content", Kind::Text), may("version", Kind::Whole)])?;
    let (content, number) = (checked_content(body)?, shape::whole(body, "version"));
    if number.is_some_and(|number| number < 1) {
        return Err(Refusal::invalid());
    }
    let playbook = parent(world, entered, call)?;
    // The level of creating is tested against the playbook's owner.
    let owner = world.playbooks.iter().find(|row| row.id == playbook).unwrap().owner;
    world.admit_own(entered, TABLE, CREATE, nearness(world, entered, owner))?;
    let known = versions(world, playbook);
    let next = known.iter().map(|row| row.number).max().unwrap_or(0) + 1;
    let number = number.unwrap_or(next);
    if known.iter().any(|row| row.number == number) {
        return Err(Refusal::of(409, "version_exists"));
    }
    let first = Revision { author: entered.user, content, rolled_back_from: None };
    let version = Version { number, owner: entered.user, deleted: false, revisions: vec![first] };
    let answer = version.answer();
    find_mut(world, playbook).with_versions(|versions| versions.push(version));
    note(world, entered, "playbook_version_created", playbook);
    Ok(Reply::created(answer))
}

/// A version of a playbook, by its number.
fn draw_version(dice: &mut Dice<'_>) -> Option<(Uuid, i64)> {
    let playbook = draw_playbook(dice)?;
    let numbers: Vec<i64> = versions(dice.world, playbook).iter().map(|row| row.number).collect();
    let number = if dice.chance(0.05) { 99 } else { dice.one_of(&numbers)? };
    dice.arg(number);
    Some((playbook, number))
}

fn found<'a>(world: &'a World, playbook: Uuid, call: &Call) -> Result<&'a Version, Refusal> {
    let number: i64 =
        call.arg("number").parse().map_err(|_| Refusal::of(400, "invalid_parameter"))?;
    versions(world, playbook).iter().find(|row| row.number == number).ok_or_else(Refusal::not_found)
}

/// 400 for a number that is none, before anything is looked up.
fn checked_number(call: &Call) -> Result<(), Refusal> {
    call.arg("number").parse::<i32>().map(|_| ()).map_err(|_| Refusal::of(400, "invalid_parameter"))
}

/// 404 where it may not be seen, 410 where it was deleted, 403 where it may be seen but not this.
fn open<'a>(
    world: &'a World,
    entered: &Entered,
    playbook: Uuid,
    call: &Call,
    operation: usize,
) -> Result<&'a Version, Refusal> {
    let version = found(world, playbook, call)?;
    let needed = nearness(world, entered, version.owner);
    if world.own_level(entered, TABLE, READ) < needed {
        return Err(Refusal::not_found());
    }
    if version.deleted {
        return Err(Refusal::gone());
    }
    world.admit_own(entered, TABLE, operation, needed)?;
    Ok(version)
}

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    checked_number(call)?;
    let playbook = parent(world, entered, call)?;
    open(world, entered, playbook, call, READ).map(|version| Reply::ok(version.answer()))
}

fn draw_revisions(dice: &mut Dice<'_>) -> Option<()> {
    draw_version(dice)?;
    dice.list(&["-revision"]);
    Some(())
}

fn revisions(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    checked_number(call)?;
    let asked = Asked::of(world, call, &["-revision"])?;
    let playbook = parent(world, entered, call)?;
    let version = open(world, entered, playbook, call, READ)?;
    let row = |(index, row): (usize, &Revision)| {
        let value = json!({
            "revision": index + 1, "authorId": row.author, "size": row.content.len(),
            "rolledBackFrom": row.rolled_back_from,
        });
        Row::of(format!("{index:010}"), Uuid::nil(), value)
    };
    asked.page(version.revisions.iter().enumerate().map(row).collect())
}

fn at_revision(dice: &mut Dice<'_>, (playbook, number): (Uuid, i64)) {
    let revision = versions(dice.world, playbook)
        .iter()
        .find(|row| row.number == number)
        .map_or(1, Version::revision);
    dice.at_version(revision);
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let place = draw_version(dice)?;
    let content = content(dice);
    dice.send(json!({ "content": content }));
    at_revision(dice, place);
    Some(())
}

fn change(world: &mut World, playbook: Uuid, number: i64) -> &mut Version {
    find_mut(world, playbook).versions.iter_mut().find(|row| row.number == number).unwrap()
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    checked_number(call)?;
    let body = shaped(call, &[needs("content", Kind::Text), may("version", Kind::Whole)])?;
    let content = checked_content(body)?;
    let playbook = parent(world, entered, call)?;
    let before = open(world, entered, playbook, call, UPDATE)?;
    require_version(call, before.revision())?;
    if before.revisions.last().is_some_and(|current| current.content == content) {
        return Ok(Reply::ok(before.answer()));
    }
    let version = change(world, playbook, before.number);
    version.revisions.push(Revision { author: entered.user, content, rolled_back_from: None });
    let answer = version.answer();
    note(world, entered, "playbook_version_updated", playbook);
    Ok(Reply::ok(answer))
}

fn draw_rollback(dice: &mut Dice<'_>) -> Option<()> {
    let place = draw_version(dice)?;
    if dice.chance(0.5) {
        let to = 1 + dice.below(3);
        let body = dice.some(vec![("toRevision", 0.5, json!(to))]);
        dice.send(body.into());
    }
    at_revision(dice, place);
    Some(())
}

fn rollback(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    checked_number(call)?;
    let body = shaped_if_any(call, &[may("toRevision", Kind::Whole), may("version", Kind::Whole)])?;
    let wanted = body.and_then(|body| shape::whole(body, "toRevision"));
    let playbook = parent(world, entered, call)?;
    let before = open(world, entered, playbook, call, UPDATE)?;
    require_version(call, before.revision())?;
    let previous = before.revision() - 1;
    if wanted.is_none() && previous < 1 {
        return Err(Refusal::of(409, "no_previous_revision"));
    }
    let source = wanted.unwrap_or(previous);
    let index = usize::try_from(source - 1).map_err(|_| Refusal::not_found())?;
    let content = before.revisions.get(index).ok_or_else(Refusal::not_found)?.content.clone();
    let version = change(world, playbook, before.number);
    version.revisions.push(Revision {
        author: entered.user,
        content,
        rolled_back_from: Some(source),
    });
    let answer = version.answer();
    note(world, entered, "playbook_version_rolled_back", playbook);
    Ok(Reply::ok(answer))
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    let place = draw_version(dice)?;
    at_revision(dice, place);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    checked_number(call)?;
    let playbook = parent(world, entered, call)?;
    let before = open(world, entered, playbook, call, DELETE)?;
    require_version(call, before.revision())?;
    let number = before.number;
    find_mut(world, playbook).with_versions(|versions| {
        versions.iter_mut().find(|row| row.number == number).unwrap().deleted = true;
    });
    note(world, entered, "playbook_version_deleted", playbook);
    Ok(Reply::ok(json!({ "number": number, "deletedAt": "~20", "purgeAt": "~20" })))
}

fn draw_restore(dice: &mut Dice<'_>) -> Option<()> {
    let (playbook, _) = draw_version(dice)?;
    let deleted: Vec<i64> = versions(dice.world, playbook)
        .iter()
        .filter(|row| row.deleted)
        .map(|row| row.number)
        .collect();
    if dice.chance(0.9) {
        dice.call.args[1] = dice.one_of(&deleted)?.to_string();
    }
    Some(())
}

fn restore(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    checked_number(call)?;
    let playbook = parent(world, entered, call)?;
    let before = found(world, playbook, call)?;
    world.admit_own(entered, TABLE, DELETE, nearness(world, entered, before.owner))?;
    if !before.deleted {
        return Err(Refusal::of(409, "not_deleted"));
    }
    let (number, answer) = (before.number, before.answer());
    find_mut(world, playbook).with_versions(|versions| {
        versions.iter_mut().find(|row| row.number == number).unwrap().deleted = false;
    });
    note(world, entered, "playbook_version_restored", playbook);
    Ok(Reply::ok(answer))
}
