//! `/api/mandates/{mandateId}/users`: who belongs to the mandate.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::role_plays::{require_grantable, require_named};
use crate::core::questions::plays::reaching;
use crate::model::admit::admit;
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard, require_version};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped};
use crate::model::world::access::{
    CREATE, Catalogue, DELETE, MINE, Merged, NEAR, OPERATIONS as NAMES, READ, UPDATE, letter,
};
use crate::model::world::{Event, Member, Role, World};

const ALL: &str = "/api/mandates/{mandateId}/users";
const ONE: &str = "/api/mandates/{mandateId}/users/{userId}";

pub const OPERATIONS: &[Operation] = &[
    Operation::get("list_members", ALL, Guard::MandateOrSys("members", READ), draw_list, list)
        .asking(&[LIST, &["roleId", "groupId", "enabled", "q"]]),
    Operation::post("add_member", ALL, Guard::MandateOrSys("members", CREATE), draw_add, add)
        .asking(&[&["dryRun"]]),
    Operation::get("get_member", ONE, Guard::MandateOrSys("members", READ), draw_one, get),
    Operation::patch(
        "update_member",
        ONE,
        Guard::MandateOrSys("members", UPDATE),
        draw_update,
        update,
    )
    .asking(&[&["dryRun"]]),
    Operation::delete(
        "remove_member",
        ONE,
        Guard::MandateOrSysOrOneself("members", DELETE),
        draw_remove,
        remove,
    )
    .asking(&[&["dryRun"]]),
    Operation::get(
        "get_member_access",
        "/api/mandates/{mandateId}/users/{userId}/access",
        Guard::MandateOrSys("members", READ),
        draw_access,
        access,
    )
    .asking(&[&["instanceId"]]),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    dice.list(&["username", "createdAt"]);
    match dice.below(8) {
        0 => {
            let role = dice.role_of(mandate, None)?;
            dice.ask("roleId", role);
        }
        1 => {
            let groups: Vec<Uuid> = dice
                .world
                .groups
                .iter()
                .filter(|row| row.mandate == mandate)
                .map(|row| row.id)
                .collect();
            let group = dice.one_of(&groups)?;
            dice.ask("groupId", group);
        }
        2 => {
            let enabled = dice.chance(0.7);
            dice.ask("enabled", enabled);
        }
        3 => dice.ask("q", "an"),
        _ => {}
    }
    Some(())
}

/// The members that a level reaches.
fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let (role, group) = (call.asked_as::<Uuid>("roleId")?, call.asked_as::<Uuid>("groupId")?);
    let enabled = call.asked_as::<bool>("enabled")?;
    let asked = Asked::of(world, call, &["username", "createdAt"])?;
    let mandate = entered.mandate();
    let level = world.level(entered, "members", READ);
    let in_group = |user: Uuid| {
        group.is_none_or(|id| {
            world.group(mandate, id).is_some_and(|group| group.members.contains(&user))
        })
    };
    let is_found = |row: &Member, text: &str| {
        let user = world.user(row.user);
        if row.used { user.is_found(text) } else { user.username.contains(text) }
    };
    let found = |row: &&Member| {
        row.mandate == mandate
            && world.nearness_of(mandate, entered.user, row.user) <= level
            && role.is_none_or(|role| row.roles.contains(&role))
            && in_group(row.user)
            && enabled.is_none_or(|enabled| row.enabled == enabled)
            && call.asked("q").is_none_or(|text| is_found(row, text))
    };
    let row = |row: &Member| match asked.sort.as_str() {
        "username" => Row::of(&world.user(row.user).username, row.user, world.member_answer(row)),
        _ => Row::of(format!("{:06}", row.joined), Uuid::nil(), world.member_answer(row)),
    };
    asked.page(world.members.iter().filter(found).map(row).collect())
}

fn draw_add(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let (user, roles) = (dice.living_user()?, dice.roles_of(mandate, None));
    let user = dice.world.user(user);
    let mut body = match dice.below(4) {
        0 => json!({ "username": user.username.to_uppercase() }),
        1 if user.email.is_some() => json!({ "email": user.email }),
        2 if dice.chance(0.1) => json!({ "targetUserId": user.id, "username": user.username }),
        _ => json!({ "targetUserId": user.id }),
    };
    body["roleIds"] = json!(roles);
    dice.send(body);
    dice.dry_run();
    Some(())
}

/// Exactly one of id, username and address.
fn named(world: &World, body: &Map<String, Value>) -> Result<Uuid, Refusal> {
    let (id, username, email) = (
        shape::id(body, "targetUserId"),
        shape::text(body, "username"),
        shape::text(body, "email"),
    );
    if [id.is_some(), username.is_some(), email.is_some()].iter().filter(|given| **given).count()
        != 1
    {
        return Err(Refusal::invalid());
    }
    Ok(world.find_user(id, username, email).unwrap_or_default())
}

