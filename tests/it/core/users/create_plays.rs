//! Making accounts.

use serde_json::json;

use super::plays::{draw_email, email, require_free};
use crate::harness::app::PASSWORD;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::Entered;
use crate::model::operations::Told;
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Field, Kind, may, needs, shaped};
use crate::model::world::{Event, User, World, key};

pub(super) fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    // Each costs a password's hash.
    if dice.world.users.len() > 22 {
        return None;
    }
    let (number, email, first, sys) =
        (dice.below(40), draw_email(dice), dice.name(), dice.chance(0.2));
    let must_change = dice.chance(0.05);
    let username = [format!("person-{number}"), format!("Person-{number}"), "no name".to_owned()]
        [[0, 0, 0, 0, 0, 1, 2][dice.below(7)]]
    .clone();
    let password = [PASSWORD, "password1234", "short"][[0, 0, 0, 0, 0, 0, 1, 2][dice.below(8)]];
    let mut body = dice.some(vec![
        ("email", 0.5, email),
        ("firstName", 0.4, json!(first)),
        ("language", 0.2, json!("de")),
        ("isSysAdmin", 0.2, json!(sys)),
        ("mustChangePassword", 0.95, json!(must_change)),
    ]);
    body.extend([
        ("username".to_owned(), json!(username)),
        ("password".to_owned(), json!(password)),
    ]);
    dice.send(body.into());
    Some(())
}

pub(super) fn create(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    const FIELDS: [Field; 8] = [
        needs("username", Kind::Text),
        needs("password", Kind::Text),
        may("email", Kind::Text),
        may("firstName", Kind::Text),
        may("lastName", Kind::Text),
        may("language", Kind::Text),
        may("isSysAdmin", Kind::Flag),
        may("mustChangePassword", Kind::Flag),
    ];
    let body = shaped(call, &FIELDS)?;
    let username = key(shape::text(body, "username").unwrap_or_default());
    if username.contains(' ') || shape::text(body, "password") != Some(PASSWORD) {
        return Err(Refusal::invalid());
    }
    let user = User {
        email: email(body)?,
        first_name: shape::named(body, "firstName")?,
        last_name: shape::named(body, "lastName")?,
        language: shape::language(body)?.unwrap_or_else(|| "en".to_owned()),
        sys_admin: shape::flag(body, "isSysAdmin").unwrap_or(false),
        must_change: shape::flag(body, "mustChangePassword").unwrap_or(true),
        ..User::new(told.id(), username, PASSWORD.to_owned())
    };
    require_free(world, &user)?;
    let answer = user.answer();
    world.note_everywhere(
        entered.user,
        &[],
        &Event::of("user_created", "user", user.id).target(user.id),
    );
    world.users.push(user);
    Ok(Reply::created(answer))
}
