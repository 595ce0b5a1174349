//! `/api/features`: the catalogue.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Field, Kind, may, may_but_null, needs, shaped};
use crate::model::world::access::Merged;
use crate::model::world::{Admission, Event, Feature, Instance, Permissions, Texts, World, key};

const ALL: &str = "/api/features";
const ONE: &str = "/api/features/{featureCode}";

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_features", ALL, Guard::User, draw_list, list).asking(&[LIST]),
    Operation::post("create_feature", ALL, Guard::Sys, draw_create, create),
    Operation::get("get_feature", ONE, Guard::User, draw_one, get),
    Operation::patch("update_feature", ONE, Guard::Sys, draw_update, update),
    Operation::delete("delete_feature", ONE, Guard::Sys, draw_delete, delete),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.list(&["code"]);
    Some(())
}

fn list(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let asked = Asked::of(world, call, &["code"])?;
    asked.page(
        world
            .features
            .iter()
            .map(|feature| Row::of(feature.code.clone(), Uuid::nil(), feature.answer()))
            .collect(),
    )
}

const TABLES: [&str; 5] = ["contracts", "positions", "tickets", "members", "Wrong name"];
const VIEWS: [&str; 4] = ["board", "stats", "inbox", "1st"];

/// Some names; now and then one twice, or one that is not to be had.
fn some_names(dice: &mut Dice<'_>, pool: &[&str], good: usize) -> Value {
    let end = if dice.chance(0.04) { pool.len() } else { good };
    let mut names: Vec<&str> = pool[..end].to_vec();
    names.retain(|_| dice.chance(0.75));
    if dice.chance(0.02) && !names.is_empty() {
        names.push(names[0]);
    }
    json!(names)
}

fn label(dice: &mut Dice<'_>) -> Value {
    [
        json!({ "en": "Help desk", "de": "Auskunft" }),
        json!({ "de": "Nur deutsch" }),
        json!({ "en": "  " }),
        json!({}),
    ][[0, 0, 0, 0, 1, 1, 1, 2, 3][dice.below(9)]]
    .clone()
}

fn draw_fields(dice: &mut Dice<'_>, likely: f64) -> Map<String, Value> {
    let (label, tables, views) =
        (label(dice), some_names(dice, &TABLES, 3), some_names(dice, &VIEWS, 3));
    dice.some(vec![
        ("label", 0.4, label),
        ("icon", 0.3, json!("mdi-lifebuoy")),
        ("tables", likely, tables),
        ("views", likely, views),
    ])
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    const CODES: [&str; 10] = [
        "trustee",
        "help-desk",
        "tickets",
        "crm",
        "x1",
        "notes-and-more",
        "trustee",
        "my",
        "Upper",
        "playbooks",
    ];
    let mut body = draw_fields(dice, 0.9);
    let code = CODES[dice.below(CODES.len())];
    body.insert("code".to_owned(), json!(code));
    dice.send(body.into());
    Some(())
}

/// `[a-z][a-z0-9-]{1,62}`, and none that a route needs.
fn code_is_good(code: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let shape = (2..=63).contains(&code.len())
        && code.bytes().all(fits)
        && code.as_bytes()[0].is_ascii_lowercase();
    shape && !["my", "instances", "templates"].contains(&code)
}

/// Names of tables and views, each once; tables are not called as those that every mandate or
/// instance has.
fn names_are_good(names: &[String], tables: bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let reserved = [
        "mandate",
        "members",
        "groups",
        "roles",
        "instances",
        "audit",
        "access",
        "instance-roles",
        "webhooks",
        "events",
        "files",
        "usage",
        "api_keys",
    ];
    let good = |name: &String| {
        let shape = (1..=128).contains(&name.len())
            && name.bytes().all(fits)
            && name.as_bytes()[0].is_ascii_alphabetic();
        shape
            && !(tables && reserved.contains(&name.as_str()))
            && names.iter().filter(|other| *other == name).count() == 1
    };
    names.iter().all(good)
}

fn is_blank(label: &Texts) -> bool {
    label.is_empty() || label.values().any(|text| text.trim().is_empty())
}

/// The feature as the body makes it.
fn applied(before: Feature, body: &Map<String, Value>) -> Result<Feature, Refusal> {
    let feature = Feature {
        label: body
            .get("label")
            .and_then(Value::as_object)
            .map_or(before.label.clone(), |patch| shape::merged(before.label, patch)),
        icon: shape::text(body, "icon").map_or(before.icon, str::to_owned),
        tables: shape::names(body, "tables").unwrap_or(before.tables),
        views: shape::names(body, "views").unwrap_or(before.views),
        ..before
    };
    let good = !is_blank(&feature.label)
        && names_are_good(&feature.tables, true)
        && names_are_good(&feature.views, false);
    if good { Ok(feature) } else { Err(Refusal::invalid()) }
}

/// The code as a title, in English and German.
fn titled(code: &str) -> Texts {
    let title = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    let text = code.split('-').map(title).collect::<Vec<_>>().join(" ");
    [("en".to_owned(), text.clone()), ("de".to_owned(), text)].into()
}

