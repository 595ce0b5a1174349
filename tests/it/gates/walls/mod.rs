//! The walls between mandates below the service, each tried with the one before it taken away:
//! statements without a filter meet row-level security ([`policies`], [`writes`]); where row-level
//! security is away the statements' own filters hold; and where both are (a superuser), composite
//! keys still refuse a row that points across ([`keys`]). What memberships copy of accounts stays a
//! copy ([`copies`]).

mod copies;
mod keys;
mod policies;
mod writes;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

use super::cases::fill;
use super::stage::{Ground, on_grounds};
use super::tenant_isolation::isolated;
use crate::harness::TestApp;

struct Table {
    name: String,
    /// The column that names the mandate.
    column: Option<String>,
    secured: bool,
    policies: i64,
    /// Whether its rows are closed by instance too.
    by_instance: bool,
    /// Those that can be written.
    columns: String,
}

async fn tables(app: &TestApp) -> Vec<Table> {
    let rows = sqlx::query(
        "select c.relname::text as name, c.relrowsecurity as secured,
                case when c.relname = 'mandates' then 'id'
                     else (select a.attname::text from pg_attribute a where a.attrelid = c.oid
                         and a.attname = 'mandate_id' and not a.attisdropped)
                end as mandate_column,
                (select count(*) from pg_policy p where p.polrelid = c.oid) as policies,
                exists (select 1 from pg_policy p where p.polrelid = c.oid
                    and p.polname = 'instance') as by_instance,
                (select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
                    from pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                   and a.attgenerated = '') as columns
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'bailiwick' and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    let table = |row: &sqlx::postgres::PgRow| Table {
        name: row.get("name"),
        column: row.get("mandate_column"),
        secured: row.get("secured"),
        policies: row.get("policies"),
        by_instance: row.get("by_instance"),
        columns: row.get("columns"),
    };
    rows.iter().map(table).collect()
}

/// A table with rows of mandates.
pub struct TenantTable {
    pub name: String,
    pub column: String,
    by_instance: bool,
    columns: String,
}

pub async fn tenant_tables(app: &TestApp) -> Vec<TenantTable> {
    let tables = tables(app).await.into_iter();
    tables
        .filter_map(|Table { name, column, by_instance, columns, .. }| {
            Some(TenantTable { name, column: column?, by_instance, columns })
        })
        .collect()
}

/// Acts as the tenant of a mandate; where the table is closed by instance, in an instance that has
/// rows of it.
async fn acting_on(
    app: &TestApp,
    table: &TenantTable,
    mandate: Uuid,
) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut tenant = begin(app).await;
    if table.by_instance {
        let statement = format!(
            "select instance_id from {} where {} = '{mandate}' limit 1",
            table.name, table.column
        );
        let instance: Uuid =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut *tenant).await.unwrap();
        run(&mut tenant, &format!("set local app.instance_id = '{instance}'")).await.unwrap();
    }
    run(
        &mut tenant,
        &format!("set local role bailiwick_tenant; set local app.mandate_id = '{mandate}'"),
    )
    .await
    .unwrap();
    tenant
}

/// A transaction of the pool's superuser that acts as another role.
async fn acting(
    app: &TestApp,
    role: &str,
    mandate: Option<Uuid>,
) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = begin(app).await;
    run(&mut transaction, &format!("set local role {role}")).await.unwrap();
    if let Some(mandate) = mandate {
        run(&mut transaction, &format!("set local app.mandate_id = '{mandate}'")).await.unwrap();
    }
    transaction
}

#[expect(
    clippy::disallowed_methods,
    reason = "the walls are tried from below, where no context begins a transaction"
)]
async fn begin(app: &TestApp) -> sqlx::Transaction<'static, sqlx::Postgres> {
    app.sql.begin().await.unwrap()
}

async fn run(connection: &mut PgConnection, statement: &str) -> Result<u64, String> {
    let outcome = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await;
    outcome.map(|done| done.rows_affected()).map_err(|error| state(&error))
}

async fn count(connection: &mut PgConnection, statement: String) -> Result<i64, String> {
    sqlx::query_scalar(AssertSqlSafe(statement))
        .fetch_one(connection)
        .await
        .map_err(|error| state(&error))
}

/// The SQLSTATE of an error.
fn state(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .map_or_else(|| error.to_string(), std::borrow::Cow::into_owned)
}

const REFUSED: &str = "42501";

/// Without row-level security, what is left are the grants and each statement's own filter; they
/// alone keep the twins apart.
#[test]
fn statements_filter_by_themselves_where_row_level_security_is_away() {
    let swaps: usize = on_grounds(async |ground, operation, case| {
        let off = "do $$ declare t regclass; begin
                     for t in select c.oid from pg_class c
                       join pg_namespace n on n.oid = c.relnamespace
                              where n.nspname = 'bailiwick' and c.relkind = 'r'
                                and c.relrowsecurity loop
                       execute format('alter table %s disable row level security', t);
                     end loop;
                   end $$";
        ground.sql(off).await;
        isolated(ground, operation, case).await
    })
    .into_iter()
    .sum();
    assert!(swaps >= 75);
}

/// A ground with rows of both mandates in every table.
pub async fn filled() -> Ground {
    let ground = Ground::new().await;
    for tenant in [&ground.world.acme, &ground.world.globex] {
        let names = ground.stage(tenant).await;
        ground.sql(fill(MORE, &names)).await;
    }
    ground
}

const MORE: &str = "
    insert into group_members (mandate_id, group_id, user_id)
      values ('$mandate', '$group', '$target');
    insert into role_views (role_id, scope, mandate_id, view_name, allowed)
      values ('$irole', 'instance', '$mandate', 'editor', true);
    insert into audit_addresses (event_id, mandate_id, address)
      values (gen_random_uuid(), '$mandate', '192.0.2.1');
    insert into audit_reasons (event_id, mandate_id, actor_id, target_user_id, reason)
      values (gen_random_uuid(), '$mandate', '$admin', '$target', 'a ticket')";

async fn app_count(app: &TestApp, statement: String) -> i64 {
    let mut connection = app.sql.acquire().await.unwrap();
    let counted = count(&mut connection, statement).await.unwrap();
    connection.ping().await.unwrap();
    counted
}
