//! Registering, and confirming an address.

use serde_json::json;
use uuid::Uuid;

use crate::core::passwords::plays::draw_known_address;
use crate::harness::app::PASSWORD;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped};
use crate::model::world::mail::{Purpose, Registration, TRIES};
use crate::model::world::{Event, User, World, key};

pub const OPERATIONS: &[Operation] = &[
    Operation::post("register_user", "/api/auth/register", Guard::Public, draw_register, register),
    Operation::post(
        "resend_verification",
        "/api/auth/verify/resend",
        Guard::Public,
        draw_resend,
        resend,
    ),
    Operation::post("verify_address", "/api/auth/verify", Guard::Public, draw_verify, verify),
];

/// So many accounts, and so many that wait to become one, are enough to play with.
const MOST_USERS: usize = 30;
const MOST_WAITING: usize = 8;
const WRONG: &str = "not-the-Password-1";

fn draw_register(dice: &mut Dice<'_>) -> Option<()> {
    dice.call.session = None;
    if dice.world.registrations.len() >= MOST_WAITING {
        return None;
    }
    let (number, taken) = (dice.below(60), dice.user()?);
    let username = match dice.below(12) {
        0 => "no name".to_owned(),
        1 => dice.world.user(taken).username.to_uppercase(),
        2 => format!("Joiner-{number}"),
        _ => format!("joiner-{number}"),
    };
    let email = match dice.below(12) {
        0 => "no address".to_owned(),
        1 | 2 => draw_known_address(dice)?,
        _ => format!("Joiner{}@example.com", dice.below(40)),
    };
    let password = [PASSWORD, "joiner", "short"][[0, 0, 0, 0, 0, 0, 1, 2][dice.below(8)]];
    dice.send(json!({ "username": username, "email": email, "password": password }));
    Some(())
}

fn address(email: &str) -> Result<String, Refusal> {
    let email = email.trim();
    if email.contains('@') { Ok(email.to_owned()) } else { Err(Refusal::invalid()) }
}

fn register(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let fields =
        [needs("username", Kind::Text), needs("email", Kind::Text), needs("password", Kind::Text)];
    let body = shaped(call, &fields)?;
    let text = |name: &str| shape::text(body, name).unwrap_or_default();
    let (username, email) = (key(text("username")), address(text("email"))?);
    if username.contains(' ') {
        return Err(Refusal::invalid());
    }
    let waits = |row: &Registration| row.username == username && row.tries < TRIES;
    let is_taken = world.users.iter().any(|row| row.username == username && !row.erased);
    if is_taken || world.registrations.iter().any(waits) {
        return Err(Refusal::of(409, "username_taken"));
    }
    if text("password") != PASSWORD {
        return Err(Refusal::invalid());
    }
    let (password, tries) = (PASSWORD.to_owned(), 0);
    world.forget_registration(&username);
    world.registrations.push(Registration { username, email, password, tries });
    let username = world.registrations[world.registrations.len() - 1].username.clone();
    world.ask_to_confirm(&username);
    Ok(Reply { status: 202, ..Reply::ok(json!({})) })
}

fn draw_resend(dice: &mut Dice<'_>) -> Option<()> {
    dice.call.session = None;
    let waiting: Vec<String> =
        dice.world.registrations.iter().map(|row| row.email.to_uppercase()).collect();
    let email = if dice.chance(0.7) { dice.one_of(&waiting) } else { draw_known_address(dice) };
    dice.send(json!({ "email": email.unwrap_or_else(|| "no address".to_owned()) }));
    Some(())
}

fn resend(world: &mut World, _: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("email", Kind::Text)])?;
    let email = address(shape::text(body, "email").unwrap_or_default())?;
    world.ask_to_confirm_again(&email);
    Ok(Reply::nothing())
}

fn draw_verify(dice: &mut Dice<'_>) -> Option<()> {
    dice.call.session = None;
    let may_grow = dice.world.users.len() < MOST_USERS;
    let good: Vec<(String, Purpose)> = dice
        .world
        .mailed_tokens
        .iter()
        .filter(|(_, purpose)| may_grow || !matches!(purpose, Purpose::Registration(_)))
        .cloned()
        .collect();
    let old = dice.world.seen_tokens.clone();
    let token = match dice.below(12) {
        0 => "bwm_made-up".to_owned(),
        1 => dice.one_of(&old)?,
        _ => dice.one_of(&good)?.0,
    };
    let right = dice.chance(0.8);
    let mut body = json!({ "token": token });
    if dice.chance(0.95) {
        body["password"] = json!(if right { PASSWORD } else { WRONG });
    }
    dice.send(body);
    Some(())
}

/// Whatever is wrong with a token.
pub fn token_gone() -> Refusal {
    Refusal::of(410, "token_gone")
}

fn verify(world: &mut World, _: &Entered, call: &Call, told: &Told) -> Outcome {
    let body = shaped(call, &[needs("token", Kind::Text), may("password", Kind::Text)])?;
    let token = shape::text(body, "token").unwrap_or_default();
    let purpose = world.purpose_of(token).ok_or_else(token_gone)?;
    match purpose {
        Purpose::Registration(username) => {
            confirm_registration(world, &username, shape::text(body, "password"), told)
        }
        Purpose::Address(user, address) => confirm_address(world, user, &address),
        Purpose::Reset(_) | Purpose::Invitation(_) => Err(token_gone()),
    }
}

fn confirm_registration(
    world: &mut World,
    username: &str,
    password: Option<&str>,
    told: &Told,
) -> Outcome {
    let password = password.ok_or_else(Refusal::invalid)?;
    let place = world.registrations.iter().position(|row| row.username == username).unwrap();
    let waiting = &mut world.registrations[place];
    if waiting.tries >= TRIES {
        return Err(token_gone());
    }
    waiting.tries += 1;
    let Registration { email, password: right, tries, .. } = waiting.clone();
    if password != right {
        if tries == TRIES {
            world.forget_registration(username);
        }
        return Err(Refusal::of(401, "invalid_credentials"));
    }
    if world.users.iter().any(|row| row.username == username && !row.erased) {
        return Err(Refusal::of(409, "username_taken"));
    }
    world.forget_registration(username);
    if world.users.iter().any(|row| row.has_address(&email)) {
        return Err(token_gone());
    }
    let user = User {
        email: Some(email),
        verified: true,
        ..User::new(told.id(), username.to_owned(), right)
    };
    world.users.push(user);
    let event = Event::of("user_registered", "user", told.id()).target(told.id());
    world.note_everywhere(told.id(), &[], &event);
    Ok(Reply::nothing())
}

fn confirm_address(world: &mut World, user: Uuid, address: &str) -> Outcome {
    let account = world.user(user).clone();
    let wanted = account.wanted.clone().filter(|wanted| key(wanted) == address);
    let wanted = wanted.ok_or_else(token_gone)?;
    if world.users.iter().any(|row| row.id != user && row.has_address(&wanted)) {
        return Err(token_gone());
    }
    let version = account.version + 1;
    let email = Some(wanted);
    // Used up, also where the account had the address before.
    world.mailed_tokens.retain(|(_, purpose)| *purpose != Purpose::Address(user, key(address)));
    world.put(User { email, verified: true, wanted: None, version, ..account });
    let event = Event::of("user_updated", "user", user).target(user);
    world.note_everywhere(user, &[], &event);
    Ok(Reply::nothing())
}
