//! Servers in folders of their own, and other processes that run one until they are killed.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use embedded_postgres::{EmbeddedOptions, EmbeddedPostgres};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// Tells the copy of this test program that it is the service, and where.
const SERVICE_FOLDER: &str = "EMBEDDED_TEST_SERVICE_FOLDER";
/// The kill cases are about timing, so that each is tried more than once.
pub const ROUNDS: u32 = 3;

/// A folder whose parents the server's account can enter when the tests run as root.
pub fn place() -> TempDir {
    tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap()
}

pub fn options(folder: impl AsRef<Path>) -> EmbeddedOptions {
    EmbeddedOptions {
        folder: folder.as_ref().to_owned(),
        database: "kept".to_owned(),
        durable: true,
        max_connections: 10,
        settings: Vec::new(),
        binaries: None,
    }
}

pub async fn start(folder: impl AsRef<Path>) -> EmbeddedPostgres {
    EmbeddedPostgres::start(options(folder)).await.unwrap()
}

async fn connect(postgres: &EmbeddedPostgres) -> PgConnection {
    let options = postgres.connect_options(postgres.database());
    PgConnection::connect_with(&options).await.unwrap()
}

pub async fn text(postgres: &EmbeddedPostgres, query: &'static str) -> String {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

pub async fn write_row(postgres: &EmbeddedPostgres) {
    let mut connection = connect(postgres).await;
    let statements = "create table if not exists kept (number bigint); \
                      insert into kept values (1)";
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
}

pub async fn rows(postgres: &EmbeddedPostgres) -> i64 {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar("select count(*) from kept").fetch_one(&mut connection).await.unwrap()
}

pub fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// A process that does not outlive a test that fails.
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another process that runs the embedded server and commits row after row until it is killed.
pub struct Service {
    pub process: Guarded,
    output: BufReader<ChildStdout>,
    pub postmaster: u32,
    committed: i64,
}

impl Service {
    pub fn spawn(folder: &Path) -> Guarded {
        let (_, module) = module_path!().split_once("::").unwrap();
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg(format!("{module}::service_that_is_killed"))
            .env(SERVICE_FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .map(Guarded)
            .unwrap()
    }

    /// Returns when it has committed a few rows.
    pub fn running(folder: &Path) -> Self {
        let mut process = Self::spawn(folder);
        let output = BufReader::new(process.0.stdout.take().unwrap());
        let mut service = Self { process, output, postmaster: 0, committed: 0 };
        while service.committed < 3 {
            assert!(service.read(), "the service ended before it was killed");
        }
        service
    }

    fn read(&mut self) -> bool {
        let mut line = String::new();
        if self.output.read_line(&mut line).unwrap() == 0 {
            return false;
        }
        if let Some((_, pid)) = line.trim().split_once("postmaster=") {
            self.postmaster = pid.parse().unwrap();
        }
        if let Some((_, number)) = line.trim().split_once("committed=") {
            self.committed = number.parse().unwrap();
        }
        true
    }

    /// What it had said by the time it died counts as committed.
    pub fn reap(mut self) -> i64 {
        while self.read() {}
        self.process.0.wait().unwrap();
        self.committed
    }
}

/// Not a test: the other process of [`Service`].
#[tokio::test]
#[ignore = "run by the tests that kill it"]
async fn service_that_is_killed() {
    let Some(folder) = std::env::var_os(SERVICE_FOLDER) else {
        return;
    };
    let postgres = start(PathBuf::from(folder)).await;
    println!("\npostmaster={}", postgres.postmaster_pid());
    let mut connection = connect(&postgres).await;
    let table = "create table if not exists kept (number bigint)";
    sqlx::query(table).execute(&mut connection).await.unwrap();
    loop {
        let insert = "insert into kept values (1) returning (select count(*) + 1 from kept)";
        let committed: i64 = sqlx::query_scalar(insert).fetch_one(&mut connection).await.unwrap();
        println!("committed={committed}");
    }
}
