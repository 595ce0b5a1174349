//! Nobody raises their own access, whatever they call in whatever order: random sequences of every
//! mutating operation, by people with and without rights, and after each call a look at the tables.
//! `ESCALATION_SEED=<n> ESCALATION_SEQUENCES=1` repeats the sequence that a failure names;
//! [`super::effort`] says how many are played.

pub mod calls;
pub mod reach;
mod script;
pub mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::effort::{is_full, rounds, setting};
use super::operations::{Operation, document, operations};
use crate::harness::app::Answer;
use uuid::Uuid;

use calls::{Call, Dice};
use reach::{Invited, Snapshot};
use stage::{Theatre, play_all};

const SEQUENCES: u64 = 2_200;
const CALLS: usize = 30;
/// How often each operation must have been answered with success, for a run to say something about
/// it.
const SUCCESSES: usize = 50;

const JOIN: &str = "POST /api/mandates/{mandateId}/users";
const ACCEPT: &str = "POST /api/invitations/accept";

/// For each operation, how often it was called and how often answered with success.
type Tally = BTreeMap<&'static str, (usize, usize)>;

#[test]
fn no_sequence_of_calls_raises_the_callers_own_access() {
    let first = setting("ESCALATION_SEED").unwrap_or(1);
    let sequences = setting("ESCALATION_SEQUENCES").unwrap_or_else(|| rounds(SEQUENCES));
    let mut total = Tally::new();
    for (operation, (calls, successes)) in
        play_all(first..first + sequences, play).into_iter().flatten()
    {
        let sum = total.entry(operation).or_default();
        *sum = (sum.0 + calls, sum.1 + successes);
    }
    eprintln!("{}", report(&total));
    if is_full() {
        let rare: Vec<_> = calls::operations()
            .filter(|operation| total.get(operation).is_none_or(|sum| sum.1 < SUCCESSES))
            .collect();
        assert!(
            rare.is_empty(),
            "not often enough answered with success: {rare:?}\n{}",
            report(&total)
        );
    }
}

fn report(tally: &Tally) -> String {
    let mut lines = format!(
        "{} calls, {} answered with success:\n",
        sum(tally, |count| count.0),
        sum(tally, |count| count.1)
    );
    for (operation, (calls, successes)) in tally {
        writeln!(lines, "{successes:>6} of {calls:>6}  {operation}").unwrap();
    }
    lines
}

fn sum(tally: &Tally, of: impl Fn(&(usize, usize)) -> usize) -> usize {
    tally.values().map(of).sum()
}

/// Plays one sequence in a world of its own.
async fn play(theatre: &Theatre, seed: u64, tally: &mut Tally) {
    let (scene, feature, names) = theatre.set(seed).await;
    let sql = &theatre.app.sql;
    let mut random = StdRng::seed_from_u64(seed);
    let mut view = Snapshot::read(sql).await;
    let mut were_members: BTreeSet<(Uuid, Uuid)> =
        view.memberships.iter().map(|row| (row.0, row.1)).collect();
    for step in 0..CALLS {
        let call = Dice {
            random: &mut random,
            view: &view,
            people: &theatre.people,
            scene,
            feature,
            names: &names,
        }
        .call();
        let answer = make(theatre, &call).await;
        let count = tally.entry(call.operation).or_default();
        count.0 += 1;
        let told = || {
            format!(
                "seed {seed}, call {step}: {call:?} by {}: {}",
                theatre.people[call.actor].name, answer.body
            )
        };
        assert!(!answer.status.is_server_error(), "{}", told());
        assert!(
            !(call.poisoned && answer.status.is_success() && answer.body["totals"]["invited"] != 0),
            "an unknown field was taken: {}",
            told()
        );
        let succeeded = answer.status.is_success();
        count.1 += usize::from(succeeded);
        // What was refused changed nothing: looked at now and then, and always at the end.
        if !succeeded && step + 1 < CALLS && random.random_bool(0.9) {
            continue;
        }
        let after = Snapshot::read(sql).await;
        let caller = theatre.people[call.actor].id;
        let raised = if call.operation == ACCEPT {
            promised_beyond(&view, &after, caller)
        } else {
            after.access(caller).raised_since(&view.access(caller))
        };
        assert!(raised.is_none(), "{} was raised by {}", raised.unwrap_or_default(), told());
        // What comes of an invitation is the doing of whoever sent it.
        let doing = if call.operation == ACCEPT { giver(&view, &after) } else { Some(caller) };
        let opened =
            doing.and_then(|who| opened(&view, &after, who, &were_members, call.operation));
        assert!(opened.is_none(), "{} by {}", opened.unwrap_or_default(), told());
        were_members.extend(after.memberships.iter().map(|row| (row.0, row.1)));
        assert!(
            succeeded || after == view,
            "a refused call changed something, at or before {}",
            told()
        );
        view = after;
    }
}

