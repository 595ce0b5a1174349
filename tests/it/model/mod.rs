//! The whole REST surface against a reference model: random valid and invalid calls by several
//! people, each given to the service and to a plain model of it in memory. After every call the
//! status, the problem's code and the answer must be the model's; of lists the whole content, in
//! order, page by page.
//!
//! - [`world`]: what the model knows, and the access model as the product words it. [`enter`]: who
//!   is let in. [`admit`]: what they may do then.
//! - [`slices`]: for each operation, how a call is made up and what it is answered. [`step`]: one
//!   step of the model.
//! - [`dice`], [`spoil`], [`prelude`]: the calls. [`history`]: a service and a model side by side.
//!
//! A history is made from one number. A failure names it with the step and the last calls;
//! `MODEL_SEED=<n> cargo test --test it model_and_service_agree` plays that history again.
//! `GATES=full cargo test model` plays [`HISTORIES`] of [`STEPS`] calls and counts what came of
//! them; without it a few short ones are played.
//!
//! The model shares no code with the service: it was written from what the product promises, and is
//! as slow as it is plain.

#![expect(clippy::future_not_send, reason = "a history stays on the thread that it began on")]
#![expect(
    clippy::unnecessary_wraps,
    reason = "functions of one kind stand in one table: those that never refuse, too"
)]

mod admit;
mod call;
mod dice;
mod enter;
mod history;
mod installed;
mod operations;
mod pages;
mod prelude;
mod reply;
mod shape;
mod slices;
mod spoil;
mod step;
mod tally;
mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gates::cases::{self, Unlike};
use super::gates::effort::{is_full, rounds, setting};
use super::gates::operations::{document, operations as declared};
use super::gates::sources::sources;
use history::History;
use tally::Tally;

const HISTORIES: u64 = 24;
const STEPS: usize = 1_000;
/// Where not all is played.
const FEW_STEPS: usize = 400;
/// How often each mutating operation must have been answered with success in all histories
/// together.
const SUCCESSES: usize = 100;
/// Each plays with a database of its own; more than there are cores, since half of the time is
/// spent waiting for PostgreSQL.
const THREADS: usize = 3;

#[test]
fn model_and_service_agree() {
    let seeds = setting("MODEL_SEED").map_or(1..1 + rounds(HISTORIES), |seed| seed..seed + 1);
    let next = AtomicU64::new(seeds.start);
    let mut total = Tally::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| perform(seeds.end, &next))).collect();
        for thread in threads {
            total.add(thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        }
    });
    eprintln!("{total}");
    if is_full() && setting("MODEL_SEED").is_none() {
        assert!(total.steps() >= 20_000, "only {} steps", total.steps());
        assert!(
            total.rare(SUCCESSES).is_empty(),
            "not often enough answered with success: {:?}",
            total.rare(SUCCESSES)
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn perform(end: u64, next: &AtomicU64) -> Tally {
    let mut total = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return total;
        }
        let mut history = History::begin(seed).await;
        history.play(if is_full() { STEPS } else { FEW_STEPS }).await;
        total.add(history.tally);
    }
}

/// A new operation must be played, or its case say why not; with the method, the path and the
/// parameters that the document has.
#[tokio::test]
async fn every_operation_is_played_or_named() {
    let document = document();
    let mut missing = BTreeSet::new();
    for operation in declared(&document) {
        let name = format!("{} {} {}", operation.id, operation.method, operation.path);
        let excused = cases::is(&operation.id, Unlike::NotPlayed);
        let Some(played) = operations::all().find(|played| played.id == operation.id) else {
            assert!(excused || missing.insert(name), "twice");
            continue;
        };
        assert!(!excused, "{name} is played, though its case denies it");
        assert_eq!(format!("{} {} {}", played.id, played.method, played.path), name);
        let parameters = operation.value["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let known = played.query.has(parameter["name"].as_str().unwrap());
            assert!(
                known,
                "{name} knows the query parameter {}, and the model does not",
                parameter["name"]
            );
        }
    }
    assert!(missing.is_empty(), "give these a place in tests/it/model/slices: {missing:#?}");
}

/// What it takes from outside: chance, the harness to make calls with, and the levels that tables
/// know.
#[test]
fn the_model_shares_no_code_with_the_service() {
    for (path, text) in sources("tests/it/model") {
        let [service, tests] = ["bailiwick", "crate"].map(|name| format!("{name}::"));
        assert!(!text.contains(&service), "tests/it/model/{path} uses the service's code");
        let mut outside = text.split(&tests).skip(1);
        let known =
            |rest: &str| rest.starts_with("harness::") || rest.starts_with("core::tables::");
        assert!(outside.all(known), "tests/it/model/{path} uses other tests' code");
    }
}
