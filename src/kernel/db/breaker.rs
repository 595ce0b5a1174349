//! Whether the database is there. Nobody waits long for one that is away: as long as it is, whoever
//! needs it is refused at once.
//!
//! What a statement takes says nothing: it may wait for a lock, or have much to do. So whoever has
//! not heard from the database for a while has it *asked*, by one task for everybody and on a
//! connection of its own: `select 1`. Only where that fails the breaker opens, and lets go of all
//! who wait. It is asked again every second (half open), never at the cost of somebody's request,
//! and closes with the first answer.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::kernel::error::is_lost;

/// Silence for so long, while a statement runs, has the database asked.
pub(super) const SUSPICIOUS: Duration = Duration::from_millis(500);
/// The same while a connection is waited for: where connections are refused, the pool would go on
/// trying.
pub(super) const AT_THE_DOOR: Duration = Duration::from_millis(100);
/// What answers later than this is away.
const ANSWERS_WITHIN: Duration = Duration::from_millis(1_500);
/// Between two questions while it is away.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two questions while it is there and slow.
const REST: Duration = Duration::from_millis(500);
/// Until a socket is tried again whose queue is full.
const FULL: Duration = Duration::from_millis(50);
/// A connection that is open already answers within that, where no new one is to be had.
const TESTIFIES_WITHIN: Duration = Duration::from_millis(300);
/// A statement that takes so long may be on a connection that died silently: others that were idle
/// meanwhile are looked at.
const DOUBTFUL: Duration = Duration::from_secs(2);
/// What it may take after that: PostgreSQL would have ended one of the system by then, which has
/// the longest time (30 s).
const ENDED_BY_NOW: Duration = Duration::from_secs(30);

/// What the breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everybody.
    Closed,
    /// Nobody.
    Open,
    /// Its own question, and nobody else.
    HalfOpen,
}

/// What operators see of it.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    pub phase: Phase,
    /// How often it opened.
    pub opened: u64,
    /// How many were refused.
    pub refused: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Breaker(Arc<Parts>);

/// The pools, which belong to whoever asks of the breaker.
pub(super) type Pools = [PgPool; 2];

#[derive(Debug)]
struct Parts {
    options: PgConnectOptions,
    pools: OnceLock<Weak<Pools>>,
    state: watch::Sender<State>,
    born: Instant,
    /// Milliseconds since then, plus one; 0 is never.
    heard: AtomicU64,
    asked: AtomicU64,
    lost: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// A task asks.
    asking: bool,
}

tokio::task_local! {
    /// How many transactions the task has open.
    static OPEN: Arc<AtomicUsize>;
}

impl Breaker {
    pub fn new(options: PgConnectOptions) -> Self {
        let never = || AtomicU64::new(0);
        let state = watch::Sender::new(State { phase: Phase::Closed, asking: false });
        Self(Arc::new(Parts {
            options,
            pools: OnceLock::new(),
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
    pub fn may_ask(&self, pools: &Arc<Pools>) {
        let _ = self.0.pools.set(Arc::downgrade(pools));
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
        let (mut work, mut silence) = (std::pin::pin!(work), silence);
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
        let mut work = std::pin::pin!(work);
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
    /// bounded by nothing else.
    pub async fn attended<T>(&self, work: impl Future<Output = T>) -> Result<T, sqlx::Error> {
        let open = Arc::new(AtomicUsize::new(0));
        let mut state = self.0.state.subscribe();
        let mut work = std::pin::pin!(OPEN.scope(open.clone(), work));
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                _ = state.changed() => {}
                () = sleep(SUSPICIOUS) => {}
            }
            if open.load(Ordering::Relaxed) == 0 {
                continue;
            }
            if self.is_open() {
                return Err(self.refusal());
            }
            self.suspect(SUSPICIOUS);
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
    pub fn lost(&self, why: &sqlx::Error) {
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

/// Ends with the first answer, or when nobody needs the database any more.
async fn ask_until_it_answers(breaker: Weak<Parts>) {
    loop {
        let Some(parts) = breaker.upgrade() else { return };
        match parts.is_there().await {
            Ok(()) => return parts.close(),
            Err(why) => parts.open(&why),
        }
        drop(parts);
        sleep(PAUSE).await;
        if let Some(parts) = breaker.upgrade() {
            parts.state.send_modify(|state| state.phase = Phase::HalfOpen);
        }
    }
}

impl Parts {
    fn now(&self) -> u64 {
        millis(self.born.elapsed()) + 1
    }

    fn is_within(&self, time: Duration, mark: &AtomicU64) -> bool {
        let mark = mark.load(Ordering::Relaxed);
        mark > 0 && self.now().saturating_sub(mark) < millis(time)
    }

    async fn is_there(&self) -> Result<(), String> {
        let began = self.now();
        match timeout(ANSWERS_WITHIN, question(&self.options)).await {
            // The fault may be on the way: no file descriptor left here, or a proxy that takes no
            // more.
            Ok(Err(error)) if is_lost(&error) => {
                if self.an_open_connection_answers(began).await {
                    Ok(())
                } else {
                    Err(error.to_string())
                }
            }
            // One that refuses a connection in words is there: it has too many, or wants another
            // password.
            Ok(_) => Ok(()),
            // Too busy for one more connection, but not for those that it has.
            Err(_) if self.heard.load(Ordering::Relaxed) > began => Ok(()),
            Err(_) => Err(format!("no answer within {} ms", ANSWERS_WITHIN.as_millis())),
        }
    }

    /// Whether the database is heard by a connection that was there before. One that has gone
    /// closes them all.
    async fn an_open_connection_answers(&self, began: u64) -> bool {
        let Some(pools) = self.pools.get().and_then(Weak::upgrade) else { return false };
        let asked = async {
            while let Some(mut idle) = pools.iter().find_map(PgPool::try_acquire) {
                if idle.ping().await.is_ok() {
                    return true;
                }
                drop(idle.detach());
            }
            // Those that are lent out show it by what is answered to others.
            while self.heard.load(Ordering::Relaxed) <= began {
                sleep(FULL).await;
            }
            true
        };
        timeout(TESTIFIES_WITHIN, asked).await.unwrap_or(false)
    }

    fn open(&self, why: &str) {
        // Idle connections are looked at before they are used again.
        self.lost.store(self.now(), Ordering::Relaxed);
        let mut was_closed = false;
        self.state.send_modify(|state| {
            was_closed = state.phase == Phase::Closed;
            state.phase = Phase::Open;
        });
        if was_closed {
            self.opened.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                why,
                "the database is away; requests are refused until it answers again"
            );
        }
    }

    fn close(&self) {
        self.asked.store(self.now(), Ordering::Relaxed);
        let mut was_open = false;
        self.state.send_modify(|state| {
            was_open = state.phase != Phase::Closed;
            *state = State { phase: Phase::Closed, asking: false };
        });
        if was_open {
            tracing::info!("the database is back");
        }
    }
}

async fn question(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    loop {
        match PgConnection::connect_with(options).await {
            // A Unix socket whose queue is full: frozen, or just many at once.
            Err(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                sleep(FULL).await;
            }
            Err(error) => return Err(error),
            Ok(mut connection) => {
                connection.execute("select 1").await?;
                let _ = connection.close().await;
                return Ok(());
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// That a task has a transaction open, for [`Breaker::attended`].
#[derive(Debug)]
pub(super) struct Opened(Option<Arc<AtomicUsize>>);

impl Opened {
    pub fn here() -> Self {
        let open = OPEN.try_with(Arc::clone).ok();
        if let Some(open) = &open {
            open.fetch_add(1, Ordering::Relaxed);
        }
        Self(open)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
