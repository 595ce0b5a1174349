//! What can be wrong with a call: one thing at a time, whatever the operation. The model reads the
//! spoilt call as it is.

use rand::RngExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Body;
use super::dice::Dice;

/// Spoils the call in one way; now and then in one that does not apply to it, which leaves it as it
/// is.
pub fn spoil(dice: &mut Dice<'_>) {
    match dice.below(18) {
        0 => dice.ask("shoeSize", 46),
        1 => change_field(dice, |body, _| drop(body.insert("shoeSize".to_owned(), json!(46)))),
        2 | 3 => change_field(dice, |body, name| drop(body.remove(name))),
        4 => change_field(dice, |body, name| drop(body.insert(name.to_owned(), json!(7)))),
        5 => change_field(dice, |body, name| drop(body.insert(name.to_owned(), Value::Null))),
        6 if dice.call.operation.method != "GET" => dice.call.if_match = Some("\"999\"".to_owned()),
        7 => dice.call.mandate = None,
        8 => {
            dice.call.mandate =
                any_of(dice, dice.world.mandates.iter().map(|row| row.id).collect());
        }
        9 => dice.call.mandate = Some("not-an-id".to_owned()),
        10 => change_arg(dice, false),
        11 => change_arg(dice, true),
        12 => dice.call.session = None,
        13 => {
            let ended: Vec<usize> = (0..dice.world.sessions.len())
                .filter(|index| dice.world.sessions[*index].ended)
                .collect();
            dice.call.session = dice.one_of(&ended).or(dice.call.session);
        }
        14 => change_body(dice, Body::Raw("application/json", "{")),
        15 => change_body(dice, Body::Raw("text/plain", "{\"name\": \"x\"}")),
        16 => change_body(dice, Body::Json(json!(["name"]))),
        _ => {
            dice.call.instance =
                any_of(dice, dice.world.instances.iter().map(|row| row.id).collect());
        }
    }
}

/// One of these, or an id that nothing has.
fn any_of(dice: &mut Dice<'_>, ids: Vec<Uuid>) -> Option<String> {
    let unknown = unknown_id(dice);
    let id = if dice.chance(0.3) { unknown } else { dice.one_of(&ids).unwrap_or(unknown) };
    Some(id.to_string())
}

fn unknown_id(dice: &mut Dice<'_>) -> Uuid {
    uuid::Builder::from_random_bytes(dice.random.random()).into_uuid()
}

fn change_field(
    dice: &mut Dice<'_>,
    change: impl FnOnce(&mut serde_json::Map<String, Value>, &str),
) {
    let Body::Json(Value::Object(body)) = &dice.call.body else { return };
    let names: Vec<String> = body.keys().cloned().collect();
    let name = dice.one_of(&names).unwrap_or_default();
    if let Body::Json(Value::Object(body)) = &mut dice.call.body {
        change(body, &name);
    }
}

fn change_body(dice: &mut Dice<'_>, body: Body) {
    if matches!(dice.call.body, Body::Json(_)) {
        dice.call.body = body;
    }
}

fn change_arg(dice: &mut Dice<'_>, malformed: bool) {
    if dice.call.args.is_empty() {
        return;
    }
    let index = dice.below(dice.call.args.len());
    let unknown = unknown_id(dice).to_string();
    dice.call.args[index] = if malformed { "not an id".to_owned() } else { unknown };
}
