//! Statements without a filter that change, delete and insert: none reaches a row of the twin.

use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{REFUSED, acting_on, filled, run, state, tenant_tables};

#[tokio::test]
async fn writes_without_a_filter_reach_no_row_of_the_twin() {
    let ground = filled().await;
    let (app, acme, globex) = (&ground.world.app, ground.world.acme.id, ground.world.globex.id);
    let mut reached = 0;
    for of in tenant_tables(app).await {
        let (table, column) = (&of.name, &of.column);
        let digest = format!(
            "select md5(string_agg(t::text, '|' order by t::text)) from {table} t
               where {column} = '{globex}'"
        );
        for statement in
            [format!("delete from {table}"), format!("update {table} set {column} = {column}")]
        {
            let mut tenant = acting_on(app, &of, acme).await;
            let before: Option<String> = scalar_as_superuser(&mut tenant, &digest, acme).await;
            let outcome = run(&mut tenant, &format!("savepoint before; {statement}")).await;
            match outcome {
                Ok(_) => {
                    let after: Option<String> =
                        scalar_as_superuser(&mut tenant, &digest, acme).await;
                    assert_eq!(after, before, "{statement} reached the twin");
                    reached += 1;
                }
                // No right to, or a key that is in use: no row at all.
                Err(state) => assert!(
                    [REFUSED, "23503", "23001"].contains(&state.as_str()),
                    "{statement}: {state}"
                ),
            }
        }
        let moved = format!("update {table} set {column} = '{globex}'");
        let outcome = run(&mut *acting_on(app, &of, acme).await, &moved).await;
        assert_eq!(outcome, Err(REFUSED.to_owned()), "{moved}");
    }
    assert!(reached >= 12, "only {reached} statements ran at all");
}

async fn scalar_as_superuser(
    connection: &mut PgConnection,
    query: &str,
    mandate: Uuid,
) -> Option<String> {
    run(connection, "reset role").await.unwrap();
    let found = sqlx::query_scalar(AssertSqlSafe(query.to_owned()))
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    run(
        connection,
        &format!("set local role bailiwick_tenant; set local app.mandate_id = '{mandate}'"),
    )
    .await
    .unwrap();
    found
}

#[tokio::test]
async fn nobody_inserts_into_the_twin() {
    let ground = filled().await;
    let (app, acme, globex) = (&ground.world.app, ground.world.acme.id, ground.world.globex.id);
    let mut tried = 0;
    for of in tenant_tables(app).await {
        let (table, column, columns) = (&of.name, &of.column, &of.columns);
        let row = format!("select to_jsonb(t) from {table} t where {column} = '{globex}' limit 1");
        let row: serde_json::Value =
            sqlx::query_scalar(AssertSqlSafe(row)).fetch_one(&app.sql).await.unwrap();
        let mut tenant = acting_on(app, &of, acme).await;
        let insert = format!(
            "insert into {table} ({columns}) select {columns}
               from jsonb_populate_record(null::{table}, $1)"
        );
        let outcome = sqlx::query(AssertSqlSafe(insert)).bind(row).execute(&mut *tenant).await;
        assert_eq!(
            outcome.map(|_| ()).map_err(|error| state(&error)),
            Err(REFUSED.to_owned()),
            "{table}"
        );
        tried += 1;
    }
    assert!(tried >= 12);
}
