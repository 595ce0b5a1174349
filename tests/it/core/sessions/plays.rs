//! Sessions: renewed, listed and ended. When a token was used is not played: what ten seconds allow
//! has tests of its own.

use serde_json::json;
use uuid::Uuid;

use crate::core::auth::plays::{may_not_guess, tell_own_password};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, needs, shaped};
use crate::model::world::{Event, Session, World};

const OWN: &str = "/api/auth/sessions";
const OWN_ONE: &str = "/api/auth/sessions/{sessionId}";
const OF_USER: &str = "/api/users/{userId}/sessions";
const ONE_OF_USER: &str = "/api/users/{userId}/sessions/{sessionId}";

pub const OPERATIONS: &[Operation] = &[
    Operation::post("refresh_session", "/api/auth/refresh", Guard::Public, draw_refresh, refresh),
    Operation::post("step_up", "/api/auth/step-up", Guard::User, draw_step_up, step_up),
    Operation::get("list_sessions", OWN, Guard::User, draw_own, list_own).asking(&[LIST]),
    Operation::delete("end_session", OWN_ONE, Guard::User, draw_end, end),
    Operation::delete("end_other_sessions", OWN, Guard::User, |_| Some(()), end_others),
    Operation::get("list_user_sessions", OF_USER, Guard::Sys, draw_theirs, list_theirs)
        .asking(&[LIST]),
    Operation::delete("end_user_session", ONE_OF_USER, Guard::Sys, draw_end_theirs, end_theirs),
    Operation::delete("end_user_sessions", OF_USER, Guard::Sys, draw_end_all, end_all),
];

fn draw_refresh(dice: &mut Dice<'_>) -> Option<()> {
    dice.call.session = None;
    let known = |fits: &dyn Fn(&Session, usize) -> bool| -> Vec<String> {
        let tokens = dice.world.refresh_tokens.iter();
        tokens
            .filter(|(_, (index, number))| fits(&dice.world.sessions[*index], *number))
            .map(|(token, _)| token.clone())
            .collect()
    };
    let (good, old) = (
        known(&|session, number| session.number == number),
        known(&|session, number| session.number > number + 1),
    );
    let token = match dice.below(10) {
        0 => Some("bwr_made-up".to_owned()),
        1 => dice.one_of(&old),
        _ => dice.one_of(&good),
    };
    dice.send(json!({ "refreshToken": token? }));
    Some(())
}

fn refresh(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("refreshToken", Kind::Text)])?;
    let revoked = || Refusal::of(401, "session_revoked");
    let token = shape::text(body, "refreshToken").unwrap_or_default();
    let (index, number) = *world.refresh_tokens.get(token).ok_or_else(revoked)?;
    let session = world.sessions[index].clone();
    if session.ended || !world.user(session.user).active() {
        return Err(revoked());
    }
    if number < session.number {
        world.sessions[index].ended = true;
        world.unwant(session.user, |wanted_in| wanted_in == session.id);
        world
            .trail
            .push(Event::of("refresh_token_reused", "session", session.id).target(session.user));
        world.tell(session.user, "Somebody else may have used your session");
        return Err(revoked());
    }
    world.sessions[index].number += 1;
    Ok(Reply::ok(json!({ "accessToken": "~", "tokenType": "Bearer", "refreshToken": "~bwr_" })))
}

fn draw_step_up(dice: &mut Dice<'_>) -> Option<()> {
    let caller = dice.caller();
    let right = dice.world.user(caller).password.clone();
    let is_right = dice.chance(0.85) || may_not_guess(dice.world, caller);
    let password = if is_right { right } else { "not-the-Password-1".to_owned() };
    dice.send(json!({ "password": password }));
    Some(())
}

fn step_up(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("password", Kind::Text)])?;
    let password = shape::text(body, "password").unwrap_or_default();
    tell_own_password(world, entered.user, password)?;
    let session = world.sessions[entered.session].id;
    let event = Event::of("stepped_up", "session", session).target(entered.user);
    world.note_everywhere(entered.user, &[], &event);
    Ok(Reply::ok(json!({ "accessToken": "~", "tokenType": "Bearer" })))
}

fn draw_own(dice: &mut Dice<'_>) -> Option<()> {
    dice.list(&["createdAt"]);
    Some(())
}

