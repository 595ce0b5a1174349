//! A dry run tells exactly what the call then does: in random worlds, with things disabled here and
//! there, a random call is asked about and then made, and what it did is read from the tables by
//! code that shares nothing with the service's own. Whatever is refused is refused alike.
//! `DRY_RUN_SEED=<n> DRY_RUN_WORLDS=1` repeats the world that a failure names.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::effort::{is_full, rounds, setting};
use super::escalation::calls::{Call, Dice};
use super::escalation::reach::Snapshot;
use super::escalation::stage::{ADMIN, Scene, Theatre, play_all};
use super::operations::{Operation, document, operations};
use crate::harness::Answer;

/// With as many cases in each: a thousand in all.
const WORLDS: u64 = 250;
const CASES_PER_WORLD: usize = 4;
/// How many cases must change somebody's access, for a run to say something.
const CHANGING: usize = 300;
/// `autoJoin` is for whoever comes later: what it does is told of nobody.
const OF_THOSE_TO_COME: &str = "PATCH /api/mandates/{mandateId}/groups/{groupId}";
/// What changes who is in which group.
const REGROUPING: [&str; 7] = [
    OF_THOSE_TO_COME,
    "DELETE /api/mandates/{mandateId}/groups/{groupId}",
    "PUT /api/mandates/{mandateId}/groups/{groupId}/members",
    "PUT /api/mandates/{mandateId}/groups/{groupId}/members/{userId}",
    "DELETE /api/mandates/{mandateId}/groups/{groupId}/members/{userId}",
    "POST /api/mandates/{mandateId}/users",
    "DELETE /api/mandates/{mandateId}/users/{userId}",
];
const SYNC: &str = "POST /api/features/instances/{instanceId}/sync-roles";

/// How many cases must change whom somebody reaches by groups.
const REACHING: usize = 100;

/// How cases ended.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    without_change: usize,
    changing: usize,
    /// Of these, how many changed whom somebody reaches by level `g`.
    reaching: usize,
    /// People whose access changed, and who were not named to whoever asked.
    left_out: usize,
    /// Which operations changed something.
    operations: BTreeSet<&'static str>,
}

#[test]
fn a_dry_run_tells_what_the_call_then_does() {
    let first = setting("DRY_RUN_SEED").unwrap_or(1);
    let worlds = setting("DRY_RUN_WORLDS").unwrap_or_else(|| rounds(WORLDS));
    let known = known_operations();
    assert_eq!(known.len(), 18, "{known:?}");
    let mut total = Tally::default();
    for tally in
        play_all(first..first + worlds, async |theatre: &Theatre, seed, tally: &mut Tally| {
            play(theatre, seed, &known, tally).await;
        })
    {
        total.refused += tally.refused;
        total.without_change += tally.without_change;
        total.changing += tally.changing;
        total.reaching += tally.reaching;
        total.left_out += tally.left_out;
        total.operations.extend(tally.operations);
    }
    eprintln!(
        "{} cases changed access, {} did not, {} were refused",
        total.changing, total.without_change, total.refused
    );
    eprintln!(
        "{} people were not named; {} cases changed whom somebody reaches",
        total.left_out, total.reaching
    );
    if is_full() {
        assert_eq!(total.refused + total.without_change + total.changing, 1_000);
        assert!(total.changing >= CHANGING, "{total:?}");
        let telling: BTreeSet<&str> = known
            .iter()
            .map(String::as_str)
            .filter(|it| ![SYNC, OF_THOSE_TO_COME].contains(it))
            .collect();
        assert_eq!(total.operations, telling);
        assert!(total.reaching >= REACHING, "{total:?}");
    }
}

/// As `METHOD path`. (A document is made inside of a runtime only.)
#[tokio::main(flavor = "current_thread")]
async fn known_operations() -> BTreeSet<String> {
    knowing_dry_run().map(|operation| format!("{} {}", operation.method, operation.path)).collect()
}

fn knowing_dry_run() -> impl Iterator<Item = Operation> {
    let named = |operation: &Operation, name: &str| {
        operation.value["parameters"].as_array().into_iter().flatten().any(|it| it["name"] == name)
    };
    operations(&document()).into_iter().filter(move |operation| named(operation, "dryRun"))
}

