//! `/api/users`: accounts.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::create_plays::{create, draw_create};
use crate::core::auth::plays::{may_not_guess, tell_own_password};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Field, Kind, may, may_but_null, shaped, shaped_if_any};
use crate::model::world::access::CREATE;
use crate::model::world::invitations::Invitation;
use crate::model::world::{Event, User, World, key};

const ALL: &str = "/api/users";
const ONE: &str = "/api/users/{userId}";

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_users", ALL, Guard::Sys, draw_list, list)
        .asking(&[LIST, &["q", "enabled", "isSysAdmin", "username", "email", "mandateId"]]),
    Operation::post("create_user", ALL, Guard::Sys, draw_create, create),
    Operation::get("get_user", ONE, Guard::SysOrOneself, |dice| draw_one(dice).map(|_| ()), get),
    Operation::patch("update_user", ONE, Guard::SysOrOneself, draw_update, update),
    Operation::delete("erase_user", ONE, Guard::SysOrOneself, draw_erase, erase)
        .asking(&[&["mode"]]),
    Operation::get(
        "lookup_user",
        "/api/users/lookup",
        Guard::Mandate("members", CREATE),
        draw_lookup,
        lookup,
    )
    .asking(&[&["username", "email"]]),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.list(&["username", "createdAt"]);
    for name in ["enabled", "isSysAdmin"] {
        if dice.chance(0.2) {
            let wanted = dice.chance(0.6);
            dice.ask(name, wanted);
        }
    }
    if dice.chance(0.3) {
        let text = ["an", "example", "zz"][dice.below(3)];
        dice.ask("q", text);
    }
    let user = dice.user()?;
    let (name, address) =
        (dice.world.user(user).username.to_uppercase(), dice.world.user(user).email.clone());
    match dice.below(8) {
        0 => dice.ask("username", name),
        1 => dice.ask("email", address.unwrap_or_else(|| "nobody@example.com".to_owned())),
        2 => {
            let mandate =
                dice.one_of(&dice.world.mandates.iter().map(|row| row.id).collect::<Vec<_>>())?;
            dice.ask("mandateId", mandate);
        }
        _ => {}
    }
    Some(())
}

/// With their mandates and roles.
fn with_mandates(world: &World, user: &User) -> Value {
    let mut mandates = world.mandates_of(user.id);
    mandates.sort_by_key(|id| (key(&world.mandate(*id).unwrap().name), *id));
    let mandate = |id: Uuid| {
        let (mandate, member) = (world.mandate(id).unwrap(), world.member(id, user.id).unwrap());
        let roles: Vec<&str> = world
            .by_label(member.roles.iter())
            .into_iter()
            .map(|role| role.label.as_str())
            .collect();
        json!({
            "id": id, "name": mandate.name, "code": mandate.code, "enabled": member.enabled,
            "roles": roles,
        })
    };
    let mut answer = user.answer();
    answer["mandates"] = mandates.into_iter().map(mandate).collect();
    answer
}

fn list(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let (enabled, sys) = (call.asked_as::<bool>("enabled")?, call.asked_as::<bool>("isSysAdmin")?);
    let mandate = call.asked_as::<Uuid>("mandateId")?;
    let asked = Asked::of(world, call, &["username", "createdAt"])?;
    let found = |row: &&User| {
        let fits = call.asked("q").is_none_or(|text| row.is_found(text))
            && call.asked("username").is_none_or(|name| row.username == key(name))
            && call
                .asked("email")
                .is_none_or(|address| row.email.as_deref().map(key) == Some(key(address)))
            && mandate.is_none_or(|id| {
                world.living_mandate(id).is_some() && world.member(id, row.id).is_some()
            });
        !row.erased
            && enabled.is_none_or(|enabled| row.enabled == enabled)
            && sys.is_none_or(|sys| row.sys_admin == sys)
            && fits
    };
    let sorted_by =
        |row: &User| if asked.sort == "username" { row.username.clone() } else { String::new() };
    asked.page(
        world
            .users
            .iter()
            .filter(found)
            .map(|row| Row::of(sorted_by(row), row.id, with_mandates(world, row)))
            .collect(),
    )
}

pub(super) fn draw_email(dice: &mut Dice<'_>) -> Value {
    let number = dice.below(12);
    match dice.below(10) {
        0 => json!("no address"),
        1 => json!(format!("Person{number}@EXAMPLE.com")),
        _ => json!(format!("person{number}@example.com")),
    }
}

/// An address, as far as the ones that are played need it.
pub(super) fn email(body: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let email = shape::text(body, "email").map(|text| text.trim().to_owned());
    if email.as_ref().is_some_and(|email| !email.contains('@')) {
        Err(Refusal::invalid())
    } else {
        Ok(email)
    }
}

