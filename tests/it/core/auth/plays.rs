//! `/api/auth`: signing in and out, and who one is.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::PASSWORD;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, needs, shaped};
use crate::model::world::{Event, Session, User, World, key};

pub const OPERATIONS: &[Operation] = &[
    Operation::post("login", "/api/auth/login", Guard::Public, draw_login, login),
    Operation::post("logout", "/api/auth/logout", Guard::User, draw_logout, logout),
    Operation::put(
        "change_password",
        "/api/auth/password",
        Guard::User,
        draw_password,
        change_password,
    ),
    Operation::post("unlock_user", "/api/auth/unlock", Guard::Sys, draw_unlock, unlock),
    Operation::get("get_me", "/api/auth/me", Guard::User, |_| Some(()), me),
];

fn draw_login(dice: &mut Dice<'_>) -> Option<()> {
    dice.call.session = None;
    // Whoever cannot act signs in, rather than others.
    let signed_in = |row: &&User| {
        !dice.world.sessions.iter().any(|session| session.user == row.id && !session.ended)
    };
    let waiting: Vec<Uuid> = dice
        .world
        .users
        .iter()
        .filter(|row| row.active())
        .filter(signed_in)
        .map(|row| row.id)
        .collect();
    let user =
        if dice.chance(0.6) && !waiting.is_empty() { dice.one_of(&waiting)? } else { dice.user()? };
    let User { username, email, password: right, .. } = dice.world.user(user).clone();
    let username = if dice.chance(0.2) { email.unwrap_or(username) } else { username };
    let username = if dice.chance(0.2) { username.to_uppercase() } else { username };
    let username = if dice.chance(0.02) { "nobody-at-all".to_owned() } else { username };
    let is_right = dice.chance(0.9);
    // One more locks the name for as long as time goes by, which is not played.
    let is_known = dice.world.known_as(&key(&username)) == Some(user);
    let fails = !is_right || !is_known || !dice.world.user(user).active();
    if fails && failures(dice.world, &key(&username)) >= MOST_FAILURES {
        return None;
    }
    let password = if is_right { right } else { WRONG.to_owned() };
    dice.send(json!({ "username": username, "password": password }));
    Some(())
}

fn login(world: &mut World, _: &Entered, call: &Call, told: &Told) -> Outcome {
    let body = shaped(call, &[needs("username", Kind::Text), needs("password", Kind::Text)])?;
    let username = key(shape::text(body, "username").unwrap_or_default());
    let target = world.known_as(&username);
    let Some(user) = target
        .map(|user| world.user(user))
        .filter(|row| row.active() && shape::text(body, "password") == Some(&row.password))
        .map(|row| row.id)
    else {
        *world.failed.entry(username).or_default() += 1;
        // What was typed is told to nobody, and who it was only where there is such an account.
        world.trail.push(Event {
            resource: None,
            target,
            ..Event::of("sign_in_failed", "session", "")
        });
        return Err(Refusal::of(401, "invalid_credentials"));
    };
    world.failed.remove(&username);
    let account = world.user_mut(user);
    if !std::mem::replace(&mut account.signed_in, true) && !account.verified {
        // Until then any address of the account would do.
        world.end_mailed_tokens(user);
    }
    world.sessions.push(Session { id: told.session, user, ended: false, number: 1, by: None });
    world.note_everywhere(user, &[], &Event::of("user_signed_in", "session", "~").target(user));
    Ok(Reply::ok(json!({ "accessToken": "~", "tokenType": "Bearer", "refreshToken": "~bwr_" })))
}

impl World {
    /// Whose name to sign in with it is: a username, or an address that its owner confirmed.
    fn known_as(&self, name: &str) -> Option<Uuid> {
        let is_address = |row: &User| row.verified && row.has_address(name);
        let known = |row: &&User| !row.erased && (row.username == name || is_address(row));
        self.users.iter().find(known).map(|row| row.id)
    }
}

fn draw_logout(dice: &mut Dice<'_>) -> Option<()> {
    // Rather one of several sessions than the last one.
    let caller = dice.caller();
    let open = dice
        .world
        .sessions
        .iter()
        .filter(|session| session.user == caller && !session.ended)
        .count();
    if open < 2 && dice.world.present().len() < 8 && !dice.daring { None } else { Some(()) }
}

fn logout(world: &mut World, entered: &Entered, _: &Call, _: &Told) -> Outcome {
    world.sessions[entered.session].ended = true;
    world.note_everywhere(
        entered.user,
        &[],
        &Event::of("user_signed_out", "session", "~").target(entered.user),
    );
    Ok(Reply::nothing())
}

