//! Accepting an invitation, with an account and without.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::core::instances::admission_plays::{may_give, require_no_nearer};
use crate::core::registration::plays::token_gone;
use crate::harness::app::PASSWORD;
use crate::model::admit::{admit, levels_by_row};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped};
use crate::model::world::access::{CREATE, UPDATE, least};
use crate::model::world::invitations::{Invitation, Promise};
use crate::model::world::mail::{Purpose, Registration, TRIES};
use crate::model::world::{Admission, Event, User, World, key};

pub const OPERATIONS: &[Operation] =
    &[Operation::post("accept_invitation", "/api/invitations/accept", Guard::Guest, draw, accept)];

/// So many accounts are enough to play with.
const MOST_USERS: usize = 30;

fn draw(dice: &mut Dice<'_>) -> Option<()> {
    let good: Vec<(String, Uuid)> = dice
        .world
        .mailed_tokens
        .iter()
        .filter_map(|(token, purpose)| match purpose {
            Purpose::Invitation(id) => Some((token.clone(), *id)),
            _ => None,
        })
        .collect();
    let old = dice.world.seen_tokens.clone();
    let (token, invited) = match dice.below(14) {
        0 => (dice.one_of(&old)?, None),
        _ => dice.one_of(&good).map(|(token, id)| (token, Some(id)))?,
    };
    let mut body = json!({ "token": token });
    let email = invited.map(|id| dice.world.invitation(id).unwrap().email.clone());
    let holder = email.and_then(|email| {
        dice.world.users.iter().find(|row| row.has_address(&email)).map(|row| row.id)
    });
    let right = dice.chance(0.93);
    if let Some(holder) = holder.filter(|_| right) {
        let open = dice.world.sessions.iter().enumerate();
        let open = open.filter(|(_, row)| row.user == holder && !row.ended);
        let open: Vec<usize> = open.map(|(index, _)| index).collect();
        dice.call.session = Some(dice.one_of(&open)?);
    } else if dice.world.users.len() < MOST_USERS && dice.chance(0.85) {
        let username = match dice.below(12) {
            0 => "no name".to_owned(),
            1 => {
                let other = dice.user()?;
                dice.world.user(other).username.to_uppercase()
            }
            _ => format!("Guest-{}", dice.below(80)),
        };
        let password = [PASSWORD, "short"][usize::from(dice.chance(0.08))];
        body["register"] = json!({ "username": username, "password": password });
        if dice.chance(0.8) {
            dice.call.session = None;
        }
    }
    dice.send(body);
    Some(())
}

fn accept(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let fields = [needs("token", Kind::Text), may("register", Kind::Object)];
    let body = shaped(call, &fields)?;
    let register = body.get("register").and_then(Value::as_object);
    let register = register
        .map(|register| {
            let fields = [needs("username", Kind::Text), needs("password", Kind::Text)];
            shape::fitting(register, &fields)
        })
        .transpose()?;
    let purpose = world.purpose_of(shape::text(body, "token").unwrap_or_default());
    let Some(Purpose::Invitation(id)) = purpose else { return Err(token_gone()) };
    let invited = world.invitation(id).filter(|row| row.is_pending()).cloned();
    let invited = invited.ok_or_else(token_gone)?;
    let place = world.mandate(invited.mandate);
    if place.is_none_or(|place| !place.enabled || place.deleted) {
        return Err(token_gone());
    }
    if register.is_none() && entered.user == Uuid::nil() {
        return Err(Refusal::of(401, "unauthenticated"));
    }
    let judged = if let Some(register) = register {
        let has_account = world.users.iter().any(|row| row.has_address(&invited.email));
        if has_account && is_here(world, &invited) {
            return Err(Refusal::of(409, "account_exists"));
        }
        if let Err(refusal) = would_be_given(world, &invited) {
            Err(refusal)
        } else {
            Ok(registered(world, &invited, register, told.id())?)
        }
    } else {
        Ok(signed_in(world, &invited, entered.user)?)
    };
    let judged = judged
        .and_then(|(mut after, user)| give(&mut after, &invited, user).map(|()| (after, user)));
    let Ok((after, user)) = judged else {
        world.invitation_mut(id).refusal = judged.err().map(|refusal| refusal.code);
        return Err(token_gone());
    };
    *world = after;
    let answer = json!({ "mandateId": invited.mandate, "userId": user });
    Ok(Reply { status: if register.is_some() { 201 } else { 200 }, ..Reply::ok(answer) })
}