pub(super) fn require_free(world: &World, user: &User) -> Result<(), Refusal> {
    let others = || world.users.iter().filter(|row| row.id != user.id && !row.erased);
    let address = |user: &User| user.email.as_deref().map(key);
    if others().any(|row| row.username == user.username) {
        return Err(Refusal::of(409, "username_taken"));
    }
    let taken = address(user).is_some() && others().any(|row| address(row) == address(user));
    if taken { Err(Refusal::of(409, "email_taken")) } else { Ok(()) }
}

fn draw_one(dice: &mut Dice<'_>) -> Option<Uuid> {
    let user = if dice.chance(0.3) { dice.caller() } else { dice.user()? };
    dice.arg(user);
    Some(user)
}

/// The account of the path; 410 where it was erased.
pub(super) fn found(world: &World, call: &Call) -> Result<User, Refusal> {
    let id = call.id("userId")?;
    let user = world.users.iter().find(|row| row.id == id).ok_or_else(Refusal::not_found)?;
    if user.erased { Err(Refusal::gone()) } else { Ok(user.clone()) }
}

fn get(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    found(world, call).map(|user| Reply::ok(user.answer()))
}

fn at_version(dice: &mut Dice<'_>, user: Uuid) {
    let version = dice.world.users.iter().find(|row| row.id == user).map_or(1, |row| row.version);
    dice.at_version(version);
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let user = draw_one(dice)?;
    let disabled = dice.world.users.iter().any(|row| row.id == user && !row.enabled);
    let (first, last, email) = (dice.name(), dice.name(), draw_email(dice));
    let (enabled, sys) = (dice.chance(if disabled { 0.95 } else { 0.6 }), dice.chance(0.4));
    let email = if dice.chance(0.2) { Value::Null } else { email };
    let mut body = dice.some(vec![
        ("firstName", 0.4, json!(first)),
        ("lastName", 0.3, json!(last)),
        ("language", 0.2, json!("fr")),
    ]);
    if user != dice.caller() || dice.chance(0.2) {
        body.extend(dice.some(vec![
            ("email", 0.3, email),
            ("enabled", if disabled { 0.9 } else { 0.2 }, json!(enabled)),
            ("isSysAdmin", 0.1, json!(sys)),
        ]));
    }
    dice.send(body.into());
    at_version(dice, user);
    Some(())
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [Field; 7] = [
        may("email", Kind::Text),
        may("firstName", Kind::Text),
        may("lastName", Kind::Text),
        may_but_null("language", Kind::Text),
        may_but_null("enabled", Kind::Flag),
        may_but_null("isSysAdmin", Kind::Flag),
        may_but_null("version", Kind::Whole),
    ];
    call.id("userId")?;
    let body = shaped(call, &FIELDS)?;
    let (first, last, language, address) = (
        shape::named(body, "firstName")?,
        shape::named(body, "lastName")?,
        shape::language(body)?,
        email(body)?,
    );
    // Owners change their names and language; the rest is for SysAdmins.
    if !entered.as_sys
        && ["email", "enabled", "isSysAdmin"].iter().any(|name| body.contains_key(*name))
    {
        return Err(Refusal::for_sys_admins());
    }
    let before = found(world, call)?;
    require_version(call, before.version)?;
    let (enabled, sys) = (shape::flag(body, "enabled"), shape::flag(body, "isSysAdmin"));
    if sys.is_some() && before.id == entered.user {
        return Err(Refusal::of(403, "self_escalation"));
    }
    require_others(world, before.id, enabled == Some(false), sys == Some(false))?;
    let mut after = before.clone();
    if body.contains_key("email") {
        after.verified =
            before.verified && before.email.as_deref().map(key) == address.as_deref().map(key);
        after.email = address;
    }
    after.first_name = if body.contains_key("firstName") { first } else { after.first_name };
    after.last_name = if body.contains_key("lastName") { last } else { after.last_name };
    after.language = language.unwrap_or(after.language);
    after.enabled = enabled.unwrap_or(before.enabled);
    after.sys_admin = sys.unwrap_or(before.sys_admin);
    if after == before {
        return Ok(Reply::ok(before.answer()));
    }
    after.version += 1;
    require_free(world, &after)?;
    // The mandates are told when the account starts or stops to count; either way nobody is signed
    // in with it any more.
    let counts_otherwise = before.enabled != after.enabled;
    let told = if counts_otherwise { world.trails_of(after.id) } else { Vec::new() };
    if counts_otherwise {
        world.end_sessions(after.id);
    }
    let answer = after.answer();
    world.note_everywhere(
        entered.user,
        &told,
        &Event::of("user_updated", "user", after.id).target(after.id),
    );
    world.put(after);
    Ok(Reply::ok(answer))
}

