//! However a database came to be, it is the same: migrated at once or step by step, and with the
//! demo loaded once or twice.

use bailiwick::context::Services;
use bailiwick::kernel::clock::SystemClock;
use bailiwick::kernel::db::Database;
use bailiwick::kernel::db::bootstrap::{self, Applied, MIGRATOR};
use bailiwick::kernel::db::safety;
use bailiwick::seeds;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::cluster;

/// Everything that migrations make, as text: columns, constraints, indexes, policies, triggers,
/// functions, rights.
const CATALOGUE: &str = r"
    with own as (select c.* from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = 'bailiwick' and c.relname not like '\_sqlx%')
    select string_agg(line, chr(10) order by line) from (
      select format('table %s rls %s owner %s rights %s', relname, relrowsecurity,
          relowner::regrole, relacl) from own where relkind in ('r', 'v', 'S')
      union all
      select format('column %s.%s %s not null %s default %s rights %s', c.relname, a.attname,
          format_type(a.atttypid, a.atttypmod), a.attnotnull,
                    pg_get_expr(d.adbin, d.adrelid), a.attacl)
      from own c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where c.relkind = 'r'
      union all
      select format('constraint %s %s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
        from own c join pg_constraint k on k.conrelid = c.oid
      union all
      select pg_get_indexdef(i.indexrelid) from own c join pg_index i on i.indrelid = c.oid
      union all
      select format('policy %s %s %s to %s using %s check %s', c.relname, p.polname, p.polcmd,
          p.polroles::regrole[],
                    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
      from own c join pg_policy p on p.polrelid = c.oid
      union all
      select pg_get_triggerdef(t.oid) from own c join pg_trigger t on t.tgrelid = c.oid
        where not t.tgisinternal
      union all
      select format('%s rights %s owner %s', pg_get_functiondef(f.oid), f.proacl,
          f.proowner::regrole)
      from pg_proc f join pg_namespace n on n.oid = f.pronamespace where n.nspname = 'bailiwick'
    ) made (line)";

async fn connect(options: &PgConnectOptions) -> PgConnection {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    connection.execute("set search_path = bailiwick").await.unwrap();
    connection
}

async fn catalogue(options: &PgConnectOptions) -> String {
    sqlx::query_scalar(CATALOGUE).fetch_one(&mut connect(options).await).await.unwrap()
}

/// All rows of all tables, one line a table.
async fn contents(options: &PgConnectOptions) -> String {
    let mut connection = connect(options).await;
    let each: Vec<String> = sqlx::query_scalar(
        "select format('select %L || '' '' || count(*) || '' '' || coalesce(md5(string_agg(t::text,
            chr(10) order by t::text)), ''-'') from %I t',
                       c.relname, c.relname)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bailiwick'
           and c.relkind = 'r' order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(each.join(" union all ")))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    lines.join("\n")
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let options = cluster::empty_database().await;
    assert_eq!(bootstrap::pending(&options).await.unwrap().len(), MIGRATOR.iter().count());
    let applied = bootstrap::migrate(&options).await.unwrap();
    let brought: Vec<Applied> = MIGRATOR
        .iter()
        .map(|m| Applied { version: m.version, description: m.description.to_string() })
        .collect();
    assert_eq!(applied, brought);
    assert_eq!(bootstrap::pending(&options).await.unwrap(), Vec::<i64>::new());
    let (made, rows) = (catalogue(&options).await, contents(&options).await);
    assert_eq!(bootstrap::migrate(&options).await.unwrap(), []);
    assert_eq!(catalogue(&options).await, made);
    assert_eq!(contents(&options).await, rows);
}

/// Each tells of what it applied itself, and nobody of what another did.
#[tokio::test]
async fn nodes_that_start_together_apply_everything_once() {
    let options = cluster::empty_database().await;
    let nodes = (0..4).map(|_| bootstrap::migrate(&options));
    let told: Vec<Applied> =
        futures_util::future::join_all(nodes).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(told.len(), MIGRATOR.iter().count(), "{told:?}");
}

/// A database that stopped at any version and went on later is the same as one that was made at
/// once.
#[tokio::test]
async fn upgraded_is_the_same_as_fresh() {
    let fresh = cluster::empty_database().await;
    bootstrap::migrate(&fresh).await.unwrap();
    let (fresh, all) = (catalogue(&fresh).await, MIGRATOR.iter().count());
    assert!(fresh.lines().count() > 200, "the catalogue's digest sees too little");
    for (applied, migration) in MIGRATOR.iter().enumerate() {
        let options = cluster::empty_database().await;
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        connection.execute("create schema bailiwick authorization bailiwick_owner").await.unwrap();
        connection.execute("set role bailiwick_owner; set search_path = bailiwick").await.unwrap();
        MIGRATOR.run_to(migration.version, &mut connection).await.unwrap();
        connection.close().await.unwrap();
        assert_eq!(bootstrap::pending(&options).await.unwrap().len(), all - applied - 1);
        // What a start asks before it migrates, which must not refuse an old schema for what is
        // newer.
        safety::check_what_is_there(&options).await.unwrap();
        bootstrap::migrate(&options).await.unwrap();
        assert_eq!(catalogue(&options).await, fresh, "upgraded from {}", migration.version);
    }
}

#[tokio::test]
async fn the_demo_loaded_twice_is_the_demo_loaded_once() {
    let options = cluster::database().await;
    let services = Services::new(Database::lazy(&options, 2), std::sync::Arc::new(SystemClock));
    let empty = contents(&options).await;
    assert_eq!(seeds::demo(&services).await.unwrap(), seeds::DemoLoad::Loaded);
    let once = contents(&options).await;
    assert_ne!(once, empty);
    assert_eq!(seeds::demo(&services).await.unwrap(), seeds::DemoLoad::WasThere);
    bailiwick::tenancy::catalogue::bring_up_to_date(&services, bailiwick::assembly::FEATURES)
        .await
        .unwrap();
    assert_eq!(contents(&options).await, once);
}
