//! `/api/playbooks`: named documents.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Field, Kind, may, may_but_null, needs, shaped};
use crate::model::world::access::{CREATE, DELETE, READ, UPDATE};
use crate::model::world::{Event, Playbook, World, key};

const ALL: &str = "/api/playbooks";
const ONE: &str = "/api/playbooks/{playbook}";
const TABLE: &str = "playbooks";

const fn guard(operation: usize) -> Guard {
    Guard::Feature("playbooks", TABLE, operation)
}

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_playbooks", ALL, guard(READ), draw_list, list)
        .asking(&[LIST, &["q", "ownerId", "deleted"]]),
    Operation::post("create_playbook", ALL, guard(CREATE), draw_create, create),
    Operation::get("get_playbook", ONE, guard(READ), |dice| draw_playbook(dice).map(|_| ()), get),
    Operation::patch("update_playbook", ONE, guard(UPDATE), draw_update, update),
    Operation::delete("delete_playbook", ONE, guard(DELETE), draw_delete, delete),
    Operation::post(
        "restore_playbook",
        "/api/playbooks/{playbook}/restore",
        guard(DELETE),
        draw_restore,
        restore,
    ),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.in_feature("playbooks")?;
    dice.list(&["name", "createdAt"]);
    if dice.chance(0.25) {
        dice.ask("deleted", true);
    }
    match dice.below(5) {
        0 => {
            let user = dice.user()?;
            dice.ask("ownerId", user);
        }
        1 => dice.ask("q", "ta"),
        _ => {}
    }
    Some(())
}

/// How near a playbook (or a version) of this owner is to the caller.
pub fn nearness(world: &World, entered: &Entered, owner: Uuid) -> u8 {
    world.nearness_of(entered.mandate(), entered.user, owner)
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let (owner, deleted) =
        (call.asked_as::<Uuid>("ownerId")?, call.asked_as::<bool>("deleted")?.unwrap_or(false));
    let asked = Asked::of(world, call, &["name", "createdAt"])?;
    let level = world.own_level(entered, TABLE, READ);
    let found = |row: &&Playbook| {
        let fits = call
            .asked("q")
            .is_none_or(|text| key(&row.name).contains(text) || key(&row.title).contains(text));
        row.instance == entered.instance()
            && row.deleted.is_some() == deleted
            && owner.is_none_or(|owner| row.owner == owner)
            && nearness(world, entered, row.owner) <= level
            && fits
    };
    let sorted_by =
        |row: &Playbook| if asked.sort == "name" { key(&row.name) } else { String::new() };
    let rows = world
        .playbooks
        .iter()
        .filter(found)
        .map(|row| Row::of(sorted_by(row), row.id, world.playbook_answer(row)));
    asked.page(rows.collect())
}

fn draw_name(dice: &mut Dice<'_>) -> String {
    match dice.below(30) {
        0 => "..".to_owned(),
        1 => Uuid::nil().to_string(),
        _ => dice.name(),
    }
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    dice.in_feature("playbooks")?;
    let (name, title, description) = (draw_name(dice), dice.name(), dice.description());
    let mut body = dice.some(vec![("description", 0.5, description)]);
    body.extend([("name".to_owned(), json!(name)), ("title".to_owned(), json!(title))]);
    dice.send(body.into());
    Some(())
}

/// A name that looks like a UUID, or like a way up, could not be told from others in a path.
fn checked_name(body: &serde_json::Map<String, Value>) -> Result<Option<String>, Refusal> {
    let name = shape::named(body, "name")?;
    let odd = name
        .as_ref()
        .is_some_and(|name| name.parse::<Uuid>().is_ok() || name == "." || name == "..");
    if odd { Err(Refusal::invalid()) } else { Ok(name) }
}

