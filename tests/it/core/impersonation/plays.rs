//! Acting as somebody else. What such a session is good for, [`crate::model::enter`] says.

use serde_json::json;
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, not_in_their_place};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, needs, shaped, shaped_if_any};
use crate::model::world::{Event, Session, World};

const PATH: &str = "/api/auth/impersonate";

pub const OPERATIONS: &[Operation] = &[
    Operation::post("start_impersonation", PATH, Guard::Sys, draw_start, start),
    Operation::delete("end_impersonation", PATH, Guard::Impersonator, draw_end, end),
];

fn draw_start(dice: &mut Dice<'_>) -> Option<()> {
    let open: Vec<Uuid> = dice
        .world
        .users
        .iter()
        .map(|row| row.id)
        .filter(|user| !dice.world.open_to_impersonation(*user).is_empty())
        .collect();
    let user = if dice.chance(0.85) { dice.one_of(&open)? } else { dice.user()? };
    let reason = if dice.chance(0.95) { "a ticket" } else { " " };
    dice.send(json!({ "userId": user, "reason": reason }));
    Some(())
}

fn start(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let body = shaped(call, &[needs("userId", Kind::Id), needs("reason", Kind::Text)])?;
    if shape::text(body, "reason").is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Refusal::invalid());
    }
    let named = shape::id(body, "userId");
    let found = world.users.iter().find(|row| Some(row.id) == named && !row.erased);
    let user = found.ok_or_else(|| Refusal::unknown_at("unknown_user", "/userId"))?;
    let (user, enabled) = (user.id, user.enabled);
    if world.user(user).sys_admin {
        return Err(not_in_their_place());
    }
    let mandates = world.open_to_impersonation(user);
    if !enabled || mandates.is_empty() {
        return Err(Refusal::of(409, "impersonation_not_allowed"));
    }
    world.end_acting(user, entered.user);
    let by = Some((entered.user, entered.session));
    world.sessions.push(Session { id: told.session, user, ended: false, number: 1, by });
    let event = Event::of("impersonation_started", "session", told.session).target(user);
    world.note_everywhere(entered.user, &mandates, &event);
    Ok(Reply::created(json!({ "accessToken": "~", "tokenType": "Bearer" })))
}

fn draw_end(dice: &mut Dice<'_>) -> Option<()> {
    let acting: Vec<usize> = (0..dice.world.sessions.len())
        .filter(|index| {
            let session = &dice.world.sessions[*index];
            session.by.is_some() && !session.ended
        })
        .collect();
    if dice.chance(0.6) {
        dice.call.session = Some(dice.one_of(&acting)?);
        return Some(());
    }
    let caller = dice.caller();
    let whom: Vec<Uuid> = dice
        .world
        .sessions
        .iter()
        .filter(|row| !row.ended && row.by.is_some_and(|(by, _)| by == caller))
        .map(|row| row.user)
        .collect();
    let user = if dice.chance(0.8) { dice.one_of(&whom)? } else { dice.user()? };
    dice.send(json!({ "userId": user }));
    Some(())
}

fn end(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped_if_any(call, &[needs("userId", Kind::Id)])?;
    let named = body.and_then(|body| shape::id(body, "userId"));
    let (user, event) = if entered.by.is_some() {
        if named.is_some_and(|named| named != entered.user) {
            return Err(not_in_their_place());
        }
        let session = &mut world.sessions[entered.session];
        session.ended = true;
        (entered.user, Event::of("impersonation_ended", "session", session.id))
    } else {
        let user = named.ok_or_else(Refusal::invalid)?;
        if !world.end_acting(user, entered.user) {
            return Err(Refusal::unknown_at("unknown_user", "/userId"));
        }
        (user, Event::of("impersonation_ended", "user", user))
    };
    let mandates = world.open_to_impersonation(user);
    world.note_everywhere(entered.user, &mandates, &event.target(user));
    Ok(Reply::nothing())
}
