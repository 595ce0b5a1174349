//! Purging against restoring, against another node, and against death: whatever happens in between,
//! each thing goes once and whole, or stays whole. Nobody sleeps: the database says who waits.

use chrono::Duration;
use serde_json::json;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::harness::digest::digest;
use crate::harness::jobs::{let_go, run_due};
use crate::harness::{Answer, TestApp, World};

/// Acme's clock says that Globex can be restored still; the node that purges is two days ahead.
async fn almost_due() -> World {
    let mut world = World::new().await;
    let app = world.app.clone();
    world.root().delete(world.globex.path("")).await.expect(200);
    app.pass(Duration::days(29), &mut [&mut world.sys_admin]).await;
    world
}

#[expect(clippy::disallowed_methods, reason = "the test holds a row so that others queue for it")]
async fn holding(app: &TestApp, mandate: Uuid) -> Transaction<'static, Postgres> {
    let mut holder = app.sql.begin().await.unwrap();
    sqlx::query("select id from mandates where id = $1 for update")
        .bind(mandate)
        .execute(&mut *holder)
        .await
        .unwrap();
    holder
}

async fn restore(world: &World) -> Answer {
    world.root().post(world.globex.path("/restore"), json!({})).await
}

async fn purge(app: &TestApp) {
    run_due(&app.scheduler_ahead(Duration::days(31))).await;
}

#[tokio::test]
async fn a_restore_that_is_first_keeps_all_of_a_mandate() {
    let world = almost_due().await;
    let (app, globex) = (&world.app, world.globex.id);
    let holder = holding(app, globex).await;
    let ((answer, before), (), ()) = tokio::join!(
        async {
            let answer = restore(&world).await;
            (answer, app.count("select count(*) from memberships").await)
        },
        async {
            app.until_waiting(1).await;
            purge(app).await;
        },
        async {
            app.until_waiting(2).await;
            holder.rollback().await.unwrap();
        }
    );
    answer.expect(200);
    let kept = digest(app, globex).await;
    purge(app).await;
    assert_eq!(digest(app, globex).await, kept);
    assert_eq!(app.count("select count(*) from memberships").await, before);
    assert_eq!(
        app.count("select count(*) from audit_events where action = 'mandate_purged'").await,
        0
    );
}

#[tokio::test]
async fn a_purge_that_is_first_leaves_nothing_to_restore() {
    let world = almost_due().await;
    let (app, globex) = (&world.app, world.globex.id);
    let holder = holding(app, globex).await;
    let ((), answer, ()) = tokio::join!(
        purge(app),
        async {
            app.until_waiting(1).await;
            restore(&world).await
        },
        async {
            app.until_waiting(2).await;
            holder.rollback().await.unwrap();
        }
    );
    answer.refused(404, "not_found");
    assert_eq!(app.count("select count(*) from mandates").await, 1);
    assert_eq!(
        app.count("select count(*) from audit_events where action = 'mandate_restored'").await,
        0
    );
    assert_eq!(
        app.count("select count(*) from audit_events where action = 'mandate_purged'").await,
        2,
        "one in each trail"
    );
}

/// Between two parts of a large mandate nobody restores what is left, whatever their clock says.
#[tokio::test]
async fn a_mandate_that_is_half_purged_cannot_be_restored() {
    let world = almost_due().await;
    let (app, globex) = (&world.app, world.globex.id);
    let more = "insert into groups (id, mandate_id, name, name_key, created_at)
                select gen_random_uuid(), $1, 'g' || n, 'g' || n, now()
                  from generate_series(1, 1200) n";
    sqlx::query(more).bind(globex).execute(&app.sql).await.unwrap();
    let groups = async || app.count("select count(*) from groups where name like 'g%'").await;
    let scheduler = app.scheduler_ahead(Duration::days(31));
    while groups().await >= 1_200 {
        scheduler.step().await.unwrap();
    }
    assert!(groups().await > 0);
    restore(&world).await.refused(404, "not_found");
    run_due(&scheduler).await;
    assert_eq!(app.count("select count(*) from mandates").await, 1);
}

/// Due playbooks, two of whose versions are due in a living one, and due mandates.
const DUE: &str = "
    insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title, title_key,
        created_at, updated_at, deleted_at, purge_at)
    select gen_random_uuid(), i.mandate_id, i.id, (select id from users limit 1), n::text,
      gen_random_uuid()::text, 't', 't', now(), now(),
           case when n > 2 then now() end, case when n > 2 then now() end
    from generate_series(1, 700) n, feature_instances i where i.mandate_id = $1;
    insert into playbook_versions (mandate_id, instance_id, playbook_id, number, owner_id, size,
        created_at, updated_at, deleted_at, purge_at)
    select mandate_id, instance_id, id, n, owner_id, 1, now(), now(), now(), now()
      from playbooks, generate_series(1, 2) n where deleted_at is null
    on conflict do nothing;
    insert into mandates (id, name, name_key, code, code_key, created_at, updated_at, deleted_at,
        purge_at)
    select gen_random_uuid(), 'Doomed', 'doomed', n::text, n::text, now(), now(), now(), now()
      from generate_series(1, 3) n";

