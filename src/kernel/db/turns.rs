//! Fair shares of the connections: at any moment requests in one mandate's context have, or wait in
//! the pool's queue for, at most half of them. Further ones wait for a turn among their own kind,
//! so that a mandate's load is in its own way, and in nobody else's. Whoever is not known to be let
//! in by the mandate that they name waits among their own requests: naming one takes nothing from
//! its members.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{MandateId, UserId};

/// As long as the pool itself lets somebody wait for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Among whom somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    Mandate(MandateId),
    User(UserId),
}

/// Who has a turn.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    each: usize,
    queues: Arc<Mutex<HashMap<Whose, Arc<Semaphore>>>>,
}

/// Permission to use one connection, given back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
    _entry: QueueEntry,
}

/// That somebody waits for a turn or has one: the last one to go takes the queue off the list.
#[derive(Debug)]
struct QueueEntry {
    turns: Turns,
    whose: Whose,
    semaphore: Option<Arc<Semaphore>>,
}

impl Turns {
    pub fn of(connections: u32) -> Self {
        let each = usize::try_from(connections / 2).unwrap_or(usize::MAX).max(1);
        Self { each, queues: Arc::default() }
    }

    /// Waits for a turn; 503 where it does not come in time.
    pub async fn take(&self, whose: Whose) -> Result<Turn> {
        let (entry, semaphore) = self.entry(whose);
        match tokio::time::timeout(PATIENCE, semaphore.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit, _entry: entry }),
            Ok(Err(closed)) => Err(Error::internal(closed)),
            Err(_) => Err(Error::new(
                Code::Overloaded,
                "Too much is asked at once, in this mandate or by you.",
            )
            .retry_after(1)),
        }
    }

    fn entry(&self, whose: Whose) -> (QueueEntry, Arc<Semaphore>) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore =
            queues.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone();
        (QueueEntry { turns: self.clone(), whose, semaphore: Some(semaphore.clone()) }, semaphore)
    }
}

impl Drop for QueueEntry {
    fn drop(&mut self) {
        let mut queues = self.turns.queues.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.semaphore.take());
        if queues.get(&self.whose).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            queues.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_mandate_has_half_of_the_connections_and_others_have_theirs() {
        let turns = Turns::of(4);
        let (busy, other) = (Whose::Mandate(MandateId::new()), Whose::Mandate(MandateId::new()));
        let first = turns.take(busy).await.unwrap();
        let second = turns.take(busy).await.unwrap();
        let mut third = Box::pin(turns.take(busy));
        assert!(
            tokio::time::timeout(Duration::ZERO, &mut third).await.is_err(),
            "more than half of them"
        );
        let theirs = turns.take(other).await.unwrap();
        drop(first);
        let third = third.await.unwrap();
        drop((second, third, theirs));
        assert!(turns.queues.lock().unwrap().is_empty(), "nobody is remembered who has no turn");
    }
}
