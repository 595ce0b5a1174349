//! What somebody may do, asked instead of tried: check and explain.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::call::Call;
use super::super::dice::Dice;
use super::super::enter::{Entered, Guard};
use super::super::operations::{Operation, Told};
use super::super::reply::{Outcome, Refusal, Reply};
use super::super::shape::{self, Field, Kind, fitting, may, needs, shaped};
use super::super::world::World;
use super::super::world::access::{ALL, OPERATIONS as NAMES, READ, least, letter};
use crate::gates::reference::MANDATE_TABLES;

pub const OPERATIONS: &[Operation] = &[
    Operation::post("check_access", "/api/access/check", Guard::Asking(None), draw_check, check),
    Operation::post("explain_access", "/api/access/explain", Guard::Asking(None), draw_explain, explain),
];

/// The headers, as for a question about the mandate or one of its instances.
pub(super) fn draw_context(dice: &mut Dice<'_>) -> Option<Uuid> {
    let mandate = dice.mandate()?;
    if dice.chance(0.5)
        && let Some(instance) = dice.instance_in(mandate, None)
    {
        dice.call.instance = Some(instance.to_string());
    }
    Some(mandate)
}

pub(super) fn draw_table(dice: &mut Dice<'_>) -> Option<String> {
    let features: Vec<String> = dice.world.features.iter().flat_map(|row| row.tables.clone()).collect();
    match dice.below(12) {
        0 => Some("nothing".to_owned()),
        1 => Some("access".to_owned()),
        2 => Some("instance-roles".to_owned()),
        3..=6 => dice.one_of(&features),
        _ => dice.one_of(&MANDATE_TABLES).map(str::to_owned),
    }
}

fn draw_question(dice: &mut Dice<'_>, mandate: Uuid) -> Option<Map<String, Value>> {
    let (table, operation, owner) = (draw_table(dice)?, NAMES[dice.below(4)], dice.member_of(mandate)?);
    let operation = if dice.chance(0.01) { "view" } else { operation };
    let mut question = dice.some(vec![("ownerId", 0.6, json!(owner))]);
    question.extend([("table".to_owned(), json!(table)), ("operation".to_owned(), json!(operation))]);
    Some(question)
}

fn draw_subject(dice: &mut Dice<'_>, mandate: Uuid, body: &mut Map<String, Value>) -> Option<()> {
    if dice.chance(0.6) {
        body.insert("userId".to_owned(), json!(dice.member_of(mandate)?));
    }
    Some(())
}

fn draw_check(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = draw_context(dice)?;
    let count = if dice.chance(0.02) { 101 } else { dice.below(5) };
    let checks: Option<Vec<_>> = (0..count).map(|_| draw_question(dice, mandate)).collect();
    let mut body: Map<String, Value> = [("checks".to_owned(), json!(checks?))].into_iter().collect();
    draw_subject(dice, mandate, &mut body)?;
    dice.send(body.into());
    Some(())
}

fn draw_explain(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = draw_context(dice)?;
    let mut body = draw_question(dice, mandate)?;
    draw_subject(dice, mandate, &mut body)?;
    dice.send(body.into());
    Some(())
}

/// A question, read.
pub(super) struct Question<'a> {
    pub table: &'a str,
    pub operation: usize,
    pub owner: Option<Uuid>,
}

/// What it is answered.
pub(super) struct Verdict {
    pub alive: bool,
    pub level: u8,
    pub allowed: bool,
}

/// Whom the questions are about, and in which instance; the members' table must reach others.
pub(super) struct Subject {
    pub user: Uuid,
    pub instance: Option<Uuid>,
}

fn require_readable(world: &World, entered: &Entered, user: Uuid) -> Result<(), Refusal> {
    let (mandate, level) = (entered.mandate(), world.level(entered, "members", READ));
    if level == 0 {
        return Err(Refusal::denied("members", READ, least("members", READ)));
    }
    world.member(mandate, user).ok_or_else(Refusal::not_found)?;
    world.admit(entered, "members", READ, world.nearness_of(mandate, entered.user, user))
}

fn subject(world: &World, entered: &Entered, body: &Map<String, Value>) -> Result<Subject, Refusal> {
    let user = shape::id(body, "userId").unwrap_or(entered.user);
    if user != entered.user {
        let unknown = |refusal: Refusal| if refusal.status == 404 { Refusal::unknown_at("unknown_user", "/userId") } else { refusal };
        require_readable(world, entered, user).map_err(unknown)?;
    }
    Ok(Subject { user, instance: entered.named_instance() })
}