const WRONG: &str = "not-the-Password-1";
const MOST_FAILURES: usize = 3;

fn failures(world: &World, name: &str) -> usize {
    world.failed.get(name).copied().unwrap_or_default()
}

/// Whether one more wrong password of their own would lock somebody.
pub fn may_not_guess(world: &World, user: Uuid) -> bool {
    failures(world, &user.to_string()) >= MOST_FAILURES
}

/// Somebody tells their own password, where they are asked for it.
pub fn tell_own_password(world: &mut World, user: Uuid, password: &str) -> Result<(), Refusal> {
    if world.user(user).password == password {
        world.failed.remove(&user.to_string());
        return Ok(());
    }
    *world.failed.entry(user.to_string()).or_default() += 1;
    Err(Refusal::of(401, "invalid_credentials"))
}

fn draw_unlock(dice: &mut Dice<'_>) -> Option<()> {
    let user = dice.user()?;
    dice.send(json!({ "userId": user }));
    Some(())
}

fn unlock(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("userId", Kind::Id)])?;
    let id = shape::id(body, "userId");
    let found = world.users.iter().find(|row| Some(row.id) == id && !row.erased).cloned();
    let user = found.ok_or_else(|| Refusal::unknown_at("unknown_user", "/userId"))?;
    world.failed.remove(&user.username);
    let event = Event::of("user_unlocked", "user", user.id).target(user.id);
    world.note_everywhere(entered.user, &[], &event);
    Ok(Reply::nothing())
}

pub const ANOTHER: &str = "drifting-Lantern-71-quay";

fn draw_password(dice: &mut Dice<'_>) -> Option<()> {
    let right = dice.world.users.iter().find(|row| row.id == dice.caller())?.password.clone();
    let is_right = dice.chance(0.85) || may_not_guess(dice.world, dice.caller());
    let current = if is_right { right } else { WRONG.to_owned() };
    let wanted = [PASSWORD, ANOTHER, "short"][[0, 0, 0, 1, 1, 1, 2][dice.below(7)]];
    dice.send(json!({ "current": current, "password": wanted }));
    Some(())
}

fn change_password(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("current", Kind::Text), needs("password", Kind::Text)])?;
    let before = world.user(entered.user).password.clone();
    tell_own_password(world, entered.user, shape::text(body, "current").unwrap_or_default())?;
    let wanted = shape::text(body, "password").unwrap_or_default();
    if wanted == before || ![PASSWORD, ANOTHER].contains(&wanted) {
        return Err(Refusal::invalid());
    }
    world.choose_password(entered.user, wanted);
    world.tell(entered.user, "Your password was changed");
    world.end_but(entered.user, Some(entered.session));
    let event = Event::of("password_changed", "user", entered.user).target(entered.user);
    world.note_everywhere(entered.user, &[], &event);
    Ok(Reply::nothing())
}

/// The account, and the mandates that are open to it.
fn me(world: &mut World, entered: &Entered, _: &Call, _: &Told) -> Outcome {
    let mut open: Vec<Uuid> = world
        .mandates
        .iter()
        .map(|row| row.id)
        .filter(|id| world.is_alive(*id, entered.user))
        .filter(|id| entered.by.is_none() || world.mandate(*id).unwrap().allows)
        .collect();
    let is_known = open.iter().any(|id| world.member(*id, entered.user).unwrap().used);
    open.sort_by_key(|id| (key(&world.mandate(*id).unwrap().name), *id));
    let mandate = |id: Uuid| {
        let mandate = world.mandate(id).unwrap();
        let roles: Vec<&str> = world
            .mandate_roles(id, entered.user)
            .into_iter()
            .map(|role| role.label.as_str())
            .collect();
        json!({ "id": id, "name": mandate.name, "code": mandate.code, "roles": roles })
    };
    let mut answer = world.user(entered.user).answer();
    if entered.by.is_some() {
        answer["mustChangePassword"] = json!(false);
        for field in ["email", "firstName", "lastName"].iter().filter(|_| !is_known) {
            answer[*field] = json!(null);
        }
        if !is_known {
            answer["emailVerified"] = json!(false);
        }
    }
    answer["mandates"] = open.into_iter().map(mandate).collect::<Value>();
    answer["session"] =
        json!({ "id": world.sessions[entered.session].id, "impersonatedBy": entered.by });
    Ok(Reply::ok(answer))
}
