//! Whether the database answers and has the schema that this binary was built for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::db::Database;
use crate::db::bootstrap::MIGRATOR;
use crate::error::{Code, Error, Result};

/// Whoever asks whether the service is ready does not wait long for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the database's schema compares with the one this binary brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// Migrations that are still to come. More than the binary knows is no fault: while nodes are replaced one after the
    /// other, the old ones go on over a schema that is newer than they are.
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

/// Asks the database; an error where it does not answer.
pub async fn schema_state(db: &Database) -> Result<SchemaState> {
    // Not a checked query: the table belongs to sqlx, which makes it when migrations run, so that none of them declares it.
    let query = sqlx::query_scalar("select version from bailiwick._sqlx_migrations where success");
    let silent = |_| Error::new(Code::Unavailable, "The database does not answer.").retry_after(2);
    let applied: Result<Vec<i64>, sqlx::Error> = tokio::time::timeout(PATIENCE, query.fetch_all(db.reader())).await.map_err(silent)?;
    match applied {
        Ok(applied) => Ok(SchemaState::of(&applied.into_iter().collect())),
        Err(error) if is_missing_table(&error) => Ok(SchemaState::of(&BTreeSet::new())),
        Err(error) => Err(error.into()),
    }
}

/// No migration has run at all yet.
fn is_missing_table(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "42P01" || code == "3F000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_current_and_an_older_one_is_not() {
        let mut versions: BTreeSet<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
        versions.insert(i64::MAX);
        assert!(SchemaState::of(&versions).is_current());
        let first = *versions.first().unwrap();
        versions.remove(&first);
        assert_eq!(SchemaState::of(&versions).pending, [first]);
    }
}
