//! Asks PostgreSQL for the plans of statements that a node was seen to send, in the state in which
//! the node's connection was.

use std::collections::BTreeSet;

use postgres_witness::{Argument, Executed, Noted, Trip};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgConnection, PgTypeInfo};
use sqlx::{Arguments, AssertSqlSafe, Connection, Encode, Executor, Postgres, Type};

use super::shape::shape;
use crate::harness::TestApp;
use crate::harness::watched::Watched;
use crate::slices::playbook_plans::{explained, explained_with};

/// What is told of a statement.
const BEGINNING: usize = 90;

/// A node, all that it was seen to send, and a connection that explains it.
pub struct Explaining<'a> {
    watched: &'a Watched,
    noted: Vec<Noted>,
    known: BTreeSet<String>,
    connection: PgConnection,
}

impl<'a> Explaining<'a> {
    /// Of a node that sent nothing yet, beside a service.
    pub async fn beside(app: &TestApp, watched: &'a Watched) -> Self {
        let options = app.options.clone().options([("search_path", "bailiwick")]);
        let connection = PgConnection::connect_with(&options).await.unwrap();
        Self { watched, noted: Vec::new(), known: BTreeSet::new(), connection }
    }

    /// The plans of each statement that was sent since the last call, and never before.
    pub async fn new_plans(&mut self) -> Vec<String> {
        let first = self.noted.len();
        self.noted.extend(self.watched.asked().await);
        let mut plans = Vec::new();
        for place in first..self.noted.len() {
            let Noted { connection, trip, .. } = self.noted[place].clone();
            let Trip::Executed(executed) = trip else { continue };
            let told = told_before(&self.noted[..place], connection);
            for statement in executed {
                if self.known.insert(statement.sql.clone()) {
                    plans.push(self.plans(&told, &statement).await);
                }
            }
        }
        plans
    }

    /// The plan of the one statement that a function of the database returns the result of.
    pub async fn within(&mut self, function: &str) -> String {
        let query = "select prosrc from pg_proc where proname = $1";
        let source: String =
            sqlx::query_scalar(query).bind(function).fetch_one(&mut self.connection).await.unwrap();
        let (_, statement) = source.split_once("return (").unwrap();
        let (statement, _) = statement.rsplit_once(");").unwrap();
        let statement = Executed { sql: statement.replace("wanted", "$1"), arguments: Vec::new() };
        let connection = &mut self.connection;
        connection.execute("begin; set local role bailiwick_system").await.unwrap();
        let plan = generic(connection, &statement, "uuid", 1).await;
        connection.execute("rollback").await.unwrap();
        format!("within {function}, any arguments\n{plan}\n")
    }

    async fn plans(&mut self, told: &[String], statement: &Executed) -> String {
        let connection = &mut self.connection;
        for text in told {
            connection.execute(sqlx::raw_sql(AssertSqlSafe(text.clone()))).await.unwrap();
        }
        let role: String = sqlx::query_scalar("select current_user::text")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        let custom = custom(connection, statement).await;
        let types = types(connection, statement).await;
        let generic = generic(connection, statement, &types, statement.arguments.len()).await;
        connection.execute("rollback; reset role").await.unwrap();
        let words = statement.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let beginning: String = words.chars().take(BEGINNING).collect();
        let plans = if custom == generic {
            format!("  any arguments\n{generic}")
        } else {
            format!("  these arguments\n{custom}  any arguments\n{generic}")
        };
        format!("{beginning} …\n  as {role}\n{plans}")
    }
}

/// What a connection had been told when it got to a statement, as far as that still counts: how it
/// began, and the transaction that it is in.
fn told_before(noted: &[Noted], connection: usize) -> Vec<String> {
    let (mut beginning, mut transaction) = (Vec::new(), Vec::new());
    for noted in noted.iter().filter(|noted| noted.connection == connection) {
        let Trip::Text(text) = &noted.trip else { continue };
        match text.split_whitespace().next() {
            Some("commit" | "rollback") => transaction.clear(),
            Some("begin") => transaction.push(text.clone()),
            _ if !transaction.is_empty() => transaction.push(text.clone()),
            _ => beginning.push(text.clone()),
        }
    }
    if transaction.is_empty() {
        transaction.push("begin".to_owned());
    }
    [beginning, transaction].concat()
}

/// An argument as it was sent.
struct Sent<'a>(&'a Argument);

impl Type<Postgres> for Sent<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("unknown")
    }
}

impl<'q> Encode<'q, Postgres> for Sent<'q> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(value) = &self.0.value else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(value);
        Ok(IsNull::No)
    }
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.0.kind)))
    }
}

/// The plan for the arguments that were sent.
async fn custom(connection: &mut PgConnection, statement: &Executed) -> String {
    let mut arguments = PgArguments::default();
    for argument in &statement.arguments {
        arguments.add(Sent(argument)).unwrap();
    }
    let explain = format!("explain (format json) {}", statement.sql);
    shape(&explained_with(connection, &explain, arguments).await["Plan"])
}

/// The plan that any arguments get once PostgreSQL has settled for one.
async fn generic(
    connection: &mut PgConnection,
    statement: &Executed,
    types: &str,
    count: usize,
) -> String {
    let prepare = format!(
        "set local plan_cache_mode = force_generic_plan;
         prepare asked{} as {}",
        if count == 0 { String::new() } else { format!(" ({types})") },
        statement.sql
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(prepare))).await.unwrap();
    let nulls = vec!["null"; count].join(", ");
    let arguments = if count == 0 { nulls } else { format!("({nulls})") };
    let plan =
        explained(connection, &format!("explain (format json) execute asked{arguments}")).await;
    connection.execute("deallocate asked").await.unwrap();
    shape(&plan["Plan"])
}

/// The names of the arguments' types.
async fn types(connection: &mut PgConnection, statement: &Executed) -> String {
    let kinds: Vec<Oid> = statement.arguments.iter().map(|sent| Oid(sent.kind)).collect();
    let query = "select coalesce(string_agg(kind::regtype::text, ', ' order by number), '')
                   from unnest($1::oid[]) with ordinality kinds (kind, number)";
    sqlx::query_scalar(query).bind(kinds).fetch_one(connection).await.unwrap()
}