/// The platform keeps an active SysAdmin, and every mandate an effective admin.
fn require_others(
    world: &World,
    user: Uuid,
    loses_account: bool,
    loses_flag: bool,
) -> Result<(), Refusal> {
    if (loses_account || loses_flag) && world.is_last_sys_admin(user) {
        return Err(Refusal::of(409, "last_sys_admin"));
    }
    if loses_account && world.is_last_admin_anywhere(user) {
        return Err(Refusal::of(409, "last_mandate_admin"));
    }
    Ok(())
}

fn draw_erase(dice: &mut Dice<'_>) -> Option<()> {
    let user = if dice.chance(0.1) { dice.caller() } else { dice.living_user()? };
    // Those whom the history began with stay, for the most part.
    if dice.world.users.iter().take(8).any(|row| row.id == user) && !dice.daring {
        return None;
    }
    dice.arg(user);
    if dice.chance(0.97) {
        dice.ask("mode", "erase");
    }
    let own = user == dice.caller();
    if own && dice.chance(0.8) || dice.chance(0.04) {
        let right = dice.world.user(user).password.clone();
        let is_right = dice.chance(0.85) || may_not_guess(dice.world, user);
        let password = if is_right { right } else { "not-the-Password-1".to_owned() };
        dice.send(json!({ "password": password }));
    }
    at_version_without_body(dice, user);
    Some(())
}

/// The body has no version here.
fn at_version_without_body(dice: &mut Dice<'_>, user: Uuid) {
    let body = std::mem::replace(&mut dice.call.body, crate::model::call::Body::Nothing);
    at_version(dice, user);
    dice.call.body = body;
}

fn erase(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let id = call.id("userId")?;
    if call.asked("mode") != Some("erase") {
        return Err(Refusal::of(400, "invalid_parameter"));
    }
    let body = shaped_if_any(call, &[may("password", Kind::Text)])?;
    if id == entered.user {
        let password =
            body.and_then(|body| shape::text(body, "password")).ok_or_else(Refusal::invalid)?;
        let password = password.to_owned();
        tell_own_password(world, id, &password)?;
    }
    let before = found(world, call)?;
    require_version(call, before.version)?;
    require_others(world, id, true, false)?;
    let told = world.trails_of(id);
    world.note_everywhere(entered.user, &told, &Event::of("user_erased", "user", id).target(id));
    let memberships: Vec<Uuid> =
        world.members.iter().filter(|row| row.user == id).map(|row| row.mandate).collect();
    for mandate in memberships {
        world.leave(mandate, id);
    }
    world.end_sessions(id);
    world.end_mailed_tokens(id);
    let of_theirs =
        world.registrations.iter().filter(|row| before.has_address(&row.email)).cloned();
    for registered in of_theirs.collect::<Vec<_>>() {
        world.forget_registration(&registered.username);
    }
    let theirs = |row: &Invitation| row.accepted_by == Some(id) || before.is_known_by(&row.email);
    let invited: Vec<Uuid> =
        world.invitations.iter().filter(|row| theirs(row)).map(|row| row.id).collect();
    for id in invited {
        world.end_invitation_token(id);
    }
    world.invitations.retain(|row| !theirs(row));
    let version = before.version + 1;
    *world.user_mut(id) = User {
        enabled: false,
        erased: true,
        version,
        ..User::new(id, before.username, before.password)
    };
    Ok(Reply::ok(json!({ "id": id, "erasedAt": "~20" })))
}

fn draw_lookup(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate()?;
    let user = dice.user()?;
    let user = dice.world.user(user);
    match dice.below(6) {
        0 => dice.ask("username", "nobody-at-all"),
        1 => {}
        2 | 3 => dice.ask("email", user.email.clone()?.to_uppercase()),
        _ => dice.ask("username", &user.username),
    }
    Some(())
}

impl World {
    /// An account that was not erased, by what names it.
    pub fn find_user(
        &self,
        id: Option<Uuid>,
        username: Option<&str>,
        email: Option<&str>,
    ) -> Option<Uuid> {
        let named = |row: &&User| {
            id.is_none_or(|id| row.id == id)
                && username.is_none_or(|name| row.username == key(name))
                && email.is_none_or(|email| row.email.as_deref().map(key) == Some(key(email)))
        };
        self.users.iter().filter(|row| !row.erased).find(named).map(|row| row.id)
    }
}

/// A read that leaves an event, whether it finds somebody or not.
fn lookup(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let (username, email) = (call.asked("username"), call.asked("email"));
    if username.is_some() == email.is_some() {
        return Err(Refusal::of(400, "invalid_parameter"));
    }
    let found = world.find_user(None, username, email);
    let event = Event {
        resource: found.map(|id| id.to_string()),
        target: found,
        ..Event::of(if found.is_some() { "user_looked_up" } else { "lookup_failed" }, "user", "")
    };
    world.note(entered.user, entered.mandate(), event);
    let id = found.ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(json!({ "id": id, "username": world.user(id).username })))
}
