//! The only holder of connection pools, and the only place where a transaction begins.
//!
//! Connections start as `bailiwick_runtime`, a role without a right on any table.
//! [`Database::begin`] makes a transaction act as `bailiwick_tenant` (one mandate's rows, by
//! row-level security) or `bailiwick_system`; forgetting it is an error, never everything. A
//! second, small pool starts as `bailiwick_system` in read-only mode: it answers what every request
//! asks first (is the session alive, what may the caller do) in one round trip instead of three.
//! Only `context` uses either (`tests/it/gates/architecture.rs` keeps it so).

mod advisory;
pub mod bootstrap;
mod breaker;
pub(crate) mod failpoint;
mod lent;
pub mod once;
pub mod page;
mod readers;
pub mod safety;
mod turns;
pub mod unreachable;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};
use tracing::Instrument;

pub use self::advisory::AdvisoryLock;
use self::breaker::{AT_THE_DOOR, Breaker, Opened};
pub use self::breaker::{Phase, Sight};
use self::failpoint::{Moment, reach};
use self::lent::{Lent, UNWILLING, pool};
pub(crate) use self::readers::{Reader, Readers};
pub(crate) use self::turns::Whose;
use self::turns::{Turn, Turns};
use crate::kernel::error::{Code, Error, Result, is_lost};
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// How often a transaction begins anew whose connection turned out to be dead. The pool looks at
/// all others by then.
const ATTEMPTS: usize = 3;

/// Whose rows a transaction reaches.
#[derive(Debug, Clone, Copy)]
pub enum ActAs {
    /// One mandate's rows and, in tables of features, one instance's.
    Tenant { mandate: MandateId, instance: Option<InstanceId>, user: UserId },
    /// Every row: signing in, loading contexts, what SysAdmins govern, jobs.
    System,
}

/// Whether a transaction may write. A reading one is refused writes by the database itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Read,
    Write,
    /// Writes as others do and rolls back where they commit, so that whatever would be refused is.
    DryRun,
}

/// The database, behind its pools.
#[derive(Debug, Clone)]
pub struct Database {
    work: PgPool,
    readers: Readers,
    _pools: Arc<breaker::Pools>,
    breaker: Breaker,
    working: Turns,
    reading: Turns,
}

