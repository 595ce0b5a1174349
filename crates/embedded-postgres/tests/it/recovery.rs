//! A server that is stopped while it recovers from the death of one of its processes.

use std::fs;
use std::time::{Duration, Instant};

use embedded_postgres::EmbeddedPostgres;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};

use crate::harness::{place, rows, start, write_row};

/// PostgreSQL's own stop hangs then: its postmaster waits for a checkpointer that nobody told.
#[tokio::test]
async fn stopped_while_it_recovers_from_a_killed_child() {
    let place = place();
    for asked in [true, false] {
        let postgres = start(place.path()).await;
        write_row(&postgres).await;
        until_it_recovers(&postgres).await;
        let began = Instant::now();
        if asked {
            postgres.stop().await.unwrap();
        } else {
            drop(postgres); // as when the service is killed
        }
        let postgres = start(place.path()).await;
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "no patience ran out: {:?}",
            began.elapsed()
        );
        assert!(rows(&postgres).await >= 1);
        postgres.stop().await.unwrap();
    }
}

/// Kills its checkpointer until the server is seen to recover from that.
async fn until_it_recovers(postgres: &EmbeddedPostgres) {
    loop {
        if let Some(checkpointer) = child_called(postgres.postmaster_pid(), "checkpointer") {
            let _ = kill(Pid::from_raw(checkpointer), Signal::SIGKILL);
        }
        for _ in 0..100 {
            let refused =
                PgConnection::connect_with(&postgres.connect_options(postgres.database()))
                    .await
                    .err();
            if refused
                .as_ref()
                .and_then(|error| error.as_database_error()?.code())
                .is_some_and(|code| code == "57P03")
            {
                return;
            }
        }
    }
}

/// Server processes name themselves after what they do.
fn child_called(parent: u32, what: &str) -> Option<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("status").contains(&format!("PPid:\t{parent}\n")) && read("cmdline").contains(what)
    })
}
