//! Batches over a source that delays, fails, panics, cuts answers short and reads rows in any
//! order, as connections do. What is asked about is a number that only grows: whoever asks has to
//! be answered by one at least as great as it was when they came, and by what is their own.
//!
//! No node has two statements under way whose answers could change places: who is given up is not
//! heard any more. What has no order are the rows of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use chrono::DateTime;
use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use super::batches::{Batches, MOST, Source};
use crate::context::load::{Epochs, Fresh, Mandates, Question};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{SessionId, UserId};

fn question() -> Question {
    let (session, user, mandates) = (SessionId::new(), UserId::new(), Mandates::One(None));
    Question { session, user, mandates, at: DateTime::UNIX_EPOCH }
}

fn fresh(user: i64) -> Fresh {
    let epochs = Epochs { user, mandates: 0, catalogue: 0, era: 1 };
    Fresh { is_sys_admin: false, must_change_password: false, impersonated_by: None, epochs }
}

/// What is true, and those who asked.
#[derive(Debug, Default)]
struct World {
    truth: AtomicI64,
    statements: AtomicUsize,
    asked: AtomicUsize,
}

/// Looks at the world when a statement begins, and answers when it is let.
#[derive(Debug, Clone)]
struct Held {
    world: Arc<World>,
    begun: Arc<Semaphore>,
    let_answer: Arc<Semaphore>,
}

impl Held {
    fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self { world: Arc::default(), begun: closed(), let_answer: closed() }
    }
    /// Waits until a statement has looked.
    async fn looked(&self) {
        self.begun.acquire().await.unwrap().forget();
    }
}

impl Source for Held {
    async fn answer(&self, questions: Vec<Question>) -> Result<Vec<Option<Fresh>>> {
        self.world.statements.fetch_add(1, Ordering::SeqCst);
        self.world.asked.fetch_add(questions.len(), Ordering::SeqCst);
        let truth = self.world.truth.load(Ordering::SeqCst);
        self.begun.add_permits(1);
        self.let_answer.acquire().await.unwrap().forget();
        Ok(vec![Some(fresh(truth)); questions.len()])
    }
}

/// What one is told who comes while a statement is under way, after something changed that it did
/// not see.
async fn told_to_a_late_comer(batches: Batches<Held>, held: Held) -> i64 {
    let first = tokio::spawn({
        let batches = batches.clone();
        async move { batches.ask(question()).await }
    });
    held.looked().await;
    held.world.truth.store(1, Ordering::SeqCst);
    let mut late = Box::pin(batches.ask(question()));
    assert!((&mut late).now_or_never().is_none());
    held.let_answer.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap().unwrap().epochs.user, 0);
    late.await.unwrap().unwrap().epochs.user
}

#[tokio::test]
async fn a_late_comer_is_answered_by_the_next_statement() {
    let held = Held::new();
    assert_eq!(told_to_a_late_comer(Batches::of(held.clone()), held.clone()).await, 1);
    assert_eq!(held.world.statements.load(Ordering::SeqCst), 2);
}

/// The test of the tests: with the rule broken they find it.
#[tokio::test]
async fn answering_from_the_statement_under_way_tells_what_is_over() {
    let held = Held::new();
    let broken = Batches::answering_from_what_is_under_way(held.clone());
    assert_eq!(told_to_a_late_comer(broken, held).await, 0);
    assert!(wrong_answers(Batches::answering_from_what_is_under_way).await.stale > 0);
}

#[tokio::test]
async fn those_who_wait_together_cost_one_statement_and_who_went_away_is_left_out() {
    let held = Held::new();
    let batches = Batches::of(held.clone());
    let mut waiting: JoinSet<_> = JoinSet::new();
    let ask = |batches: &Batches<Held>| {
        let batches = batches.clone();
        async move { batches.ask(question()).await.unwrap().unwrap().epochs.user }
    };
    waiting.spawn(ask(&batches));
    held.looked().await;
    let mut others: Vec<_> = (0..100).map(|_| Box::pin(ask(&batches))).collect();
    for other in &mut others {
        assert!(other.now_or_never().is_none());
    }
    others.truncate(60);
    held.let_answer.add_permits(2);
    for other in others {
        assert_eq!(other.await, 0);
    }
    assert_eq!(waiting.join_all().await, [0]);
    let World { statements, asked, .. } = &*held.world;
    assert_eq!((statements.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (2, 61));
}

#[tokio::test]
async fn more_than_can_wait_are_refused_at_once() {
    let held = Held::new();
    let batches = Batches::of(held.clone());
    let mut first = Box::pin(batches.ask(question()));
    assert!((&mut first).now_or_never().is_none());
    held.looked().await;
    let mut waiting: Vec<_> = (0..MOST).map(|_| Box::pin(batches.ask(question()))).collect();
    for one in &mut waiting {
        assert!(one.now_or_never().is_none());
    }
    let refused = batches.ask(question()).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after_seconds()), (Code::Overloaded, Some(1)));
}