/// The open ones, in the order in which they were opened.
fn listed(world: &World, entered: &Entered, call: &Call, user: Uuid) -> Outcome {
    let asked = Asked::of(world, call, &["-createdAt"])?;
    let current = world.sessions[entered.session].id;
    let rows = world.sessions.iter().enumerate();
    let rows = rows.filter(|(_, row)| row.user == user && !row.ended).map(|(index, row)| {
        let value = json!({
            "id": row.id, "current": row.id == current, "client": null,
            "impersonatedBy": row.by.map(|(by, _)| by),
        });
        Row::of(format!("{index:09}"), row.id, value)
    });
    asked.page(rows.collect())
}

fn list_own(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    listed(world, entered, call, entered.user)
}

/// A session of somebody's, rather an open one.
fn draw_session(dice: &mut Dice<'_>, user: Uuid) -> Option<Uuid> {
    let theirs = |open: bool| -> Vec<Uuid> {
        let sessions = dice.world.sessions.iter();
        sessions.filter(|row| row.user == user && row.ended != open).map(|row| row.id).collect()
    };
    let (open, ended) = (theirs(true), theirs(false));
    if dice.chance(0.1) {
        return Some(Uuid::nil());
    }
    if dice.chance(0.9) { dice.one_of(&open) } else { dice.one_of(&ended) }
}

/// Whether somebody stays with whom the rest of the history is played.
pub fn may_end(dice: &Dice<'_>, user: Uuid) -> bool {
    let open = dice.world.sessions.iter().filter(|row| row.user == user && !row.ended).count();
    open > 1 || dice.world.present().len() >= 8 || dice.daring
}

fn draw_end(dice: &mut Dice<'_>) -> Option<()> {
    let caller = dice.caller();
    if !may_end(dice, caller) {
        return None;
    }
    let session = draw_session(dice, caller)?;
    dice.arg(session);
    Some(())
}

fn end_one(world: &mut World, entered: &Entered, user: Uuid, session: Uuid) -> Outcome {
    let mine = |row: &&mut Session| row.id == session && row.user == user && !row.ended;
    world.sessions.iter_mut().find(mine).ok_or_else(Refusal::not_found)?.ended = true;
    world.unwant(user, |wanted_in| wanted_in == session);
    let event = Event::of("session_ended", "session", session).target(user);
    world.note_everywhere(entered.user, &[], &event);
    Ok(Reply::nothing())
}

fn end(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    end_one(world, entered, entered.user, call.id("sessionId")?)
}

fn end_but(world: &mut World, entered: &Entered, user: Uuid, but: Option<usize>) -> Outcome {
    world.end_but(user, but);
    let event = Event::of("sessions_ended", "user", user).target(user);
    world.note_everywhere(entered.user, &[], &event);
    Ok(Reply::nothing())
}

fn end_others(world: &mut World, entered: &Entered, _: &Call, _: &Told) -> Outcome {
    end_but(world, entered, entered.user, Some(entered.session))
}

/// An account that there is.
fn account(world: &World, call: &Call) -> Result<Uuid, Refusal> {
    let user = call.id("userId")?;
    let found = world.users.iter().find(|row| row.id == user).ok_or_else(Refusal::not_found)?;
    if found.erased { Err(Refusal::gone()) } else { Ok(user) }
}

fn draw_theirs(dice: &mut Dice<'_>) -> Option<()> {
    let user = dice.living_user()?;
    dice.arg(user);
    draw_own(dice)
}

fn list_theirs(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    // What is wrong with the query is told first.
    let user = call.id("userId")?;
    let page = listed(world, entered, call, user)?;
    account(world, call).map(|_| page)
}

fn draw_end_theirs(dice: &mut Dice<'_>) -> Option<()> {
    let user = dice.living_user()?;
    if !may_end(dice, user) {
        return None;
    }
    dice.arg(user);
    let session = draw_session(dice, user)?;
    dice.arg(session);
    Some(())
}

fn end_theirs(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let (_, session) = (call.id("userId")?, call.id("sessionId")?);
    let user = account(world, call)?;
    end_one(world, entered, user, session)
}

fn draw_end_all(dice: &mut Dice<'_>) -> Option<()> {
    let user = dice.living_user()?;
    if !may_end(dice, user) {
        return None;
    }
    dice.arg(user);
    Some(())
}

fn end_all(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let user = account(world, call)?;
    end_but(world, entered, user, None)
}
