//! A database that is away: stopped, killed or frozen. Nobody waits long for it, everybody is told
//! the same, and when it is back everything goes on by itself.

use std::time::{Duration, Instant};

use axum::http::Method;
use bailiwick::kernel::db::Phase;
use bailiwick::kernel::telemetry;
use futures_util::FutureExt;
use serde_json::json;
use sqlx::Connection;
use uuid::Uuid;

use crate::gates::operations::{document, operations};
use crate::harness::app::{Answer, CONNECTIONS, Call, PASSWORD};
use crate::harness::away::{Going, Server};
use crate::harness::held::Held;
use crate::harness::world::Tenant;
use crate::harness::{TestApp, World};

/// "At once", on a machine that has much else to do. (5 s is what the pool would wait.)
const AT_ONCE: Duration = Duration::from_secs(3);
/// The one timeout after which a frozen database is given up, with the same allowance.
const ONE_TIMEOUT: Duration = Duration::from_millis(4_500);
/// How long whoever asks for readiness waits: 1 s inside, within 2 s of the contract, with the same
/// allowance.
const READINESS: Duration = Duration::from_secs(3);
/// Far more than anything takes to come back.
const PATIENCE: Duration = Duration::from_secs(30);
const CROWD: usize = 40;

async fn world() -> (Server, World) {
    let server = Server::start().await;
    let world = World::in_app(TestApp::start_on(server.database().await)).await;
    (server, world)
}

/// An answer, and what it took.
async fn timed(call: Call<'_>) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = call.send().await;
    (answer, began.elapsed())
}

#[track_caller]
fn is_away(answer: &Answer) {
    answer.clone().refused(503, "database_unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
}

fn list(world: &World) -> Call<'_> {
    list_of(world, &world.acme)
}

fn list_of<'a>(world: &'a World, tenant: &Tenant) -> Call<'a> {
    world.app.get(tenant.path("/groups")).bearer(&tenant.admin.token).mandate(tenant.id)
}

fn make<'a>(world: &'a World, name: &str) -> Call<'a> {
    let path = world.acme.path("/groups");
    world
        .app
        .post(path)
        .bearer(&world.acme.admin.token)
        .mandate(world.acme.id)
        .json(json!({ "name": name }))
}

fn sign_in(world: &World) -> Call<'_> {
    world.app.post("/api/auth/login").json(json!({ "username": "root", "password": PASSWORD }))
}

async fn groups(world: &World, name: &str) -> i64 {
    let query = "select count(*) from groups where name = $1";
    sqlx::query_scalar(query).bind(name).fetch_one(&world.app.sql).await.unwrap()
}

/// Sends them all at once.
async fn at_once(calls: Vec<Call<'_>>) -> Vec<(Answer, Duration)> {
    futures_util::future::join_all(calls.into_iter().map(timed)).await
}

/// Probes keep their promises while the database is away.
async fn probes_tell(world: &World) {
    let (ready, took) = timed(world.app.get("/readyz")).await;
    ready.clone().refused(503, "unavailable");
    assert_eq!(ready.body["checks"]["database"], "does not answer", "{}", ready.body);
    assert!(took < READINESS && !ready.header("retry-after").is_empty(), "{took:?}");
    world.app.get("/healthz").send().await.expect(200);
    for probe in ["/startupz", "/ping"] {
        let (answer, took) = timed(world.app.get(probe)).await;
        is_away(&answer);
        assert!(took < READINESS, "{probe}: {took:?}");
    }
}

/// Once it is known, everybody is refused at once, and operators see why.
async fn all_are_refused(world: &World) {
    let crowd =
        (0..CROWD).map(|number| if number % 2 == 0 { list(world) } else { make(world, "lost") });
    for (answer, took) in at_once(crowd.chain([sign_in(world)]).collect()).await {
        is_away(&answer);
        assert!(took < AT_ONCE, "{took:?}");
    }
    probes_tell(world).await;
    let sight = world.app.db.sight();
    assert!(
        sight.phase != Phase::Closed && sight.opened == 1 && sight.refused >= CROWD as u64,
        "{sight:?}"
    );
    let metrics = telemetry::render(&world.app.db);
    for metric in ["breaker{state=\"half_open\"}", "breaker_opened_total", "breaker_refused_total"]
    {
        assert!(metrics.contains(&format!("bailiwick_database_{metric} ")), "{metric}: {metrics}");
    }
}

