//! One throw-away cluster per run, on memory where there is some, and a template database that is
//! migrated once. A test's database is a copy of the template; it is never dropped (that costs a
//! checkpoint), the whole cluster goes with the process.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use bailiwick::context::Services;
use bailiwick::kernel::clock::SystemClock;
use bailiwick::kernel::db::{Database, bootstrap};
use embedded_postgres::{EmbeddedOptions, EmbeddedPostgres, fetch_postgres, find_binaries};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

static CLUSTER: OnceCell<EmbeddedPostgres> = OnceCell::const_new();
static SLOW_CLUSTER: OnceCell<EmbeddedPostgres> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);
const TEMPLATE: &str = "template_bailiwick";

/// A new database, migrated, with the built-in features.
pub async fn database() -> PgConnectOptions {
    copy_of_template(cluster().await).await
}

/// The same in a cluster of its own, where a COMMIT waits for the disk, as in production, and
/// lingers there, so that others come to theirs before it is seen.
pub async fn database_with_slow_commits() -> PgConnectOptions {
    copy_of_template(SLOW_CLUSTER.get_or_init(start_slow).await).await
}

pub(super) async fn copy_of_template(cluster: &EmbeddedPostgres) -> PgConnectOptions {
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let mut connection =
        PgConnection::connect_with(&cluster.connect_options("postgres")).await.unwrap();
    let statement = format!("create database {name} template {TEMPLATE}");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    cluster.connect_options(&name)
}

/// A new database without anything in it.
pub async fn empty_database() -> PgConnectOptions {
    let cluster = cluster().await;
    let name = format!("empty_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let mut connection =
        PgConnection::connect_with(&cluster.connect_options("postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    cluster.connect_options(&name)
}

async fn cluster() -> &'static EmbeddedPostgres {
    CLUSTER.get_or_init(start).await
}

async fn start() -> EmbeddedPostgres {
    start_in(own_folder(), false, Vec::new()).await
}

async fn start_slow() -> EmbeddedPostgres {
    cluster().await; // makes the folder above this one's
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = vec![setting("commit_delay", "10000"), setting("commit_siblings", "0")];
    start_in(own_folder().join("slow"), true, settings).await
}

pub(super) fn own_folder() -> PathBuf {
    let parent = if Path::new("/dev/shm").is_dir() {
        PathBuf::from("/dev/shm")
    } else {
        std::env::temp_dir()
    };
    remove_leftovers(&parent);
    parent.join(format!("bailiwick-test-{}", std::process::id()))
}

pub(super) async fn start_in(
    folder: PathBuf,
    durable: bool,
    settings: Vec<(String, String)>,
) -> EmbeddedPostgres {
    let cluster = start_on(folder, durable, settings).await;
    make_template(&cluster).await;
    cluster
}

/// With whatever is there already.
pub(super) async fn start_on(
    folder: PathBuf,
    durable: bool,
    settings: Vec<(String, String)>,
) -> EmbeddedPostgres {
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    let binaries = match find_binaries() {
        Some(found) => found,
        None => fetch_postgres(&std::env::temp_dir().join("bailiwick-test-postgres"), |line| {
            eprintln!("{line}");
        })
        .await
        .unwrap(),
    };
    // As the service has it: what tests look up themselves is as short as what it asks.
    let settings = settings.into_iter().chain([("jit".to_owned(), "off".to_owned())]).collect();
    let options = EmbeddedOptions {
        folder,
        database: "bailiwick".to_owned(),
        durable,
        max_connections: 400,
        settings,
        binaries: Some(binaries),
    };
    EmbeddedPostgres::start(options).await.unwrap()
}

async fn make_template(cluster: &EmbeddedPostgres) {
    let mut connection =
        PgConnection::connect_with(&cluster.connect_options("postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("create database {TEMPLATE}")))
        .execute(&mut connection)
        .await
        .unwrap();
    let options = cluster.connect_options(TEMPLATE);
    bootstrap::migrate(&options).await.unwrap();
    migrate_features(&options).await;
    let db = Database::lazy(&options, 2);
    let services = Services::new(db.clone(), std::sync::Arc::new(SystemClock));
    bailiwick::tenancy::catalogue::bring_up_to_date(&services, crate::features::served())
        .await
        .unwrap();
    db.close().await;
}

/// What the features that only tests know need.
async fn migrate_features(options: &PgConnectOptions) {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    connection.execute("set role bailiwick_owner; set search_path = bailiwick").await.unwrap();
    crate::features::migrate(&mut connection).await;
    connection.close().await.unwrap();
}

/// Folders of runs that are over.
fn remove_leftovers(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) =
            name.strip_prefix("bailiwick-test-").and_then(|pid| pid.parse::<u32>().ok())
        else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
