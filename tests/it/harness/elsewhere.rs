//! A database as operators have it: a server beside the service, and a login that is no superuser.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use embedded_postgres::{EmbeddedPostgres, find_binaries};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::cluster;
use super::process::{PROGRAM, Said, said, without_settings};

static SERVERS: AtomicU32 = AtomicU32::new(0);

/// A cluster of a test's own, since roles are the cluster's.
pub struct Elsewhere {
    postgres: EmbeddedPostgres,
    pub folder: PathBuf,
}

impl Elsewhere {
    pub async fn start() -> Self {
        let folder = cluster::own_folder()
            .join(format!("elsewhere-{}", SERVERS.fetch_add(1, Ordering::SeqCst)));
        let postgres = cluster::start_on(folder.clone(), false, Vec::new()).await;
        let server = Self { postgres, folder };
        // Embedded ones have it from the beginning.
        server.sql("postgres", "drop database bailiwick").await;
        server
    }

    /// With a login and a database `bailiwick`, as docs/operations.md has it.
    pub async fn with_login() -> Self {
        let server = Self::start().await;
        server.sql("postgres", "create role bailiwick_login createrole login").await;
        server.sql("postgres", "create database bailiwick owner bailiwick_login").await;
        server
    }

    /// Does something as a superuser.
    pub async fn sql(&self, database: &str, statement: &str) {
        let mut connection =
            PgConnection::connect_with(&self.postgres.connect_options(database)).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    fn url(&self, login: &str) -> String {
        let host = self.postgres.socket_directory().display().to_string().replace('/', "%2F");
        format!("postgres://{login}@localhost/bailiwick?host={host}")
    }

    /// A command with this login's settings for the service, and with a superuser's for the
    /// programs of PostgreSQL.
    pub fn command(&self, program: &str, login: &str) -> Command {
        let mut command = without_settings(program);
        command.env("DATABASE_URL", self.url(login)).env("BAILIWICK_ISSUER", "http://localhost");
        command.env("BAILIWICK_SECRET_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        command.env("PGHOST", self.postgres.socket_directory()).env("PGUSER", self.postgres.user());
        command.current_dir(&self.folder);
        command
    }

    /// What the service's program says to these arguments.
    pub async fn bailiwick(&self, login: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(PROGRAM, login);
        command.args(arguments);
        said(command).await
    }
}

/// Where `psql`, `pg_dump` and the others are, and the service's own program; nowhere, where only
/// the server was fetched.
pub fn path_of_programs() -> Option<OsString> {
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        find_binaries().into_iter().chain(std::env::split_paths(&in_path)).collect();
    if !folders.iter().any(|folder| folder.join("pg_restore").is_file()) {
        return None;
    }
    let ours = Path::new(PROGRAM).parent()?.to_owned();
    std::env::join_paths(std::iter::once(ours).chain(folders)).ok()
}
