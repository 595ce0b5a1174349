//! `/api/features/templates/roles`: what new mandates and instances get copies of.

use serde_json::json;

use crate::core::roles::list_plays::{bare, require_free};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped};
use crate::model::world::{Event, Role, World, key};

const ALL: &str = "/api/features/templates/roles";

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_template_roles", ALL, Guard::Sys, draw_list, list)
        .asking(&[LIST, &["featureCode"]]),
    Operation::post("create_template_role", ALL, Guard::Sys, draw_create, create),
];

fn some_feature(dice: &mut Dice<'_>) -> Option<String> {
    let codes: Vec<String> = dice
        .world
        .features
        .iter()
        .map(|row| row.code.clone())
        .chain(["nothing".to_owned()])
        .collect();
    dice.one_of(&codes)
}

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    if dice.chance(0.6) {
        let code = some_feature(dice)?;
        dice.ask("featureCode", code);
    }
    dice.list(&["label"]);
    Some(())
}

fn list(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let asked = Asked::of(world, call, &["label"])?;
    let wanted = call.asked("featureCode");
    if wanted.is_some_and(|code| world.feature(code).is_none()) {
        return Err(Refusal::not_found());
    }
    let found = |role: &&Role| {
        role.is_template() && wanted.is_none_or(|code| role.feature.as_deref() == Some(code))
    };
    let found = world.roles.iter().map(AsRef::as_ref).filter(found);
    asked.page(found.map(|role| Row::of(key(&role.label), role.id, role.answer())).collect())
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    let (label, description, code) = (dice.name(), dice.texts(), some_feature(dice)?);
    let mut body =
        dice.some(vec![("featureCode", 0.8, json!(code)), ("description", 0.4, description)]);
    body.insert("roleLabel".to_owned(), json!(label));
    // A template of mandates goes to every mandate that is made; there are not to be many.
    let many = dice.world.templates_of(None).count() > 5;
    if many && !body.contains_key("featureCode") {
        return None;
    }
    dice.send(body.into());
    Some(())
}

fn create(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let body = shaped(
        call,
        &[
            needs("roleLabel", Kind::Text),
            may("featureCode", Kind::Text),
            may("description", Kind::Texts),
        ],
    )?;
    let label = shape::named(body, "roleLabel")?.unwrap_or_default();
    let feature = shape::text(body, "featureCode").map(str::to_owned);
    if feature.as_ref().is_some_and(|code| world.feature(code).is_none()) {
        return Err(Refusal::unknown_at("unknown_feature", "/featureCode"));
    }
    let description = shape::texts(body, "description").unwrap_or_default();
    let role = Role { feature, description, ..bare(told.id(), label) };
    require_free(world, &role)?;
    let answer = role.answer();
    world.note_everywhere(entered.user, &[], &Event::of("role_created", "role", role.id));
    world.roles.push(role.into());
    Ok(Reply::created(answer))
}
