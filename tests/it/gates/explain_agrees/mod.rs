//! Guards, checks and explanations answer as the [reference](super::reference) does: the evaluator
//! over random worlds in memory, and the running service over random worlds in a database.
//! `REFERENCE_SEED=<n> REFERENCE_WORLDS=1` repeats the world that a failure names.

mod advice;
mod answers;
mod guard;
mod memory;
mod stage;
mod worlds;

use std::sync::atomic::{AtomicU64, Ordering};

use super::effort::{is_full, rounds, setting};
use super::reference::{Question, World};
use crate::core::tables::MANDATE_TABLES;
use memory::Tally;
use stage::{Drawn, Theatre};
use worlds::Scope;

/// Worlds in memory, and questions about each of them.
const WORLDS: u64 = 20_000;
const QUESTIONS: usize = 5;
/// Worlds in a database, and questions about each of them.
const PLACED_WORLDS: u64 = 50;
const PLACED_QUESTIONS: usize = 40;
/// On how many of them the advice is taken.
const ADVISED: usize = 15;
/// Each has a database of its own; more than there are cores, since half of the time is spent
/// waiting for PostgreSQL.
const THEATRES: usize = 3;

fn letter(level: u8) -> &'static str {
    ["n", "m", "g", "a"][usize::from(level)]
}

/// What roles can speak of where the table of a question is.
fn tables_scope(world: &World, asked: &Question) -> &'static Scope {
    let instance = asked.instance.filter(|_| !MANDATE_TABLES.contains(&asked.table));
    worlds::scope(instance.map(|id| world.instances.iter().find(|row| row.0 == id).unwrap().2))
}

/// Does `work` for each seed, on as many threads as asked for, and adds up what they counted.
fn on_threads(
    threads: usize,
    worlds: u64,
    work: impl Fn(&mut dyn Iterator<Item = u64>) -> Tally + Sync,
) -> Tally {
    let first = setting("REFERENCE_SEED").unwrap_or(1);
    let worlds = setting("REFERENCE_WORLDS").unwrap_or_else(|| rounds(worlds));
    let next = AtomicU64::new(0);
    let mut total = Tally::new();
    let seeds = || {
        std::iter::from_fn(|| {
            Some(next.fetch_add(1, Ordering::SeqCst))
                .filter(|number| *number < worlds)
                .map(|n| first + n)
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&mut seeds()))).collect();
        for (what, count) in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            *total.entry(what).or_default() += count;
        }
    });
    total
}

/// Prints the counts; each has to reach its least one, where all rounds are played.
fn require(total: &Tally, least: &[(&'static str, usize)]) {
    eprintln!("{total:#?}");
    if is_full() && setting("REFERENCE_WORLDS").is_none() {
        let rare: Vec<_> = least
            .iter()
            .filter(|(what, least)| total.get(*what).copied().unwrap_or(0) < *least)
            .collect();
        assert!(rare.is_empty(), "too seldom: {rare:?} in {total:#?}");
    }
}

#[test]
fn the_evaluator_answers_as_the_reference_does() {
    let total = on_threads(2, WORLDS, |seeds| {
        let mut tally = Tally::new();
        for seed in seeds {
            let mut random = worlds::dice(seed);
            let world = worlds::small(&mut random);
            for _ in 0..QUESTIONS {
                let asked = worlds::question(&mut random, &world);
                if let Err(difference) = memory::compare(&world, &asked, &mut tally) {
                    panic!("seed {seed}, {asked:?}: {difference}\n{world:#?}");
                }
            }
        }
        tally
    });
    require(&total, &memory::LEAST);
}

#[test]
fn guards_checks_and_explanations_answer_as_the_reference_does() {
    let total = on_threads(THEATRES, PLACED_WORLDS, perform);
    require(&total, &LEAST);
}

#[tokio::main(flavor = "current_thread")]
async fn perform(seeds: &mut dyn Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::new();
    let theatre = Theatre::open().await;
    for seed in seeds {
        play(&theatre, seed, &mut tally).await;
    }
    tally
}

async fn play(theatre: &Theatre, seed: u64, tally: &mut Tally) {
    let mut random = worlds::dice(seed);
    let stage = theatre.stage(&mut random);
    let drawn: Vec<Drawn> = (0..PLACED_QUESTIONS).map(|_| stage.draw(seed, &mut random)).collect();
    theatre.place(&stage, &drawn).await;
    for drawn in &drawn {
        answers::compare(theatre, &stage, drawn, tally).await;
        let (status, code) = guard::compare(theatre, &stage, drawn).await;
        *tally.entry(format!("guard {status} {code}").into()).or_default() += 1;
        if drawn.bare {
            *tally.entry("the instance left out".into()).or_default() += 1;
        }
    }
    // This changes the world: nothing is compared with it afterwards.
    let mut advised: Vec<&Drawn> = drawn.iter().collect();
    // Those who are not let in come first, since they are few.
    advised.sort_by_key(|drawn| {
        stage.world.is_alive(drawn.question.user, drawn.question.mandate, drawn.question.instance)
    });
    for drawn in advised.into_iter().take(ADVISED) {
        advice::follow(theatre, &stage, drawn, &mut random, tally).await;
    }
}

/// How often each must have come up among the questions to the service.
const LEAST: [(&str, usize); 25] = [
    ("asking was refused", 50),
    ("allowed by oneself", 100),
    ("refused by oneself", 100),
    ("allowed by somebody else", 100),
    ("refused by somebody else", 100),
    ("not_admitted", 20),
    ("no_permission", 50),
    ("level_too_low", 30),
    ("a role that may not be read", 3),
    ("a role is named that would do", 100),
    ("no role would do", 20),
    ("what is held would do", 5),
    ("advice: give_role", 100),
    ("advice: share_group", 3),
    ("advice: admit", 3),
    ("advice: enable_membership", 1),
    ("advice: enable_account", 1),
    ("the instance left out", 50),
    ("guard 200 ", 100),
    ("guard 401 unauthenticated", 10),
    ("guard 403 mandate_access_denied", 20),
    ("guard 403 instance_access_denied", 20),
    ("guard 403 permission_denied", 100),
    ("guard 404 not_found", 50),
    ("guard 412 precondition_failed", 30),
];

#[test]
fn the_reference_is_short_and_shares_no_code() {
    let text = include_str!("../reference.rs");
    let mut others = text.split("crate::").skip(1);
    assert!(
        text.lines().count() <= 100
            && !text.contains("bailiwick")
            && others.all(|rest| rest.starts_with("core::tables::"))
            && !text.contains("super::")
    );
}
