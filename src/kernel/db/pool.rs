//! A pool whose connections come back without being asked whether they still answer.
//!
//! sqlx's own pool asks each one that comes back: a round trip after every transaction. Who gives
//! one back here has just been answered on it, so that it waits for its next use at once. One of
//! which nobody knows what it is in the middle of (its request was dropped) goes back to sqlx's
//! pool, which asks. That pool also opens connections, and ends old ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::breaker::{Breaker, OpenConnections};
use super::turns;
use crate::kernel::error::is_lost;

/// How long a connection may take to answer or to roll back before it is closed instead.
pub(super) const UNWILLING: Duration = Duration::from_secs(1);
/// Connections that idled for so long may have died unnoticed.
const LONG_IDLE: Duration = Duration::from_secs(20);
/// Until somebody who could not get a new connection looks whether another one has come back.
const AGAIN: Duration = Duration::from_millis(20);
/// After so long here a connection goes by way of sqlx's pool once more, which ends those that are
/// older than half an hour.
const OURS: Duration = Duration::from_mins(5);
/// One that nobody has needed for so long is closed, as sqlx closes those that it keeps.
const NEEDLESS: Duration = Duration::from_mins(10);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pool(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    opened: PgPool,
    /// As many as there may be connections: whoever has one finds a connection waiting, or may open
    /// one.
    places: Arc<Semaphore>,
    /// The latest last, which is the next to be used.
    waiting: Mutex<Vec<Waiting>>,
    breaker: Breaker,
}

#[derive(Debug)]
struct Waiting {
    connection: PoolConnection<Postgres>,
    /// When it came from sqlx's pool.
    ours_since: Instant,
    idle_since: Instant,
}

/// A connection, and the place of whoever has it.
#[derive(Debug)]
pub(super) struct Taken {
    pub connection: PoolConnection<Postgres>,
    pub ours_since: Instant,
    pub place: OwnedSemaphorePermit,
}

impl Pool {
    /// Connects when it is first used; `on_connect` is how its connections begin.
    pub fn lazy(
        size: u32,
        options: PgConnectOptions,
        on_connect: &'static str,
        breaker: Breaker,
    ) -> Self {
        let opened = opening(size, on_connect, breaker.clone()).connect_lazy_with(options);
        let places = Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(usize::MAX)));
        Self(Arc::new(Parts { opened, places, waiting: Mutex::default(), breaker }))
    }

    /// One that is not known to be dead.
    pub async fn take(&self) -> Result<Taken, sqlx::Error> {
        let place = self.0.places.clone().acquire_owned();
        let place = timeout(turns::PATIENCE, place)
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        if let Some(Waiting { connection, ours_since, idle_since }) = self.latest() {
            let is_doubtful = is_doubtful(&self.0.breaker, idle_since.elapsed());
            let still_there = if is_doubtful { asked(connection).await } else { Some(connection) };
            if let Some(connection) = still_there {
                return Ok(Taken { connection, ours_since, place });
            }
            // Others may have died with it: rather than to ask one after the other, a new one.
        }
        let connection = self.opened().await?;
        Ok(Taken { connection, ours_since: Instant::now(), place })
    }

    /// Takes one back that was answered on just now; returns one that has to go sqlx's way.
    pub fn give_back(&self, taken: Taken) -> Option<Taken> {
        if taken.ours_since.elapsed() > OURS {
            return Some(taken);
        }
        let Taken { connection, ours_since, place } = taken;
        let connection = self.let_wait(connection, ours_since)?;
        Some(Taken { connection, ours_since, place })
    }

    /// Unless the pool was closed.
    fn let_wait(
        &self,
        connection: PoolConnection<Postgres>,
        ours_since: Instant,
    ) -> Option<PoolConnection<Postgres>> {
        let mut waiting = self.waiting();
        // Within the lock, so that none comes to wait after all who wait were closed.
        if self.0.opened.is_closed() {
            return Some(connection);
        }
        waiting.push(Waiting { connection, ours_since, idle_since: Instant::now() });
        None
    }

    /// Closes those that nobody has needed for long; to be called now and then.
    pub fn tidy(&self) {
        let mut waiting = self.waiting();
        // The longest idle are the first.
        let needless = waiting.partition_point(|it| it.idle_since.elapsed() > NEEDLESS);
        for mut needless in waiting.drain(..needless) {
            needless.connection.close_on_drop();
        }
    }

    /// Whether one that waits still answers. None waits: `None`. (On a task of its own: where new
    /// connections are not to be had, none is closed because somebody would not wait for it.)
    async fn testifies(&self) -> Option<bool> {
        let (connection, ours_since) = self.try_take()?;
        let pool = self.clone();
        let asking = async move {
            let Some(connection) = asked(connection).await else { return false };
            drop(pool.let_wait(connection, ours_since));
            true
        };
        Some(tokio::spawn(asking.in_current_span()).await.unwrap_or(false))
    }

    /// How many connections are open, and how many of those wait.
    pub fn size(&self) -> (u32, usize) {
        // sqlx's own count is below nought for a moment.
        let waiting = self.waiting().len().wrapping_add(self.0.opened.num_idle());
        (self.0.opened.size(), waiting)
    }

    /// Closes all connections, those that are lent as they come back.
    pub async fn close(&self) {
        let closing = self.0.opened.close();
        self.waiting().clear();
        closing.await;
    }

    fn latest(&self) -> Option<Waiting> {
        self.waiting().pop()
    }

    fn try_take(&self) -> Option<(PoolConnection<Postgres>, Instant)> {
        let waiting = self.latest().map(|waiting| (waiting.connection, waiting.ours_since));
        waiting.or_else(|| self.0.opened.try_acquire().map(|idle| (idle, Instant::now())))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One from sqlx's pool, as long as that would have somebody wait. Where a new one is not to be
    /// had, one of those that are open will come back: sqlx gives up at once where there is no way
    /// to the server, and tries on and on where the server is full.
    async fn opened(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let began = Instant::now();
        loop {
            match self.new_or_come_back().await {
                Err(error) if is_lost(&error) => {
                    self.0.breaker.lost(&error);
                    if began.elapsed() > turns::PATIENCE {
                        return Err(error);
                    }
                    sleep(AGAIN).await;
                    if let Some(connection) = self.came_back().await {
                        return Ok(connection);
                    }
                }
                acquired => return acquired,
            }
        }
    }

    async fn new_or_come_back(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let mut acquired = std::pin::pin!(self.0.opened.acquire());
        loop {
            if let Ok(acquired) = timeout(AGAIN, &mut acquired).await {
                return acquired;
            }
            if let Some(connection) = self.came_back().await {
                return Ok(connection);
            }
        }
    }

    /// One that waits by now. Whoever it would have been for opens another, or waits for the next.
    async fn came_back(&self) -> Option<PoolConnection<Postgres>> {
        asked(self.try_take()?.0).await
    }
}