/// It is there again: nothing is restarted, and as many as before work at the same time.
async fn all_is_well(world: &World) {
    let ready = async {
        while world.app.get("/readyz").send().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready)
        .await
        .unwrap_or_else(|_| panic!("it does not come back: {:?}", world.app.db.sight()));
    assert_eq!(world.app.db.sight().phase, Phase::Closed);
    for path in ["/startupz", "/ping"] {
        world.app.get(path).send().await.expect(200);
    }
    list(world).send().await.expect(200);
    let held = Held::tables(&world.app, &["groups"]).await;
    // A mandate has half of the connections.
    let half = usize::try_from(CONNECTIONS / 2).unwrap();
    let calls: Vec<String> =
        (0..half).map(|number| format!("again {number} {}", Uuid::new_v4())).collect();
    let working = at_once(calls.iter().map(|name| make(world, name)).collect());
    let ((), answers) = tokio::join!(
        async {
            held.waited_for_by(half.try_into().unwrap()).await;
            held.release().await;
        },
        working
    );
    for (answer, _) in answers {
        answer.expect(201);
    }
    assert!(world.app.db.pool_size().0 <= CONNECTIONS);
}

async fn refuses_at_once_and_comes_back(how: Going) {
    let (mut server, world) = world().await;
    make(&world, "kept").send().await.expect(201);
    let sight = world.app.db.sight();
    assert!(sight.phase == Phase::Closed && sight.opened == 0 && sight.refused == 0, "{sight:?}");
    server.goes(how).await;

    // Nobody knows yet: the first ones find it out, by connections that have died, or that are
    // refused to a node which has none.
    let newcomer = world.app.another_node();
    let (answer, took) = timed(
        newcomer
            .get(world.acme.path("/groups"))
            .bearer(&world.acme.admin.token)
            .mandate(world.acme.id),
    )
    .await;
    is_away(&answer);
    assert!(took < AT_ONCE, "{took:?}");
    let first =
        at_once(vec![list(&world), make(&world, "lost"), sign_in(&world), list(&world)]).await;
    for (answer, took) in first {
        is_away(&answer);
        assert!(took < AT_ONCE, "{took:?}");
    }
    all_are_refused(&world).await;
    is_away(&make(&world, "keyed").header("idempotency-key", "key").send().await);

    server.comes_back().await;
    all_is_well(&world).await;
    assert_eq!((groups(&world, "kept").await, groups(&world, "lost").await), (1, 0));
    let done = make(&world, "keyed").header("idempotency-key", "key").send().await;
    let again = make(&world, "keyed").header("idempotency-key", "key").send().await;
    assert_eq!((done.expect(201), groups(&world, "keyed").await), (again.expect(201), 1));
}

#[tokio::test]
async fn a_stopped_database_is_told_at_once_and_not_missed_when_it_is_back() {
    refuses_at_once_and_comes_back(Going::Stopped).await;
}

#[tokio::test]
async fn where_connections_are_refused_everybody_is_told_at_once() {
    refuses_at_once_and_comes_back(Going::Killed).await;
}

/// Also those who were in the middle of something, and those who waited for them.
#[tokio::test]
async fn a_frozen_database_costs_one_timeout_and_then_nobody_anything() {
    let (mut server, world) = world().await;
    make(&world, "kept").send().await.expect(201);
    let held = Held::tables(&world.app, &["groups"]).await;
    // More than may work at a time, with and without a key: half of them have to wait for a turn.
    let keyed = |number: usize| {
        make(&world, "half done").header("idempotency-key", format!("key {number}"))
    };
    let busy = (0..CROWD)
        .map(|number| if number % 2 == 0 { make(&world, "half done") } else { keyed(number) });
    let busy = at_once(busy.collect());
    let freeze = async {
        held.waited_for_by(i64::from(CONNECTIONS / 2)).await;
        server.goes(Going::Frozen).await;
        // The first that come now, of all kinds.
        let began = Instant::now();
        let (told, ready) = tokio::join!(
            at_once(vec![list(&world), sign_in(&world)]),
            timed(world.app.get("/readyz"))
        );
        (told, ready, began)
    };
    let (busy, (told, (ready, waited), began)) = tokio::join!(busy, freeze);
    assert!(began.elapsed() < ONE_TIMEOUT, "{:?}", began.elapsed());
    for (answer, _) in busy.iter().chain(&told) {
        is_away(answer);
    }
    ready.refused(503, "unavailable");
    assert!(waited < READINESS, "{waited:?}");
    all_are_refused(&world).await;

    server.comes_back().await;
    drop(held);
    all_is_well(&world).await;
    // Who was told that it did not work out may ask whether it did; here nothing had come to its
    // end.
    assert_eq!((groups(&world, "kept").await, groups(&world, "half done").await), (1, 0));
    keyed(1).send().await.expect(201);
    keyed(1).send().await.expect(201);
    assert_eq!(groups(&world, "half done").await, 1);
}

