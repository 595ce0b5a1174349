//! Whether the database is there. Nobody waits long for one that is away: as long as it is, whoever
//! needs it is refused at once.
//!
//! What a statement takes says nothing: it may wait for a lock, or have much to do. So whoever has
//! not heard from the database for a while has it *asked*, by one task for everybody and on a
//! connection of its own: `select 1`. Only where that fails the breaker opens, and lets go of all
//! who wait. It is asked again every second (half open), never at the cost of somebody's request,
//! and closes with the first answer.

mod opened;
mod parts;
mod question;

use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::kernel::error::is_lost;
use opened::OPEN;
use parts::{Parts, State, millis};
use question::ask_until_it_answers;

pub(super) use opened::Opened;
pub(super) use parts::OpenConnections;
pub use parts::{Phase, Sight};

/// Silence for so long, while a statement runs, has the database asked.
pub(super) const SUSPICIOUS: Duration = Duration::from_millis(500);
/// The same while a connection is waited for: where connections are refused, the pool would go on
/// trying.
pub(super) const AT_THE_DOOR: Duration = Duration::from_millis(100);
/// Between two questions while it is there and slow.
const REST: Duration = Duration::from_millis(500);
/// A statement that takes so long may be on a connection that died silently: others that were idle
/// meanwhile are looked at.
const DOUBTFUL: Duration = Duration::from_secs(2);
/// What it may take after that: PostgreSQL would have ended one of the system by then, which has
/// the longest time (30 s).
const ENDED_BY_NOW: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(super) struct Breaker(Arc<Parts>);

impl Breaker {
    pub fn new(options: PgConnectOptions) -> Self {
        let never = || AtomicU64::new(0);
        let state = watch::Sender::new(State { phase: Phase::Closed, asking: false });
        Self(Arc::new(Parts {
            options,
            open: OnceLock::new(),
            state,
            born: Instant::now(),
            heard: never(),
            asked: never(),
            lost: never(),
            opened: never(),
            refused: never(),
        }))
    }

    /// Where there may be connections that are open already. Held loosely: pools hold the breaker.
    pub fn may_ask(&self, open: &Arc<dyn OpenConnections>) {
        let _ = self.0.open.set(Arc::downgrade(open));
    }

    pub fn sight(&self) -> Sight {
        let (opened, refused) =
            (self.0.opened.load(Ordering::Relaxed), self.0.refused.load(Ordering::Relaxed));
        Sight { phase: self.0.state.borrow().phase, opened, refused }
    }

    pub fn is_open(&self) -> bool {
        self.0.state.borrow().phase != Phase::Closed
    }

    /// Waits for something, as long as the database is there.
    pub async fn guarded<T>(
        &self,
        silence: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, sqlx::Error> {
        let mut state = self.0.state.subscribe();
        if self.is_open() {
            return Err(self.refusal());
        }
        let (mut work, mut silence) = (pin!(work), silence);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                _ = state.wait_for(|state| state.phase != Phase::Closed) => {
                    return Err(self.refusal());
                }
                () = sleep(silence) => self.suspect(silence),
            }
            silence = SUSPICIOUS;
        }
    }

    /// Refuses at once where the database is away: for who waits for what others ask, who notice
    /// themselves when it goes.
    pub fn let_pass(&self) -> Result<(), sqlx::Error> {
        if self.is_open() { Err(self.refusal()) } else { Ok(()) }
    }

    /// The same for a statement, whose answer shows that the database is there, or that this
    /// connection is not.
    pub async fn statement<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let outcome = self.guarded(SUSPICIOUS, self.bounded(work)).await?;
        match &outcome {
            Err(error) if is_lost(error) => self.lost(error),
            _ => self.heard(),
        }
        outcome
    }

    /// A statement that is not ended by a server that cannot be heard any more, on this connection
    /// alone.
    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let mut work = pin!(work);
        if let Ok(outcome) = timeout(DOUBTFUL, &mut work).await {
            return outcome;
        }
        self.doubt();
        let silent = || {
            sqlx::Error::Io(io::Error::new(
                io::ErrorKind::TimedOut,
                "the connection does not answer any more",
            ))
        };
        timeout(ENDED_BY_NOW, work).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Connections that are idle by now are looked at before they are used again.
    pub fn doubt(&self) {
        self.0.lost.store(self.0.now(), Ordering::Relaxed);
    }

    /// Runs somebody's work with whatever transactions it has, and lets go of both when the
    /// database goes away meanwhile. Statements between a transaction's begin and its end are
    /// bounded by nothing else. (What has none, as most of what is read has not, is not watched.)
    pub async fn attended<T>(&self, work: impl Future<Output = T>) -> Result<T, sqlx::Error> {
        let open = Arc::new(AtomicUsize::new(0));
        let mut work = pin!(OPEN.scope(open.clone(), work));
        let mut going_away = pin!(self.going_away(&open));
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            if open.load(Ordering::Relaxed) == 0 {
                return Poll::Pending;
            }
            going_away.as_mut().poll(context).map(Err)
        })
        .await
    }

    /// Ends when the database is away while transactions are open.
    async fn going_away(&self, open: &AtomicUsize) -> sqlx::Error {
        let mut state = self.0.state.subscribe();
        loop {
            if open.load(Ordering::Relaxed) > 0 && self.is_open() {
                return self.refusal();
            }
            tokio::select! {
                biased;
                _ = state.changed() => {}
                () = sleep(SUSPICIOUS) => {
                    if open.load(Ordering::Relaxed) > 0 {
                        self.suspect(SUSPICIOUS);
                    }
                }
            }
        }
    }

    /// The database has answered something.
    pub fn heard(&self) {
        self.0.heard.store(self.0.now(), Ordering::Relaxed);
    }

    /// Somebody waits. Where nothing was heard for so long, the database is asked.
    pub fn suspect(&self, silence: Duration) {
        if !self.0.is_within(silence, &self.0.heard) && !self.0.is_within(REST, &self.0.asked) {
            self.ask();
        }
    }

    /// A connection has broken. It may have been the only one, or the database has gone: it is
    /// asked.
    pub fn lost(&self, why: &impl Display) {
        self.doubt();
        if self.ask() {
            tracing::info!(%why, "a connection to the database was lost");
        }
    }

    /// Whether connections were lost since somebody last used this one, that lies idle for so long:
    /// it may be another one of them.
    pub fn doubts(&self, idle: Duration) -> bool {
        let lost = self.0.lost.load(Ordering::Relaxed);
        lost > 0 && lost >= self.0.now().saturating_sub(millis(idle))
    }

    /// Once it is decided: whether the database is there.
    pub async fn is_there(&self) -> bool {
        let mut state = self.0.state.subscribe();
        let decided = state.wait_for(|state| !state.asking || state.phase != Phase::Closed).await;
        decided.is_ok_and(|state| state.phase == Phase::Closed)
    }

    fn refusal(&self) -> sqlx::Error {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        sqlx::Error::Io(io::Error::new(io::ErrorKind::NotConnected, "the database is away"))
    }

    /// Unless somebody asks already.
    fn ask(&self) -> bool {
        let begins =
            self.0.state.send_if_modified(|state| !std::mem::replace(&mut state.asking, true));
        if begins {
            tokio::spawn(ask_until_it_answers(Arc::downgrade(&self.0)));
        }
        begins
    }
}
