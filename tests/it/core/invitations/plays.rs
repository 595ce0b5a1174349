//! Inviting somebody, sending it again, withdrawing it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::core::passwords::plays::draw_known_address;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped, shaped_if_any};
use crate::model::world::access::{CREATE, READ};
use crate::model::world::invitations::{Invitation, Promise};
use crate::model::world::{Event, World, key};

const ALL: &str = "/api/mandates/{mandateId}/invitations";
const ONE: &str = "/api/mandates/{mandateId}/invitations/{invitationId}";
const RESEND: &str = "/api/mandates/{mandateId}/invitations/{invitationId}/resend";
const GUARD: Guard = Guard::MandateOrSys("members", CREATE);
/// How often one is sent again.
const MOST: usize = 5;

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_invitations", ALL, GUARD, draw_list, list)
        .asking(&[LIST, &["status", "q"]]),
    Operation::post("invite_member", ALL, GUARD, draw_invite, invite),
    Operation::get("get_invitation", ONE, GUARD, draw_one, get),
    Operation::delete("revoke_invitation", ONE, GUARD, draw_revoke, revoke),
    Operation::post("resend_invitation", RESEND, GUARD, draw_resend, resend),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate_in_path()?;
    dice.list(&["-createdAt"]);
    match dice.below(4) {
        0 => {
            let status = ["pending", "accepted", "revoked", "expired", "lost"][dice.below(5)];
            dice.ask("status", status);
        }
        1 => dice.ask("q", "guest1"),
        _ => {}
    }
    Some(())
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let status = call.asked("status");
    if status.is_some_and(|one| !["pending", "accepted", "revoked", "expired"].contains(&one)) {
        return Err(Refusal::of(400, "invalid_parameter"));
    }
    let asked = Asked::of(world, call, &["-createdAt"])?;
    let found = |row: &&Invitation| {
        row.mandate == entered.mandate()
            && status.is_none_or(|status| status == row.status)
            && call.asked("q").is_none_or(|text| key(&row.email).contains(text))
    };
    let made = |row: &Invitation| Row::of(format!("{:06}", row.number), row.id, row.answer());
    asked.page(world.invitations.iter().filter(found).map(made).collect())
}

fn draw_invite(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let number = dice.below(40);
    let email = match dice.below(12) {
        0 => "no address".to_owned(),
        1 => draw_known_address(dice)?,
        2..=4 => {
            let present: Vec<Uuid> = dice.world.present().into_iter().collect();
            let who = dice.one_of(&present)?;
            dice.world.user(who).email.clone()?
        }
        5 => format!("GUEST{number}@Example.com"),
        _ => format!("guest{number}@example.com"),
    };
    let roles = dice.roles_of(mandate, None);
    let mut body = json!({ "email": email, "roleIds": roles });
    if dice.chance(0.3) {
        let instance = dice.instance_in(mandate, None)?;
        let roles = dice.roles_of(mandate, Some(instance));
        let one = json!({ "instanceId": instance, "roleIds": roles });
        let twice = dice.chance(0.05);
        body["instances"] = if twice { json!([one, one]) } else { json!([one]) };
    }
    if dice.chance(0.2) {
        body["ttlHours"] = json!([1, 168, 169][[0, 0, 1, 1, 1, 2][dice.below(6)]]);
    }
    dice.send(body);
    Some(())
}

fn ttl(body: Option<&Map<String, Value>>) -> Result<(), Refusal> {
    let hours = body.and_then(|body| shape::whole(body, "ttlHours")).unwrap_or(72);
    if (1..=168).contains(&hours) { Ok(()) } else { Err(Refusal::invalid()) }
}

fn ids(value: &Value) -> Vec<Uuid> {
    value.as_array().unwrap().iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect()
}

fn promise(body: &Map<String, Value>) -> Result<Promise, Refusal> {
    let mut promise = Promise { roles: ids(&body["roleIds"]), instances: Vec::new() };
    let fields = [needs("instanceId", Kind::Id), needs("roleIds", Kind::Ids)];
    for one in body.get("instances").and_then(Value::as_array).into_iter().flatten() {
        let one = shape::fitting(one.as_object().unwrap(), &fields)?;
        promise.instances.push((shape::id(one, "instanceId").unwrap(), ids(&one["roleIds"])));
    }
    let once: BTreeSet<Uuid> = promise.instances.iter().map(|(instance, _)| *instance).collect();
    let all_have_some = promise.instances.iter().all(|(_, roles)| !roles.is_empty());
    if promise.roles.is_empty() || !all_have_some || once.len() < promise.instances.len() {
        return Err(Refusal::invalid());
    }
    Ok(promise)
}

/// Whose the address is, as far as it matters: the caller's own, or somebody else's.
fn target(world: &World, entered: &Entered, email: &str) -> Uuid {
    if world.user(entered.user).has_address(email) { entered.user } else { Uuid::nil() }
}

