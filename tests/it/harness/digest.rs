//! All rows of a mandate, in a few letters a table: to see that nothing of it changed.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::TestApp;

pub async fn digest(app: &TestApp, mandate: Uuid) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('select %L,
            coalesce(md5(string_agg(t::text, chr(10) order by t::text)),
            '''') from bailiwick.%I t where t.%I = $1',
                       c.relname, c.relname, case c.relname when 'mandates' then 'id'
                         else 'mandate_id' end)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'bailiwick' and c.relkind = 'r'
           and (c.relname = 'mandates' or exists (select 1 from pg_attribute a
               where a.attrelid = c.oid and a.attname = 'mandate_id' and not a.attisdropped))
         order by 1",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    assert!(tables.len() >= 12, "{tables:?}");
    let each = tables.join(" union all ");
    let statement = format!(
        "select string_agg(name || ' ' || digest, chr(10) order by name)
           from ({each}) all_tables (name, digest)"
    );
    sqlx::query_scalar(AssertSqlSafe(statement)).bind(mandate).fetch_one(&app.sql).await.unwrap()
}
