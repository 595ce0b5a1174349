//! Twin mandates, alike in everything: each id of each call is swapped for the twin's, one at a
//! time, and must find nothing and change nothing, while the same call with one's own ids succeeds.
//! An id of the twin and an id of nothing are answered alike, so that nobody learns which ids
//! exist.

use serde_json::Value;
use uuid::Uuid;

use super::cases::{Case, Names, mentioned};
use super::operations::Operation;
use super::stage::{Approach, Ground, call, on_grounds};
use crate::harness::app::Answer;
use crate::harness::digest::digest;
use crate::{core, features};

#[test]
fn a_swapped_id_finds_nothing_and_changes_nothing() {
    let swaps: usize = on_grounds(isolated).into_iter().sum();
    assert!(swaps >= 75, "only {swaps} ids were swapped");
}

pub async fn isolated(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let world = &ground.world;
    let own = ground.stage_for(case, &world.acme).await;
    let twins = ground.stage_for(case, &world.globex).await;
    // The own call in the twin's stead must not differ by who used the mandate before.
    let before = digests(ground).await;
    let swapped: Vec<&'static str> =
        core::mandate_ids().chain(features::ids()).filter(|name| case.mentions(name)).collect();
    for name in &swapped {
        by_admin(ground, operation, case, (&own, &twins), name).await;
        by_sys_admin(ground, operation, case, (&own, &twins), name, swapped.len()).await;
    }
    if swapped.len() > 1 {
        let all = swapped
            .iter()
            .fold(admin(ground), |approach, name| approach.aiming(name, &twins[name]));
        let answer = call(&world.app, operation, case, &own, &all).await;
        let status = answer.status.as_u16();
        assert!(
            status == 404 || status == 403,
            "{}, all ids swapped: {status} {}",
            case.title(),
            answer.body
        );
    }
    if !operation.tables().is_empty() {
        let foreign = Approach::of(&world.acme.admin).in_mandate(world.globex.id);
        if !case.sys_only {
            call(&world.app, operation, case, &own, &foreign)
                .await
                .refused(403, "mandate_access_denied");
        }
    }
    assert_eq!(
        digests(ground).await,
        before,
        "{} changed something though it was refused",
        case.title()
    );
    nothing_of_unknown_ids(ground, operation, case, &own, &swapped).await;
    own_call_succeeds(ground, operation, case, &own, &before[1]).await;
    swapped.len()
}

fn admin(ground: &Ground) -> Approach {
    Approach::of(&ground.world.acme.admin).in_mandate(ground.world.acme.id)
}

/// An enforcement point gets an answer about whoever is not known: a denial.
const DENIED: [&str; 2] = ["evaluate_access", "evaluate_accesses"];

/// What a call with somebody else's id is answered.
fn refusal(case: &Case, name: &str) -> (u16, &'static str) {
    if name == "target" && DENIED.contains(&case.id) {
        (200, "")
    } else if name == "mandate" {
        (403, "mandate_access_denied")
    } else if case.instance.is_some_and(|header| mentioned(header).contains(name)) {
        (403, "instance_access_denied")
    } else {
        (404, "not_found")
    }
}

/// Whether the id only narrows a list.
fn is_filter(case: &Case, name: &str) -> bool {
    let (path, query) = case.uri.split_once('?').unwrap_or((case.uri, ""));
    case.status == 200
        && mentioned(query).contains(name)
        && !mentioned(path).contains(name)
        && name != "instance"
}

async fn by_admin(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    (own, twins): (&Names, &Names),
    name: &'static str,
) {
    if case.sys_only || operation.is_for_sys_admins() {
        return;
    }
    let app = &ground.world.app;
    let foreign = call(app, operation, case, own, &admin(ground).aiming(name, &twins[name])).await;
    let unknown =
        call(app, operation, case, own, &admin(ground).aiming(name, Uuid::now_v7())).await;
    assert_eq!(
        told(&foreign),
        told(&unknown),
        "{}: `${name}` of the twin and of nobody",
        case.title()
    );
    if is_filter(case, name) {
        let page = foreign.expect(200);
        assert_eq!(
            page["items"],
            serde_json::json!([]),
            "{} by the twin's `${name}`",
            case.title()
        );
        return;
    }
    let (status, code) = refusal(case, name);
    assert!(
        !foreign.body.to_string().contains("\"decision\":true"),
        "{} with the twin's `${name}`: {}",
        case.title(),
        foreign.body
    );
    assert_eq!(
        (foreign.status.as_u16(), foreign.code()),
        (status, code),
        "{} with the twin's `${name}`: {}",
        case.title(),
        foreign.body
    );
}

/// SysAdmins reach every mandate, but what the path names must belong together.
async fn by_sys_admin(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    (own, twins): (&Names, &Names),
    name: &'static str,
    ids: usize,
) {
    let path = mentioned(case.uri);
    let names_mandate = path.contains("mandate") || path.contains("instance");
    if !operation.admits("sysAdmin")
        || ids < 2
        || !names_mandate
        || is_filter(case, name)
        || case.id == "list_members"
    {
        return;
    }
    let sys_admin = Approach::of(&ground.world.sys_admin).aiming(name, &twins[name]);
    let answer = call(&ground.world.app, operation, case, own, &sys_admin).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (404, "not_found"),
        "{} with the twin's `${name}`, by a SysAdmin: {}",
        case.title(),
        answer.body
    );
}

/// Whoever has level `n` is refused before anything is looked up.
async fn nothing_of_unknown_ids(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    own: &Names,
    swapped: &[&'static str],
) {
    if operation.tables().is_empty() {
        return;
    }
    let context = mentioned(case.instance.unwrap_or_default());
    let named: Vec<_> =
        swapped.iter().filter(|name| **name != "mandate" && !context.contains(**name)).collect();
    let none = ground.walker_at_n(case, own).await;
    let real = call(&ground.world.app, operation, case, own, &none).await;
    let unknown = named.iter().fold(none, |approach, name| approach.aiming(name, Uuid::now_v7()));
    let unknown = call(&ground.world.app, operation, case, own, &unknown).await;
    real.refused(403, "permission_denied");
    assert_eq!(told(&real), told(&unknown), "{} at level n, with ids of nothing", case.title());
}

async fn own_call_succeeds(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    own: &Names,
    twin_before: &str,
) {
    let answer =
        call(&ground.world.app, operation, case, own, &ground.rightful(operation, case)).await;
    assert_eq!(
        answer.status.as_u16(),
        case.status,
        "{} with own ids: {}",
        case.title(),
        answer.body
    );
    assert_eq!(
        digests(ground).await[1],
        twin_before,
        "{} with own ids changed the twin",
        case.title()
    );
    ground.mend().await;
}

/// An answer, without what differs from request to request.
fn told(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove("instance");
        members.remove("requestId");
    }
    (answer.status.as_u16(), body)
}

/// All rows of Acme and of Globex, in a few letters each.
async fn digests(ground: &Ground) -> [String; 2] {
    let world = &ground.world;
    [digest(&world.app, world.acme.id).await, digest(&world.app, world.globex.id).await]
}
