//! What applications draw for a user, and what the caller may do in the context of the headers.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::world::access::Merged;
use crate::model::world::{Role, Texts, World, key};

pub const OPERATIONS: &[Operation] = &[
    Operation::get("get_my_features", "/api/features/my", Guard::User, draw_my, my)
        .asking(&[&["lang"]]),
    Operation::get("get_my_access", "/api/access/me", Guard::Context, draw_access, access),
];

fn draw_my(dice: &mut Dice<'_>) -> Option<()> {
    if dice.chance(0.4) {
        let language = ["de", "en", "fr", "not a language"][dice.below(4)];
        dice.ask("lang", language);
    }
    Some(())
}

fn labels(roles: &[&Role]) -> Vec<String> {
    roles.iter().map(|role| role.label.clone()).collect()
}

/// One language of a label: the wanted one, else English, else any.
fn in_language(label: &Texts, language: Option<&str>) -> Texts {
    let Some(language) = language else { return label.clone() };
    let found = label
        .get_key_value(language)
        .or_else(|| label.get_key_value("en"))
        .or_else(|| label.iter().next());
    found.into_iter().map(|(language, text)| (language.clone(), text.clone())).collect()
}

/// The label of the held role that grants the most; of several the first.
fn greatest(world: &World, instance: Uuid, roles: &[&Role]) -> Option<String> {
    let weight =
        |role: &Role| Merged::of([&role.permissions], &world.catalogue_of(instance)).weight();
    let most = roles.iter().map(|role| weight(role)).max()?;
    roles.iter().find(|role| weight(role) == most).map(|role| role.label.clone())
}

fn instance_answer(world: &World, user: Uuid, id: Uuid) -> Value {
    let instance = world.instance(id);
    let (roles, merged) = (world.instance_roles(id, user), world.in_instance(id, user));
    json!({
        "id": id, "featureCode": instance.feature, "mandateId": instance.mandate,
        "mandateName": world.mandate(instance.mandate).unwrap().name,
            "instanceLabel": instance.label,
        "userRole": greatest(world, id, &roles), "roles": labels(&roles),
        "permissions": { "tables": merged.tables_answer(), "views": merged.views, "fields": {} },
    })
}

fn my(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let language = call.asked("lang");
    if language.is_some_and(|tag| tag.len() != 2) {
        return Err(Refusal::of(400, "invalid_parameter"));
    }
    let mut mandates: Vec<_> =
        world.mandates.iter().filter(|row| world.is_alive(row.id, entered.user)).collect();
    mandates.retain(|row| entered.by.is_none() || row.allows);
    mandates.sort_by_key(|row| (key(&row.name), row.id));
    let mut answers = Vec::new();
    for mandate in mandates {
        let mut features = Vec::new();
        let mut all: Vec<_> = world.features.iter().collect();
        all.sort_by_key(|feature| &feature.code);
        for feature in all {
            let mut open =
                world.open_instances(mandate.id, entered.user, |code| code == feature.code);
            open.sort_by_key(|id| (key(&world.instance(*id).label), *id));
            let instances: Vec<Value> =
                open.into_iter().map(|id| instance_answer(world, entered.user, id)).collect();
            if !instances.is_empty() {
                let label = in_language(&feature.label, language);
                features.push(json!({
                    "code": feature.code, "label": label, "icon": feature.icon,
                    "instances": instances,
                }));
            }
        }
        if !features.is_empty() {
            answers.push(json!({
                "id": mandate.id, "name": mandate.name, "code": mandate.code, "features": features,
            }));
        }
    }
    Ok(Reply::ok(json!({ "mandates": answers })))
}

fn draw_access(dice: &mut Dice<'_>) -> Option<()> {
    if dice.chance(0.1) {
        return Some(());
    }
    let mandate = dice.mandate()?;
    if dice.chance(0.6) {
        let instance = dice.instance_in(mandate, None)?;
        dice.call.instance = Some(instance.to_string());
        if dice.chance(0.05) {
            dice.call.mandate = None;
        }
    }
    Some(())
}

fn access(world: &mut World, entered: &Entered, _: &Call, _: &Told) -> Outcome {
    let (mut roles, mut tables, mut views) = (Vec::new(), Map::new(), Map::new());
    let mut add = |held: &[&Role], merged: &Merged| {
        roles.extend(labels(held));
        tables.extend(merged.tables_answer());
        views.extend(merged.views.iter().map(|(view, allowed)| (view.clone(), json!(allowed))));
    };
    if let Some(mandate) = entered.named_mandate() {
        add(&world.mandate_roles(mandate, entered.user), &world.in_mandate(mandate, entered.user));
    }
    if let Some(instance) = entered.named_instance() {
        add(
            &world.instance_roles(instance, entered.user),
            &world.in_instance(instance, entered.user),
        );
    }
    Ok(Reply::ok(json!({
        "userId": entered.user, "mandateId": entered.named_mandate(),
            "instanceId": entered.named_instance(),
        "roles": roles, "tables": tables, "views": views,
    })))
}
