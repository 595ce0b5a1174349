//! Connections on loan from a pool, and their way back. Where nobody knows what one is in the
//! middle of, sqlx looks whether it still answers before it takes it back, and would wait without
//! end: here it has a moment, or is closed instead, so that no frozen server keeps a place in the
//! pool.

use std::ops::{Deref, DerefMut};

use sqlx::PgConnection;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Instrument;

use super::breaker::{AT_THE_DOOR, Breaker, SUSPICIOUS};
use super::kept::KeptConnection;
use super::pool::{Pool, Taken, UNWILLING};

/// A connection on loan.
#[derive(Debug)]
pub(super) struct Lent {
    taken: Option<Taken>,
    pool: Pool,
    breaker: Breaker,
}

impl Lent {
    /// Waits for one, as long as the database is there.
    pub async fn from(pool: &Pool, breaker: &Breaker) -> Result<Self, sqlx::Error> {
        let taken = breaker.guarded(AT_THE_DOOR, pool.take()).await??;
        Ok(Self { taken: Some(taken), pool: pool.clone(), breaker: breaker.clone() })
    }

    /// Gives it back after an answer to all that was asked on it, outside of any transaction.
    pub fn give_back(mut self) {
        if !self.breaker.is_open() {
            self.taken = self.taken.take().and_then(|taken| self.pool.give_back(taken));
        }
    }

    /// Closes it, which also ends whatever it is in.
    pub fn discard(self) {
        drop(self.keep());
    }

    /// Takes it out of the pool, which opens another one in its place.
    pub fn keep(mut self) -> KeptConnection {
        let taken = self.taken.take();
        let taken =
            taken.unwrap_or_else(|| unreachable!("the connection is taken only when it goes back"));
        KeptConnection(taken.connection.detach())
    }
}

/// It may be in the middle of something.
impl Drop for Lent {
    fn drop(&mut self) {
        let Some(Taken { mut connection, place, .. }) = self.taken.take() else { return };
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
            drop(place);
        };
        runtime.spawn(take_back.in_current_span());
    }
}

impl Deref for Lent {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        self.taken.as_ref().map_or_else(
            || unreachable!("the connection is taken only when it goes back"),
            |taken| &taken.connection,
        )
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.taken.as_mut().map_or_else(
            || unreachable!("the connection is taken only when it goes back"),
            |taken| &mut taken.connection,
        )
    }
}