async fn make_due(world: &World) {
    for statement in DUE.split(';') {
        let statement = statement.replace("$1", &format!("'{}'", world.acme.id));
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&world.app.sql).await.unwrap();
    }
    world.app.clock.advance(Duration::minutes(5));
}

/// Events that are not of exactly one thing each, by trail.
async fn told_twice(app: &TestApp) -> i64 {
    app.count(
        "select count(*) from (
           select 1 from audit_events where action like '%\\_purged'
           group by mandate_id, action, resource_id, details -> 'before' -> 'number'
             having count(*) > 1) twice",
    )
    .await
}

async fn told(app: &TestApp) -> [i64; 3] {
    [
        app.count("select count(*) from audit_events where action = 'playbook_purged'").await,
        app.count("select count(*) from audit_events where action = 'playbook_version_purged'")
            .await,
        app.count(
            "select count(*) from audit_events where action = 'mandate_purged'
                     and mandate_id is null",
        )
        .await,
    ]
}

#[tokio::test]
async fn however_many_nodes_there_are_each_thing_is_purged_once() {
    let world = World::new().await;
    let app = &world.app;
    let nodes = [app.scheduler(), app.another_node().scheduler(), app.another_node().scheduler()];
    for round in 1..=12 {
        make_due(&world).await;
        let [a, b, c] = &nodes;
        tokio::join!(run_due(a), run_due(b), run_due(c));
        assert_eq!(
            app.count("select count(*) from playbooks where deleted_at is not null").await,
            0
        );
        assert_eq!(app.count("select count(*) from playbook_versions").await, 0);
        assert_eq!(
            app.count("select count(*) from mandates where deleted_at is not null").await,
            0
        );
        assert_eq!(told(app).await[0], 698 * round);
        assert_eq!(told(app).await[2], 3 * round);
        assert_eq!(told_twice(app).await, 0);
        assert_eq!(app.count("select count(*) from jobs where failures > 0").await, 0);
        sqlx::query("delete from playbooks").execute(&app.sql).await.unwrap();
    }
    assert_eq!(told(app).await[1], 4 * 12);
}

/// What there is: rows that are due, and events of purges.
async fn state(app: &TestApp) -> (i64, i64, [i64; 3]) {
    let playbooks = app.count("select count(*) from playbooks where deleted_at is not null").await;
    (
        playbooks,
        app.count("select count(*) from mandates where deleted_at is not null").await,
        told(app).await,
    )
}

#[tokio::test]
async fn a_node_whose_connection_dies_before_the_commit_has_done_nothing() {
    for action in ["playbook_purged", "playbook_version_purged", "mandate_purged"] {
        let world = World::new().await;
        let app = &world.app;
        make_due(&world).await;
        let holder = app.hold_at(action).await;
        let kill = async {
            app.until_waiting(1).await;
            let before = state(app).await;
            app.count(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity
                         where datname = current_database() and wait_event_type = 'Lock'",
            )
            .await;
            before
        };
        let scheduler = app.scheduler();
        let dying = async {
            let mut outcome = scheduler.step().await;
            while outcome.is_ok() {
                outcome = scheduler.step().await;
            }
        };
        let ((), before) = tokio::join!(dying, kill);
        assert_eq!(state(app).await, before, "{action}: what was not committed is as it was");
        let_go(holder).await;
        app.run_jobs().await;
        assert_eq!(state(app).await, (0, 0, [698, 4, 3]), "{action}: the next run does it once");
        assert_eq!(told_twice(app).await, 0);
    }
}

#[tokio::test]
async fn a_node_that_is_dropped_before_the_commit_has_done_nothing() {
    let world = World::new().await;
    let app = &world.app;
    make_due(&world).await;
    let holder = app.hold_at("playbook_purged").await;
    let scheduler = app.scheduler();
    tokio::select! {
        () = run_due(&scheduler) => panic!("nobody held it"),
        () = app.until_waiting(1) => {}
    }
    assert_eq!(state(app).await.0, 698);
    let_go(holder).await;
    while state(app).await.0 > 0 {
        app.run_jobs().await; // the dropped transaction may still be on its way back
        app.clock.advance(Duration::minutes(2));
    }
    assert_eq!(state(app).await, (0, 0, [698, 4, 3]));
    assert_eq!(told_twice(app).await, 0);
}