/// Frozen, and then gone for good: what hung on it is let go of too.
#[tokio::test]
async fn a_database_that_dies_frozen_leaves_no_place_in_the_pool_taken() {
    let (mut server, world) = world().await;
    let held = Held::tables(&world.app, &["groups"]).await;
    let busy = at_once((0..CROWD).map(|_| make(&world, "half done")).collect());
    let freeze = async {
        held.waited_for_by(i64::from(CONNECTIONS / 2)).await;
        server.goes(Going::Frozen).await;
    };
    let (busy, ()) = tokio::join!(busy, freeze);
    for (answer, _) in &busy {
        is_away(answer);
    }
    server.goes(Going::Killed).await;
    all_are_refused(&world).await;
    server.comes_back().await;
    drop(held);
    all_is_well(&world).await;
    assert_eq!(groups(&world, "half done").await, 0);
}

/// The server is there, and some of its sessions no longer answer: who leaves such a connection
/// leaves no place taken.
#[tokio::test]
async fn a_connection_that_no_longer_answers_does_not_go_back() {
    let (mut server, world) = world().await;
    list(&world).send().await.expect(200);
    let mut holder = world.app.sql.acquire().await.unwrap().detach();
    sqlx::raw_sql("begin; lock table catalogue_epoch in access exclusive mode")
        .execute(&mut holder)
        .await
        .unwrap();
    let both = (0..CROWD)
        .map(|number| list_of(&world, if number % 2 == 0 { &world.acme } else { &world.globex }));
    let mut stuck = at_once(both.collect()).boxed();
    let waiting = "select pid from pg_stat_activity where datname = current_database()
                     and wait_event_type = 'Lock'";
    let all_there = async {
        loop {
            let sessions: Vec<i32> =
                sqlx::query_scalar(waiting).fetch_all(&world.app.sql).await.unwrap();
            // All are asked for in one statement.
            if sessions.len() == 1 {
                return sessions;
            }
        }
    };
    let sessions = tokio::select! {
        _ = &mut stuck => panic!("nobody waited"),
        sessions = tokio::time::timeout(PATIENCE, all_there) => sessions.unwrap(),
    };
    server.freeze(&sessions);
    holder.close().await.unwrap();
    drop(stuck);
    // What all requests wait for is asked again on another connection.
    let (listed, took) = timed(list(&world)).await;
    listed.expect(200);
    assert!(took < ONE_TIMEOUT, "{took:?}");
    list_of(&world, &world.globex).send().await.expect(200);
    all_is_well(&world).await;
    assert_eq!(world.app.db.sight().opened, 0);
}

/// A statement that waits, or has much to do, says nothing of the database.
#[tokio::test]
async fn a_slow_statement_is_no_database_that_is_away() {
    let (_server, world) = world().await;
    let held = Held::tables(&world.app, &["groups"]).await;
    let mut slow = Box::pin(make(&world, "slow").send());
    assert!(tokio::time::timeout(ONE_TIMEOUT, &mut slow).await.is_err(), "nobody waited");
    // Nor do all of a mandate's connections being in use.
    let busy =
        at_once((0..usize::try_from(CONNECTIONS).unwrap()).map(|_| make(&world, "busy")).collect());
    let (busy, ()) = tokio::join!(busy, async {
        held.waited_for_by(i64::from(CONNECTIONS / 2)).await;
        held.release().await;
    });
    assert!(busy.iter().all(|(answer, _)| answer.code() != "database_unavailable"), "{busy:?}");
    slow.await.expect(201);
    assert_eq!(world.app.db.sight().opened, 0);
}

/// Where no new connection is to be had, while those that are open work, the fault is on the way:
/// no descriptor left, a proxy that takes no more. Whoever needs a new one waits for one of those,
/// and nobody is refused.
#[tokio::test]
async fn a_connection_that_cannot_be_made_is_no_database_that_is_away() {
    let (server, world) = world().await;
    server.door(false);
    open_ones_do(&world).await;
    server.door(true);
    all_is_well(&world).await;
}

