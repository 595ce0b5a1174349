//! What a start gives, and what is there after the next one.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use embedded_postgres::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres};
use nix::unistd::Pid;

use crate::harness::{ROUNDS, options, place, rows, start, text, write_row};

#[tokio::test]
async fn first_start_answers_on_a_private_socket() {
    let place = place();
    let postgres = start(place.path().join("service")).await;
    assert_eq!(postgres.user(), "postgres");
    assert_eq!(text(&postgres, "select current_database()::text").await, "kept");
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