fn invite(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let fields = [
        needs("email", Kind::Text),
        needs("roleIds", Kind::Ids),
        may("ttlHours", Kind::Whole),
        may("instances", Kind::Objects),
    ];
    let body = shaped(call, &fields)?;
    let promise = promise(body)?;
    let email = shape::text(body, "email").unwrap_or_default().trim().to_owned();
    ttl(Some(body))?;
    if !email.contains('@') {
        return Err(Refusal::invalid());
    }
    let (mandate, target) = (entered.mandate(), target(world, entered, &email));
    world.require_may_promise(entered, target, &promise)?;
    let level = world.level(entered, "members", READ);
    let is_seen = world.members.iter().any(|row| {
        row.mandate == mandate
            && row.used
            && world.user(row.user).has_address(&email)
            && level > 0
            && world.nearness_of(mandate, entered.user, row.user) <= level
    });
    if is_seen || target == entered.user {
        return Err(Refusal::of(409, "already_member"));
    }
    let waits = |row: &&Invitation| {
        row.mandate == mandate && row.is_pending() && key(&row.email) == key(&email)
    };
    if let Some(other) = world.invitations.iter().find(waits) {
        let with = json!({ "id": other.id });
        return Err(Refusal { with, ..Refusal::of(409, "already_invited") });
    }
    world.invited += 1;
    let invitation = Invitation {
        id: told.id(),
        number: world.invited,
        mandate,
        email,
        promise,
        by: entered.user,
        again: 0,
        status: "pending",
        accepted_by: None,
        refusal: None,
        version: 1,
    };
    world.invitations.push(invitation);
    if let Err(refusal) = world.ask_invited(told.id()) {
        world.invitations.pop();
        return Err(refusal);
    }
    note(world, entered, "invitation_created", told.id());
    Ok(Reply::created(world.invitation(told.id()).unwrap().answer()))
}

fn note(world: &mut World, entered: &Entered, action: &'static str, id: Uuid) {
    world.note(entered.user, entered.mandate(), Event::of(action, "invitation", id));
}

/// One of a mandate in which the caller does something; one that waits rather than another.
fn draw_any(dice: &mut Dice<'_>) -> Option<Uuid> {
    draw_of(dice, Invitation::is_pending)
}

/// Mostly one of which this is true.
fn draw_of(dice: &mut Dice<'_>, suits: impl Fn(&Invitation) -> bool) -> Option<Uuid> {
    let (caller, fussy) = (dice.caller(), dice.chance(0.85));
    let world = dice.world;
    let is_near = |mandate: Uuid| {
        world.user(caller).sys_admin
            || world.in_mandate(mandate, caller).level("members", CREATE) > 0
    };
    let fits = |row: &&Invitation| is_near(row.mandate) && (!fussy || suits(row));
    let near: Vec<Uuid> = world.invitations.iter().filter(fits).map(|row| row.id).collect();
    let all: Vec<Uuid> = world.invitations.iter().map(|row| row.id).collect();
    let id = if dice.chance(0.1) { dice.one_of(&all)? } else { dice.one_of(&near)? };
    let mandate = world.invitation(id).unwrap().mandate;
    let strays = dice.chance(0.05);
    let header = if strays { dice.mandate()? } else { mandate };
    dice.arg(header);
    dice.call.mandate = Some(header.to_string());
    dice.arg(id);
    Some(id)
}

fn draw_one(dice: &mut Dice<'_>) -> Option<()> {
    draw_any(dice).map(|_| ())
}

fn found(world: &World, entered: &Entered, call: &Call) -> Result<Invitation, Refusal> {
    let found = world.invitation(call.id("invitationId")?);
    let own = found.filter(|row| row.mandate == entered.mandate());
    own.cloned().ok_or_else(Refusal::not_found)
}

fn waiting(world: &World, entered: &Entered, call: &Call) -> Result<Invitation, Refusal> {
    let found = found(world, entered, call)?;
    if found.is_pending() { Ok(found) } else { Err(Refusal::of(409, "not_pending")) }
}

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    Ok(Reply::ok(found(world, entered, call)?.answer()))
}

fn draw_revoke(dice: &mut Dice<'_>) -> Option<()> {
    let id = draw_any(dice)?;
    let version = dice.world.invitation(id).unwrap().version;
    dice.at_version(version);
    Some(())
}

fn revoke(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    require_version(call, found(world, entered, call)?.version)?;
    let row = waiting(world, entered, call)?;
    if row.by != entered.user && !world.is_within_own(entered, &row.promise) {
        return Err(Refusal::of(403, "target_exceeds_own_access"));
    }
    world.end_invitation_token(row.id);
    let invitation = world.invitation_mut(row.id);
    (invitation.status, invitation.version) = ("revoked", row.version + 1);
    note(world, entered, "invitation_revoked", row.id);
    Ok(Reply::nothing())
}

fn draw_resend(dice: &mut Dice<'_>) -> Option<()> {
    // SysAdmins let nobody into instances.
    let as_sys = dice.world.user(dice.caller()).sys_admin;
    draw_of(dice, |row| {
        row.is_pending() && row.again < MOST && (!as_sys || row.promise.instances.is_empty())
    })?;
    match dice.below(16) {
        0 => dice.send(json!({ "ttlHours": 169 })),
        1..=3 => dice.send(json!({ "ttlHours": 24 })),
        4 => dice.send(json!({})),
        _ => {}
    }
    Some(())
}

fn resend(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("invitationId")?;
    ttl(shaped_if_any(call, &[may("ttlHours", Kind::Whole)])?)?;
    let row = waiting(world, entered, call)?;
    if row.again >= MOST {
        return Err(Refusal::of(409, "not_pending"));
    }
    let target = target(world, entered, &row.email);
    if !world.is_within_own(entered, &row.promise) {
        return Err(Refusal::of(403, "grant_exceeds_own_access"));
    }
    let judged = world.require_may_promise(entered, target, &row.promise);
    judged.map_err(|refusal| match refusal.status {
        404 => Refusal::of(409, "not_pending"),
        _ => refusal,
    })?;
    world.ask_invited(row.id)?;
    world.end_invitation_token(row.id);
    let invitation = world.invitation_mut(row.id);
    (invitation.again, invitation.by, invitation.refusal) = (row.again + 1, entered.user, None);
    invitation.version += 1;
    note(world, entered, "invitation_resent", row.id);
    Ok(Reply::ok(world.invitation(row.id).unwrap().answer()))
}
