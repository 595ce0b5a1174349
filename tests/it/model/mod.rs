//! The whole REST surface against a reference model: random valid and invalid calls by several
//! people, each given to the service and to a plain model of it in memory. After every call the
//! status, the problem's code and the answer must be the model's; of lists the whole content, in
//! order, page by page.
//!
//! - [`world`]: what the model knows, and the access model as the product words it. [`enter`]: who
//!   is let in. [`admit`]: what they may do then.
//! - For each operation, how a call is made up and what it is answered: beside the cases of its
//!   slice or feature ([`crate::core`], [`crate::features`]). [`step`]: one step of the model.
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

pub mod admit;
pub mod call;
pub mod dice;
pub mod enter;
mod history;
mod installed;
pub mod operations;
pub mod pages;
mod post;
mod prelude;
pub mod reply;
pub mod shape;
mod spoil;
mod step;
mod tally;
pub mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gates::cases::{self, Unlike};
use super::gates::effort::{is_full, rounds, setting};
use super::gates::operations::{document, operations as declared};
use super::gates::sources::sources;
use history::History;
use tally::Tally;

const HISTORIES: u64 = 24;
const STEPS: usize = 1_300;
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
        Box::pin(history.play(if is_full() { STEPS } else { FEW_STEPS })).await;
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
    assert!(missing.is_empty(), "give these a place in the `plays` of their slice: {missing:#?}");
}

/// What it takes from outside: chance, the harness to make calls with, the levels that tables know;
/// and which slices and features there are. What is played stands beside their cases, and takes
/// nothing of these.
#[test]
fn the_model_shares_no_code_with_the_service() {
    let is_play = |(path, _): &(String, String)| path.ends_with("plays.rs");
    let beside_cases = ["tests/it/core", "tests/it/features"].into_iter().flat_map(|folder| {
        sources(folder).into_iter().map(move |(path, text)| (format!("{folder}/{path}"), text))
    });
    let plays: Vec<_> = beside_cases.filter(is_play).collect();
    assert!(plays.len() > 20, "only {} files of plays were found", plays.len());
    for (path, text) in sources("tests/it/model") {
        // It knows which slices and features there are, for their plays.
        let lists = if path == "operations.rs" { &["core::ALL", "features::ALL"][..] } else { &[] };
        let text =
            lists.iter().fold(text, |text, list| text.replace(&["crate", list].join("::"), ""));
        let found = foreign(&text, &["crate"]);
        assert_eq!(found, None, "tests/it/model/{path} uses what is not the model's");
    }
    for (path, text) in plays {
        let found = foreign(&text, &["crate", "super"]);
        assert_eq!(found, None, "{path} uses what is not the model's");
    }
    for (root, path) in [
        ("bailiwick", "access::Level"),
        ("crate", "gates::cases"),
        ("crate", "core::ALL"),
        ("super", "SLICE"),
    ] {
        let line = format!("use {root}::{path};");
        assert!(foreign(&line, &["crate", "super"]).is_some(), "{line}");
    }
}

/// The first path in a text that leads to the service, or by one of these roots to what other tests
/// know of it.
fn foreign<'a>(text: &'a str, roots: &[&str]) -> Option<&'a str> {
    let is_own = |rest: &&str| {
        let known = ["harness::", "model::", "core::tables::"];
        let of_other_plays = rest.split([' ', ';', '{', '(']).next().unwrap().contains("plays::");
        of_other_plays || known.iter().any(|known| rest.starts_with(known))
    };
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| {
        let by_root = |root: &&str| line.split(&format!("{root}::")).skip(1).collect::<Vec<_>>();
        let to_tests = roots.iter().flat_map(by_root).filter(|rest| !is_own(rest));
        by_root(&"bailiwick").into_iter().chain(to_tests).collect::<Vec<_>>()
    })
    .next()
}