/// Some cases, one after the other in the world of a seed.
async fn play(theatre: &Theatre, seed: u64, known: &BTreeSet<String>, tally: &mut Tally) {
    let (scene, feature, names) = theatre.set(seed).await;
    let mut random = StdRng::seed_from_u64(seed);
    switch_off(theatre, scene, &mut random).await;
    let mut view = Snapshot::read(&theatre.app.sql).await;
    for step in 0..CASES_PER_WORLD {
        let mut dice = Dice {
            random: &mut random,
            view: &view,
            people: &theatre.people,
            scene,
            feature,
            names: &names,
        };
        let call = draw(&mut dice, known);
        let precondition = random
            .random_bool(0.12)
            .then(|| *["\"1\"", "\"1\"", "\"4\""].choose(&mut random).unwrap());
        let case = format!(
            "seed {seed}, case {step}: {call:?} with {precondition:?} by {}",
            theatre.people[call.actor].name
        );
        view = compare(theatre, &call, precondition, view, tally, &case).await;
    }
}

/// A random call; mostly one that may well do something.
fn draw(dice: &mut Dice, known: &BTreeSet<String>) -> Call {
    let anything = dice.random.random_bool(0.1);
    loop {
        let mut call = dice.call_among(|operation| known.contains(operation));
        if call.mandate.is_some() && dice.random.random_bool(0.75) {
            call.actor = ADMIN; // who may do most, and is refused least
        }
        let at_home = call.mandate.is_none_or(|mandate| mandate == dice.scene.main);
        if anything || (at_home && names_what_is_there(&call, dice.view)) {
            return call;
        }
    }
}

/// Whether the member, the admission or the role that the path names is there, and somebody holds
/// the role whose permissions change.
fn names_what_is_there(call: &Call, view: &Snapshot) -> bool {
    let named: Vec<Uuid> =
        call.path.split(['/', '?']).filter_map(|part| part.parse().ok()).collect();
    let (of_mandate, of_instance) =
        (call.path.contains("/mandates/"), call.path.contains("/instances/"));
    let is_member =
        |mandate, user| view.memberships.iter().any(|row| (row.0, row.1) == (mandate, user));
    match named[..] {
        [_] if of_mandate => true,
        [mandate, group, ref users @ ..] if call.path.contains("/groups/") => {
            view.groups.contains(&(mandate, group))
                && users.iter().all(|user| is_member(mandate, *user))
        }
        [role] if !of_instance => {
            view.member_roles.iter().chain(&view.access_roles).any(|row| row.2 == role)
                && !view.role(role).protected
        }
        [mandate, user] if of_mandate => is_member(mandate, user),
        [mandate, user, role] => {
            let known = view
                .roles
                .iter()
                .any(|it| it.id == role && it.mandate == Some(mandate) && it.instance.is_none());
            known && is_member(mandate, user)
        }
        [instance, user] => view.accesses.iter().any(|row| (row.0, row.1) == (instance, user)),
        _ => true,
    }
}

/// Asks, then does; answers what is there afterwards.
async fn compare(
    theatre: &Theatre,
    call: &Call,
    precondition: Option<&str>,
    before: Snapshot,
    tally: &mut Tally,
    case: &str,
) -> Snapshot {
    let untouched = theatre.app.digest().await;
    let told = make(theatre, call, precondition, true).await;
    assert_eq!(
        theatre.app.digest().await,
        untouched,
        "a dry run changed something; {case}: {}",
        told.body
    );
    let done = make(theatre, call, precondition, false).await;
    assert!(!done.status.is_server_error(), "{case}: {}", done.body);
    if !done.status.is_success() {
        assert_eq!(refusal(&told), refusal(&done), "{case}");
        assert_eq!(theatre.app.digest().await, untouched, "{case}");
        tally.refused += 1;
        return before;
    }
    let after = Snapshot::read(&theatre.app.sql).await;
    let preview = told.expect(200);
    if call.operation == SYNC {
        assert_eq!(preview, done.body, "{case}");
        tally.without_change += 1;
        return after;
    }
    let mut expected = differences(&before, &after, place_of(call, &before));
    if REGROUPING.contains(&call.operation) {
        expected["reach"] = reach(&before, &after, place_of(call, &before).unwrap());
    }
    let (expected, left_out) = named_to(expected, theatre, call, &before);
    tally.left_out += left_out;
    assert_eq!(preview, expected, "{case}");
    let reaching = expected["reach"]["totals"]["users"].as_u64().unwrap_or_default() > 0;
    tally.reaching += usize::from(reaching);
    if expected["totals"]["users"] == 0 && !reaching {
        tally.without_change += 1;
    } else {
        tally.changing += 1;
        tally.operations.insert(call.operation);
    }
    after
}

