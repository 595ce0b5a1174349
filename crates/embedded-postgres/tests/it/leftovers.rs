//! What an earlier run, or somebody else, left in the folder or at work on it.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use embedded_postgres::{EmbeddedPostgres, find_binaries};
use nix::unistd::Uid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::harness::{Guarded, options, place, rows, start, write_row};

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
    let access = postgres.connect_options(postgres.database());
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

/// A server in another process namespace (two containers, one volume) shows only by the lock that
/// it inherited.
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
