//! A dry run tells exactly what the call then does: in random worlds, with things disabled here and
//! there, a random call is asked about and then made, and what it did is read from the tables by
//! code that shares nothing with the service's own ([`expected`]). Whatever is refused is refused
//! alike. `DRY_RUN_SEED=<n> DRY_RUN_WORLDS=1` repeats the world that a failure names.

mod expected;

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use self::expected::{differences, may_only_leave, named_to, nothing_told, place_of, reach};
use super::effort::{is_full, rounds, setting};
use super::escalation::calls::{Call, Dice};
use super::escalation::reach::Snapshot;
use super::escalation::stage::{ADMIN, Scene, Theatre, play_all};
use super::operations::{Operation, document, operations};
use crate::harness::Answer;

/// With as many cases in each: two thousand in all, so that each operation changes something in
/// some.
const WORLDS: u64 = 500;

const CASES_PER_WORLD: usize = 4;

/// How many cases must change somebody's access, for a run to say something.
const CHANGING: usize = 600;

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
const REACHING: usize = 200;

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
        assert_eq!(total.refused + total.without_change + total.changing, 2_000);
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
    // An import tells of each line, and not whose access would be another.
    let is_import = |operation: &Operation| operation.path.ends_with("/import");
    operations(&document())
        .into_iter()
        .filter(move |operation| named(operation, "dryRun") && !is_import(operation))
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
    // Who was added a moment ago is noted on their way in, whatever they are answered.
    let used = "update memberships set first_used_at = now() where first_used_at is null";
    sqlx::query(used).execute(&theatre.app.sql).await.unwrap();
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
    let leaver = theatre.people[call.actor].id;
    if may_only_leave(leaver, call, &before) {
        expected = nothing_told();
    } else if REGROUPING.contains(&call.operation) {
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
