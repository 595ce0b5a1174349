//! The embedded PostgreSQL as a process: what survives when it, the service, or both are killed,
//! and what is said when it cannot run.

#[cfg(target_os = "linux")]
mod recovery;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use bailiwick::kernel::db::embedded::{
    EmbeddedError, EmbeddedOptions, EmbeddedPostgres, find_binaries,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// Tells the copy of this test program that it is the service, and where.
const SERVICE_FOLDER: &str = "EMBEDDED_TEST_SERVICE_FOLDER";
/// The kill cases are about timing, so that each is tried more than once.
const ROUNDS: u32 = 3;

/// A folder whose parents the server's account can enter when the tests run as root.
fn place() -> TempDir {
    tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap()
}

fn options(folder: impl AsRef<Path>) -> EmbeddedOptions {
    EmbeddedOptions {
        folder: folder.as_ref().to_owned(),
        durable: true,
        max_connections: 10,
        settings: Vec::new(),
        binaries: None,
    }
}

async fn start(folder: impl AsRef<Path>) -> EmbeddedPostgres {
    EmbeddedPostgres::start(options(folder)).await.unwrap()
}

async fn connect(postgres: &EmbeddedPostgres) -> PgConnection {
    let options = postgres.connect_options(postgres.database());
    PgConnection::connect_with(&options).await.unwrap()
}

async fn text(postgres: &EmbeddedPostgres, query: &'static str) -> String {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

async fn write_row(postgres: &EmbeddedPostgres) {
    let mut connection = connect(postgres).await;
    let statements = "create table if not exists kept (number bigint); \
                      insert into kept values (1)";
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
}

async fn rows(postgres: &EmbeddedPostgres) -> i64 {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar("select count(*) from kept").fetch_one(&mut connection).await.unwrap()
}

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// A process that does not outlive a test that fails.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another process that runs the embedded server and commits row after row until it is killed.
struct Service {
    process: Guarded,
    output: BufReader<ChildStdout>,
    postmaster: u32,
    committed: i64,
}

impl Service {
    fn spawn(folder: &Path) -> Guarded {
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
    fn running(folder: &Path) -> Self {
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
    fn reap(mut self) -> i64 {
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

#[tokio::test]
async fn first_start_answers_on_a_private_socket() {
    let place = place();
    let postgres = start(place.path().join("service")).await;
    assert_eq!(postgres.user(), "postgres");
    assert_eq!(text(&postgres, "select current_database()::text").await, "bailiwick");
    assert_eq!(text(&postgres, "select current_user::text").await, "postgres");
    assert_eq!(text(&postgres, "show listen_addresses").await, "");
    assert_eq!(text(&postgres, "show server_encoding").await, "UTF8");
    assert_eq!(text(&postgres, "show fsync").await, "on");
    assert_eq!(text(&postgres, "show data_checksums").await, "on");
    let sockets = postgres.socket_directory().metadata().unwrap();
    assert_eq!(sockets.mode() & 0o777, 0o700);
    assert!(postgres.socket_directory().starts_with(place.path().canonicalize().unwrap()));
    let data = place.path().join("service/postgres/data").metadata().unwrap();
    assert_ne!(data.uid(), 0, "the server must not run as root");
    // Ctrl-C in a terminal goes to a whole group: it is for the service alone.
    let pid = Pid::from_raw(postgres.postmaster_pid().try_into().unwrap());
    assert_eq!(nix::unistd::getpgid(Some(pid)), Ok(pid));
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn throw_away_cluster_takes_its_settings() {
    let place = place();
    let wanted = EmbeddedOptions {
        durable: false,
        max_connections: 33,
        settings: vec![("work_mem".into(), "7MB".into()), ("port".into(), "1".into())],
        ..options(place.path())
    };
    let postgres = EmbeddedPostgres::start(wanted).await.unwrap();
    assert_eq!(text(&postgres, "show fsync").await, "off");
    assert_eq!(text(&postgres, "show synchronous_commit").await, "off");
    assert_eq!(text(&postgres, "show full_page_writes").await, "off");
    assert_eq!(text(&postgres, "show max_connections").await, "33");
    assert_eq!(text(&postgres, "show work_mem").await, "7MB");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn restart_keeps_data_and_leaves_no_process() {
    let place = place();
    let postgres = start(place.path()).await;
    write_row(&postgres).await;
    let pid = postgres.postmaster_pid();
    postgres.stop().await.unwrap();
    assert!(!Path::new("/proc").join(pid.to_string()).exists());
    let postgres = start(place.path()).await;
    assert_eq!(rows(&postgres).await, 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn dropped_without_stop_the_next_start_works() {
    let place = place();
    for round in 1..=i64::from(ROUNDS) {
        let postgres = start(place.path()).await;
        write_row(&postgres).await;
        assert_eq!(rows(&postgres).await, round);
    }
}

#[tokio::test]
async fn second_start_is_refused_while_the_first_runs() {
    let place = place();
    let postgres = start(place.path()).await;
    let refused = EmbeddedPostgres::start(options(place.path())).await.unwrap_err();
    match &refused {
        EmbeddedError::AlreadyRunning { folder, pid } => {
            assert_eq!(folder, &place.path().canonicalize().unwrap());
            assert_eq!(*pid, Some(std::process::id()));
        }
        other => panic!("{other}"),
    }
    // The refusal harmed nobody.
    write_row(&postgres).await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn killed_postmaster() {
    let place = place();
    for round in 1..=i64::from(ROUNDS) {
        let postgres = start(place.path()).await;
        write_row(&postgres).await;
        kill_hard(postgres.postmaster_pid());
        drop(postgres);
        let postgres = start(place.path()).await;
        assert_eq!(rows(&postgres).await, round);
        postgres.stop().await.unwrap();
    }
}

#[tokio::test]
async fn killed_service() {
    let place = place();
    for _ in 0..ROUNDS {
        let service = Service::running(place.path());
        kill_hard(service.process.0.id());
        let postgres = start(place.path()).await;
        assert!(rows(&postgres).await >= service.reap());
        postgres.stop().await.unwrap();
    }
}

#[tokio::test]
async fn killed_service_and_postmaster() {
    let place = place();
    for _ in 0..ROUNDS {
        let service = Service::running(place.path());
        kill_hard(service.process.0.id());
        kill_hard(service.postmaster);
        let postgres = start(place.path()).await;
        assert!(rows(&postgres).await >= service.reap());
        postgres.stop().await.unwrap();
    }
}

/// Without anybody starting it again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn server_dies_with_its_service() {
    let place = place();
    let service = Service::running(place.path());
    kill_hard(service.process.0.id());
    let gone = async {
        while !has_ended(service.postmaster) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    service.reap();
}

#[cfg(target_os = "linux")]
fn has_ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_or(true, |status| status.contains("State:\tZ"))
}

/// How many threads of a process are not gone yet; the first stays until it is reaped.
#[cfg(target_os = "linux")]
fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// In `initdb`, in the first moments of the server, in its first queries.
#[tokio::test]
async fn service_killed_at_any_moment() {
    for milliseconds in [3, 40, 300, 600, 800, 1000] {
        let place = place();
        let service = Service::spawn(place.path());
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        kill_hard(service.0.id());
        let postgres = start(place.path()).await;
        write_row(&postgres).await;
        assert!(rows(&postgres).await >= 1);
        postgres.stop().await.unwrap();
        drop(service);
    }
}

/// The init of a killed container may reap nobody: the postmaster then looks alive to `kill -0`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn unreaped_postmaster() {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let place = place();
    let service = Service::running(place.path());
    let (owner, postmaster) = (service.process.0.id(), service.postmaster);
    // Held until its owner is gone: a thread of the owner that is about to die could still reap it.
    kill(Pid::from_raw(postmaster.try_into().unwrap()), Signal::SIGSTOP).unwrap();
    kill_hard(owner);
    while !(has_ended(owner) && threads(owner) <= 1) {
        tokio::task::yield_now().await;
    }
    kill_hard(postmaster);
    let committed = service.reap();
    while !has_ended(postmaster) {
        tokio::task::yield_now().await;
    }
    assert!(Path::new("/proc").join(postmaster.to_string()).exists(), "no zombie");
    let postgres = start(place.path()).await;
    assert!(rows(&postgres).await >= committed);
    postgres.stop().await.unwrap();
}

/// After a restart of the machine, the recorded number may be that of anybody.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn recorded_process_is_a_stranger() {
    let place = place();
    let postgres = start(place.path()).await;
    write_row(&postgres).await;
    let record = place.path().join("postgres/data/postmaster.pid");
    let lines = std::fs::read_to_string(&record).unwrap();
    postgres.stop().await.unwrap();

    let mut stranger = as_owner_of_data(Command::new("/bin/sleep"), place.path());
    let mut stranger = stranger.arg("600").spawn().map(Guarded).unwrap();
    let (_, rest) = lines.split_once('\n').unwrap();
    std::fs::write(&record, format!("{}\n{rest}", stranger.0.id())).unwrap();
    let postgres = start(place.path()).await;
    assert_eq!(rows(&postgres).await, 1);
    postgres.stop().await.unwrap();
    assert_eq!(stranger.0.try_wait().unwrap(), None, "the stranger was signalled");
}

/// It does not die with any service, and holds none of our locks.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn server_started_by_hand_is_replaced() {
    let place = place();
    let postgres = start(place.path()).await;
    write_row(&postgres).await;
    let access = postgres.connect_options("bailiwick");
    let sockets = postgres.socket_directory().display().to_string();
    postgres.stop().await.unwrap();

    let program = find_binaries().unwrap().join("postgres");
    let mut by_hand = as_owner_of_data(Command::new(program), place.path())
        .arg("-D")
        .arg(place.path().join("postgres/data"))
        .args(["-c", "listen_addresses=", "-c"])
        .arg(format!("unix_socket_directories={sockets}"))
        .stderr(Stdio::null())
        .spawn()
        .map(Guarded)
        .unwrap();
    until_it_answers(&access).await;
    let postgres = start(place.path()).await;
    assert_ne!(postgres.postmaster_pid(), by_hand.0.id());
    assert_eq!(by_hand.0.wait().unwrap().code(), Some(0), "it was not stopped in order");
    assert_eq!(rows(&postgres).await, 1);
    postgres.stop().await.unwrap();
}

/// A server in another process namespace (two containers, one volume) shows only by the lock that it inherited.
#[tokio::test]
async fn server_that_cannot_be_seen_is_waited_for() {
    let place = place();
    start(place.path()).await.stop().await.unwrap();
    let unseen = std::fs::File::open(place.path().join("postgres/claim")).unwrap();
    unseen.lock().unwrap();
    let mut next = tokio::spawn(EmbeddedPostgres::start(options(place.path())));
    let waits = tokio::time::timeout(Duration::from_millis(500), &mut next).await;
    assert!(waits.is_err(), "it started beside another server");
    drop(unseen);
    next.await.unwrap().unwrap().stop().await.unwrap();
}

fn as_owner_of_data(mut command: Command, folder: &Path) -> Command {
    let data = folder.join("postgres/data").metadata().unwrap();
    if Uid::effective().is_root() {
        command.uid(data.uid()).gid(data.gid());
    }
    command.current_dir("/");
    command
}

async fn until_it_answers(access: &PgConnectOptions) {
    while PgConnection::connect_with(access).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn leftover_of_a_killed_initdb_is_removed() {
    let place = place();
    let leftover = place.path().join("postgres/data.new/base/1");
    std::fs::create_dir_all(&leftover).unwrap();
    std::fs::write(leftover.join("1259"), "half").unwrap();
    let postgres = start(place.path()).await;
    write_row(&postgres).await;
    assert!(!place.path().join("postgres/data.new").exists());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn long_path_moves_the_socket() {
    let place = place();
    let folder = place.path().join("a-folder-with-a-long-name".repeat(4)).join("service");
    for round in 1..=2 {
        let postgres = start(&folder).await;
        let sockets = postgres.socket_directory().to_owned();
        assert!(sockets.starts_with("/tmp") && sockets.as_os_str().len() < 40);
        assert_eq!(sockets.metadata().unwrap().mode() & 0o777, 0o700);
        write_row(&postgres).await;
        assert_eq!(rows(&postgres).await, round);
        postgres.stop().await.unwrap();
        assert!(!sockets.exists(), "nothing stays outside the folder");

        // Somebody else came first.
        std::fs::create_dir(&sockets).unwrap();
        std::fs::set_permissions(&sockets, PermissionsExt::from_mode(0o777)).unwrap();
        let refused = EmbeddedPostgres::start(options(&folder)).await.unwrap_err();
        assert!(matches!(refused, EmbeddedError::SocketDirectoryTaken { .. }), "{refused}");
        std::fs::remove_dir(&sockets).unwrap();
    }
}

#[tokio::test]
async fn awkward_path() {
    let place = place();
    let postgres = start(place.path().join("a, b \"c\" ü")).await;
    write_row(&postgres).await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn folder_not_writable() {
    let place = place();
    // Root writes everywhere, but not below a file.
    let folder = if Uid::effective().is_root() {
        std::fs::write(place.path().join("file"), "").unwrap();
        place.path().join("file/service")
    } else {
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o555)).unwrap();
        place.path().join("service")
    };
    match EmbeddedPostgres::start(options(&folder)).await.unwrap_err() {
        EmbeddedError::FolderNotWritable { path, reason } => {
            assert_eq!(path, folder);
            assert!(!reason.is_empty());
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn folder_not_enterable_for_the_account() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = place();
    let closed = place.path().canonicalize().unwrap().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let mode = |mode| std::fs::set_permissions(&closed, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o700);
    let refused = EmbeddedPostgres::start(options(closed.join("service"))).await.unwrap_err();
    match &refused {
        EmbeddedError::FolderNotEnterable { path, parent, user } => {
            assert!(path.starts_with(closed.join("service")));
            assert_eq!(parent, &closed);
            assert!(["postgres", "nobody"].contains(&user.as_str()));
        }
        other => panic!("{other}"),
    }
    // The advice of the message works, and so does a cluster that is closed off later on.
    mode(0o711);
    start(closed.join("service")).await.stop().await.unwrap();
    mode(0o700);
    let refused = EmbeddedPostgres::start(options(closed.join("service"))).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::FolderNotEnterable { .. }), "{refused}");
}

/// As after `cp -r` by root, or `chown -R` of a volume.
#[tokio::test]
async fn copied_folder_gets_its_owner_and_mode_back() {
    let place = place();
    let postgres = start(place.path().join("old")).await;
    write_row(&postgres).await;
    postgres.stop().await.unwrap();
    let copied =
        Command::new("cp").args(["-r", "old", "new"]).current_dir(place.path()).status().unwrap();
    assert!(copied.success());
    let data = place.path().join("new/postgres/data");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
    let postgres = start(place.path().join("new")).await;
    assert_eq!(rows(&postgres).await, 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn failed_start_quotes_the_log_on_one_line() {
    let place = place();
    let wanted = EmbeddedOptions {
        settings: vec![("shared_buffers".into(), "plenty".into())],
        ..options(place.path())
    };
    let refused = EmbeddedPostgres::start(wanted).await.unwrap_err().to_string();
    assert!(refused.contains("shared_buffers") && refused.contains("plenty"), "{refused}");
    assert!(!refused.contains('\n'), "{refused}");
    // Nothing of it stands in the way.
    start(place.path()).await.stop().await.unwrap();
}

#[tokio::test]
async fn programs_must_fit() {
    let place = place();
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let wanted =
        EmbeddedOptions { binaries: Some(empty.clone()), ..options(place.path().join("a")) };
    match EmbeddedPostgres::start(wanted).await.unwrap_err() {
        EmbeddedError::NoBinariesIn { path } => assert_eq!(path, empty),
        other => panic!("{other}"),
    }
    let data = place.path().join("b/postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "11\n").unwrap();
    match EmbeddedPostgres::start(options(place.path().join("b"))).await.unwrap_err() {
        EmbeddedError::OtherVersion { made_by, .. } => assert_eq!(made_by, 11),
        other => panic!("{other}"),
    }
}