/// In whose name the invitation was that is over now.
fn giver(before: &Snapshot, after: &Snapshot) -> Option<Uuid> {
    accepted(before, after).map(|invited| invited.3)
}

fn accepted<'a>(before: &'a Snapshot, after: &Snapshot) -> Option<&'a Invited> {
    before.invitations.iter().find(|row| !after.invitations.contains(row))
}

/// What somebody got by accepting an invitation that whoever invited them could not give then.
fn promised_beyond(before: &Snapshot, after: &Snapshot, newcomer: Uuid) -> Option<String> {
    let (mandate, _, _, giver) = accepted(before, after)?;
    let own = before.access(*giver);
    let is_there = before.memberships.iter().any(|row| (row.0, row.1) == (*mandate, newcomer));
    if is_there || *giver == newcomer && own.is_sys_admin() {
        return Some("whoever was there already, or a SysAdmin,".to_owned());
    }
    if own.is_sys_admin() || own.is_admin_of(*mandate) {
        return None;
    }
    after.access(newcomer).in_mandate(*mandate).raised_since(&own)
}

/// What somebody reaches that they should not: the caller anything that they did not reach before
/// (rows of people who came near, and groups and instances in which they or somebody near have a
/// part now), and, by level `g`, whom the caller put into a group anything that the caller does not
/// reach. (Whom an admin brings together is the admin's choice.)
fn opened(
    before: &Snapshot,
    after: &Snapshot,
    caller: Uuid,
    were_members: &BTreeSet<(Uuid, Uuid)>,
    operation: &str,
) -> Option<String> {
    let own = before.access(caller);
    // Groups that take in new members by themselves are the admins' choice.
    let joins = [JOIN, ACCEPT].contains(&operation);
    let shares = before.group_members != after.group_members;
    if (shares || before.accesses != after.accesses)
        && let Some(thing) = after
            .gained_things(before, caller)
            .iter()
            .find(|thing| !joins && !own.is_admin_of(thing.1))
    {
        return Some(format!("the caller came to reach {thing:?}"));
    }
    let gained = if shares { after.brought_near(before, caller, were_members) } else { Vec::new() };
    if let Some(row) = gained.iter().find(|row| !own.may_join(row.0.0)) {
        return Some(format!("the caller came to reach {row:?}"));
    }
    // What SysAdmins give to others they give from outside; in groups they act as members.
    if joins || (own.is_sys_admin() && !operation.contains("/groups/")) {
        return None;
    }
    let others: BTreeSet<Uuid> =
        after.memberships.iter().map(|row| row.1).filter(|user| *user != caller).collect();
    others.into_iter().find_map(|viewer| {
        let gained = after.brought_near(before, viewer, were_members);
        let beyond = gained
            .into_iter()
            .find(|row| !own.is_admin_of(row.0.0) && !before.reaches(caller, row))?;
        Some(format!("{viewer} came to reach {beyond:?}"))
    })
}

async fn make(theatre: &Theatre, call: &Call) -> Answer {
    let request = theatre
        .app
        .call(call.method.clone(), call.path.clone())
        .bearer(&theatre.people[call.actor].token);
    let request = if let Some(mandate) = call.mandate { request.mandate(mandate) } else { request };
    let request = if let Some(instance) = &call.instance {
        request.header("x-instance-id", instance)
    } else {
        request
    };
    let Some(mut body) = call.body.clone() else { return request.send().await };
    // An invitation stands for the token that was mailed for it.
    if call.operation == ACCEPT
        && let Some(invitation) = body["token"].as_str().and_then(|id| id.parse().ok())
    {
        body["token"] = theatre.app.invitation_token(invitation).await.into();
    }
    match call.media {
        Some(media) => request.raw(media, &body.to_string()).send().await,
        None => request.json(body).send().await,
    }
}

/// A new mutating operation must be tried here too.
#[tokio::test]
async fn every_mutating_operation_is_tried() {
    let declared = operations(&document()).into_iter().filter(Operation::has_effect);
    let declared: BTreeSet<String> =
        declared.map(|operation| format!("{} {}", operation.method, operation.path)).collect();
    let tried: BTreeSet<String> = calls::operations().map(str::to_owned).collect();
    let missing: Vec<_> = declared.difference(&tried).collect();
    assert!(missing.is_empty(), "give these a body in calls.rs: {missing:?}");
}
