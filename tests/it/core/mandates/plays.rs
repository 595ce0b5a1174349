//! `/api/mandates`.

use serde_json::{Map, json};
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, not_in_their_place, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, may_but_null, needs, shaped};
use crate::model::world::access::{READ, UPDATE};
use crate::model::world::{Event, Group, Mandate, World, key};

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_mandates", "/api/mandates", Guard::Sys, draw_list, list)
        .asking(&[LIST, &["enabled", "deleted", "q", "hasAdmin", "code"]]),
    Operation::post("create_mandate", "/api/mandates", Guard::Sys, draw_create, create),
    Operation::get("get_mandate", ONE, Guard::MandateOrSys("mandate", READ), draw_one, get),
    Operation::patch(
        "update_mandate",
        ONE,
        Guard::MandateOrSys("mandate", UPDATE),
        draw_update,
        update,
    ),
    Operation::put("put_mandate", ONE, Guard::MandateOrSys("mandate", UPDATE), draw_update, update),
    Operation::delete("delete_mandate", ONE, Guard::Sys, draw_delete, delete),
    Operation::post(
        "restore_mandate",
        "/api/mandates/{mandateId}/restore",
        Guard::Sys,
        draw_restore,
        restore,
    ),
];
const ONE: &str = "/api/mandates/{mandateId}";

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.list(&["name", "code", "createdAt"]);
    if dice.chance(0.3) {
        dice.ask("deleted", true);
    }
    if dice.chance(0.2) {
        let enabled = dice.chance(0.8);
        dice.ask("enabled", enabled);
    }
    if dice.chance(0.2) {
        dice.ask("q", "ta");
    }
    if dice.chance(0.2) {
        let has_admin = dice.chance(0.5);
        dice.ask("hasAdmin", has_admin);
    }
    if dice.chance(0.2) {
        let code = dice.one_of(
            &dice.world.mandates.iter().map(|row| row.code.to_uppercase()).collect::<Vec<_>>(),
        )?;
        dice.ask("code", code);
    }
    Some(())
}

fn list(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let (enabled, deleted) =
        (call.asked_as::<bool>("enabled")?, call.asked_as::<bool>("deleted")?.unwrap_or(false));
    let has_admin = call.asked_as::<bool>("hasAdmin")?;
    let asked = Asked::of(world, call, &["name", "code", "createdAt"])?;
    let found = |row: &&Mandate| {
        let fits = call
            .asked("q")
            .is_none_or(|text| key(&row.name).contains(text) || row.code.contains(text));
        let fits = fits && call.asked("code").is_none_or(|code| row.code == code.to_lowercase());
        let fits = fits
            && has_admin.is_none_or(|wanted| wanted != world.effective_admins(row.id).is_empty());
        row.deleted == deleted && enabled.is_none_or(|enabled| row.enabled == enabled) && fits
    };
    let sorted_by = |row: &Mandate| match asked.sort.as_str() {
        "name" => key(&row.name),
        "code" => row.code.clone(),
        _ => String::new(),
    };
    let rows = world
        .mandates
        .iter()
        .filter(found)
        .map(|row| Row::of(sorted_by(row), row.id, world.mandate_answer(row)));
    asked.page(rows.collect())
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    let (name, admin) = (dice.name(), dice.living_user()?);
    let code = ["acme", "Globex", "init-ech", "-no-", "a_b"][dice.below(5)];
    let mut body = dice.some(vec![
        ("code", 0.2, json!(code)),
        ("language", 0.3, json!("de")),
        ("adminUserId", 0.85, json!(admin)),
    ]);
    body.insert("name".to_owned(), json!(name));
    dice.send(body.into());
    Some(())
}

/// The name as a slug, as far as the names that are played need it; with `-2` … where that is
/// taken.
fn made_code(world: &World, name: &str) -> String {
    let slug = key(name).replace(' ', "-");
    let free = |code: &String| !world.mandates.iter().any(|row| !row.deleted && row.code == *code);
    std::iter::once(slug.clone())
        .chain((2..1_000).map(|number| format!("{slug}-{number}")))
        .find(free)
        .unwrap()
}

fn is_taken(world: &World, code: &str, by_another_than: Option<Uuid>) -> bool {
    world
        .mandates
        .iter()
        .any(|row| !row.deleted && row.code == code && Some(row.id) != by_another_than)
}

fn create(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    const FIELDS: [shape::Field; 4] = [
        needs("name", Kind::Text),
        may("code", Kind::Text),
        may("language", Kind::Text),
        may("adminUserId", Kind::Id),
    ];
    let body = shaped(call, &FIELDS)?;
    let (name, code, language) = (
        shape::named(body, "name")?.unwrap_or_default(),
        shape::code(body)?,
        shape::language(body)?,
    );
    let admin = shape::id(body, "adminUserId");
    if admin == Some(entered.user) {
        return Err(Refusal::of(403, "self_escalation"));
    }
    if admin.is_some_and(|admin| world.living_user(admin).is_none()) {
        return Err(Refusal::unknown_at("unknown_user", "/adminUserId"));
    }
    if admin.is_some_and(|admin| !world.user(admin).enabled) {
        return Err(Refusal::invalid());
    }
    if code.as_ref().is_some_and(|code| is_taken(world, code, None)) {
        return Err(Refusal::of(409, "code_taken"));
    }
    let code = code.unwrap_or_else(|| made_code(world, &name));
    let id = told.id();
    world.mandates.push(Mandate {
        id,
        name,
        code,
        language: language.unwrap_or_else(|| "en".to_owned()),
        enabled: true,
        deleted: false,
        limits: Map::new(),
        allows: false,
        version: 1,
    });
    let everyone = Group {
        id: told.everyone,
        mandate: id,
        name: "everyone".to_owned(),
        description: None,
        auto_join: true,
        members: [].into(),
        version: 1,
    };
    world.groups.push(everyone);
    world.copy_templates(None, id, None, told);
    if let Some(admin) = admin {
        let role = world.roles_of(id, None).find(|role| role.protected).unwrap().id;
        world.join(id, admin, [role].into(), false);
    }
    let event = Event { target: admin, ..Event::of("mandate_created", "mandate", id) };
    world.note_everywhere(entered.user, &[id], &event);
    Ok(Reply::created(world.mandate_answer(world.mandate(id).unwrap())))
}

