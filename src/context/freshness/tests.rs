//! Batches over a source that delays, fails, panics and cuts answers short, as connections do. What
//! is asked about is a number that only grows: whoever asks has to be answered by one at least as
//! great as it was when they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use super::batches::{Batches, MOST, Source};
use crate::context::load::{Epochs, Fresh, Mandates, Question};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{SessionId, UserId};

fn question() -> Question {
    Question { session: SessionId::new(), user: UserId::new(), mandates: Mandates::One(None) }
}

fn fresh(user: i64) -> Fresh {
    Fresh { is_sys_admin: false, epochs: Epochs { user, mandates: 0, catalogue: 0, era: 1 } }
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
    assert!(stale_answers(Batches::answering_from_what_is_under_way).await > 0);
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

/// Delays, fails, panics and cuts short, by dice.
#[derive(Debug, Clone, Default)]
struct Unreliable(Arc<World>);

impl Source for Unreliable {
    async fn answer(&self, questions: Vec<Question>) -> Result<Vec<Option<Fresh>>> {
        let number = self.0.statements.fetch_add(1, Ordering::SeqCst);
        let mut dice = StdRng::seed_from_u64(number as u64);
        pause(&mut dice).await;
        let truth = self.0.truth.load(Ordering::SeqCst);
        pause(&mut dice).await;
        match dice.random_range(0..40) {
            0 => Err(Error::new(Code::DatabaseUnavailable, "It is away.")),
            1 => Ok(vec![Some(fresh(truth)); questions.len() - 1]),
            2 => std::panic::resume_unwind(Box::new("as a bug would")),
            _ => Ok(vec![Some(fresh(truth)); questions.len()]),
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

/// How many of those who asked were told what had changed before they came.
async fn stale_answers(of: impl Fn(Unreliable) -> Batches<Unreliable>) -> usize {
    let source = Unreliable::default();
    let batches = of(source.clone());
    let mut asking = JoinSet::new();
    for number in 0..ASKING {
        let (world, batches) = (source.0.clone(), batches.clone());
        asking.spawn(async move {
            let mut dice = StdRng::seed_from_u64(number as u64);
            let (mut answered, mut stale) = (0, 0);
            for _ in 0..ROUNDS {
                pause(&mut dice).await;
                // Revoked, and then asked.
                let least = world.truth.fetch_add(1, Ordering::SeqCst) + 1;
                match batches.ask(question()).await {
                    Ok(Some(told)) => {
                        answered += 1;
                        stale += usize::from(told.epochs.user < least);
                    }
                    Ok(None) => panic!("nobody signed out"),
                    Err(refused) => assert!(
                        [Code::DatabaseUnavailable, Code::Internal].contains(&refused.code()),
                        "{refused:?}"
                    ),
                }
            }
            (answered, stale)
        });
    }
    let (answered, stale) =
        asking.join_all().await.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(answered > ASKING * ROUNDS / 2, "only {answered} were answered");
    let statements = source.0.statements.load(Ordering::SeqCst);
    assert!(statements < ASKING * ROUNDS / 2, "{statements} statements were not shared");
    stale
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_told_what_changed_before_they_came() {
    assert_eq!(stale_answers(Batches::of).await, 0);
}