/// 409 where a living one has the name; whose id is told to those who may read it.
fn require_free(
    world: &World,
    entered: &Entered,
    name: &str,
    own: Option<Uuid>,
) -> Result<(), Refusal> {
    let living = world
        .playbooks
        .iter()
        .filter(|row| row.instance == entered.instance() && row.deleted.is_none());
    let Some(other) =
        living.into_iter().find(|row| Some(row.id) != own && key(&row.name) == key(name))
    else {
        return Ok(());
    };
    let readable = world.own_level(entered, TABLE, READ) >= nearness(world, entered, other.owner);
    Err(Refusal {
        with: json!({ "id": readable.then_some(other.id) }),
        ..Refusal::of(409, "name_taken")
    })
}

fn note(world: &mut World, entered: &Entered, action: &'static str, id: Uuid) {
    world.note(entered.user, entered.mandate(), Event::of(action, "playbook", id));
}

fn create(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let body = shaped(
        call,
        &[needs("name", Kind::Text), needs("title", Kind::Text), may("description", Kind::Text)],
    )?;
    let (name, title) =
        (checked_name(body)?.unwrap_or_default(), shape::named(body, "title")?.unwrap_or_default());
    shape::described(shape::text(body, "description"))?;
    require_free(world, entered, &name, None)?;
    let playbook = Playbook {
        id: told.id(),
        instance: entered.instance(),
        name,
        title,
        description: shape::text(body, "description").map(str::to_owned),
        owner: entered.user,
        version: 1,
        deleted: None,
        versions: Vec::new(),
    };
    let answer = world.playbook_answer(&playbook);
    note(world, entered, "playbook_created", playbook.id);
    world.playbooks.push(playbook);
    Ok(Reply::created(answer))
}

/// A playbook of an instance, by its id or by its name.
pub fn draw_playbook(dice: &mut Dice<'_>) -> Option<Uuid> {
    let instance = dice.in_feature("playbooks")?;
    let here: Vec<Playbook> =
        dice.world.playbooks.iter().filter(|row| row.instance == instance).cloned().collect();
    let living: Vec<Playbook> = here.iter().filter(|row| row.deleted.is_none()).cloned().collect();
    let caller = dice.caller();
    let own: Vec<Playbook> = living.iter().filter(|row| row.owner == caller).cloned().collect();
    let playbook = match dice.below(20) {
        0 => dice.one_of(&dice.world.playbooks.clone()),
        1..=2 => dice.one_of(&here),
        3..=8 if !own.is_empty() => dice.one_of(&own),
        _ => dice.one_of(&living).or_else(|| dice.one_of(&here)),
    }?;
    let by_name = dice.chance(0.3);
    dice.arg(if by_name { playbook.name.to_uppercase() } else { playbook.id.to_string() });
    Some(playbook.id)
}

/// A playbook by what the path calls it: of a name, the living one or that which was deleted last;
/// where a deleted one is looked for, the other way round.
pub fn found<'a>(
    world: &'a World,
    entered: &Entered,
    call: &Call,
    deleted_first: bool,
) -> Result<&'a Playbook, Refusal> {
    let (text, here) = (call.arg("playbook"), || {
        world.playbooks.iter().filter(|row| row.instance == entered.instance())
    });
    let found = if let Ok(id) = text.parse::<Uuid>() {
        here().find(|row| row.id == id)
    } else {
        let named = here().filter(|row| key(&row.name) == key(text));
        named.max_by_key(|row| (row.deleted.is_some() == deleted_first, row.deleted))
    };
    found.ok_or_else(Refusal::not_found)
}

/// 404 where it may not be seen, 410 where it was deleted, 403 where it may be seen but not this.
pub fn open<'a>(
    world: &'a World,
    entered: &Entered,
    call: &Call,
    operation: usize,
) -> Result<&'a Playbook, Refusal> {
    let playbook = found(world, entered, call, false)?;
    let needed = nearness(world, entered, playbook.owner);
    if world.own_level(entered, TABLE, READ) < needed {
        return Err(Refusal::not_found());
    }
    if playbook.deleted.is_some() {
        return Err(Refusal::gone());
    }
    world.admit_own(entered, TABLE, operation, needed)?;
    Ok(playbook)
}

