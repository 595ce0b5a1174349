//! The pools, and how a transaction begins.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Executor};
use tracing::Instrument;

use super::act_as::{ActAs, Intent, settings};
use super::breaker::{AT_THE_DOOR, Breaker, OpenConnections, Opened, SUSPICIOUS, Sight};
use super::failpoint::{Moment, reach};
use super::kept::KeptConnection;
use super::lent::Lent;
use super::once;
use super::pool::{Pool, Pools, still_answers};
use super::readers::{Reader, Readers};
use super::transaction::Transaction;
use super::turns::{Turn, Turns, Whose};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::MandateId;

/// How often a transaction begins anew whose connection turned out to be dead. The pool looks at
/// all others by then.
const ATTEMPTS: usize = 3;

/// The database, behind its pools.
#[derive(Debug, Clone)]
pub struct Database {
    work: Pool,
    readers: Readers,
    /// Only opens connections: each is taken out and kept.
    freshness: Pool,
    _pools: Arc<dyn OpenConnections>,
    breaker: Breaker,
    working: Turns,
    reading: Turns,
}

impl Database {
    /// Pools that connect when first used; `size` connections do work, a quarter as many answer
    /// context reads, and one what every request asks first.
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
        let of_system =
            |size, options| Pool::lazy(size, options, "set role bailiwick_system", breaker.clone());
        let pool_of_readers = of_system(readers, reader.clone());
        // By index, whatever the tables' statistics say at a time.
        let by_key =
            reader.options([("enable_seqscan", "off"), ("plan_cache_mode", "force_generic_plan")]);
        let freshness = of_system(1, by_key);
        let work = Pool::lazy(size, work, "set role bailiwick_runtime", breaker.clone());
        let pools: Arc<dyn OpenConnections> =
            Arc::new(Pools([work.clone(), pool_of_readers.clone(), freshness.clone()]));
        breaker.may_ask(&pools);
        Self {
            work,
            readers: Readers { pool: pool_of_readers, breaker: breaker.clone() },
            freshness,
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

    /// Reads of the platform that need no transaction: contexts, navigation.
    pub(crate) fn reader(&self) -> &Readers {
        &self.readers
    }

    /// The same for one statement, in somebody's turn.
    pub(crate) async fn reader_for(&self, whose: Whose) -> Result<Reader<'_>> {
        Ok(Reader { readers: &self.readers, _turn: self.turn(&self.reading, whose).await? })
    }

    /// A connection of its own for what every request asks first, for many of them at a time.
    pub(crate) async fn kept(&self) -> Result<KeptConnection> {
        Ok(Lent::from(&self.freshness, &self.breaker).await?.keep())
    }

    /// Whether a connection that is kept is still one, where that may be asked.
    pub(crate) async fn still_answers(&self, kept: &mut KeptConnection, idle: Duration) -> bool {
        still_answers(kept, &self.breaker, idle).await
    }

    /// Connections that are idle by now are looked at before they are used again: one did not
    /// answer.
    pub(crate) fn doubt(&self) {
        self.breaker.doubt();
    }

    /// Whether it is there; where that is being asked, once it is known.
    pub(crate) async fn is_there(&self) -> bool {
        self.breaker.is_there().await
    }

    /// Refuses who would wait for what somebody else asks, where nobody can be asked.
    pub(crate) fn let_pass(&self) -> Result<()> {
        Ok(self.breaker.let_pass()?)
    }

    /// Waits for what is asked on a connection that is kept, as long as the database is there.
    pub(crate) async fn answered<T>(&self, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let outcome = self.breaker.guarded(SUSPICIOUS, asked).await?;
        match &outcome {
            Err(error) if error.code() == Code::DatabaseUnavailable => {
                self.breaker.lost(&error.detail());
            }
            _ => self.breaker.heard(),
        }
        outcome
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
        self.work.size()
    }

    /// Whether all connections that were lent have come back: to tell what one request asked from
    /// what the next one does.
    #[cfg(any(test, debug_assertions))]
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let pools = [&self.work, &self.readers.pool];
        pools.into_iter().map(Pool::size).all(|(open, idle)| u32::try_from(idle) == Ok(open))
    }

    /// A connection as the pool hands it out: to check what a transaction left behind.
    #[cfg(any(test, debug_assertions))]
    pub async fn bare_connection(
        &self,
    ) -> Result<impl std::ops::DerefMut<Target = sqlx::PgConnection> + Send, sqlx::Error> {
        Lent::from(&self.work, &self.breaker).await
    }

    /// Closes connections that nobody has needed for long; to be called now and then.
    pub fn tidy(&self) {
        for pool in [&self.work, &self.readers.pool] {
            pool.tidy();
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.work.close().await;
        self.readers.pool.close().await;
        self.freshness.close().await;
    }
}