/// Disables some accounts and instances, and now and then the mandate.
async fn switch_off(theatre: &Theatre, scene: Scene, random: &mut StdRng) {
    let people: Vec<Uuid> = theatre.people[ADMIN + 1..]
        .iter()
        .map(|actor| actor.id)
        .filter(|_| random.random_bool(0.07))
        .collect();
    let mandates: Vec<Uuid> =
        [scene.main, scene.foreign].into_iter().filter(|_| random.random_bool(0.03)).collect();
    let instance = ["first", "second", "none", "none", "none"].choose(random).unwrap();
    let listed = |ids: Vec<Uuid>| ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ");
    // Without triggers, which would count admins and raise epochs: nobody has called anything in
    // this world yet.
    let statements = format!(
        "begin; set local session_replication_role = replica; update users set enabled = false
           where id = any ('{{{}}}');
         update mandates set enabled = false where id = any ('{{{}}}'); update feature_instances
           set enabled = false where label = '{instance}'; commit",
        listed(people),
        listed(mandates)
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&theatre.app.sql).await.unwrap();
}

async fn make(theatre: &Theatre, call: &Call, precondition: Option<&str>, dry_run: bool) -> Answer {
    let separator = if call.path.contains('?') { '&' } else { '?' };
    let path =
        if dry_run { format!("{}{separator}dryRun=true", call.path) } else { call.path.clone() };
    let mut request =
        theatre.app.call(call.method.clone(), path).bearer(&theatre.people[call.actor].token);
    if let Some(mandate) = call.mandate {
        request = request.mandate(mandate);
    }
    if let Some(tag) = precondition {
        request = request.header("if-match", tag);
    }
    if let Some(body) = &call.body {
        request = request.json(body.clone());
    }
    request.send().await
}

/// What a refusal says.
fn refusal(answer: &Answer) -> [Value; 4] {
    ["status", "code", "detail", "errors"].map(|member| answer.body[member].clone())
}

/// The mandate whose access the call changes; a template's is in none.
fn place_of(call: &Call, view: &Snapshot) -> Option<Uuid> {
    let named: Uuid = call.path.split('/').find_map(|part| part.parse().ok()).unwrap();
    if call.path.starts_with("/api/roles") {
        view.role(named).mandate
    } else if call.path.starts_with("/api/features") {
        view.instances.iter().find(|instance| instance.1 == named).map(|instance| instance.0)
    } else {
        Some(named)
    }
}

/// The preview as it must be, made from two looks at the tables.
fn differences(before: &Snapshot, after: &Snapshot, mandate: Option<Uuid>) -> Value {
    let (mut changes, mut gained, mut lost, mut users) = (Vec::new(), 0, 0, BTreeSet::new());
    for user in after.users.iter().map(|user| user.0) {
        let (from, to) = (before.effective(user), after.effective(user));
        for (place, table) in from.keys().chain(to.keys()).collect::<BTreeSet<_>>() {
            let key = (*place, table.clone());
            let levels =
                |looked: &BTreeMap<_, [u8; 4]>| looked.get(&key).copied().unwrap_or_default();
            for (index, operation) in ["read", "create", "update", "delete"].into_iter().enumerate()
            {
                let (from, to) = (levels(&from)[index], levels(&to)[index]);
                if from == to {
                    continue;
                }
                assert_eq!(Some(place.0), mandate, "another mandate's access changed");
                let letter = |level: u8| ["n", "m", "g", "a"][usize::from(level)];
                changes.push(json!({
                    "userId": user, "instanceId": place.1, "table": table, "operation": operation,
                    "from": letter(from), "to": letter(to),
                }));
                users.insert(user);
                gained += usize::from(to > from);
                lost += usize::from(to < from);
            }
        }
    }
    let admins_left = mandate.map(|mandate| after.effective_admins(mandate));
    json!({
        "changes": changes, "totals": { "users": users.len(), "gained": gained, "lost": lost },
        "adminsLeft": admins_left,
    })
}

/// Whom each person reaches by groups and did not, and the other way round.
fn reach(before: &Snapshot, after: &Snapshot, mandate: Uuid) -> Value {
    let (mut changes, mut all_gained, mut all_lost) = (Vec::new(), 0, 0);
    for user in after.users.iter().map(|user| user.0) {
        let (then, now) = (before.by_groups(mandate, user), after.by_groups(mandate, user));
        let [gains, loses] = [&now - &then, &then - &now];
        if gains.is_empty() && loses.is_empty() {
            continue;
        }
        all_gained += gains.len();
        all_lost += loses.len();
        changes.push(json!({
            "userId": user, "gains": gains, "loses": loses, "gained": gains.len(),
            "lost": loses.len(),
        }));
    }
    json!({
        "totals": { "users": changes.len(), "gained": all_gained, "lost": all_lost },
        "changes": changes,
    })
}

