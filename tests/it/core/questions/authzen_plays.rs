//! AuthZEN's evaluations: each question answers for itself.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::plays::{
    Question, Subject, Target, draw_context, draw_table, located, may_name, verdict,
};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{Field, Kind, may, may_but_null, needs, shaped};
use crate::model::world::World;
use crate::model::world::access::{MINE, OPERATIONS as NAMES, READ, letter};
use crate::model::world::key;

pub const OPERATIONS: &[Operation] = &[
    Operation::post(
        "evaluate_access",
        "/access/v1/evaluation",
        Guard::Asking(None),
        draw_evaluation,
        evaluate,
    ),
    Operation::post(
        "evaluate_accesses",
        "/access/v1/evaluations",
        Guard::Asking(None),
        draw_evaluations,
        evaluate_several,
    ),
];

/// Somebody of the mandate, by id or username; now and then nobody at all.
fn draw_person(dice: &mut Dice<'_>, mandate: Uuid) -> Option<Value> {
    let user = if dice.chance(0.2) { dice.caller() } else { dice.member_of(mandate)? };
    let username = dice.world.user(user).username.clone();
    Some(match dice.below(20) {
        0 => json!("nobody-at-all"),
        1..=6 => json!(username),
        7 => json!(username.to_uppercase()),
        _ => json!(user),
    })
}

fn draw_call(dice: &mut Dice<'_>, mandate: Uuid) -> Option<Value> {
    let (table, action) = (draw_table(dice)?, NAMES[dice.below(4)]);
    let kind = if dice.chance(0.03) { "group" } else { "user" };
    let action = if dice.chance(0.03) { "approve" } else { action };
    let mut call = json!({
        "subject": { "type": kind, "id": draw_person(dice, mandate)? },
            "action": { "name": action }, "resource": { "type": table, "id": "1" },
    });
    if dice.chance(0.5) {
        let owner = if dice.chance(0.05) { json!(7) } else { draw_person(dice, mandate)? };
        call["resource"]["properties"] = json!({ "ownerId": owner });
    }
    if dice.chance(0.5) {
        let instance = dice.instance_in(mandate, None);
        let named = if dice.chance(0.95) { mandate } else { Uuid::nil() };
        call["context"] = dice
            .some(vec![("mandate", 0.5, json!(named)), ("instance", 0.7, json!(instance))])
            .into();
    }
    Some(call)
}

fn draw_evaluation(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = draw_context(dice)?;
    let call = draw_call(dice, mandate)?;
    dice.send(call);
    Some(())
}

/// Several, each with some parts of its own; now and then one that is no question.
fn draw_evaluations(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = draw_context(dice)?;
    let mut body = draw_call(dice, mandate)?;
    let mut several = Vec::new();
    for _ in 0..dice.below(5) {
        let own = draw_call(dice, mandate)?;
        let parts =
            ["subject", "action", "resource", "context"].map(|name| (name, 0.5, own[name].clone()));
        let mut own: Map<String, Value> = dice.some(parts.to_vec());
        match dice.below(20) {
            0 => drop(own.insert("shoeSize".to_owned(), json!(46))),
            1 => drop(own.insert("subject".to_owned(), json!(7))),
            _ => {}
        }
        several.push(Value::from(own));
    }
    if dice.chance(0.15) {
        body.as_object_mut()?.remove("resource");
    }
    body["evaluations"] = several.into();
    let semantic = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"][dice.below(3)];
    body["options"] = json!({ "evaluations_semantic": semantic });
    dice.send(body);
    Some(())
}