/// Where a table is looked up: the mandate (none), or an instance. Nothing where it is not known here.
pub(super) fn located(world: &World, mandate: Uuid, subject: &Subject, table: &str) -> Result<Option<Option<Uuid>>, Refusal> {
    if MANDATE_TABLES.contains(&table) {
        return Ok(Some(None));
    }
    let every = ["access", "instance-roles"].contains(&table);
    let knows = |code: &str| every || world.feature(code).unwrap().tables.iter().any(|own| own == table);
    if let Some(instance) = subject.instance {
        return Ok(Some(Some(instance)).filter(|_| knows(&world.instance(instance).feature)));
    }
    match world.open_instances(mandate, subject.user, knows)[..] {
        [only] => Ok(Some(Some(only))),
        _ if every || world.features.iter().any(|row| knows(&row.code)) => Err(Refusal::of(400, "instance_context_missing")),
        _ => Ok(None),
    }
}

pub(super) fn verdict(world: &World, mandate: Uuid, subject: &Subject, place: Option<Uuid>, question: &Question<'_>) -> Verdict {
    let alive = match place {
        None => world.is_alive(mandate, subject.user),
        Some(instance) => world.is_admitted(instance, subject.user),
    };
    let merged = place.map_or_else(|| world.in_mandate(mandate, subject.user), |instance| world.in_instance(instance, subject.user));
    let level = if alive { merged.level(question.table, question.operation) } else { 0 };
    let needed =
        question.owner.map_or(1, |owner| if question.table == "mandate" { ALL } else { world.nearness_of(mandate, subject.user, owner) });
    Verdict { alive, level, allowed: level > 0 && level >= needed }
}

/// All of them, or 422 where a table is not known here.
fn answered(world: &World, mandate: Uuid, subject: &Subject, questions: &[Question<'_>]) -> Result<Vec<Verdict>, Refusal> {
    let places: Result<Vec<_>, _> = questions.iter().map(|question| located(world, mandate, subject, question.table)).collect();
    let places: Option<Vec<_>> = places?.into_iter().collect();
    let places = places.ok_or_else(Refusal::invalid)?;
    Ok(places.into_iter().zip(questions).map(|(place, question)| verdict(world, mandate, subject, place, question)).collect())
}

fn question(body: &Map<String, Value>) -> Result<Question<'_>, Refusal> {
    let operation = shape::text(body, "operation").and_then(|name| NAMES.iter().position(|known| *known == name));
    let operation = operation.ok_or_else(Refusal::invalid)?;
    Ok(Question { table: shape::text(body, "table").unwrap_or_default(), operation, owner: shape::id(body, "ownerId") })
}

const QUESTION: [Field; 3] = [needs("table", Kind::Text), needs("operation", Kind::Text), may("ownerId", Kind::Id)];

fn check(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("checks", Kind::Objects), may("userId", Kind::Id)])?;
    let checks = body["checks"].as_array().unwrap();
    let questions: Result<Vec<_>, _> =
        checks.iter().map(|check| fitting(check.as_object().unwrap(), &QUESTION).and_then(question)).collect();
    let questions = questions?;
    if questions.is_empty() || questions.len() > 100 {
        return Err(Refusal::invalid());
    }
    let subject = subject(world, entered, body)?;
    let verdicts = answered(world, entered.mandate(), &subject, &questions)?;
    let results: Vec<Value> =
        verdicts.iter().map(|verdict| json!({ "allowed": verdict.allowed, "level": letter(verdict.level) })).collect();
    Ok(Reply::ok(json!({ "results": results })))
}

fn explain(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let fields: Vec<Field> = QUESTION.into_iter().chain([may("userId", Kind::Id)]).collect();
    let body = shaped(call, &fields)?;
    let question = question(body)?;
    let subject = subject(world, entered, body)?;
    let verdict = &answered(world, entered.mandate(), &subject, &[question])?[0];
    let reason = match verdict {
        Verdict { alive: false, .. } => "not_admitted",
        Verdict { level: 0, .. } => "no_permission",
        _ => "level_too_low",
    };
    let blocked: Vec<Value> = (!verdict.allowed).then(|| json!({ "reason": reason })).into_iter().collect();
    Ok(Reply::ok(json!({ "allowed": verdict.allowed, "level": letter(verdict.level), "blockedBy": blocked })))
}
