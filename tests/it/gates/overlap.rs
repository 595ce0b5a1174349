//! Brings two changes to overlap where it hurts. Neither takes a lock before both have begun; and
//! whoever comes to COMMIT first waits there until the other has come there too, or waits for a
//! lock of theirs. Nobody sleeps: the database says who waits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bailiwick::context::rehearsal::{Rehearsal, Step, rehearse};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;

use crate::harness::Answer;

/// Far more than any round takes: a round that is not over by then is a deadlock that nobody
/// answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long until the database is asked once more who waits.
const AGAIN: Duration = Duration::from_millis(2);

/// How far each of the two is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    backend: [Option<i32>; 2],
    at_commit: [bool; 2],
    answered: [bool; 2],
    /// Both were at COMMIT, or one there while the other waited for it.
    overlapped: bool,
}

/// One of the two.
#[derive(Debug)]
struct Side {
    me: usize,
    locks: bool,
    watcher: PgPool,
    progress: watch::Sender<Progress>,
}

/// How a round went.
#[derive(Debug)]
pub struct Round {
    pub answers: [Answer; 2],
    pub overlapped: bool,
}

/// Runs both requests at once; `locks: false` takes their locks out. `watcher` is a superuser's
/// pool.
pub async fn race(
    watcher: &PgPool,
    locks: bool,
    first: impl Future<Output = Answer> + Send,
    second: impl Future<Output = Answer> + Send,
) -> Round {
    let progress = watch::Sender::new(Progress::default());
    let (a, b) = tokio::join!(
        side(0, locks, watcher, &progress, first),
        side(1, locks, watcher, &progress, second)
    );
    let overlapped = progress.borrow().overlapped;
    Round { answers: [a, b], overlapped }
}

async fn side(
    me: usize,
    locks: bool,
    watcher: &PgPool,
    progress: &watch::Sender<Progress>,
    request: impl Future<Output = Answer> + Send,
) -> Answer {
    let side = Arc::new(Side { me, locks, watcher: watcher.clone(), progress: progress.clone() });
    let answer = tokio::time::timeout(PATIENCE, rehearse(side, request))
        .await
        .unwrap_or_else(|_| panic!("a deadlock that nobody answers"));
    progress.send_modify(|progress| progress.answered[me] = true);
    answer
}

impl Side {
    fn other(&self) -> usize {
        1 - self.me
    }

    async fn begun(&self, connection: &mut PgConnection) -> bool {
        let backend: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(connection).await.unwrap();
        self.progress.send_modify(|progress| progress.backend[self.me] = Some(backend));
        let other = self.other();
        let mut progress = self.progress.subscribe();
        progress
            .wait_for(|progress| progress.backend[other].is_some() || progress.answered[other])
            .await
            .unwrap();
        self.locks
    }

    async fn done(&self) {
        self.progress.send_modify(|progress| progress.at_commit[self.me] = true);
        let mut progress = self.progress.subscribe();
        while !self.may_commit().await {
            // Whether the other waits for a lock has to be asked again and again; what else becomes
            // of them is told.
            let _ = tokio::time::timeout(AGAIN, progress.changed()).await;
        }
    }

    async fn may_commit(&self) -> bool {
        let other = self.other();
        let progress = *self.progress.borrow();
        let [Some(mine), Some(theirs)] = [progress.backend[self.me], progress.backend[other]]
        else {
            return progress.answered[other];
        };
        let meets = progress.at_commit[other] && !progress.answered[other];
        let waits = || async move {
            let query =
                sqlx::query_scalar("select $1 = any(pg_blocking_pids($2))").bind(mine).bind(theirs);
            query.fetch_one(&self.watcher).await.unwrap()
        };
        if meets || (!progress.answered[other] && waits().await) {
            self.progress.send_modify(|progress| progress.overlapped = true);
            return true;
        }
        progress.answered[other]
    }
}

impl Rehearsal for Side {
    fn before_locks<'a>(&'a self, connection: &'a mut PgConnection) -> Step<'a, bool> {
        Box::pin(self.begun(connection))
    }
    fn before_commit<'a>(&'a self, _: &'a mut PgConnection) -> Step<'a, ()> {
        Box::pin(self.done())
    }
}
