//! Repeats what the service asked the database: through sqlx in the bare handlers, and as a script
//! for pgbench.

use std::fmt::Write as _;

use anyhow::Result;
use bailiwick::tenancy::members::Member;
use serde::Serialize;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{Executor, FromRow, PgConnection, PgPool, Postgres};

use crate::plan::{Argument, Round, Visit};

/// A pool like the service's: the same role, no ping before each use.
pub fn pool(url: &str, size: u32, reader: bool) -> Result<PgPool> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.options([("search_path", "bailiwick"), ("jit", "off")]);
    let (options, on_connect) = if reader {
        (options.options([("default_transaction_read_only", "on")]), "set role bailiwick_system")
    } else {
        (options, "set role bailiwick_runtime")
    };
    let pool = PgPoolOptions::new().max_connections(size).test_before_acquire(false);
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(on_connect).await.map(|_| ()) })
    });
    Ok(pool.connect_lazy_with(options))
}

/// The round trips of a visit, with texts that live as long as the process: nothing is built anew
/// for a request.
#[derive(Debug)]
pub struct Script(Vec<Step>);

#[derive(Debug)]
enum Step {
    Simple(&'static str),
    Prepared(&'static str, Vec<Argument>),
}

/// As the service answers a list of members, of rows that are decoded as the service decodes them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MembersPage {
    items: Vec<Member>,
    next_cursor: Option<String>,
}

impl Script {
    pub fn of(visit: Visit) -> Self {
        let step = |round| match round {
            Round::Simple(sql) => Step::Simple(sql.leak()),
            Round::Prepared { sql, arguments } => Step::Prepared(sql.leak(), arguments),
        };
        Self(visit.rounds.into_iter().map(step).collect())
    }

    /// Asks everything; the rows become an answer where they are members and that is wanted, and
    /// are thrown away otherwise.
    pub async fn run(
        &self,
        connection: &mut PgConnection,
        members: bool,
    ) -> Result<Option<MembersPage>> {
        let mut page = None;
        for step in &self.0 {
            match step {
                Step::Simple(sql) => {
                    connection.execute(sqlx::raw_sql(*sql)).await?;
                }
                Step::Prepared(sql, arguments) => {
                    let rows = bound(sql, arguments).fetch_all(&mut *connection).await?;
                    if members {
                        page = Some(MembersPage::of(
                            rows.iter().map(Member::from_row).collect::<Result<_, _>>()?,
                        ));
                    }
                }
            }
        }
        Ok(page)
    }
}

impl MembersPage {
    /// The row too many tells that there is a next page; what leads there is as long as the
    /// service's.
    fn of(mut items: Vec<Member>) -> Self {
        items.truncate(50);
        let next = items
            .last()
            .map(|last| format!("{:0>43}{}", last.username, last.user_id.uuid().simple()));
        Self { items, next_cursor: next }
    }
}

fn bound<'q>(sql: &'static str, arguments: &'q [Argument]) -> Query<'q, Postgres, PgArguments> {
    arguments.iter().fold(sqlx::query(sql), |query, argument| match argument {
        Argument::Uuid(value) => query.bind(value),
        Argument::Uuids(value) => query.bind(value),
        Argument::Text(value) => query.bind(value),
        Argument::Texts(value) => query.bind(value),
        Argument::Bool(value) => query.bind(value),
        Argument::Int4(value) => query.bind(value),
        Argument::Int8(value) => query.bind(value),
        Argument::Time(value) => query.bind(value),
    })
}

/// A visit for `pgbench -M prepared`, and its variables. A batch becomes a pipeline, which is one
/// round trip as well.
#[derive(Debug)]
pub struct PgbenchScript {
    pub text: String,
    pub variables: Vec<String>,
    pub reader: bool,
}

impl PgbenchScript {
    /// `as_superuser`: without becoming somebody whom grants and row-level security hold.
    pub fn of(visit: &Visit, as_superuser: bool) -> Self {
        let mut script = Self { text: String::new(), variables: Vec::new(), reader: visit.reader };
        for round in &visit.rounds {
            match round {
                Round::Simple(sql) => script.batch(sql, as_superuser),
                Round::Prepared { sql, arguments } => script.statement(sql, arguments),
            }
        }
        script
    }

    fn batch(&mut self, sql: &str, as_superuser: bool) {
        let kept = sql
            .split(';')
            .map(str::trim)
            .filter(|statement| !(as_superuser && statement.starts_with("set local role")));
        let statements: Vec<_> = kept.filter(|statement| !statement.is_empty()).collect();
        let piped = statements.len() > 1;
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            self.text,
            "{}{};{}",
            if piped { "\\startpipeline\n" } else { "" },
            statements.join(";\n"),
            if piped { "\n\\endpipeline" } else { "" }
        );
    }