/// All of a node.
#[derive(Debug)]
pub(super) struct Pools(pub [Pool; 3]);

impl OpenConnections for Pools {
    fn testify(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            for pool in &self.0 {
                while let Some(answered) = pool.testifies().await {
                    if answered {
                        return true;
                    }
                }
            }
            false
        })
    }
}

/// Without a runtime there is nothing that sqlx could take them back with.
impl Drop for Parts {
    fn drop(&mut self) {
        let waiting = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        for waiting in waiting.drain(..) {
            drop(waiting.connection.detach());
        }
    }
}

/// The connection, if it still answers. Otherwise, and where nobody waits for that any more, it is
/// closed: on its way back sqlx would ask it again, without end.
async fn asked(connection: PoolConnection<Postgres>) -> Option<PoolConnection<Postgres>> {
    struct Doubtful(Option<PoolConnection<Postgres>>);
    impl Drop for Doubtful {
        fn drop(&mut self) {
            drop(self.0.take().map(PoolConnection::detach));
        }
    }
    let mut doubtful = Doubtful(Some(connection));
    if answers(doubtful.0.as_mut()?).await { doubtful.0.take() } else { None }
}

/// sqlx's pool, and how its connections begin.
fn opening(size: u32, on_connect: &'static str, breaker: Breaker) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(turns::PATIENCE)
        // A ping before every use would cost a round trip.
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let breaker = breaker.clone();
            Box::pin(async move { Ok(still_answers(connection, &breaker, meta.idle_for).await) })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(on_connect).await?;
                // A statement whose client has gone stops. Not every system that PostgreSQL runs on
                // can tell; there its time is up later.
                let _ = connection.execute("set client_connection_check_interval = '2s'").await;
                Ok(())
            })
        })
}

/// Where it may have died meanwhile, it is asked.
pub(super) async fn still_answers(
    connection: &mut PgConnection,
    breaker: &Breaker,
    idle: Duration,
) -> bool {
    !is_doubtful(breaker, idle) || answers(connection).await
}

fn is_doubtful(breaker: &Breaker, idle: Duration) -> bool {
    idle > LONG_IDLE || breaker.doubts(idle)
}

async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(UNWILLING, connection.ping()).await, Ok(Ok(())))
}