impl Database {
    /// Pools that connect when first used; `size` connections do work and a quarter as many answer
    /// context reads.
    #[must_use]
    pub fn lazy(options: &PgConnectOptions, size: u32) -> Self {
        let asking = options.clone().application_name("bailiwick");
        // Every statement is short: compiling one (`jit`) costs more than it could save.
        let options = options
            .clone()
            .options([
                ("search_path", "bailiwick"),
                ("application_name", "bailiwick"),
                ("jit", "off"),
            ])
            .statement_cache_capacity(512);
        let work = options.clone().options([
            ("statement_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let reader = options
            .options([("statement_timeout", "10s"), ("default_transaction_read_only", "on")]);
        let readers = (size / 4).max(2);
        let breaker = Breaker::new(asking);
        let pool_of_readers =
            pool(readers, "set role bailiwick_system", breaker.clone()).connect_lazy_with(reader);
        let work =
            pool(size, "set role bailiwick_runtime", breaker.clone()).connect_lazy_with(work);
        let pools = Arc::new([work.clone(), pool_of_readers.clone()]);
        breaker.may_ask(&pools);
        Self {
            work,
            readers: Readers { pool: pool_of_readers, breaker: breaker.clone() },
            _pools: pools,
            breaker,
            working: Turns::of(size),
            reading: Turns::of(readers),
        }
    }

    /// Begins a transaction, in one round trip.
    ///
    /// The work is done on a task of its own: a request that is dropped while its transaction
    /// begins must not put a connection back into the pool inside that transaction (sqlx issues
    /// 4385 and 4393). The task ends either way, and the guard that nobody takes rolls back.
    pub(crate) async fn begin(&self, act_as: ActAs, intent: Intent) -> Result<Transaction> {
        let mandate = match act_as {
            ActAs::Tenant { mandate, .. } => Some(mandate),
            ActAs::System => None,
        };
        self.begin_for(mandate, act_as, intent).await
    }

    /// The same in a mandate's turn, whatever it begins as.
    pub(crate) async fn begin_for(
        &self,
        mandate: Option<MandateId>,
        act_as: ActAs,
        intent: Intent,
    ) -> Result<Transaction> {
        let turn = match mandate {
            Some(mandate) => {
                Some(Arc::new(self.turn(&self.working, Whose::Mandate(mandate)).await?))
            }
            None => None,
        };
        if intent != Intent::Write || !once::is_asked() {
            return self.begin_as(act_as, intent, turn).await;
        }
        reach(Moment::BeforeBegin);
        let mut transaction = self.begin_as(ActAs::System, intent, turn).await?;
        once::claim(&mut transaction).await?;
        reach(Moment::AfterClaim);
        transaction.act_as(act_as).await?;
        Ok(transaction)
    }

    async fn turn(&self, turns: &Turns, whose: Whose) -> Result<Turn> {
        self.breaker.guarded(AT_THE_DOOR, turns.take(whose)).await?
    }

    async fn begin_as(
        &self,
        act_as: ActAs,
        intent: Intent,
        turn: Option<Arc<Turn>>,
    ) -> Result<Transaction> {
        let mode = if intent == Intent::Read { "read only" } else { "read write" };
        let batch = format!("begin isolation level read committed, {mode}; {}", settings(act_as));
        let dry_run = intent == Intent::DryRun;
        let mut begun = self.try_begin(&batch, dry_run, turn.clone()).await;
        for _ in 1..ATTEMPTS {
            // Nothing was done yet, so that a connection which died while it lay idle is nobody's
            // business.
            let was_dead =
                begun.as_ref().is_err_and(|error| error.code() == Code::DatabaseUnavailable);
            if !was_dead || !self.breaker.is_there().await {
                break;
            }
            begun = self.try_begin(&batch, dry_run, turn.clone()).await;
        }
        begun
    }

    async fn try_begin(
        &self,
        batch: &str,
        dry_run: bool,
        turn: Option<Arc<Turn>>,
    ) -> Result<Transaction> {
        let (pool, breaker, opened, batch) =
            (self.work.clone(), self.breaker.clone(), Opened::here(), batch.to_owned());
        let begin = async move {
            let connection = Lent::from(&pool, &breaker).await?;
            let mut transaction = Transaction {
                connection: Some(connection),
                dry_run,
                once: None,
                turn,
                breaker: breaker.clone(),
                _opened: opened,
            };
            breaker.statement(transaction.execute(sqlx::raw_sql(AssertSqlSafe(batch)))).await?;
            Ok::<_, sqlx::Error>(transaction)
        };
        Ok(tokio::spawn(begin.in_current_span()).await.map_err(Error::internal)??)
    }

    /// Reads of the platform that need no transaction: sessions, contexts, navigation.
    pub(crate) fn reader(&self) -> &Readers {
        &self.readers
    }

    /// The same for one statement, in somebody's turn.
    pub(crate) async fn reader_for(&self, whose: Whose) -> Result<Reader<'_>> {
        Ok(Reader { readers: &self.readers, _turn: self.turn(&self.reading, whose).await? })
    }

    /// Runs somebody's work, all that one request or job does. Where the database goes away while a
    /// transaction of it is open, work and transaction are let go of.
    pub(crate) async fn attended<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        Ok(self.breaker.attended(work).await?)
    }

    /// Whether the database is there, as far as is known.
    #[must_use]
    pub fn sight(&self) -> Sight {
        self.breaker.sight()
    }

    /// How many connections of the working pool are open, and how many of those are idle.
    #[must_use]
    pub fn pool_size(&self) -> (u32, usize) {
        (self.work.size(), self.work.num_idle())
    }

    /// A connection as the pool hands it out: to check what a transaction left behind.
    #[cfg(any(test, debug_assertions))]
    pub async fn bare_connection(
        &self,
    ) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, sqlx::Error> {
        self.work.acquire().await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.work.close().await;
        self.readers.pool.close().await;
    }
}

/// The one place that formats SQL: typed UUIDs only. A statement of a tenant may take 10 s, one of
/// the system (which also purges) 30 s.
fn settings(act_as: ActAs) -> String {
    match act_as {
        ActAs::System => {
            "set local role bailiwick_system; set local statement_timeout = '30s'".to_owned()
        }
        ActAs::Tenant { mandate, instance, user } => format!(
            "set local role bailiwick_tenant; set local statement_timeout = '10s'; set local \
             app.mandate_id = '{mandate}'; set local app.instance_id = '{}'; set local app.user_id \
             = '{user}'",
            instance.map(|id| id.to_string()).unwrap_or_default()
        ),
    }
}

/// A transaction that rolls back unless it is committed.
#[derive(Debug)]
pub struct Transaction {
    connection: Option<Lent>,
    dry_run: bool,
    /// It does the effect of a request that may be sent again.
    once: Option<once::Claim>,
    turn: Option<Arc<Turn>>,
    breaker: Breaker,
    _opened: Opened,
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
        self.connection = None;
        Ok(())
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
                Ok(Ok(_)) => {}
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