/// The preview as it is told: of whom the call names, and of those whom the caller may list, in the
/// mandate or in the instance. Also how many were left out.
fn named_to(
    mut preview: Value,
    theatre: &Theatre,
    call: &Call,
    before: &Snapshot,
) -> (Value, usize) {
    let Some(mandate) = place_of(call, before) else { return (preview, 0) };
    let caller = theatre.people[call.actor].id;
    let ids: BTreeSet<Uuid> =
        call.path.split(['/', '?']).filter_map(|part| part.parse().ok()).collect();
    let named_in = |field: &str| {
        call.body.as_ref().and_then(|body| body[field].as_str()?.parse::<Uuid>().ok())
    };
    let in_body = named_in("userId").or_else(|| named_in("targetUserId"));
    let instance =
        before.roles.iter().find(|role| ids.contains(&role.id)).and_then(|role| role.instance);
    let instance =
        instance.or_else(|| before.instances.iter().map(|row| row.1).find(|id| ids.contains(id)));
    // SysAdmins govern, except roles and groups, which they reach as members.
    let as_members = call.path.starts_with("/api/roles") || call.path.contains("/groups/");
    let governs = before.users.contains(&(caller, true)) && !as_members;
    let level = |instance: Option<Uuid>, table: &str| {
        let effective = before.effective(caller);
        if governs {
            3
        } else {
            effective.get(&((mandate, instance), table.to_owned())).map_or(0, |levels| levels[0])
        }
    };
    let by_members = level(None, "members");
    let groups = |user: Uuid| {
        let own = before.group_members.iter().filter(move |row| row.0 == mandate && row.2 == user);
        own.map(|row| row.1)
    };
    let nearness = |user: Uuid| match user {
        _ if user == caller => 1,
        _ if groups(user).any(|group| groups(caller).any(|own| own == group)) => 2,
        _ => 3,
    };
    let admitted = |instance: Uuid, user: Uuid, enabled: bool| {
        before.accesses.iter().any(|row| (row.0, row.1) == (instance, user) && (row.2 || !enabled))
    };
    let instance_nearness = |instance: Uuid| {
        let others = before
            .accesses
            .iter()
            .filter(|row| row.0 == instance && row.2)
            .map(|row| nearness(row.1))
            .min()
            .unwrap_or(3);
        if admitted(instance, caller, true) { 1 } else { others.max(2) }
    };
    let listed_in = |instance: Uuid, user: Uuid| {
        let by_row = if level(None, "instances") >= instance_nearness(instance) { 3 } else { 0 };
        admitted(instance, user, false)
            && nearness(user) <= by_row.max(level(Some(instance), "access"))
    };
    let named = |user: Uuid| {
        let by_call = ids.contains(&user) || in_body == Some(user) || user == caller;
        by_call
            || nearness(user) <= by_members
            || instance.is_some_and(|instance| listed_in(instance, user))
    };
    let left_out = keep_named(&mut preview, |id| named(id.as_str().unwrap().parse().unwrap()));
    (preview, left_out)
}

/// Leaves those in it that are named; how many people were left out.
fn keep_named(preview: &mut Value, is_named: impl Fn(&Value) -> bool) -> usize {
    let mut people = BTreeSet::new();
    let mut only_named = |changes: &mut Value| {
        changes.as_array_mut().unwrap().retain(|change| {
            let told = is_named(&change["userId"]);
            if !told {
                people.insert(change["userId"].to_string());
            }
            told
        });
    };
    only_named(&mut preview["changes"]);
    if let Some(reach) = preview.get_mut("reach") {
        only_named(&mut reach["changes"]);
        for change in reach["changes"].as_array_mut().unwrap() {
            for list in ["gains", "loses"] {
                change[list].as_array_mut().unwrap().retain(|id| is_named(id));
            }
        }
    }
    people.len()
}

/// Whoever reads the document learns of the parameter and of both answers.
#[tokio::test]
async fn operations_that_know_dry_run_document_both_answers() {
    let schemas = &document()["components"]["schemas"];
    let preview = json!({ "$ref": "#/components/schemas/AccessPreview" });
    for operation in knowing_dry_run().filter(|operation| operation.id != "sync_instance_roles") {
        let responses = &operation.value["responses"];
        let answer = &responses["200"]["content"]["application/json"]["schema"];
        if ["201", "204"].iter().any(|status| responses[status].is_object()) {
            assert_eq!(*answer, preview, "{}", operation.id);
            continue;
        }
        let name = answer["$ref"]
            .as_str()
            .and_then(|reference| reference.rsplit('/').next())
            .unwrap_or_default();
        let either = schemas[name]["oneOf"]
            .as_array()
            .unwrap_or_else(|| panic!("{}: {answer}", operation.id));
        assert!(either.len() == 2 && either.contains(&preview), "{}: {either:?}", operation.id);
    }
}
