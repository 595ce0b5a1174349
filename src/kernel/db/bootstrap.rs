//! What has to be there before the first migration (roles, the schema), and the migrations
//! themselves.
//!
//! The login may be a superuser, or a role with CREATEROLE that owns the database. Roles belong to
//! the cluster, so several databases may make them at the same time: every step tolerates that
//! another was first.

use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::unreachable;

/// The schema's history.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("the database refused the connection: {0}")]
    Connect(String),
    #[error(
        "the login of DATABASE_URL can neither make nor join the bailiwick_* roles: {0} (use a \
            superuser, or a role with CREATEROLE that owns the database)"
    )]
    Roles(#[source] sqlx::Error),
    #[error("a migration failed: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    #[error("the database's roles are not safe to run on: {0}")]
    UnsafeRoles(String),
    #[error("the database's tables are not safe to run on: {0}")]
    UnsafeTables(String),
    #[error("the database is older than PostgreSQL 15 (it reports version number {0})")]
    TooOld(i64),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

const ROLES: &str = r"
do $$
declare wanted text;
begin
  foreach wanted in array array['bailiwick_owner', 'bailiwick_runtime', 'bailiwick_tenant',
      'bailiwick_system'] loop
    if not exists (select 1 from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin', wanted);
      exception when duplicate_object or unique_violation then null;
        -- another database of the cluster was first
      end;
    end if;
    if not (select rolsuper from pg_roles where rolname = current_user)
      and not pg_has_role(current_user, wanted, 'member') then
      execute format('grant %I to %I', wanted, current_user);
    end if;
  end loop;
end $$;
";

/// From PostgreSQL 16 on, who makes a role gets it without the right to become it; this adds that
/// right.
const ROLES_16: &str = r"
do $$
declare wanted text;
begin
  if (select rolsuper from pg_roles where rolname = current_user) then return; end if;
  foreach wanted in array array['bailiwick_owner', 'bailiwick_runtime', 'bailiwick_tenant',
      'bailiwick_system'] loop
    if not pg_has_role(current_user, wanted, 'set') then
      execute format('grant %I to %I with set true', wanted, current_user);
    end if;
  end loop;
end $$;
";

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, BootstrapError> {
    let refused = |error| BootstrapError::Connect(unreachable::told(options, &error));
    let mut connection = options
        .clone()
        .log_statements(tracing::log::LevelFilter::Trace)
        .connect()
        .await
        .map_err(refused)?;
    let version: i64 = sqlx::query_scalar("select current_setting('server_version_num')::bigint")
        .fetch_one(&mut connection)
        .await?;
    if version < 150_000 {
        return Err(BootstrapError::TooOld(version));
    }
    connection.execute("set client_min_messages = warning").await?;
    Ok(connection)
}

/// A migration that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub version: i64,
    pub description: String,
}

/// The number of the last migration that this binary brings: its schema's.
pub fn schema() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Makes roles and schema where they are missing and brings the schema up to date. Safe to call on
/// every start and on several nodes at once; each tells what it applied itself.
pub async fn migrate(options: &PgConnectOptions) -> Result<Vec<Applied>, BootstrapError> {
    let mut connection = connect(options).await?;
    connection.execute(ROLES).await.map_err(BootstrapError::Roles)?;
    let version: i64 = sqlx::query_scalar("select current_setting('server_version_num')::bigint")
        .fetch_one(&mut connection)
        .await?;
    if version >= 160_000 {
        connection.execute(ROLES_16).await.map_err(BootstrapError::Roles)?;
    }
    make_schema(&mut connection).await?;
    connection
        .execute("set role bailiwick_owner; set search_path = bailiwick")
        .await
        .map_err(BootstrapError::Roles)?;
    // The migrator's own lock, which a session may take twice: what others apply meanwhile is seen
    // as applied. It ends with the session.
    connection.lock().await.map_err(BootstrapError::Migration)?;
    let before = applied(&mut connection).await?;
    MIGRATOR.run(&mut connection).await.map_err(BootstrapError::Migration)?;
    connection.close().await?;
    let new = MIGRATOR.iter().filter(|migration| !before.contains(&migration.version));
    Ok(new
        .map(|migration| Applied {
            version: migration.version,
            description: migration.description.to_string(),
        })
        .collect())
}

async fn make_schema(connection: &mut PgConnection) -> Result<(), BootstrapError> {
    let exists: bool = sqlx::query_scalar(
        "select exists (select 1 from pg_namespace where nspname = 'bailiwick')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if !exists {
        // `if not exists` is not enough against another node in the same instant: the catalogue's
        // unique index decides.
        let made = connection
            .execute("create schema if not exists bailiwick authorization bailiwick_owner")
            .await;
        if let Err(error) = made {
            let duplicate = error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                .is_some_and(|code| code == "23505" || code == "42P06");
            if !duplicate {
                return Err(BootstrapError::Roles(error));
            }
        }
    }
    Ok(())
}

/// The versions of migrations that the database lacks; empty when the schema is current.
pub async fn pending(options: &PgConnectOptions) -> Result<Vec<i64>, BootstrapError> {
    let mut connection = connect(options).await?;
    let known = applied(&mut connection).await?;
    Ok(MIGRATOR
        .iter()
        .map(|migration| migration.version)
        .filter(|version| !known.contains(version))
        .collect())
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, BootstrapError> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('bailiwick._sqlx_migrations') is not null")
            .fetch_one(&mut *connection)
            .await?;
    if !exists {
        return Ok(Vec::new());
    }
    connection
        .execute("set role bailiwick_owner; set search_path = bailiwick")
        .await
        .map_err(BootstrapError::Roles)?;
    let applied = connection
        .list_applied_migrations("_sqlx_migrations")
        .await
        .map_err(BootstrapError::Migration)?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}
