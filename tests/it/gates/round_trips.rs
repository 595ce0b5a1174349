//! What each operation costs the database: how often the service waits for it, and for how many
//! statements, in a request that succeeds when contexts are kept and statements prepared. Noted on
//! the wire. The counts are kept in `round_trips.txt`, to be read when they change:
//! `UPDATE_GOLDEN=1 cargo test --test it round_trips` writes it anew.

use std::fmt::{Display, Write as _};

use postgres_witness::{Noted, Trip};

use super::cases::{Case, Names, Unlike, fill};
use super::golden::compare_golden_telling;
use super::operations::Operation;
use super::stage::{Approach, Ground, call, on_grounds_with};
use crate::harness::statements::BEGINNINGS;
use crate::harness::watched::Watched;

/// How often a request is made until it prepares nothing any more: each connection of a pool
/// prepares for itself.
const ATTEMPTS: usize = 20;
/// What is told of a statement.
const BEGINNING: usize = 240;

/// What a request asked.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    round_trips: usize,
    statements: usize,
}

impl Cost {
    fn of(asked: &[Noted]) -> Self {
        let counted = asked.iter().filter(|noted| !is_the_nodes_own(&noted.trip));
        Self {
            round_trips: counted.clone().count(),
            statements: counted.map(|noted| noted.trip.statements().len()).sum(),
        }
    }
}

/// Whether the node asked for itself if the database is there, where the machine is busy. Nobody's
/// request hangs on how often.
fn is_the_nodes_own(trip: &Trip) -> bool {
    matches!(trip, Trip::Text(text) if text == "select 1")
}

/// Whether a connection was new, or a statement to it, or a connection was asked whether it still
/// answers, as it is where it idled for long.
fn is_cold(asked: &[Noted]) -> bool {
    asked.iter().any(|noted| match &noted.trip {
        Trip::Text(text) => BEGINNINGS.contains(&text.as_str()),
        Trip::Prepared(_) | Trip::Ping => true,
        Trip::Executed(_) => false,
    })
}

/// Whatever is kept of the caller is kept after this: the first use of a mandate is noted, so that
/// the second one loads the context once more. What only reads is asked itself.
async fn warm_up(
    watched: &Watched,
    operation: &Operation,
    case: &Case,
    names: &Names,
    approach: &Approach,
) {
    for _ in 0..2 {
        if operation.has_effect() {
            look_around(watched, case, names, approach).await;
        } else {
            call(&watched.node, operation, case, names, approach).await;
        }
    }
}

/// Asks what the caller may do where the case is called.
async fn look_around(watched: &Watched, case: &Case, names: &Names, approach: &Approach) {
    let mut read = watched.node.get("/api/access/me");
    if let Some(token) = &approach.token {
        read = read.bearer(token);
    }
    for mandate in &approach.mandate {
        read = read.header("x-mandate-id", mandate);
    }
    let of_the_path = case.mentions("instance").then_some("$instance");
    if let Some(instance) = case.instance.or(of_the_path) {
        read = read.header("x-instance-id", fill(instance, names));
    }
    read.send().await;
}

/// What one request asks, made for the first time on things of its own.
async fn asked(
    ground: &Ground,
    watched: &Watched,
    operation: &Operation,
    case: &Case,
) -> Vec<Noted> {
    let names = ground.stage_for(case, &ground.world.acme).await;
    let approach = ground.rightful(operation, case);
    warm_up(watched, operation, case, &names, &approach).await;
    watched.asked().await;
    let answer = call(&watched.node, operation, case, &names, &approach).await;
    assert_eq!(answer.status.as_u16(), case.status, "{}: {}", case.title(), answer.body);
    let asked = watched.asked().await;
    ground.mend().await;
    asked
}

/// What it asks when it is warm, twice in a row, with more rows around it the second time: what is
/// asked does not hang on how many there are.
async fn warm(
    ground: &Ground,
    watched: &Watched,
    operation: &Operation,
    case: &Case,
) -> Vec<Noted> {
    let (mut before, mut cold) = (None, Vec::new());
    for _ in 0..ATTEMPTS {
        let asked = asked(ground, watched, operation, case).await;
        if is_cold(&asked) {
            (before, cold) = (None, asked);
        } else if let Some(before) = before.replace(Cost::of(&asked)) {
            if case.is(Unlike::HoldsForAWhile) {
                return asked;
            }
            let told = || format!("{}, with more rows around it:{}", case.title(), told(&asked));
            assert_eq!(Cost::of(&asked), before, "{}", told());
            return asked;
        }
    }
    panic!(
        "{} prepares statements, or asks connections whether they answer, each time:{}",
        case.title(),
        told(&cold)
    );
}

/// Round trip by round trip, the statements in the words that were sent.
fn told(asked: &[Noted]) -> String {
    let mut text = String::new();
    for (number, Noted { connection, trip, .. }) in asked.iter().enumerate() {
        let _ = write!(text, "\n    {}. on connection {connection}:", number + 1);
        match trip {
            Trip::Ping => text.push_str(" a ping"),
            Trip::Prepared(sql) => {
                let _ = write!(text, " prepared\n       {}", shortened(sql));
            }
            Trip::Text(_) | Trip::Executed(_) => {}
        }
        for statement in trip.statements() {
            let _ = write!(text, "\n       {}", shortened(statement));
        }
    }
    text
}

fn shortened(statement: &str) -> String {
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(BEGINNING).collect()
}

fn row(case: &Case, cost: &Cost) -> String {
    let title = case.title();
    if case.is(Unlike::HoldsForAWhile) {
        assert!(
            cost.round_trips <= 1 && cost.statements <= 1,
            "{title} asks more than whether all is well: {cost:?}"
        );
        return line(&title, "0 or 1", "0 or 1");
    }
    line(&title, cost.round_trips, cost.statements)
}

fn line(title: &str, round_trips: impl Display, statements: impl Display) -> String {
    format!("{title:<50}{round_trips:>12}{statements:>12}")
}

#[test]
fn every_operation_asks_the_database_as_often_as_is_written_down() {
    let rows = on_grounds_with(
        |ground| Watched::beside(&ground.world.app),
        async |ground, watched, operation, case| {
            let asked = warm(ground, watched, operation, case).await;
            (row(case, &Cost::of(&asked)), told(&asked))
        },
    );
    let heading = line("operation", "round trips", "statements");
    let lines: Vec<&str> = rows.iter().map(|(line, _)| line.as_str()).collect();
    let text = format!("{heading}\n{}\n", lines.join("\n"));
    compare_golden_telling("round_trips", &text, |line| {
        rows.iter().find(|(row, _)| row == line).map_or_else(String::new, |(_, told)| told.clone())
    });
}
