//! The pool of those who only read, statement by statement, without a transaction.

use std::ops::Deref;
use std::pin::Pin;

use futures_util::stream::{self, Stream, TryStreamExt};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, PgPool, Postgres, SqlStr};

use super::breaker::Breaker;
use super::lent::Lent;
use super::turns::Turn;
use crate::kernel::error::is_lost;

type Answer<'e, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'e>>;
type Rows<'e> =
    Pin<Box<dyn Stream<Item = Result<Either<PgQueryResult, PgRow>, sqlx::Error>> + Send + 'e>>;

/// What statements are run on as on the pool itself, each of them only as long as the database is
/// there.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    pub(super) pool: PgPool,
    pub(super) breaker: Breaker,
}

impl Readers {
    async fn lent(&self) -> Result<Lent, sqlx::Error> {
        Lent::from(&self.pool, &self.breaker).await
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
    if outcome.as_ref().is_err_and(is_lost) {
        connection.discard();
    }
    outcome
}

impl<'p> Executor<'p> for &'_ Readers {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Rows<'e>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let readers = self.clone();
        // Whole, and not row by row: what is read here is short, and whoever reads slowly would
        // keep a connection.
        let rows = async move {
            let mut connection = readers.lent().await?;
            let rows: Result<Vec<_>, _> =
                readers.breaker.statement(connection.fetch_many(query).try_collect()).await;
            Ok::<_, sqlx::Error>(stream::iter(settled(connection, rows)?.into_iter().map(Ok)))
        };
        Box::pin(stream::once(rows).try_flatten())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Option<PgRow>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let readers = self.clone();
        Box::pin(async move {
            let mut connection = readers.lent().await?;
            let row = readers.breaker.statement(connection.fetch_optional(query)).await;
            settled(connection, row)
        })
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
