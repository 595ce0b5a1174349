//! One mandate asks fifty times its share: another one's requests are answered all the same, and
//! how many of the busy mandate's are answered while one of theirs waits stays bounded. Counted,
//! not timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use super::effort::is_full;
use crate::harness::app::CONNECTIONS;
use crate::harness::{TestApp, World};

/// Fifty times as many requests at once as there are connections for a mandate.
const CROWD: usize = 50 * CONNECTIONS as usize / 2;
/// Of the quiet mandate, one after the other.
const ASKED: usize = 60;
/// How many of the crowd may be answered meanwhile: those that have a connection go on working, and
/// so do those that come after them, a few times over. Of nine in ten, since a thread of the one
/// may be held back while those of the others run. Whoever stood behind the crowd would see all of
/// it pass.
const BOUND: usize = CROWD / 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_mandate_is_in_its_own_way_only() {
    let world = World::new().await;
    let over = Arc::new(AtomicBool::new(false));
    let (passed, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        let (world, over, passed, refused) =
            (world.clone(), over.clone(), passed.clone(), refused.clone());
        crowd.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let status = asked(&world.app, &world, number % 4 == 0).await;
                let count = if status.is_success() { &passed } else { &refused };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // All of them have been there once, and are back.
    while passed.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed) < CROWD {
        tokio::task::yield_now().await;
    }
    let quiet = &world.globex;
    let asked_for = if is_full() { ASKED } else { ASKED / 3 };
    let mut waits = Vec::new();
    for number in 0..asked_for {
        let before = passed.load(Ordering::Relaxed);
        let call = if number % 3 == 0 {
            world.app.post(quiet.path("/groups")).json(json!({ "name": format!("quiet {number}") }))
        } else {
            world.app.get(quiet.path("/users"))
        };
        let answer = call.bearer(&quiet.admin.token).mandate(quiet.id).send().await;
        assert!(answer.status.is_success(), "{}: {}", answer.status, answer.body);
        waits.push(passed.load(Ordering::Relaxed) - before);
    }
    over.store(true, Ordering::Relaxed);
    crowd.join_all().await;
    waits.sort_unstable();
    eprintln!(
        "{CROWD} at once were answered {} times, refused {}; while one of the others waited: {} at \
            most, {} in the middle",
        passed.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed),
        waits[asked_for - 1],
        waits[asked_for / 2]
    );
    assert!(waits[asked_for * 9 / 10] <= BOUND, "{waits:?}");
    assert!(waits[asked_for - 1] < CROWD, "{waits:?}");
}

/// A request of the busy mandate.
async fn asked(app: &TestApp, world: &World, writes: bool) -> StatusCode {
    let busy = &world.acme;
    // Another label each time: one that it has already would be no change, and no work.
    let label = uuid::Uuid::now_v7();
    let call = if writes {
        app.patch(busy.instance_path("")).json(json!({ "label": label }))
    } else {
        app.get(busy.path("/users"))
    };
    call.bearer(&busy.admin.token).mandate(busy.id).send().await.status
}
