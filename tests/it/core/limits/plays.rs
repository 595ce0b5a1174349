//! `/api/mandates/{mandateId}/limits`.

use serde_json::json;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{Kind, may_but_null, needs, shaped};
use crate::model::world::{Event, World};

pub const OPERATIONS: &[Operation] = &[
    Operation::get("get_mandate_limits", PATH, Guard::Sys, draw_get, get),
    Operation::put("replace_mandate_limits", PATH, Guard::Sys, draw_replace, replace),
];
const PATH: &str = "/api/mandates/{mandateId}/limits";

fn draw_get(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate_in_path().map(|_| ())
}

fn draw_replace(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let (read, work) = (dice.below(3), dice.below(5_000));
    let mut classes =
        dice.some(vec![("work", 0.5, json!(work + 1)), ("member-write", 0.3, json!(40))]);
    // Now and then 0, or a class that is none.
    classes.extend(dice.some(vec![
        ("read", 0.4, json!(if read == 0 { 0 } else { 90 })),
        ("nonsense", 0.05, json!(5)),
    ]));
    dice.send(json!({ "classes": classes }));
    let version = dice.world.mandate(mandate)?.version;
    dice.at_version(version);
    Some(())
}

fn get(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let mandate = world.living_mandate(call.id("mandateId")?).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(
        json!({ "mandateId": mandate.id, "classes": mandate.limits, "version": mandate.version }),
    ))
}

fn replace(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let body =
        shaped(call, &[needs("classes", Kind::Limits), may_but_null("version", Kind::Whole)])?;
    let id = call.id("mandateId")?;
    require_version(call, world.living_mandate(id).ok_or_else(Refusal::not_found)?.version)?;
    let limits = body["classes"].as_object().cloned().unwrap_or_default();
    let mandate = world.mandate_mut(id);
    if limits == mandate.limits {
        return get(world, entered, call, told);
    }
    mandate.limits = limits;
    mandate.version += 1;
    world.note_everywhere(entered.user, &[id], &Event::of("mandate_limits_changed", "mandate", id));
    get(world, entered, call, told)
}
