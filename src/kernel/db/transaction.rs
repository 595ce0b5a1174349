//! One transaction, from when it has begun to its end.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tracing::Instrument;

use super::act_as::{ActAs, settings};
use super::breaker::{Breaker, Opened};
use super::failpoint::{Moment, reach};
use super::lent::Lent;
use super::once;
use super::pool::UNWILLING;
use super::turns::Turn;
use crate::kernel::error::{Result, is_lost};

/// A transaction that rolls back unless it is committed.
#[derive(Debug)]
pub struct Transaction {
    pub(super) connection: Option<Lent>,
    pub(super) dry_run: bool,
    /// It does the effect of a request that may be sent again.
    pub(super) once: Option<once::Claim>,
    pub(super) turn: Option<Arc<Turn>>,
    pub(super) breaker: Breaker,
    pub(super) _opened: Opened,
}

impl Transaction {
    /// Goes on as somebody else: what SysAdmin and access changes do after they took their locks.
    pub(crate) async fn act_as(&mut self, act_as: ActAs) -> Result<()> {
        self.execute(sqlx::raw_sql(AssertSqlSafe(settings(act_as)))).await?;
        Ok(())
    }

    /// Runs the deferred checks now, so that a refusal comes before the answer is built (in dry
    /// runs too).
    pub(crate) async fn check_constraints(&mut self) -> Result<()> {
        self.execute("set constraints all immediate").await?;
        Ok(())
    }

    /// Whether nothing of it will last.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Notes where a dry run goes back to: what it did, role and settings are undone from here on,
    /// its locks stay.
    pub(crate) async fn mark(&mut self) -> Result<()> {
        if self.dry_run {
            self.execute("savepoint mark").await?;
        }
        Ok(())
    }

    /// Undoes everything since [`Self::mark`].
    pub(crate) async fn back_to_mark(&mut self) -> Result<()> {
        self.execute("rollback to savepoint mark").await?;
        Ok(())
    }

    /// Makes the changes last; those of a dry run are checked as a commit would, and undone. Those
    /// of a request with an `Idempotency-Key` are checked, and last with its answer ([`once`]).
    pub(crate) async fn commit(mut self) -> Result<()> {
        if let Some(claim) = self.once.take() {
            self.check_constraints().await?;
            claim.hold(self);
            reach(Moment::AfterHandler);
            return Ok(());
        }
        let end = if self.dry_run { "set constraints all immediate; rollback" } else { "commit" };
        let breaker = self.breaker.clone();
        breaker.statement(self.execute(end)).await?;
        self.give_back();
        Ok(())
    }
}

impl Transaction {
    /// Outside of any transaction by now.
    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.give_back();
        }
    }
}

impl Deref for Transaction {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        self.connection
            .as_ref()
            .unwrap_or_else(|| unreachable!("the connection is taken only when the guard ends"))
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection
            .as_mut()
            .unwrap_or_else(|| unreachable!("the connection is taken only when the guard ends"))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let (turn, breaker) = (self.turn.take(), self.breaker.clone());
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| !breaker.is_open());
        let Some(runtime) = runtime else {
            connection.discard(); // closing the socket rolls back
            return;
        };
        let end = async move {
            let _turn = turn;
            // It may still be in a statement that waits for a lock: closing the connection ends
            // that, and lets go of its own locks.
            match tokio::time::timeout(UNWILLING, connection.execute("rollback")).await {
                Ok(Ok(_)) => connection.give_back(),
                Ok(Err(error)) => {
                    if is_lost(&error) {
                        breaker.lost(&error);
                    }
                    connection.discard();
                }
                Err(_) => {
                    breaker.doubt();
                    connection.discard();
                }
            }
        };
        runtime.spawn(end.in_current_span());
    }
}