pub fn find_mut(world: &mut World, id: Uuid) -> &mut Playbook {
    world.playbooks.iter_mut().find(|row| row.id == id).unwrap()
}

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    open(world, entered, call, READ).map(|playbook| Reply::ok(world.playbook_answer(playbook)))
}

fn at_version(dice: &mut Dice<'_>, id: Uuid) {
    let version = dice.world.playbooks.iter().find(|row| row.id == id).map_or(1, |row| row.version);
    dice.at_version(version);
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let id = draw_playbook(dice)?;
    let (name, title, description) = (draw_name(dice), dice.name(), dice.description());
    let description = if dice.chance(0.3) { Value::Null } else { description };
    let body = dice.some(vec![
        ("name", 0.4, json!(name)),
        ("title", 0.5, json!(title)),
        ("description", 0.4, description),
    ]);
    dice.send(body.into());
    at_version(dice, id);
    Some(())
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [Field; 4] = [
        may_but_null("name", Kind::Text),
        may_but_null("title", Kind::Text),
        may("description", Kind::Text),
        may_but_null("version", Kind::Whole),
    ];
    let body = shaped(call, &FIELDS)?;
    let (name, title) = (checked_name(body)?, shape::named(body, "title")?);
    shape::described(shape::text(body, "description"))?;
    let before = open(world, entered, call, UPDATE)?;
    require_version(call, before.version)?;
    if let Some(name) = &name {
        require_free(world, entered, name, Some(before.id))?;
    }
    let id = before.id;
    let playbook = find_mut(world, id);
    let was = playbook.clone();
    playbook.name = name.unwrap_or_else(|| playbook.name.clone());
    playbook.title = title.unwrap_or_else(|| playbook.title.clone());
    playbook.description =
        shape::clearable(body, "description").unwrap_or_else(|| playbook.description.clone());
    if *playbook == was {
        return Ok(Reply::ok(world.playbook_answer(&was)));
    }
    playbook.version += 1;
    let playbook = playbook.clone();
    note(world, entered, "playbook_updated", id);
    Ok(Reply::ok(world.playbook_answer(&playbook)))
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    let id = draw_playbook(dice)?;
    at_version(dice, id);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let before = open(world, entered, call, DELETE)?;
    require_version(call, before.version)?;
    let id = before.id;
    world.deletions += 1;
    let deleted = Some(world.deletions);
    let playbook = find_mut(world, id);
    playbook.deleted = deleted;
    playbook.version += 1;
    note(world, entered, "playbook_deleted", id);
    Ok(Reply::ok(json!({ "id": id, "deletedAt": "~20", "purgeAt": "~20" })))
}

fn draw_restore(dice: &mut Dice<'_>) -> Option<()> {
    let instance = dice.in_feature("playbooks")?;
    let deleted: Vec<Playbook> = dice
        .world
        .playbooks
        .iter()
        .filter(|row| row.instance == instance && row.deleted.is_some())
        .cloned()
        .collect();
    if deleted.is_empty() || dice.chance(0.1) {
        return draw_playbook(dice).map(|_| ());
    }
    let playbook = dice.one_of(&deleted)?;
    let by_name = dice.chance(0.4);
    dice.arg(if by_name { playbook.name } else { playbook.id.to_string() });
    Some(())
}

fn restore(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let before = found(world, entered, call, true)?;
    world.admit_own(entered, TABLE, DELETE, nearness(world, entered, before.owner))?;
    if before.deleted.is_none() {
        return Err(Refusal::of(409, "not_deleted"));
    }
    require_free(world, entered, &before.name, Some(before.id))?;
    let id = before.id;
    let playbook = find_mut(world, id);
    playbook.deleted = None;
    playbook.version += 1;
    let playbook = playbook.clone();
    note(world, entered, "playbook_restored", id);
    Ok(Reply::ok(world.playbook_answer(&playbook)))
}
