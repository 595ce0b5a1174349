//! Tables and rows that a test holds, so that whoever locks or writes a row of them waits for the
//! test. Readers pass, but where tables are held wholly.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};

use uuid::Uuid;

use super::TestApp;

/// How long until the database is asked once more who waits.
const AGAIN: Duration = Duration::from_millis(2);
/// Far more than anybody takes to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is held, until it is released or dropped.
#[derive(Debug)]
pub struct Held {
    /// Of its own: closed when it is dropped, which ends its transaction.
    connection: PgConnection,
    sql: PgPool,
}

impl Held {
    pub async fn tables<T: AsRef<str> + Sync>(app: &TestApp, tables: &[T]) -> Self {
        Self::locked(app, tables, "exclusive").await
    }

    /// From readers too.
    pub async fn wholly<T: AsRef<str> + Sync>(app: &TestApp, tables: &[T]) -> Self {
        Self::locked(app, tables, "access exclusive").await
    }

    async fn locked<T: AsRef<str> + Sync>(app: &TestApp, tables: &[T], mode: &str) -> Self {
        let mut connection = app.sql.acquire().await.unwrap().detach();
        let names: Vec<&str> = tables.iter().map(AsRef::as_ref).collect();
        let lock = format!("begin; lock table {} in {mode} mode", names.join(", "));
        connection.execute(sqlx::raw_sql(AssertSqlSafe(lock))).await.unwrap();
        Self { connection, sql: app.sql.clone() }
    }

    /// An account, as whoever changes it holds it.
    pub async fn account(app: &TestApp, user: Uuid) -> Self {
        Self::rows(app, "select 1 from users where id = $1 for no key update", user).await
    }

    /// A mandate's row, so that whatever changes access in it waits.
    pub async fn mandate(app: &TestApp, mandate: Uuid) -> Self {
        Self::rows(app, "select 1 from mandates where id = $1 for no key update", mandate).await
    }

    /// Somebody's sessions, as whoever signs out holds theirs.
    pub async fn sessions_of(app: &TestApp, user: Uuid) -> Self {
        Self::rows(app, "select 1 from sessions where user_id = $1 for no key update", user).await
    }

    async fn rows(app: &TestApp, locking: &'static str, id: Uuid) -> Self {
        let mut connection = app.sql.acquire().await.unwrap().detach();
        connection.execute("begin").await.unwrap();
        sqlx::query(locking).bind(id).execute(&mut connection).await.unwrap();
        Self { connection, sql: app.sql.clone() }
    }

    /// Until so many wait: for this, or for what somebody has who waits for this.
    pub async fn waited_for_by(&self, number: i64) {
        so_many_wait(&self.sql, number).await;
    }

    pub async fn release(self) {
        self.connection.close().await.unwrap();
    }
}

/// Until so many statements in this database wait for a lock, whoever has it.
pub async fn so_many_wait(sql: &PgPool, number: i64) {
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                     and wait_event_type = 'Lock'";
    let all_there = async {
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(sql).await.unwrap() < number {
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_there)
        .await
        .unwrap_or_else(|_| panic!("fewer than {number} came to where they have to wait"));
}