/// Where the body names whom.
fn place(body: &Map<String, Value>) -> &'static str {
    let given = |name| shape::text(body, name).is_some();
    if given("username") {
        "/username"
    } else if given("email") {
        "/email"
    } else {
        "/targetUserId"
    }
}

impl World {
    /// Whether the call adds this user, by whatever name.
    pub fn is_to_be_added(&self, call: &Call, user: Uuid) -> bool {
        let body =
            call.json().and_then(Value::as_object).filter(|_| call.operation.id == "add_member");
        body.is_some_and(|body| named(self, body).is_ok_and(|target| target == user))
    }
}

fn add(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    const FIELDS: [shape::Field; 4] = [
        may("targetUserId", Kind::Id),
        may("username", Kind::Text),
        may("email", Kind::Text),
        needs("roleIds", Kind::Ids),
    ];
    let body = shaped(call, &FIELDS)?;
    let (target, roles) = (named(world, body)?, shape::ids(body, "roleIds"));
    if roles.is_empty() {
        return Err(Refusal::invalid());
    }
    if entered.as_sys && target == entered.user {
        return Err(Refusal::of(403, "self_escalation"));
    }
    let mandate = entered.mandate();
    require_named(world, mandate, None, body)?;
    require_grantable(world, entered, target, &roles)?;
    let found = world.living_user(target).map(|user| user.id);
    let refusal = match found {
        None => Some(Refusal::unknown_at("unknown_user", place(body))),
        Some(_) if world.member(mandate, target).is_some() => {
            Some(Refusal::of(409, "already_member"))
        }
        Some(_) => None,
    };
    if let Some(refusal) = refusal {
        if shape::id(body, "targetUserId").is_none() {
            let event =
                Event { resource: None, target: found, ..Event::of("lookup_failed", "user", "") };
            world.note(entered.user, mandate, event);
        }
        return Err(refusal);
    }
    if call.is_dry_run() && shape::id(body, "targetUserId").is_none() {
        world.note(
            entered.user,
            mandate,
            Event::of("user_looked_up", "user", target).target(target),
        );
    }
    world.join(mandate, target, roles, world.is_delegate(entered) || entered.flag);
    world.note(
        entered.user,
        mandate,
        Event::of("user_added_to_mandate", "member", target).target(target),
    );
    Ok(Reply::created(world.member_answer(world.member(mandate, target).unwrap())))
}

fn draw_one(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let member = dice.member_of(mandate)?;
    dice.arg(member);
    Some(())
}

/// The member of the path, where the operation reaches it.
pub fn reached(
    world: &World,
    entered: &Entered,
    call: &Call,
    operation: usize,
) -> Result<Uuid, Refusal> {
    let user = call.id("userId")?;
    world.member(entered.mandate(), user).ok_or_else(Refusal::not_found)?;
    world.admit(
        entered,
        "members",
        operation,
        world.nearness_of(entered.mandate(), entered.user, user),
    )?;
    Ok(user)
}

fn get(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let user = reached(world, entered, call, READ)?;
    Ok(Reply::ok(world.member_answer(world.member(entered.mandate(), user).unwrap())))
}

fn draw_update(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let member = dice.member_of(mandate)?;
    dice.arg(member);
    let disabled = dice.world.member(mandate, member).is_some_and(|row| !row.enabled);
    let enabled = dice.chance(if disabled { 0.95 } else { 0.75 });
    dice.send(json!({ "enabled": enabled }));
    dice.dry_run();
    let version = dice.world.member(mandate, member).map_or(1, |row| row.version);
    dice.at_version(version);
    Some(())
}

fn update(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("userId")?;
    let body = shaped(call, &[needs("enabled", Kind::Flag), may("version", Kind::Whole)])?;
    let enabled = shape::flag(body, "enabled").unwrap_or_default();
    let (mandate, user) = (entered.mandate(), reached(world, entered, call, UPDATE)?);
    let member = world.member(mandate, user).unwrap();
    require_version(call, member.version)?;
    if enabled && user == entered.user && !member.enabled {
        return Err(Refusal::of(403, "self_escalation"));
    }
    world.require_targets(entered, None, [user])?;
    if enabled && !member.enabled {
        world.require_revival_opens_nothing(entered, user)?;
    }
    if !enabled && world.is_last_admin(mandate, user) {
        return Err(Refusal::of(409, "last_mandate_admin"));
    }
    if enabled == world.member(mandate, user).unwrap().enabled {
        return Ok(Reply::ok(world.member_answer(world.member(mandate, user).unwrap())));
    }
    let member = world.member_mut(mandate, user);
    member.enabled = enabled;
    member.version += 1;
    world.note(entered.user, mandate, Event::of("member_updated", "member", user).target(user));
    Ok(Reply::ok(world.member_answer(world.member(mandate, user).unwrap())))
}

