//! Connections on loan from a pool, and their way back. sqlx looks whether a connection still
//! answers before it takes it back, and would wait without end: here it has a moment, or is closed
//! instead, so that no frozen server keeps a place in the pool.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::breaker::{AT_THE_DOOR, Breaker, SUSPICIOUS};
use super::kept::KeptConnection;
use super::turns;
use crate::kernel::error::is_lost;

/// How long a connection may take to answer or to roll back before it is closed instead.
pub(super) const UNWILLING: Duration = Duration::from_secs(1);
/// Connections that idled for so long may have died unnoticed.
const LONG_IDLE: Duration = Duration::from_secs(20);
/// Until somebody who could not get a new connection looks whether another one has come back.
const AGAIN: Duration = Duration::from_millis(20);

/// A pool, and how its connections begin.
pub(super) fn pool(size: u32, on_connect: &'static str, breaker: Breaker) -> PgPoolOptions {
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

/// One from the pool, as long as the pool itself would have somebody wait. Where a new one is not
/// to be had, one of those that are open will come back: sqlx gives up at once where there is no
/// way to the server, and tries on and on where the server is full.
async fn acquire(
    pool: &PgPool,
    breaker: &Breaker,
) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let began = Instant::now();
    loop {
        match new_or_come_back(pool).await {
            Err(error) if is_lost(&error) => {
                breaker.lost(&error);
                if began.elapsed() > turns::PATIENCE {
                    return Err(error);
                }
                sleep(AGAIN).await;
            }
            acquired => return acquired,
        }
    }
}

async fn new_or_come_back(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let mut acquired = std::pin::pin!(pool.acquire());
    loop {
        if let Ok(acquired) = timeout(AGAIN, &mut acquired).await {
            return acquired;
        }
        // Nobody's who waits for one in the pool's queue.
        if let Some(mut idle) = pool.try_acquire() {
            if answers(&mut idle).await {
                return Ok(idle);
            }
            drop(idle.detach());
        }
    }
}

/// Where it may have died meanwhile, it is asked.
pub(super) async fn still_answers(
    connection: &mut PgConnection,
    breaker: &Breaker,
    idle: Duration,
) -> bool {
    !(idle > LONG_IDLE || breaker.doubts(idle)) || answers(connection).await
}

async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(UNWILLING, connection.ping()).await, Ok(Ok(())))
}

/// A connection on loan.
#[derive(Debug)]
pub(super) struct Lent {
    connection: Option<PoolConnection<Postgres>>,
    breaker: Breaker,
}

impl Lent {
    /// Waits for one, as long as the database is there.
    pub async fn from(pool: &PgPool, breaker: &Breaker) -> Result<Self, sqlx::Error> {
        let connection = breaker.guarded(AT_THE_DOOR, acquire(pool, breaker)).await??;
        Ok(Self { connection: Some(connection), breaker: breaker.clone() })
    }

    /// Closes it, which also ends whatever it is in.
    pub fn discard(self) {
        drop(self.keep());
    }

    /// Takes it out of the pool, which opens another one in its place.
    pub fn keep(mut self) -> KeptConnection {
        let connection = self.connection.take();
        let connection = connection
            .unwrap_or_else(|| unreachable!("the connection is taken only when it goes back"));
        KeptConnection(connection.detach())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let runtime = Handle::try_current().ok().filter(|_| !self.breaker.is_open());
        let Some(runtime) = runtime else {
            drop(connection.detach());
            return;
        };
        let (back, breaker) = (connection.return_to_pool(), self.breaker.clone());
        let take_back = async move {
            if timeout(UNWILLING, back).await.is_err() {
                breaker.doubt();
                breaker.suspect(SUSPICIOUS);
            }
        };
        runtime.spawn(take_back.in_current_span());
    }
}

impl Deref for Lent {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        self.connection
            .as_ref()
            .unwrap_or_else(|| unreachable!("the connection is taken only when it goes back"))
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection
            .as_mut()
            .unwrap_or_else(|| unreachable!("the connection is taken only when it goes back"))
    }
}
