//! Choosing another password with a token that was mailed.

use serde_json::json;
use uuid::Uuid;

use crate::core::auth::plays::ANOTHER;
use crate::core::registration::plays::token_gone;
use crate::core::sessions::plays::may_end;
use crate::harness::app::PASSWORD;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, needs, shaped};
use crate::model::world::mail::Purpose;
use crate::model::world::{Event, User, World, key};

const FORGOT: &str = "/api/auth/password/forgot";
const RESET: &str = "/api/auth/password/reset";

pub const OPERATIONS: &[Operation] = &[
    Operation::post("request_password_reset", FORGOT, Guard::Public, draw_forgot, forgot),
    Operation::post("reset_password", RESET, Guard::Public, draw_reset, reset),
];

/// An address that an account has, confirmed or not.
pub fn draw_known_address(dice: &mut Dice<'_>) -> Option<String> {
    let known: Vec<String> = dice.world.users.iter().filter_map(|row| row.email.clone()).collect();
    dice.one_of(&known)
}

fn draw_forgot(dice: &mut Dice<'_>) -> Option<()> {
    dice.call.session = None;
    let known = draw_known_address(dice)?;
    let email = match dice.below(10) {
        0 => "no address".to_owned(),
        1 => "nobody@example.com".to_owned(),
        2 | 3 => known.to_uppercase(),
        _ => known,
    };
    dice.send(json!({ "email": email }));
    Some(())
}

fn forgot(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("email", Kind::Text)])?;
    let email = shape::text(body, "email").unwrap_or_default().trim();
    if !email.contains('@') {
        return Err(Refusal::invalid());
    }
    world.ask_who_forgot(email);
    Ok(Reply::nothing())
}

fn draw_reset(dice: &mut Dice<'_>) -> Option<()> {
    dice.call.session = None;
    let ends = |user: Uuid| may_end(dice, user);
    let resets: Vec<String> = dice
        .world
        .mailed_tokens
        .iter()
        .filter(|(_, purpose)| matches!(purpose, Purpose::Reset(user) if ends(*user)))
        .map(|(token, _)| token.clone())
        .collect();
    let seen = dice.world.seen_tokens.clone();
    let token = match dice.below(12) {
        0 => "bwm_made-up".to_owned(),
        1 => dice.one_of(&seen).filter(|token| dice.world.purpose_of(token).is_none())?,
        _ => dice.one_of(&resets)?,
    };
    let password = [PASSWORD, ANOTHER, "short"][[0, 0, 0, 1, 1, 1, 2][dice.below(7)]];
    dice.send(json!({ "token": token, "password": password }));
    Some(())
}

fn reset(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("token", Kind::Text), needs("password", Kind::Text)])?;
    let token = shape::text(body, "token").unwrap_or_default();
    let Some(Purpose::Reset(user)) = world.purpose_of(token) else {
        return Err(token_gone());
    };
    let password = shape::text(body, "password").unwrap_or_default();
    if ![PASSWORD, ANOTHER].contains(&password) {
        return Err(Refusal::invalid());
    }
    let User { username, email, verified, .. } = world.user(user).clone();
    for name in [Some(username), email.as_deref().map(key)].into_iter().flatten() {
        world.failed.remove(&name);
    }
    world.end_sessions(user);
    world.choose_password(user, password);
    if verified {
        world.tell(user, "Your password was reset");
    } else {
        world.tell_everywhere(user, "Your password was reset");
    }
    let event = Event::of("password_reset", "user", user).target(user);
    world.note_everywhere(user, &[], &event);
    Ok(Reply::nothing())
}