    /// pgbench knows neither null nor an empty text for a variable, so that these stand in the
    /// text: the planner knows them then, to pgbench's advantage.
    fn statement(&mut self, sql: &str, arguments: &[Argument]) {
        let mut rest = sql;
        while let Some((before, after)) = rest.split_once('$') {
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            self.text.push_str(before);
            match after[..digits]
                .parse::<usize>()
                .ok()
                .and_then(|number| arguments.get(number.checked_sub(1)?))
            {
                Some(argument) => self.argument(argument),
                None => self.text.push_str(&rest[before.len()..before.len() + 1 + digits]),
            }
            rest = &after[digits..];
        }
        self.text.push_str(rest);
        self.text.push_str(";\n");
    }

    fn argument(&mut self, argument: &Argument) {
        let (value, kind) = match argument {
            Argument::Uuid(value) => (value.map(|value| value.to_string()), "uuid"),
            Argument::Uuids(value) => (value.as_deref().map(array), "uuid[]"),
            Argument::Text(value) => (value.clone(), "text"),
            Argument::Texts(value) => (value.as_deref().map(array), "text[]"),
            Argument::Bool(value) => (value.map(|value| value.to_string()), "bool"),
            Argument::Int4(value) => (value.map(|value| value.to_string()), "int4"),
            Argument::Int8(value) => (value.map(|value| value.to_string()), "int8"),
            Argument::Time(value) => (value.map(|value| value.to_rfc3339()), "timestamptz"),
        };
        let text = match value {
            None => format!("null::{kind}"),
            Some(value) if value.is_empty() => format!("''::{kind}"),
            Some(value) => {
                let name = format!("v{}", self.variables.len());
                self.variables.push(format!("{name}={value}"));
                format!("(:{name}::{kind})")
            }
        };
        self.text.push_str(&text);
    }
}

/// As PostgreSQL reads an array.
fn array(values: &[Option<impl ToString>]) -> String {
    let element = |value: &Option<_>| match value {
        Some(value) => format!("\"{}\"", ToString::to_string(value)),
        None => "null".to_owned(),
    };
    format!("{{{}}}", values.iter().map(element).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn visit() -> Visit {
        let batch = Round::Simple(
            "begin; set local role bailiwick_tenant; set local app.mandate_id = 'x'".to_owned(),
        );
        let arguments = vec![Argument::Int8(Some(7)), Argument::Uuid(None)];
        let statement = Round::Prepared {
            sql: "select '$', x::text where a = $1 and $2 is null or b = $1".to_owned(),
            arguments,
        };
        Visit { reader: false, rounds: vec![batch, statement, Round::Simple("commit".to_owned())] }
    }

    #[test]
    fn a_script_asks_the_same_in_as_many_round_trips() {
        let script = PgbenchScript::of(&visit(), false);
        assert_eq!(
            script.text,
            "\\startpipeline\nbegin;\nset local role bailiwick_tenant;\nset local app.mandate_id = \
             'x';\n\\endpipeline\n\
             select '$', x::text where a = (:v0::int8) and null::uuid is null or b = \
             (:v1::int8);\ncommit;\n"
        );
        assert_eq!(script.variables, ["v0=7", "v1=7"]);
    }

    #[test]
    fn what_pgbench_knows_no_variable_for_stands_in_the_text() {
        let arguments = vec![
            Argument::Text(Some(String::new())),
            Argument::Text(None),
            Argument::Text(Some("a b".to_owned())),
        ];
        let statement = Round::Prepared { sql: "select $1, $2, $3".to_owned(), arguments };
        let script = PgbenchScript::of(&Visit { reader: true, rounds: vec![statement] }, false);
        assert_eq!(script.text, "select ''::text, null::text, (:v0::text);\n");
        assert_eq!(script.variables, ["v0=a b"]);
    }

    #[test]
    fn an_array_is_one_variable() {
        let ids = vec![Some(Uuid::nil()), None];
        let arguments = vec![Argument::Uuids(Some(ids)), Argument::Uuids(Some(Vec::new()))];
        let statement = Round::Prepared { sql: "select $1, $2".to_owned(), arguments };
        let script = PgbenchScript::of(&Visit { reader: true, rounds: vec![statement] }, false);
        assert_eq!(script.text, "select (:v0::uuid[]), (:v1::uuid[]);\n");
        assert_eq!(
            script.variables,
            [format!("v0={{\"{}\",null}}", Uuid::nil()), "v1={}".to_owned()]
        );
    }

    #[test]
    fn a_superuser_stays_one() {
        assert!(!PgbenchScript::of(&visit(), true).text.contains("role"));
    }
}