fn draw_remove(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let member = if dice.chance(0.1) { dice.caller() } else { dice.member_of(mandate)? };
    dice.arg(member);
    dice.dry_run();
    let version = dice.world.member(mandate, member).map_or(1, |row| row.version);
    dice.at_version(version);
    Some(())
}

fn remove(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let (mandate, user) = (entered.mandate(), call.id("userId")?);
    let member = world.member(mandate, user).ok_or_else(Refusal::not_found)?;
    // Leaving needs no permission.
    let own = if user == entered.user { MINE } else { 0 };
    let level = |operation| world.level(entered, "members", operation).max(own);
    admit(
        "members",
        DELETE,
        (level(DELETE), level(READ)),
        world.nearness_of(mandate, entered.user, user),
    )?;
    require_version(call, member.version)?;
    world.require_targets(entered, None, [user])?;
    if world.is_last_admin(mandate, user) {
        return Err(Refusal::of(409, "last_mandate_admin"));
    }
    world.leave(mandate, user);
    world.note(
        entered.user,
        mandate,
        Event::of("user_removed_from_mandate", "member", user).target(user),
    );
    Ok(Reply::nothing())
}

fn draw_access(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = dice.mandate_in_path()?;
    let member = dice.member_of(mandate)?;
    dice.arg(member);
    if dice.chance(0.6) {
        let instance = dice.instance_in(mandate, None)?;
        dice.ask("instanceId", instance);
    }
    Some(())
}

/// Whether the caller may be told that somebody holds a role: one that they may read, or any of
/// their own.
fn is_told(
    world: &World,
    entered: &Entered,
    user: Uuid,
    instance: Option<Uuid>,
    role: &Role,
) -> bool {
    let admitted =
        instance.filter(|instance| !entered.as_sys && world.is_admitted(*instance, entered.user));
    let own = admitted.map_or(0, |instance| {
        world.in_instance(instance, entered.user).level("instance-roles", READ)
    });
    let level = world.level(entered, "roles", READ).max(own);
    user == entered.user
        || world.nearness(entered.mandate(), entered.user, &world.holders(role.id)) <= level
}

/// Merged access, each level with the roles that it comes from, of those that are told.
fn sourced(roles: &[&Role], catalogue: &Catalogue, is_told: &dyn Fn(&Role) -> bool) -> Value {
    let merged = Merged::of(roles.iter().map(|role| &role.permissions), catalogue);
    let told: Vec<&Role> = roles.iter().copied().filter(|role| is_told(role)).collect();
    let giving = |gives: &dyn Fn(&Role) -> bool| -> Vec<&str> {
        told.iter().filter(|role| gives(role)).map(|role| role.label.as_str()).collect()
    };
    let table = |table: &String| {
        let rule = merged.tables[table];
        let mut answer = rule.answer();
        answer["from"] = json!({ "view": giving(&|role| role.permissions.rule(table).view) });
        for (operation, name) in NAMES.into_iter().enumerate() {
            let level = rule.levels[operation];
            answer["from"][name] = json!(giving(
                &|role| level > 0 && role.permissions.rule(table).levels[operation] == level
            ));
        }
        (table.clone(), answer)
    };
    let view = |(view, allowed): (&String, &bool)| {
        let from = giving(&|role| role.permissions.views.get(view).copied().unwrap_or(false));
        (view.clone(), json!({ "allowed": allowed, "from": from }))
    };
    let labels = giving(&|_| true);
    let tables: Map<String, Value> = merged.tables.keys().map(table).collect();
    json!({
        "roles": labels, "tables": tables,
        "views": merged.views.iter().map(view).collect::<Map<String, Value>>(),
    })
}

fn access(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    call.id("userId")?;
    let instance = call.asked_as::<Uuid>("instanceId")?;
    let (mandate, user) = (entered.mandate(), reached(world, entered, call, READ)?);
    let mut answer =
        sourced(&world.mandate_roles(mandate, user), &Catalogue::of_mandates(), &|role| {
            is_told(world, entered, user, None, role)
        });
    if let Some(instance) = instance {
        world
            .find_instance(instance)
            .filter(|row| row.mandate == mandate)
            .ok_or_else(Refusal::not_found)?;
        let is_told = |role: &Role| is_told(world, entered, user, Some(instance), role);
        let more =
            sourced(&world.instance_roles(instance, user), &world.catalogue_of(instance), &is_told);
        answer["roles"]
            .as_array_mut()
            .unwrap()
            .extend(more["roles"].as_array().unwrap().iter().cloned());
        for part in ["tables", "views"] {
            answer[part].as_object_mut().unwrap().extend(more[part].as_object().unwrap().clone());
        }
    }
    let mut rules = answer["tables"].as_object().unwrap().values();
    let near = rules.any(|rule| NAMES.iter().any(|operation| rule[*operation] == letter(NEAR)));
    answer["groups"] = if near { reaching(world, entered, user, None) } else { Value::Null };
    Ok(Reply::ok(answer))
}
