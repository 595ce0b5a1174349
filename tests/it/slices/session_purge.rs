//! Sessions that are over go after a week, in portions; the trail that names them stays. And what
//! an erasure and this purge look for is found by an index.

use chrono::Duration;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::harness::{TestApp, World};

/// Sessions of every kind; the end of each lies so many days back.
const SESSIONS: &str = "
    insert into sessions (id, user_id, created_at, expires_at, revoked_at, user_agent, address)
    select gen_random_uuid(), (select id from users where username = 'acme-member'),
      now() - interval '90 days',
           now() - make_interval(days => expired), now() - make_interval(days => revoked), kind,
             '203.0.113.7'
    from (values ('expired', 8, null), ('revoked', -60, 8), ('revoked after it had expired', 8, 1),
        ('expired lately', 6, null),
                 ('revoked lately', -60, 6), ('open', -60, null)) kinds (kind, expired, revoked)";

#[tokio::test]
async fn sessions_go_a_week_after_their_end_and_the_trail_stays() {
    let world = World::new().await;
    let app = &world.app;
    sqlx::query(SESSIONS).execute(&app.sql).await.unwrap();
    let trail = app.count("select count(*) from audit_events").await;
    app.run_jobs().await;
    let kinds = "select user_agent from sessions where user_agent is not null order by 1";
    let left: Vec<String> = sqlx::query_scalar(kinds).fetch_all(&app.sql).await.unwrap();
    assert_eq!(left, ["expired lately", "open", "revoked lately"]);
    app.clock.advance(Duration::hours(25));
    app.run_jobs().await;
    let left: Vec<String> = sqlx::query_scalar(kinds).fetch_all(&app.sql).await.unwrap();
    assert_eq!(left, ["open"]);
    assert_eq!(app.count("select count(*) from audit_events").await, trail);
    let signed_out = "select count(*) from audit_events e where action = 'user_signed_in'
                        and not exists (select from sessions s where s.id::text = e.resource_id)";
    assert_eq!(app.count(signed_out).await, 0, "whoever is signed in stays so");
}

/// Many go in portions, and one that somebody is changing keeps nobody.
#[tokio::test]
async fn sessions_go_in_portions_past_what_is_locked() {
    let world = World::new().await;
    let app = &world.app;
    sqlx::query(
        "insert into sessions (id, user_id, created_at, expires_at)
         select gen_random_uuid(), (select id from users limit 1), now() - interval '90 days',
           now() - interval '60 days' from generate_series(1, 1200)",
    )
    .execute(&app.sql)
    .await
    .unwrap();
    let mut holder = app.sql.acquire().await.unwrap().detach();
    holder
        .execute(
            "begin; select id from sessions where expires_at < now() order by id
                      limit 1 for update",
        )
        .await
        .unwrap();
    sqlx::raw_sql(
        "create table portions (taken bigint);
         create function note_portion() returns trigger language plpgsql security definer
           set search_path = bailiwick as $$
         begin insert into portions select count(*) from gone; return null; end $$;
         create trigger note_portion after delete
           on sessions referencing old table as gone for each statement execute function
           note_portion()",
    )
    .execute(&app.sql)
    .await
    .unwrap();
    app.run_jobs().await;
    let portions: Vec<i64> = sqlx::query_scalar("select taken from portions order by taken desc")
        .fetch_all(&app.sql)
        .await
        .unwrap();
    assert_eq!(portions, [500, 500, 199]);
    holder.close().await.unwrap();
    app.run_jobs().await;
    assert_eq!(
        app.count("select count(*) from sessions where expires_at < now()").await,
        1,
        "not before its hour"
    );
    app.clock.advance(Duration::minutes(61));
    app.run_jobs().await;
    assert_eq!(app.count("select count(*) from sessions where expires_at < now()").await, 0);
}

/// A plan, where the table is too large to be read whole.
async fn plan(app: &TestApp, statement: &str) -> String {
    let mut connection = app.sql.acquire().await.unwrap();
    connection.execute("set enable_seqscan = off").await.unwrap();
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("explain {statement}")))
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    connection.execute("reset enable_seqscan").await.unwrap();
    lines.join("\n")
}

#[tokio::test]
async fn what_is_over_or_tells_of_somebody_is_found_by_an_index() {
    let app = TestApp::start().await;
    let over = "select id from sessions where least(revoked_at, expires_at) <= now()
                  order by least(revoked_at, expires_at) limit 500";
    let told = "update idempotent_answers set body = ''
                where (names @> array['00000000-0000-7000-8000-000000000000'::uuid]
                    or asked_by = '00000000-0000-7000-8000-000000000000')";
    let expected = [
        (over, "sessions_by_end"),
        (told, "idempotent_answers_by_name"),
        (told, "idempotent_answers_by_asker"),
    ];
    for (statement, index) in expected {
        let plan = plan(&app, statement).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{plan}");
    }
}
