//! Whether the database answers and has the schema that this binary was built for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tracing::Instrument;

use crate::kernel::db::Database;
use crate::kernel::db::bootstrap::MIGRATOR;
use crate::kernel::error::{Code, Error, Result};

/// Whoever asks whether the service is ready gets an answer within two seconds, on a busy machine
/// too.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how long an answer holds. Anybody may ask, as often as they like, and the database is asked
/// no more often for it.
const HOLDS: Duration = Duration::from_millis(500);

/// How the database's schema compares with the one this binary brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SchemaState {
    /// Migrations that are still to come. More than the binary knows is no fault: while nodes are
    /// replaced one after the other, the old ones go on over a schema that is newer than they are.
    pub pending: Vec<i64>,
}

impl SchemaState {
    fn of(applied: &BTreeSet<i64>) -> Self {
        let brought = MIGRATOR.iter().map(|migration| migration.version);
        Self { pending: brought.filter(|version| !applied.contains(version)).collect() }
    }

    #[must_use]
    pub fn is_current(&self) -> bool {
        self.pending.is_empty()
    }
}

/// The last answer, for all who ask.
#[derive(Debug, Clone, Default)]
pub(super) struct SchemaWatch {
    last: Arc<Mutex<Option<Seen>>>,
}

#[derive(Debug, Clone)]
struct Seen {
    at: Instant,
    /// A refusal by its code alone: the cause is in the log.
    state: Result<SchemaState, Code>,
}

impl SchemaWatch {
    /// Asks the database, unless it was just asked; an error where it does not answer. Whoever
    /// comes meanwhile waits for the same answer, and who goes away meanwhile does not take it
    /// along.
    pub async fn state(&self, db: &Database) -> Result<SchemaState> {
        let (last, db) = (self.last.clone(), db.clone());
        let look = async move {
            let mut last = last.lock().await;
            if let Some(seen) = last.as_ref().filter(|seen| seen.at.elapsed() < HOLDS) {
                return seen.state.clone();
            }
            let state = ask(&db).await.map_err(|error| noted(&error));
            last.insert(Seen { at: Instant::now(), state }).state.clone()
        };
        tokio::spawn(look.in_current_span())
            .await
            .map_err(Error::internal)?
            .map_err(|code| Error::new(code, "The database does not answer.").retry_after(2))
    }
}

fn noted(error: &Error) -> Code {
    // That it is away is said once, where it is noticed.
    if error.code() != Code::DatabaseUnavailable {
        tracing::warn!(
            cause = error.cause().map(ToString::to_string),
            "the schema cannot be looked at"
        );
    }
    error.code()
}

async fn ask(db: &Database) -> Result<SchemaState> {
    // Not a checked query: the table belongs to sqlx, which makes it when migrations run, so that
    // none of them declares it.
    let query = sqlx::query_scalar("select version from bailiwick._sqlx_migrations where success");
    let applied: Result<Vec<i64>, sqlx::Error> =
        tokio::time::timeout(PATIENCE, query.fetch_all(db.reader()))
            .await
            .map_err(|_| Error::database_unavailable())?;
    match applied {
        Ok(applied) => Ok(SchemaState::of(&applied.into_iter().collect())),
        Err(error) if is_missing_table(&error) => Ok(SchemaState::of(&BTreeSet::new())),
        Err(error) => Err(error.into()),
    }
}

/// No migration has run at all yet.
fn is_missing_table(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == "42P01" || code == "3F000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_current_and_an_older_one_is_not() {
        let mut versions: BTreeSet<i64> =
            MIGRATOR.iter().map(|migration| migration.version).collect();
        versions.insert(i64::MAX);
        assert!(SchemaState::of(&versions).is_current());
        let first = *versions.first().unwrap();
        versions.remove(&first);
        assert_eq!(SchemaState::of(&versions).pending, [first]);
    }
}
