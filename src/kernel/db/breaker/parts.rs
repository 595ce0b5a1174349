//! What one breaker knows, shared by all who hold it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;

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

/// Connections that are open already, which belong to whoever asks of the breaker.
pub trait OpenConnections: Debug + Send + Sync {
    /// Whether one that nobody uses at the moment still answers.
    fn testify(&self) -> BoxFuture<'_, bool>;
}

#[derive(Debug)]
pub(super) struct Parts {
    pub options: PgConnectOptions,
    pub open: OnceLock<Weak<dyn OpenConnections>>,
    pub state: watch::Sender<State>,
    pub born: Instant,
    /// Milliseconds since then, plus one; 0 is never.
    pub heard: AtomicU64,
    pub asked: AtomicU64,
    pub lost: AtomicU64,
    pub opened: AtomicU64,
    pub refused: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub phase: Phase,
    /// A task asks.
    pub asking: bool,
}

impl Parts {
    pub fn now(&self) -> u64 {
        millis(self.born.elapsed()) + 1
    }

    pub fn is_within(&self, time: Duration, mark: &AtomicU64) -> bool {
        let mark = mark.load(Ordering::Relaxed);
        mark > 0 && self.now().saturating_sub(mark) < millis(time)
    }

    pub fn open(&self, why: &str) {
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

    pub fn close(&self) {
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

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
