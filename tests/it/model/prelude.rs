//! How every history begins: everybody signs in, and there are three mandates with members and
//! instances, so that there is something to play with. The calls are steps like any other.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Body, Call};
use super::operations::named;
use super::world::World;
use crate::harness::app::PASSWORD;

/// Who takes part from the beginning. The first two are SysAdmins; the last belongs to nothing.
pub const PEOPLE: [&str; 8] = ["sys", "sys-too", "ann", "ben", "cid", "dan", "eve", "fay"];
const MANDATES: [(&str, usize); 3] = [("Acme", 2), ("Globex", 3), ("Initech", 4)];
/// Mandate, person, role.
const MEMBERS: [(usize, usize, &str); 9] = [
    (0, 3, "user"),
    (0, 4, "viewer"),
    (0, 5, "user"),
    (0, 0, "user"),
    (1, 2, "viewer"),
    (1, 5, "user"),
    (1, 6, "admin"),
    (2, 2, "user"),
    (2, 6, "user"),
];
/// Mandate, feature, label.
const INSTANCES: [(usize, &str, &str); 5] = [
    (0, "playbooks", "Handbook"),
    (0, "bookings", "Rooms"),
    (1, "playbooks", "Notes"),
    (1, "bookings", "Halls"),
    (2, "playbooks", "Papers"),
];
/// Instance, person, role.
const ADMISSIONS: [(usize, usize, &str); 10] = [
    (0, 3, "playbooks-editor"),
    (0, 4, "playbooks-contributor"),
    (0, 5, "playbooks-admin"),
    (1, 3, "bookings-decider"),
    (1, 5, "bookings-requester"),
    (2, 5, "playbooks-contributor"),
    (2, 2, "playbooks-editor"),
    (3, 5, "bookings-requester"),
    (3, 2, "bookings-admin"),
    (4, 6, "playbooks-admin"),
];

/// Instances in which requesters decide on what others of their groups ask for.
const DECIDING: [usize; 2] = [1, 3];

/// The next call of the prelude, given how many were made; nothing when it is over. Session `n` is
/// that of person `n`.
pub fn call(world: &World, step: usize) -> Option<Call> {
    let steps = [
        PEOPLE.len(),
        MANDATES.len(),
        MEMBERS.len(),
        INSTANCES.len(),
        ADMISSIONS.len(),
        DECIDING.len(),
    ];
    let (mut part, mut index) = (0, step);
    while index >= *steps.get(part)? {
        index -= steps[part];
        part += 1;
    }
    Some(match part {
        0 => sign_in(index),
        1 => make_mandate(world, index),
        2 => add_member(world, index),
        3 => open_instance(world, index),
        4 => admit(world, index),
        _ => let_decide(world, DECIDING[index]),
    })
}

fn by(session: Option<usize>, operation: &str, body: Value) -> Call {
    Call { body: Body::Json(body), ..Call::of(named(operation), session) }
}

fn sign_in(person: usize) -> Call {
    by(None, "login", json!({ "username": PEOPLE[person], "password": PASSWORD }))
}

fn make_mandate(world: &World, index: usize) -> Call {
    let (name, admin) = MANDATES[index];
    by(Some(0), "create_mandate", json!({ "name": name, "adminUserId": world.users[admin].id }))
}

fn role(world: &World, mandate: Uuid, instance: Option<Uuid>, label: &str) -> Uuid {
    world.roles_of(mandate, instance).find(|role| role.label == label).unwrap().id
}

fn add_member(world: &World, index: usize) -> Call {
    let (mandate, person, label) = MEMBERS[index];
    let (admin, mandate) = (MANDATES[mandate].1, world.mandates[mandate].id);
    let body = json!({
        "targetUserId": world.users[person].id, "roleIds": [role(world, mandate, None, label)],
    });
    let id = mandate.to_string();
    Call { args: vec![id.clone()], mandate: Some(id), ..by(Some(admin), "add_member", body) }
}

fn open_instance(world: &World, index: usize) -> Call {
    let (mandate, code, label) = INSTANCES[index];
    let (admin, mandate) = (MANDATES[mandate].1, world.mandates[mandate].id);
    let body =
        json!({ "featureCode": code, "label": label, "grantCreatorRole": format!("{code}-admin") });
    let call = by(Some(admin), "create_feature_instance", body);
    Call { mandate: Some(mandate.to_string()), ..call }
}

fn admit(world: &World, index: usize) -> Call {
    let (instance, person, label) = ADMISSIONS[index];
    let admin = MANDATES[INSTANCES[instance].0].1;
    let instance = &world.instances[instance];
    let roles = [role(world, instance.mandate, Some(instance.id), label)];
    let call = by(
        Some(admin),
        "add_instance_user",
        json!({ "userId": world.users[person].id, "roleIds": roles }),
    );
    Call {
        args: vec![instance.id.to_string()],
        mandate: Some(instance.mandate.to_string()),
        ..call
    }
}

fn let_decide(world: &World, instance: usize) -> Call {
    let (admin, instance) = (MANDATES[INSTANCES[instance].0].1, &world.instances[instance]);
    let rule = json!({ "view": true, "read": "g", "create": "m", "update": "g", "delete": "m" });
    let call = by(
        Some(admin),
        "replace_role_permissions",
        json!({ "tables": { "bookings": rule }, "views": { "decisions": true } }),
    );
    let requester = role(world, instance.mandate, Some(instance.id), "bookings-requester");
    Call { args: vec![requester.to_string()], mandate: Some(instance.mandate.to_string()), ..call }
}