/// What only who asked this is to be told.
fn own(question: &Question, user: i64) -> Fresh {
    let mut fresh = fresh(user);
    fresh.epochs.catalogue = mark(question);
    fresh
}

fn mark(question: &Question) -> i64 {
    let (_, low) = question.user.uuid().as_u64_pair();
    low.cast_signed()
}

/// Delays, fails, panics, cuts short and reads in another order, by dice.
#[derive(Debug, Clone, Default)]
struct Unreliable(Arc<World>);

impl Source for Unreliable {
    async fn answer(&self, questions: Vec<Question>) -> Result<Vec<Option<Fresh>>> {
        let number = self.0.statements.fetch_add(1, Ordering::SeqCst);
        let mut dice = StdRng::seed_from_u64(number as u64);
        pause(&mut dice).await;
        let truth = self.0.truth.load(Ordering::SeqCst);
        let mut rows: Vec<(usize, Fresh)> =
            questions.iter().map(|question| own(question, truth)).enumerate().collect();
        rows.shuffle(&mut dice);
        pause(&mut dice).await;
        let mut answers = vec![None; questions.len()];
        for (number, fresh) in rows {
            answers[number] = Some(fresh);
        }
        match dice.random_range(0..40) {
            0 => Err(Error::new(Code::DatabaseUnavailable, "It is away.")),
            1 => Ok(answers.split_off(1)),
            2 => std::panic::resume_unwind(Box::new("as a bug would")),
            _ => Ok(answers),
        }
    }
}

async fn pause(dice: &mut StdRng) {
    for _ in 0..dice.random_range(0..30) {
        yield_now().await;
    }
}

const ASKING: usize = 16;
const ROUNDS: usize = 700;

/// How many of those who asked were told what had changed before they came, and how many what
/// somebody else was to be told.
#[derive(Debug, PartialEq)]
struct Wrong {
    stale: usize,
    anothers: usize,
}

async fn wrong_answers(of: impl Fn(Unreliable) -> Batches<Unreliable>) -> Wrong {
    let source = Unreliable::default();
    let batches = of(source.clone());
    let mut asking = JoinSet::new();
    for number in 0..ASKING {
        asking.spawn(revoking_and_asking(number as u64, source.0.clone(), batches.clone()));
    }
    let [answered, stale, anothers] = asking
        .join_all()
        .await
        .into_iter()
        .fold([0; 3], |sum, one| std::array::from_fn(|at| sum[at] + one[at]));
    assert!(answered > ASKING * ROUNDS / 2, "only {answered} were answered");
    let statements = source.0.statements.load(Ordering::SeqCst);
    assert!(statements < ASKING * ROUNDS / 2, "{statements} statements were not shared");
    Wrong { stale, anothers }
}

/// How many were answered, and how many of those stale or as somebody else.
async fn revoking_and_asking(
    seed: u64,
    world: Arc<World>,
    batches: Batches<Unreliable>,
) -> [usize; 3] {
    let mut dice = StdRng::seed_from_u64(seed);
    let [mut answered, mut stale, mut anothers] = [0; 3];
    for _ in 0..ROUNDS {
        pause(&mut dice).await;
        let least = world.truth.fetch_add(1, Ordering::SeqCst) + 1;
        let question = question();
        let mark = mark(&question);
        let mut asking = Box::pin(batches.ask(question));
        if dice.random_range(0..8) == 0 {
            // Who goes away shifts nobody's answer.
            assert!((&mut asking).now_or_never().is_none());
            continue;
        }
        match asking.await {
            Ok(Some(told)) => {
                answered += 1;
                stale += usize::from(told.epochs.user < least);
                anothers += usize::from(told.epochs.catalogue != mark);
            }
            Ok(None) => panic!("nobody signed out"),
            Err(refused) => assert!(
                [Code::DatabaseUnavailable, Code::Internal].contains(&refused.code()),
                "{refused:?}"
            ),
        }
    }
    [answered, stale, anothers]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_told_what_changed_before_they_came() {
    assert_eq!(wrong_answers(Batches::of).await, Wrong { stale: 0, anothers: 0 });
}