/// The world with the account, which may come to nothing.
fn registered(
    world: &World,
    invited: &Invitation,
    register: &Map<String, Value>,
    id: Uuid,
) -> Result<(World, Uuid), Refusal> {
    let username = key(shape::text(register, "username").unwrap_or_default());
    if username.contains(' ') {
        return Err(Refusal::invalid());
    }
    let waits = |row: &Registration| row.username == username && row.tries < TRIES;
    let is_taken = world.users.iter().any(|row| row.username == username && !row.erased);
    if is_taken || world.registrations.iter().any(waits) {
        return Err(Refusal::of(409, "username_taken"));
    }
    if shape::text(register, "password") != Some(PASSWORD) {
        return Err(Refusal::invalid());
    }
    let mut after = world.clone();
    let email = Some(invited.email.clone());
    let user = User { email, verified: true, ..User::new(id, username, PASSWORD.to_owned()) };
    after.users.push(user);
    after.note_everywhere(id, &[], &Event::of("user_registered", "user", id).target(id));
    Ok((after, id))
}

/// The world with the address confirmed.
fn signed_in(world: &World, invited: &Invitation, id: Uuid) -> Result<(World, Uuid), Refusal> {
    let user = world.user(id).clone();
    if !user.has_address(&invited.email) {
        return Err(Refusal::of(403, "invitation_not_yours"));
    }
    if world.member(invited.mandate, id).is_some() {
        return Err(Refusal::of(409, "already_member"));
    }
    let mut after = world.clone();
    if !user.verified {
        let version = user.version + 1;
        after.put(User { verified: true, version, ..user });
        after.note_everywhere(id, &[], &Event::of("user_updated", "user", id).target(id));
    }
    Ok((after, id))
}

/// Whether whoever invited may enter the mandate.
fn is_here(world: &World, invited: &Invitation) -> bool {
    let giver = world.user(invited.by);
    giver.sys_admin && giver.active() || world.is_alive(invited.mandate, giver.id)
}

/// In the name of whoever invited, where they may invite at all.
fn giving(world: &World, invited: &Invitation) -> Result<Entered, Refusal> {
    let mandate = invited.mandate;
    let giver = world.user(invited.by);
    let as_sys = giver.sys_admin && giver.active();
    if !is_here(world, invited) {
        return Err(Refusal::of(403, "mandate_access_denied"));
    }
    let giving = Entered::in_name_of(giver.id, giver.sys_admin, as_sys, mandate);
    if world.level(&giving, "members", CREATE) == 0 {
        return Err(Refusal::denied("members", CREATE, least("members", CREATE)));
    }
    Ok(giving)
}

fn would_be_given(world: &World, invited: &Invitation) -> Result<(), Refusal> {
    world.require_may_promise(&giving(world, invited)?, Uuid::nil(), &invited.promise)
}

/// Whoever invited gives what was promised, if they may; under the rules of giving it by hand.
fn give(world: &mut World, invited: &Invitation, user: Uuid) -> Result<(), Refusal> {
    let (mandate, giving) = (invited.mandate, giving(world, invited)?);
    let giver = world.user(giving.user).clone();
    let of_mandate = Promise { instances: Vec::new(), ..invited.promise.clone() };
    world.require_may_promise(&giving, user, &of_mandate)?;
    let roles: BTreeSet<Uuid> = invited.promise.roles.iter().copied().collect();
    world.join(mandate, user, roles, world.is_delegate(&giving) || giver.sys_admin);
    for (instance, roles) in &invited.promise.instances {
        let found = world.find_instance(*instance).filter(|row| row.mandate == mandate);
        found.ok_or_else(Refusal::not_found)?;
        if giving.as_sys {
            return Err(Refusal::denied("access", CREATE, least("access", CREATE)));
        }
        let giving = giving.at(*instance);
        let levels = levels_by_row(world, &giving, ("instances", UPDATE), ("access", CREATE))?;
        let is_known = |id: &Uuid| world.roles_of(mandate, Some(*instance)).any(|r| r.id == *id);
        if !roles.iter().all(is_known) {
            return Err(Refusal::not_found());
        }
        admit("access", CREATE, levels, world.nearness_of(mandate, giver.id, user))?;
        may_give(world, &giving, user, roles)?;
        require_no_nearer(world, &giving, user)?;
        let (instance, roles) = (*instance, roles.iter().copied().collect());
        let admission = Admission { mandate, instance, user, roles, enabled: true, version: 1 };
        world.admissions.push(admission);
    }
    world.end_invitation_token(invited.id);
    let invitation = world.invitation_mut(invited.id);
    (invitation.status, invitation.accepted_by) = ("accepted", Some(user));
    (invitation.refusal, invitation.version) = (None, invited.version + 1);
    world.note(user, mandate, Event::of("user_added_to_mandate", "member", user).target(user));
    Ok(())
}
