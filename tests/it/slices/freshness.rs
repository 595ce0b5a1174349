//! What a node knows by heart, and how it is told that it is over: in whatever order transactions
//! end, and whatever becomes of the connection that it listens on.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use uuid::Uuid;

use crate::harness::away::{Going, Server};
use crate::harness::world::{Person, Tenant};
use crate::harness::{TestApp, World, statements};

async fn run(world: &World, statement: String) {
    raw_sql(AssertSqlSafe(statement)).execute(&world.app.sql).await.unwrap();
}

/// In which the members have used their mandates before: the first time is noted.
async fn world() -> World {
    let world = World::new().await;
    for tenant in [&world.acme, &world.globex] {
        for _ in 0..2 {
            assert_eq!(access(&world, tenant, &tenant.member).await, 200);
        }
    }
    world
}

async fn access(world: &World, tenant: &Tenant, person: &Person) -> u16 {
    let call = world.app.get("/api/access/me").bearer(&person.token).mandate(tenant.id);
    call.send().await.status.as_u16()
}

/// What is open, as the navigation tells.
async fn open(world: &World, person: &Person) -> Vec<Value> {
    let call = world.app.get("/api/features/my").bearer(&person.token);
    call.send().await.expect(200)["mandates"].as_array().unwrap().clone()
}

fn suspended(mandate: Uuid, user: Uuid, is_enabled: bool) -> String {
    format!(
        "update memberships set enabled = {is_enabled}
         where mandate_id = '{mandate}' and user_id = '{user}'"
    )
}

/// A transaction in which a membership was suspended, and which has not ended.
async fn suspending(world: &World, tenant: &Tenant, person: &Person) -> PgConnection {
    let mut connection = world.app.sql.acquire().await.unwrap().detach();
    let suspend = format!("begin; {}", suspended(tenant.id, person.id, false));
    raw_sql(AssertSqlSafe(suspend)).execute(&mut connection).await.unwrap();
    connection
}

/// Neither the latest time nor the greatest id of a transaction tells what a node has seen: the
/// first of these two began before whatever it saw, and ends after.
#[tokio::test]
async fn what_began_early_and_ends_late_is_seen() {
    let world = world().await;
    let (acme, globex) = (&world.acme, &world.globex);
    let mut early = suspending(&world, acme, &acme.member).await;
    run(&world, suspended(globex.id, globex.member.id, false)).await;
    assert_eq!(access(&world, globex, &globex.member).await, 403);
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    raw_sql("commit").execute(&mut early).await.unwrap();
    assert_eq!(access(&world, acme, &acme.member).await, 403);
    early.close().await.unwrap();
}

/// What was rolled back has not happened, and what happens after it is seen.
#[tokio::test]
async fn what_is_undone_is_not_seen_and_the_next_change_is() {
    let world = world().await;
    let acme = &world.acme;
    let mut undone = suspending(&world, acme, &acme.member).await;
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    raw_sql("rollback").execute(&mut undone).await.unwrap();
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    run(&world, suspended(acme.id, acme.member.id, false)).await;
    assert_eq!(access(&world, acme, &acme.member).await, 403);
    undone.close().await.unwrap();
}

/// A dump brings ids of transactions of another cluster.
#[tokio::test]
async fn changes_are_seen_in_a_database_that_was_moved_to_another_cluster() {
    let world = world().await;
    let acme = &world.acme;
    for table in ["user_epochs", "mandate_epochs"] {
        let moved = format!(
            "alter table {table} disable trigger note_change;
             update {table} set changed_in = '4000000000';
             alter table {table} enable trigger note_change"
        );
        run(&world, moved).await;
    }
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    let before = statements::sent();
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    assert_eq!(statements::sent() - before, 1, "what is foreign is no change");
    for is_enabled in [false, true] {
        run(&world, suspended(acme.id, acme.member.id, is_enabled)).await;
        assert_eq!(access(&world, acme, &acme.member).await, if is_enabled { 200 } else { 403 });
    }
}

/// No epoch can rise of an account that is gone. The service deletes none; an operator may.
#[tokio::test]
async fn an_account_that_was_deleted_by_hand_is_signed_out() {
    let world = world().await;
    let (nina, acme) = (world.stranger("nina").await, &world.acme);
    let me =
        async || world.app.get("/api/auth/me").bearer(&nina.token).send().await.status.as_u16();
    assert_eq!((me().await, me().await), (200, 200));
    run(&world, format!("delete from users where id = '{}'", nina.id)).await;
    // Meanwhile somebody is looked up who was not known, and the newest catalogue with them.
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    assert_eq!(me().await, 401);
}

/// Another server may have raised the same numbers for something else, or this one lost what they
/// stood for, where commits are seen before they are written.
#[tokio::test]
async fn what_was_told_on_another_connection_counts_no_more() {
    let world = world().await;
    let acme = &world.acme;
    let database = world.app.options.get_database().unwrap();
    run(&world, format!("alter database {database} set synchronous_commit = off")).await;
    drop_connections(&world).await;
    let viewer = acme.instance_role("playbooks-viewer");
    world.admit(acme, acme.member.id, &[viewer]).await;
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    assert_eq!(open(&world, &acme.member).await.len(), 1);
    // Such a server: everything is as it never was, at the same epochs.
    let silently = format!(
        "alter table memberships disable trigger user; {}",
        suspended(acme.id, acme.member.id, false)
    );
    run(&world, silently).await;
    assert_eq!(access(&world, acme, &acme.member).await, 200, "it cannot be seen otherwise");
    drop_connections(&world).await;
    assert_eq!(access(&world, acme, &acme.member).await, 403);
    assert_eq!(open(&world, &acme.member).await.len(), 0);
}

/// Those that were told what has changed, and others.
async fn drop_connections(world: &World) {
    let drop = "select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()
                  and query like '%catalogue_epoch%'";
    run(world, drop.to_owned()).await;
}

/// However many have changed at once.
#[tokio::test]
async fn more_changes_than_are_told_are_seen_all_the_same() {
    let world = world().await;
    let acme = &world.acme;
    let people = "insert into users (id, username, username_key, created_at)
                  select gen_random_uuid(), 'crowd-' || n, 'crowd-' || n, now()
                  from generate_series(1, 3000) n";
    run(&world, people.to_owned()).await;
    assert_eq!(access(&world, acme, &acme.member).await, 200);
    let all = format!(
        "begin; update user_epochs set epoch = epoch + 1; {}; commit",
        suspended(acme.id, acme.member.id, false)
    );
    run(&world, all).await;
    assert_eq!(access(&world, acme, &acme.member).await, 403);
    assert_eq!(access(&world, acme, &acme.admin).await, 200);
}

/// It repeats what another one does, later: what is true now it cannot tell.
#[tokio::test]
async fn a_server_that_follows_another_is_not_asked() {
    let mut server = Server::start().await;
    let world = World::in_app(TestApp::start_on(server.database().await)).await;
    let acme = &world.acme;
    assert_eq!(access(&world, acme, &acme.admin).await, 200);
    for (follows, status) in [(true, 503), (false, 200)] {
        server.goes(Going::Stopped).await;
        server.follows(follows);
        server.comes_back().await;
        // The first may find out that its connection is over.
        access(&world, acme, &acme.admin).await;
        assert_eq!(access(&world, acme, &acme.admin).await, status);
    }
}