/// Why there is no verdict: something is not known, which is denied; or it cannot be asked so.
enum Undecided {
    Unknown(&'static str),
    Refused(Refusal),
}

fn id(value: &Value) -> Option<Uuid> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// Whom a text names: the caller, or a member whom they may read.
fn person(world: &World, entered: &Entered, text: &Value) -> Option<Uuid> {
    let mandate = entered.mandate();
    let named = |user: Uuid| {
        id(text).map_or_else(
            || world.user(user).username == key(text.as_str().unwrap_or_default()),
            |id| id == user,
        )
    };
    let level = world.level(entered, "members", READ).max(MINE);
    let reached = |user: &Uuid| world.nearness_of(mandate, entered.user, *user) <= level;
    world
        .members
        .iter()
        .filter(|row| row.mandate == mandate)
        .map(|row| row.user)
        .filter(reached)
        .find(|user| named(*user))
}

fn decided(world: &World, entered: &Entered, call: &Value) -> Result<Value, Undecided> {
    let mandate = entered.mandate();
    if id(&call["context"]["mandate"]).is_some_and(|named| named != mandate) {
        return Err(Undecided::Refused(Refusal::of(403, "mandate_access_denied")));
    }
    if call["subject"]["type"] != "user" {
        return Err(Undecided::Unknown("unknown_type"));
    }
    let user = person(world, entered, &call["subject"]["id"])
        .ok_or(Undecided::Unknown("unknown_subject"))?;
    let owner = match call["resource"]["properties"].get("ownerId") {
        None => None,
        Some(owner) => Some(
            id(owner)
                .or_else(|| person(world, entered, owner))
                .ok_or(Undecided::Unknown("unknown_owner"))?,
        ),
    };
    let operation = NAMES
        .iter()
        .position(|name| call["action"]["name"] == *name)
        .ok_or(Undecided::Unknown("unknown_action"))?;
    let named = id(&call["context"]["instance"]);
    let knows = |instance: Uuid| {
        let reached = || {
            world.instance_nearness(entered, instance) <= world.level(entered, "instances", READ)
        };
        let is_here = world.find_instance(instance).is_some_and(|row| row.mandate == mandate);
        is_here && (world.is_admitted(instance, entered.user) || reached())
    };
    if named.is_some_and(|instance| !knows(instance)) {
        return Err(Undecided::Refused(Refusal::not_found()));
    }
    let subject = Subject { user, instance: named.or(entered.named_instance()) };
    let question = Question {
        target: Target::Rows(call["resource"]["type"].as_str().unwrap(), operation),
        owner,
    };
    let place = located(world, mandate, &subject, question.target).map_err(|refusal| {
        // Which ones could be named is no secret from oneself, nor from who reads them all.
        let open =
            world.open_instances(mandate, user, |code| question.target.is_known_to(world, code));
        let shown = |instance: &Uuid| may_name(world, entered, user, *instance);
        let none = refusal.code == "instance_context_missing" && !open.iter().any(shown);
        if none { Undecided::Unknown("unknown_instance") } else { Undecided::Refused(refusal) }
    })?;
    let place = place.ok_or(Undecided::Unknown("unknown_table"))?;
    let verdict = verdict(world, mandate, &subject, place, &question);
    Ok(json!({
        "decision": verdict.allowed,
        "context": { "level": letter(verdict.level), "reason": null },
    }))
}

fn denied(reason: &str) -> Value {
    json!({ "decision": false, "context": { "level": "n", "reason": reason } })
}

/// A question that is asked alone.
fn one(world: &World, entered: &Entered, call: &Value) -> Outcome {
    match decided(world, entered, call) {
        Ok(decision) => Ok(Reply::ok(decision)),
        Err(Undecided::Unknown(reason)) => Ok(Reply::ok(denied(reason))),
        Err(Undecided::Refused(refusal)) => Err(refusal),
    }
}

/// One among others, with the defaults beside it.
fn of_several(world: &World, entered: &Entered, defaults: &Value, own: &Value) -> Value {
    if !own["subject"].is_null() && !own["subject"].is_object() {
        return denied("invalid_type");
    }
    if own.as_object().unwrap().keys().any(|name| !PARTS.iter().any(|part| part.name == name)) {
        return denied("unknown_field");
    }
    let call = completed(defaults, own);
    if require_parts(&call).is_err() {
        return denied("required");
    }
    match decided(world, entered, &call) {
        Ok(decision) => decision,
        Err(Undecided::Unknown(reason)) => denied(reason),
        Err(Undecided::Refused(refusal)) => denied(refusal.code),
    }
}

const PARTS: [Field; 4] = [
    needs("subject", Kind::Object),
    needs("action", Kind::Object),
    needs("resource", Kind::Object),
    may("context", Kind::Object),
];

fn evaluate(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let fields = PARTS.map(|part| {
        if part.name == "context" { may_but_null("context", Kind::Object) } else { part }
    });
    shaped(call, &fields)?;
    one(world, entered, call.json().unwrap())
}

fn evaluate_several(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let fields: Vec<Field> = PARTS
        .map(|part| may(part.name, Kind::Object))
        .into_iter()
        .chain([may_but_null("evaluations", Kind::Objects), may_but_null("options", Kind::Object)])
        .collect();
    let body = shaped(call, &fields)?;
    let several: &[Value] =
        body.get("evaluations").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let defaults = call.json().unwrap();
    if several.is_empty() {
        require_parts(defaults)?;
        return one(world, entered, defaults);
    }
    let mut decisions: Vec<Value> =
        several.iter().map(|own| of_several(world, entered, defaults, own)).collect();
    let ends =
        match body.get("options").and_then(|options| options["evaluations_semantic"].as_str()) {
            Some("deny_on_first_deny") => Some(false),
            Some("permit_on_first_permit") => Some(true),
            _ => None,
        };
    if let Some(last) =
        ends.and_then(|ends| decisions.iter().position(|decision| decision["decision"] == ends))
    {
        decisions.truncate(last + 1);
    }
    Ok(Reply::ok(json!({ "evaluations": decisions })))
}

/// All but the context must be there, here or as a default.
fn require_parts(call: &Value) -> Result<(), Refusal> {
    let missing = PARTS.iter().any(|part| part.required && call[part.name].is_null());
    if missing { Err(Refusal::invalid()) } else { Ok(()) }
}

/// A part with the defaults beside it.
fn completed(defaults: &Value, own: &Value) -> Value {
    let parts: BTreeSet<&str> = PARTS.iter().map(|field| field.name).collect();
    let part = |name: &str| {
        own.get(name)
            .filter(|own| !own.is_null())
            .or_else(|| defaults.get(name))
            .cloned()
            .unwrap_or_default()
    };
    parts.into_iter().map(|name| (name.to_owned(), part(name))).collect::<Map<_, _>>().into()
}