/// Nor is one that has as many clients as it takes.
#[tokio::test]
async fn a_database_without_places_is_no_database_that_is_away() {
    let (_server, world) = world().await;
    let options = world.app.sql.connect_options();
    let mut others = Vec::new();
    while let Ok(other) = sqlx::PgConnection::connect_with(&options).await {
        others.push(other);
    }
    open_ones_do(&world).await;
    drop(others);
    all_is_well(&world).await;
}

/// Many at once are served by the connections that there are.
async fn open_ones_do(world: &World) {
    for _ in 0..3 {
        let lists = (0..CROWD).map(|_| list(world));
        let made = (0..CROWD).map(|_| make(world, &Uuid::now_v7().to_string()));
        for (answer, _) in at_once(lists.chain(made).collect()).await {
            assert!(answer.status.is_success(), "{}", answer.body);
        }
    }
    assert_eq!(world.app.db.sight().opened, 0);
}

/// Connections that died while they lay idle are no reason to refuse a transaction.
#[tokio::test]
async fn a_restart_between_two_requests_is_hardly_noticed() {
    let (mut server, world) = world().await;
    for (answer, _) in at_once((0..CROWD).map(|_| list(&world)).collect()).await {
        answer.expect(200);
    }
    server.goes(Going::Stopped).await;
    server.comes_back().await;
    // Signing in needs transactions only.
    sign_in(&world).send().await.expect(200);
    list(&world).send().await;
    for (answer, _) in at_once((0..CROWD).map(|_| list(&world)).collect()).await {
        answer.expect(200);
    }
    assert_eq!(world.app.db.sight().opened, 0);
}

/// The connection on which all are asked for was closed while it lay idle: nobody is refused for
/// it.
#[tokio::test]
async fn a_closed_connection_of_what_all_ask_first_is_hardly_noticed() {
    let (_server, world) = world().await;
    list(&world).send().await.expect(200);
    let close = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and state = 'idle'
                   and pid <> pg_backend_pid() and query like '%catalogue_epoch%'";
    let closed: i64 = sqlx::query_scalar(close).fetch_one(&world.app.sql).await.unwrap();
    assert!(closed >= 1);
    for (answer, _) in at_once((0..CROWD).map(|_| list(&world)).collect()).await {
        answer.expect(200);
    }
    assert_eq!(world.app.db.sight().opened, 0);
}

/// Each answers something that its document tells, in time: 503, or what it says without the
/// database.
#[tokio::test]
async fn every_operation_says_so_and_none_waits() {
    let (mut server, world) = world().await;
    server.goes(Going::Stopped).await;
    is_away(&list(&world).send().await);
    let (token, mandate) = (&world.sys_admin.token, world.acme.id);
    let mut away = 0;
    for operation in operations(&document()) {
        let path: Vec<_> = operation
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { mandate.to_string() } else { part.to_owned() })
            .collect();
        let call =
            world.app.call(operation.method.clone(), path.join("/")).bearer(token).mandate(mandate);
        let call = if operation.method == Method::GET { call } else { call.json(json!({})) };
        let (answer, took) = timed(call).await;
        assert_ne!(answer.status.as_u16(), 500, "{}: {}", operation.id, answer.body);
        if answer.code() == "database_unavailable" {
            assert!(took < AT_ONCE, "{} took {took:?}", operation.id);
            is_away(&answer);
            away += 1;
        } else {
            assert!(
                operation.is_public() || answer.status.as_u16() < 500,
                "{}: {}",
                operation.id,
                answer.body
            );
        }
    }
    assert!(away >= 90, "only {away} operations needed the database");
}

/// Jobs and the node's own life go on when it is back, and nothing of the time between is taken for
/// a job's failure.
#[tokio::test]
async fn jobs_wait_until_it_is_back() {
    let (mut server, world) = world().await;
    let scheduler = world.app.scheduler();
    crate::harness::jobs::run_due(&scheduler).await;
    server.goes(Going::Stopped).await;
    let refused = scheduler.step().await.unwrap_err();
    assert_eq!(refused.code().name(), "database_unavailable");
    server.comes_back().await;
    all_is_well(&world).await;
    crate::harness::jobs::run_due(&scheduler).await;
    assert_eq!(world.app.count("select count(*) from jobs where failures > 0").await, 0);
}