fn create(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [Field; 5] = [
        needs("code", Kind::Text),
        may("label", Kind::Texts),
        may("icon", Kind::Text),
        may("tables", Kind::Names),
        may("views", Kind::Names),
    ];
    let body = shaped(call, &FIELDS)?;
    let code = shape::text(body, "code").unwrap_or_default().to_owned();
    if !code_is_good(&code) {
        return Err(Refusal::invalid());
    }
    let label =
        if body.get("label").is_some_and(Value::is_object) { Texts::new() } else { titled(&code) };
    let (tables, views) = (Vec::new(), Vec::new());
    let plain = Feature {
        code,
        label,
        icon: "mdi-puzzle".to_owned(),
        tables,
        views,
        built_in: false,
        version: 1,
    };
    let feature = applied(plain, body)?;
    if world.feature(&feature.code).is_some() {
        return Err(Refusal::of(409, "code_taken"));
    }
    let answer = feature.answer();
    world.note_everywhere(
        entered.user,
        &[],
        &Event::of("feature_created", "feature", &feature.code),
    );
    world.features.push(feature);
    Ok(Reply::created(answer))
}

fn draw_one(dice: &mut Dice<'_>) -> Option<()> {
    let codes: Vec<String> = dice
        .world
        .features
        .iter()
        .map(|row| row.code.clone())
        .chain(["nothing".to_owned()])
        .collect();
    let code = dice.one_of(&codes)?;
    dice.arg(code);
    Some(())
}

fn found(world: &World, call: &Call) -> Result<Feature, Refusal> {
    world.feature(call.arg("featureCode")).cloned().ok_or_else(Refusal::not_found)
}

fn get(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    found(world, call).map(|feature| Reply::ok(feature.answer()))
}

/// One that is not built in, rather than others.
fn draw_changeable(dice: &mut Dice<'_>) -> Option<()> {
    let codes: Vec<String> = dice
        .world
        .features
        .iter()
        .filter(|row| !row.built_in)
        .map(|row| row.code.clone())
        .collect();
    if dice.chance(0.15) || codes.is_empty() {
        return draw_one(dice);
    }
    let code = dice.one_of(&codes)?;
    dice.arg(code);
    Some(())
}

fn at_version(dice: &mut Dice<'_>) {
    let version = dice.world.feature(&dice.call.args[0].clone()).map_or(1, |row| row.version);
    dice.at_version(version);
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    draw_changeable(dice)?;
    let body = draw_fields(dice, 0.5);
    dice.send(body.into());
    at_version(dice);
    Some(())
}

/// 409 that names the instances, by label.
fn require_unused(world: &World, code: &str) -> Result<(), Refusal> {
    let mut used: Vec<&Instance> =
        world.instances.iter().filter(|row| row.feature == code).collect();
    used.sort_by_key(|row| (key(&row.label), row.id));
    let named = used
        .iter()
        .take(50)
        .map(|row| json!({ "id": row.id, "label": row.label, "mandateId": row.mandate }));
    let refusal = Refusal {
        with: json!({ "instances": named.collect::<Vec<_>>() }),
        ..Refusal::of(409, "feature_in_use")
    };
    if used.is_empty() { Ok(()) } else { Err(refusal) }
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [Field; 5] = [
        may_but_null("label", Kind::TextPatches),
        may_but_null("icon", Kind::Text),
        may_but_null("tables", Kind::Names),
        may_but_null("views", Kind::Names),
        may_but_null("version", Kind::Whole),
    ];
    let body = shaped(call, &FIELDS)?;
    let before = found(world, call)?;
    require_version(call, before.version)?;
    let mut after = applied(before.clone(), body)?;
    if before.built_in {
        return Err(Refusal::of(409, "feature_built_in"));
    }
    // One in use only grows.
    let loses = |was: &[String], is: &[String]| was.iter().any(|name| !is.contains(name));
    if loses(&before.tables, &after.tables) || loses(&before.views, &after.views) {
        require_unused(world, &before.code)?;
    }
    if gains(world, entered, &before, &after) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    if after == before {
        return Ok(Reply::ok(before.answer()));
    }
    after.version += 1;
    let answer = after.answer();
    world.note_everywhere(entered.user, &[], &Event::of("feature_updated", "feature", &after.code));
    *world.features.iter_mut().find(|row| row.code == before.code).unwrap() = after;
    Ok(Reply::ok(answer))
}

/// Whether a role that the caller holds in an instance speaks by name of what would be added.
fn gains(world: &World, entered: &Entered, before: &Feature, after: &Feature) -> bool {
    let of_feature = |row: &&Admission| {
        row.user == entered.user && world.instance(row.instance).feature == before.code
    };
    let new_tables = || after.tables.iter().filter(|table| !before.tables.contains(table));
    let new_views = || after.views.iter().filter(|view| !before.views.contains(view));
    world.admissions.iter().filter(of_feature).any(|row| {
        let held: Vec<&Permissions> =
            row.roles.iter().map(|role| &world.role(*role).unwrap().permissions).collect();
        let star = Merged::of(held.iter().copied(), &before.catalogue()).star;
        let by_name = |table: &&String| {
            held.iter().any(|role| role.tables.get(*table).is_some_and(|rule| !rule.within(star)))
        };
        new_tables().any(|table| by_name(&table))
            || new_views().any(|view| held.iter().any(|role| role.views.get(view) == Some(&true)))
    })
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    draw_changeable(dice)?;
    at_version(dice);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let feature = found(world, call)?;
    require_version(call, feature.version)?;
    if feature.built_in {
        return Err(Refusal::of(409, "feature_built_in"));
    }
    require_unused(world, &feature.code)?;
    world.features.retain(|row| row.code != feature.code);
    world.roles.retain(|row| !row.is_template() || row.feature.as_ref() != Some(&feature.code));
    world.note_everywhere(
        entered.user,
        &[],
        &Event::of("feature_deleted", "feature", &feature.code),
    );
    Ok(Reply::nothing())
}
