//! What was taken is gone for whoever asks after that was answered, and what was given back is
//! there: on two nodes that share a database, things are taken, asked about by all whom it
//! concerns, given back and asked about again, each on whichever node the dice say. Many mandates
//! do so at once, and others ask about all of them all the time: so there is always a statement
//! under way that an answer must not come from.

mod course;
mod questions;
mod stage;
mod taking;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sqlx::Executor;
use tokio::task::JoinSet;

use self::course::Tally;
use self::questions::{QUESTIONS, Question};
use self::stage::{Lane, Stage};
use self::taking::{Standing, TAKINGS};
use super::effort;
use crate::harness::statements;

/// In each of them somebody asks after something was taken from them, and again when they have it
/// back.
const ROUNDS: u64 = 10_000;
const LONG_ROUNDS: u64 = 1_000_000;

/// Mandates that take and give at the same time: changes of one wait for each other.
const LANES: u64 = 10;

/// Members of each of them. Of a million rounds more are made by one change: what is taken from all
/// of them together is asked about by each.
const MEMBERS: usize = 8;
const LONG_MEMBERS: usize = 40;

/// Who ask besides, whatever the dice say, and how much at once.
const WATCHERS: u64 = 4;
const AT_ONCE: usize = 4;

/// Tokens are good for a quarter of an hour: all sign in again after so long.
const RENEWED: Duration = Duration::from_mins(5);

/// By which words the statement is known that says for all who wait what has changed.
const FRESHNESS: &str = "select pg_current_snapshot()::text as";

impl Lane {
    async fn play(self: Arc<Self>, rounds: u64, tally: Arc<Tally>) {
        let mut dice = StdRng::seed_from_u64(self.seed);
        let (mut played, mut turn, mut renewed) = (0, 0, Instant::now());
        while played < rounds {
            turn += 1;
            let concerned = self.turn(turn, &mut dice, &tally).await;
            tally.rounds.fetch_add(concerned, Ordering::Relaxed);
            played += concerned;
            if renewed.elapsed() > RENEWED {
                self.renew().await;
                renewed = Instant::now();
            }
        }
    }

    /// Takes something and gives it back; how many it was taken from.
    async fn turn(&self, turn: u64, dice: &mut StdRng, tally: &Tally) -> u64 {
        let taking = *TAKINGS.choose(dice).unwrap();
        let telling: Vec<Question> = QUESTIONS
            .into_iter()
            .filter(|question| question.due(taking.leaves()) != question.due(Standing::WHOLE))
            .collect();
        let concerned = taking.concerned(self, dice);
        for (what, steps) in [
            ("take", taking.steps(self, concerned[0])),
            ("give back", taking.back(self, concerned[0])),
        ] {
            let node = dice.random_range(0..2);
            for step in steps {
                self.make(step, &concerned, node).await;
            }
            let asking = concerned.iter().map(|person| {
                let question = *telling.choose(dice).unwrap();
                self.ask(person, question, dice.random_range(0..2))
            });
            for asked in join_all(asking).await {
                let when = || format!("turn {turn}: after {what} {taking:?} on node {node}");
                tally.note(self.seed, asked, when);
            }
        }
        concerned.len() as u64
    }
}

/// Asks several at once, until all is over: what somebody is told was true at some moment between
/// the question and the answer.
async fn watch(lanes: Vec<Arc<Lane>>, seed: u64, over: Arc<AtomicBool>, tally: Arc<Tally>) {
    let mut dice = StdRng::seed_from_u64(seed);
    while !over.load(Ordering::Relaxed) {
        let lane = lanes.choose(&mut dice).unwrap();
        let mut asking = Vec::new();
        for _ in 0..AT_ONCE {
            let question = *QUESTIONS.choose(&mut dice).unwrap();
            let person = lane.somebody_for(question, &mut dice);
            asking.push(lane.ask(person, question, dice.random_range(0..2)));
        }
        for asked in join_all(asking).await {
            tally.note(lane.seed, asked, || "meanwhile".to_owned());
        }
    }
}

async fn play(stage: &Stage, rounds: u64) -> Arc<Tally> {
    let (tally, over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let (mut lanes, mut watchers) = (JoinSet::new(), JoinSet::new());
    for lane in &stage.lanes {
        lanes.spawn(lane.clone().play(rounds.div_ceil(LANES), tally.clone()));
    }
    for seed in 0..WATCHERS {
        watchers.spawn(watch(stage.lanes.clone(), !seed, over.clone(), tally.clone()));
    }
    lanes.join_all().await;
    over.store(true, Ordering::Relaxed);
    watchers.join_all().await;
    tally
}

#[test]
fn whoever_asks_after_a_change_was_answered_is_told_of_it_on_every_node() {
    let rounds = effort::rounds_or_long(ROUNDS, LONG_ROUNDS);
    let (tally, statements) = statements::sent_meanwhile(FRESHNESS, async move {
        let stage = Stage::set(LANES, effort::or_long(MEMBERS, LONG_MEMBERS)).await;
        play(&stage, rounds).await
    });
    eprintln!("{tally}; {statements} statements said what had changed");
    tally.nothing_was_stale();
    let asked = tally.asked.load(Ordering::Relaxed);
    assert!((1..asked).contains(&statements), "{statements} statements for {asked} questions");
    assert!(tally.unchanged.load(Ordering::Relaxed) > 0, "nobody was told that nothing changed");
}

/// The test of the test: what nobody tells the nodes of, they answer wrongly, and are found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_triggers_that_raise_epochs_the_same_rounds_find_stale_answers() {
    let stage = Stage::set(LANES, MEMBERS).await;
    let statement = "alter table memberships disable trigger user;
                       alter table member_roles disable trigger user;
                     alter table role_permissions disable trigger user;
                       alter table feature_accesses disable trigger user";
    stage.world.app.sql.execute(statement).await.unwrap();
    let tally = play(&stage, 20 * LANES).await;
    assert!(tally.stale() > 0, "{tally}");
}
