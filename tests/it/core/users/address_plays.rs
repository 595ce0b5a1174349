//! Another address for one's own account, and another password for somebody who asks for it.

use serde_json::json;

use super::plays::{email, found};
use crate::core::passwords::plays::draw_known_address;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{Kind, needs, shaped};
use crate::model::world::mail::Purpose;
use crate::model::world::{Event, World, key};

const EMAIL: &str = "/api/users/{userId}/email";
const RESET: &str = "/api/users/{userId}/password-reset";

pub const OPERATIONS: &[Operation] = &[
    Operation::post("request_email_change", EMAIL, Guard::Oneself, draw_wanted, want),
    Operation::post("offer_password_reset", RESET, Guard::Sys, draw_offer, offer),
];

fn draw_wanted(dice: &mut Dice<'_>) -> Option<()> {
    let user = if dice.chance(0.95) { dice.caller() } else { dice.user()? };
    dice.arg(user);
    let number = dice.below(60);
    let own = dice.world.users.iter().find(|row| row.id == user).and_then(|row| row.email.clone());
    let wanted = match dice.below(12) {
        0 => "no address".to_owned(),
        1 => draw_known_address(dice)?,
        2 | 3 => own?,
        4 => format!("Moved{number}@EXAMPLE.com"),
        _ => format!("moved{number}@example.com"),
    };
    dice.send(json!({ "email": wanted }));
    Some(())
}

fn want(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let wanted =
        email(shaped(call, &[needs("email", Kind::Text)])?)?.ok_or_else(Refusal::invalid)?;
    let (user, accepted) = (entered.user, Reply { status: 202, ..Reply::ok(json!({})) });
    let session = world.sessions[entered.session].id;
    let account = world.user_mut(user);
    let has_it = account.email.as_deref().map(key) == Some(key(&wanted));
    if has_it && account.verified {
        return Ok(accepted);
    }
    (account.wanted, account.wanted_in) = (Some(wanted.clone()), session);
    world.ask_to_confirm_wanted(user, &wanted);
    let event = Event::of("email_change_requested", "user", user).target(user);
    world.note_everywhere(user, &[], &event);
    Ok(accepted)
}

fn draw_offer(dice: &mut Dice<'_>) -> Option<()> {
    let user = dice.living_user()?;
    dice.arg(user);
    Some(())
}

fn offer(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let user = found(world, call)?;
    if !user.enabled {
        return Err(Refusal::invalid());
    }
    let first = user.never_used();
    let by_mail = user.verified || (user.email.is_some() && first);
    let answer = if by_mail {
        let subject =
            if first { "Choose a password for your account" } else { "Choose another password" };
        world.send_reset(user.id, subject);
        json!({ "delivery": "mail", "link": null, "token": null, "validFrom": null,
            "expiresAt": null })
    } else {
        world.tell_everywhere(user.id, "Somebody can reset your password");
        world.hand(told.token.clone(), Purpose::Reset(user.id));
        json!({ "delivery": "link", "link": "~http://test/reset?token=bwm_", "token": "~bwm_",
            "validFrom": "~20", "expiresAt": "~20" })
    };
    let event = Event::of("password_reset_requested", "user", user.id).target(user.id);
    world.note_everywhere(entered.user, &world.trails_of(user.id), &event);
    Ok(Reply::ok(answer))
}
