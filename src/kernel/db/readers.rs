//! The pool of those who only read, statement by statement, without a transaction.

use std::ops::Deref;
use std::pin::Pin;

use futures_util::TryFutureExt;
use futures_util::stream::{self, Stream, TryStreamExt};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, Postgres, SqlStr};

use super::breaker::Breaker;
use super::lent::Lent;
use super::pool::Pool;
use super::turns::Turn;
use crate::kernel::error::is_lost;

type Answer<'e, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'e>>;
type Row = Either<PgQueryResult, PgRow>;
type Rows<'e> = Pin<Box<dyn Stream<Item = Result<Row, sqlx::Error>> + Send + 'e>>;

/// What statements are run on as on the pool itself, each of them only as long as the database is
/// there.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    pub(super) pool: Pool,
    pub(super) breaker: Breaker,
}

impl Readers {
    async fn lent(&self) -> Result<Lent, sqlx::Error> {
        Lent::from(&self.pool, &self.breaker).await
    }

    /// Whole, and not row by row: what is read here is short, whoever reads slowly would keep a
    /// connection, and one with an answer that is not read to its end cannot be given back.
    async fn rows<'q, E: Execute<'q, Postgres> + 'q>(
        self,
        query: E,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let mut connection = self.lent().await?;
        let rows = self.breaker.statement(connection.fetch_many(query).try_collect()).await;
        settled(connection, rows)
    }
}

/// The readers, for as long as it is somebody's turn.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(super) readers: &'a Readers,
    pub(super) _turn: Turn,
}

impl Deref for Reader<'_> {
    type Target = Readers;
    fn deref(&self) -> &Readers {
        self.readers
    }
}

/// Gives a connection back, if it is still one.
fn settled<T>(connection: Lent, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
    match &outcome {
        Ok(_) => connection.give_back(),
        Err(error) if is_lost(error) => connection.discard(),
        // What else of the answer is there to be read, nobody knows.
        Err(_) => drop(connection),
    }
    outcome
}

impl<'p> Executor<'p> for &'_ Readers {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Rows<'e>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let rows = self.clone().rows(query).map_ok(|rows| stream::iter(rows.into_iter().map(Ok)));
        Box::pin(stream::once(rows).try_flatten())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Option<PgRow>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let rows = self.clone().rows(query);
        Box::pin(rows.map_ok(|rows| rows.into_iter().find_map(Either::right)))
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> Answer<'e, PgStatement>
    where
        'p: 'e,
    {
        let readers = self.clone();
        Box::pin(async move {
            let mut connection = readers.lent().await?;
            let statement =
                readers.breaker.statement(connection.prepare_with(sql, parameters)).await;
            settled(connection, statement)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> Answer<'e, Describe<Postgres>>
    where
        'p: 'e,
    {
        let readers = self.clone();
        Box::pin(async move {
            let mut connection = readers.lent().await?;
            let described = readers.breaker.statement(connection.describe(sql)).await;
            settled(connection, described)
        })
    }
}