fn draw_one(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate_in_path().map(|_| ())
}

fn get(world: &mut World, entered: &Entered, _: &Call, _: &Told) -> Outcome {
    Ok(Reply::ok(world.mandate_answer(world.mandate(entered.mandate()).unwrap())))
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let disabled = !dice.world.mandate(mandate)?.enabled;
    let (name, enabled) = (dice.name(), dice.chance(if disabled { 0.95 } else { 0.6 }));
    let language = ["en", "fr", "no language"][dice.below(3)];
    let code = ["acme", "globex-2", "zeta"][dice.below(3)];
    let allows = dice.chance(0.8);
    let mut body = dice.some(vec![("name", 0.7, json!(name)), ("language", 0.3, json!(language))]);
    body.extend(dice.some(vec![
        ("enabled", if disabled { 0.7 } else { 0.1 }, json!(enabled)),
        ("code", 0.1, json!(code)),
        ("allowImpersonation", 0.3, json!(allows)),
    ]));
    dice.send(body.into());
    let version = dice.world.mandate(mandate)?.version;
    dice.at_version(version);
    Some(())
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [shape::Field; 6] = [
        may_but_null("name", Kind::Text),
        may_but_null("code", Kind::Text),
        may_but_null("language", Kind::Text),
        may_but_null("enabled", Kind::Flag),
        may_but_null("allowImpersonation", Kind::Flag),
        may_but_null("version", Kind::Whole),
    ];
    let body = shaped(call, &FIELDS)?;
    let (name, code, language) =
        (shape::named(body, "name")?, shape::code(body)?, shape::language(body)?);
    let enabled = shape::flag(body, "enabled");
    let allows = shape::flag(body, "allowImpersonation");
    if allows.is_some() && entered.by.is_some() {
        return Err(not_in_their_place());
    }
    if allows.is_some() && (entered.as_sys || !world.is_admin(entered.mandate(), entered.user)) {
        return Err(Refusal::of(403, "permission_denied"));
    }
    // Name and language by the mandate's admins; the rest by SysAdmins only.
    if !entered.as_sys && (code.is_some() || enabled.is_some()) {
        return Err(Refusal::for_sys_admins());
    }
    let id = entered.mandate();
    require_version(call, world.mandate(id).unwrap().version)?;
    if code.as_ref().is_some_and(|code| is_taken(world, code, Some(id))) {
        return Err(Refusal::of(409, "code_taken"));
    }
    let mandate = world.mandate_mut(id);
    let before = mandate.clone();
    mandate.name = name.unwrap_or_else(|| mandate.name.clone());
    mandate.code = code.unwrap_or_else(|| mandate.code.clone());
    mandate.language = language.unwrap_or_else(|| mandate.language.clone());
    mandate.enabled = enabled.unwrap_or(mandate.enabled);
    mandate.allows = allows.unwrap_or(mandate.allows);
    if *mandate == before {
        return Ok(Reply::ok(world.mandate_answer(world.mandate(id).unwrap())));
    }
    mandate.version += 1;
    let event = Event::of("mandate_updated", "mandate", id);
    if entered.as_sys {
        world.note_everywhere(entered.user, &[id], &event);
    } else {
        world.note(entered.user, id, event);
    }
    Ok(Reply::ok(world.mandate_answer(world.mandate(id).unwrap())))
}

fn draw_delete(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let version = dice.world.mandate(mandate)?.version;
    // Most of the history is played in mandates that stay.
    if dice.world.mandates.iter().take(3).any(|row| row.id == mandate) && !dice.daring {
        return None;
    }
    dice.at_version(version);
    Some(())
}

fn delete(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let id = call.id("mandateId")?;
    let mandate = world.living_mandate(id).ok_or_else(Refusal::not_found)?;
    require_version(call, mandate.version)?;
    let mandate = world.mandate_mut(id);
    mandate.deleted = true;
    mandate.version += 1;
    world.note_everywhere(entered.user, &[id], &Event::of("mandate_deleted", "mandate", id));
    Ok(Reply::ok(json!({ "id": id, "deletedAt": "~20", "purgeAt": "~20" })))
}

fn draw_restore(dice: &mut Dice<'_>) -> Option<()> {
    let deleted: Vec<Uuid> =
        dice.world.mandates.iter().filter(|row| row.deleted).map(|row| row.id).collect();
    if deleted.is_empty() || dice.chance(0.1) {
        return draw_one(dice);
    }
    let mandate = dice.one_of(&deleted)?;
    dice.arg(mandate);
    Some(())
}

fn restore(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let id = call.id("mandateId")?;
    let mandate = world.mandate(id).ok_or_else(Refusal::not_found)?;
    if !mandate.deleted {
        return Err(Refusal::of(409, "not_deleted"));
    }
    if is_taken(world, &mandate.code, None) {
        return Err(Refusal::of(409, "code_taken"));
    }
    let mandate = world.mandate_mut(id);
    mandate.deleted = false;
    mandate.version += 1;
    world.note_everywhere(entered.user, &[id], &Event::of("mandate_restored", "mandate", id));
    Ok(Reply::ok(world.mandate_answer(world.mandate(id).unwrap())))
}
