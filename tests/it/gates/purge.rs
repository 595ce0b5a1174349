//! A mandate that is purged leaves nothing behind but its trail, whatever tables there are; and
//! nothing else goes.

use chrono::Duration;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::stage::Ground;
use super::walls::{TenantTable, filled, tenant_tables};
use crate::harness::TestApp;
use crate::harness::digest::digest;

/// What outlives a mandate: its trail.
const TRAIL: [&str; 3] = ["audit_addresses", "audit_events", "audit_reasons"];

async fn rows(app: &TestApp, TenantTable { name, column, .. }: &TenantTable, mandate: Uuid) -> i64 {
    let query = format!("select count(*) from {name} where {column} = '{mandate}'");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&app.sql).await.unwrap()
}

/// Rows in every table; only Globex waits for being purged.
async fn condemned() -> Ground {
    let ground = filled().await;
    ground.sql("update playbooks set deleted_at = null, purge_at = null").await;
    ground.sql("update playbook_versions set deleted_at = null, purge_at = null").await;
    ground.sql("delete from mandates where deleted_at is not null").await;
    let globex = ground.world.globex.id;
    ground
        .sql(format!(
            "update mandates set deleted_at = now(),
                          purge_at = now() + interval '30 days' where id = '{globex}'"
        ))
        .await;
    ground
}

#[tokio::test]
async fn a_mandate_with_rows_in_every_table_is_purged_whole_and_its_twin_is_not_touched() {
    let ground = condemned().await;
    let (app, acme, globex) = (&ground.world.app, ground.world.acme.id, ground.world.globex.id);
    let (tables, users) = (tenant_tables(app).await, app.count("select count(*) from users").await);
    let mut trail = 0;
    for table in &tables {
        let found = rows(app, table, globex).await;
        assert!(
            found > 0,
            "{} has no row to be purged: put one into its slice in tests/it/core",
            table.name
        );
        trail += if TRAIL.contains(&table.name.as_str()) { found } else { 0 };
    }
    let (twin, own) = (digest(app, acme).await, digest(app, globex).await);
    app.clock.advance(Duration::days(30) - Duration::minutes(1));
    app.run_jobs().await;
    assert_eq!(digest(app, globex).await, own, "a minute too early");

    app.clock.advance(Duration::minutes(2));
    app.run_jobs().await;
    let mut left = 0;
    for table in &tables {
        let (found, stays) = (rows(app, table, globex).await, TRAIL.contains(&table.name.as_str()));
        assert!(
            stays || found == 0,
            "{} keeps {found} rows of a mandate that was purged",
            table.name
        );
        left += if stays { found } else { 0 };
    }
    assert_eq!(left, trail + 1, "the trail stays, and ends with one event");
    assert_eq!(digest(app, acme).await, twin, "the twin was touched");
    assert_eq!(
        app.count("select count(*) from users").await,
        users,
        "accounts are nobody's mandate's"
    );
}

/// What is taken away part by part is what foreign keys would take away at once: each table is
/// reached, or hangs on one that is.
#[tokio::test]
async fn a_large_mandate_goes_in_short_transactions() {
    let ground = condemned().await;
    let (app, globex, acme) = (&ground.world.app, ground.world.globex.id, ground.world.acme.id);
    ground
        .sql(format!(
            "insert into groups (id, mandate_id, name, name_key, created_at)
             select gen_random_uuid(), '{globex}', 'g' || n, 'g' || n, now()
               from generate_series(1, 1600) n;
             create table parts (mandate_id uuid, left_over bigint);
             create function note_part() returns trigger language plpgsql security definer
               set search_path = bailiwick as $$
             begin insert into parts select '{globex}', count(*) from groups
               where mandate_id = '{globex}'; return null; end $$;
             create trigger note_part after delete
               on groups for each statement execute function note_part()"
        ))
        .await;
    let twin = digest(app, acme).await;
    app.clock.advance(Duration::days(31));
    app.run_jobs().await;
    let transactions: i64 = app.count("select count(distinct xmin::text) from parts").await;
    assert!(transactions >= 4, "1,600 groups went in {transactions} transactions");
    assert_eq!(app.count("select min(left_over) from parts").await, 0);
    assert_eq!(digest(app, acme).await, twin);
    assert_eq!(
        app.count("select count(*) from audit_events where action = 'mandate_purged'").await,
        2,
        "one in each trail"
    );
    assert_eq!(app.count("select count(*) from mandates where deleted_at is not null").await, 0);
}
