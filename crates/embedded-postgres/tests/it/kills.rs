//! What survives when the server, the service, or both are killed.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{ROUNDS, Service, kill_hard, place, rows, start, write_row};

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
