//! What may be said only in one place, and in which form, read from the sources.

use std::collections::BTreeSet;

use super::{code, is_of_a_slice};
use crate::gates::sources::sources;

/// What the files of a slice are called that hear requests; and that ask the database, also where a
/// statement is a macro of another file.
const LISTENERS: [&str; 2] = ["routes.rs", "request.rs"];
const STORES: [&str; 4] = ["store.rs", "find.rs", "list.rs", "insert.rs"];

/// Whoever hears requests asks a store, and a store does not know who asks.
#[test]
fn a_file_of_a_slice_holds_sql_or_knows_http() {
    let mut stores = 0;
    for (path, text) in sources("src").into_iter().filter(|(path, _)| is_of_a_slice(path)) {
        let code = code(&text);
        let is_one_of = |names: &[&str]| names.iter().any(|name| path.ends_with(name));
        let holds_sql = ["sqlx::query", "Listing {", "AssertSqlSafe"];
        let holds_sql = holds_sql.iter().any(|word| code.contains(word));
        let is_store = holds_sql || is_one_of(&STORES);
        stores += usize::from(is_store);
        assert!(
            !is_store || !is_one_of(&LISTENERS),
            "src/{path} holds SQL; it belongs into store.rs, find.rs or list.rs"
        );
        assert!(
            !is_store || !(code.contains("axum") || code.contains("crate::http")),
            "src/{path} holds SQL and knows HTTP: give the SQL to store.rs, find.rs or list.rs"
        );
    }
    assert!(stores > 40, "only {stores} files hold SQL");
}

/// Where a statement is made at run time, and of what. Elsewhere it is checked when it is compiled,
/// or a `Listing` of fixed texts.
const MADE_AT_RUN_TIME: [(&str, &str); 6] = [
    ("kernel/db/listing.rs", "texts that are fixed by their type"),
    ("kernel/db/database.rs", "settings of a connection"),
    ("kernel/db/transaction.rs", "whom a transaction acts as"),
    ("features/playbooks/list.rs", "fixed texts, by source and order"),
    ("features/playbooks/version_read.rs", "fixed texts, by what is read inside a playbook"),
    ("features/bookings/list.rs", "fixed texts, by source and order"),
];

#[test]
fn statements_are_made_at_run_time_where_it_is_said_of_what() {
    let making: BTreeSet<String> = sources("src")
        .into_iter()
        .filter(|(_, text)| code(text).contains("AssertSqlSafe"))
        .map(|(path, _)| path)
        .collect();
    let known: BTreeSet<String> =
        MADE_AT_RUN_TIME.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(making, known, "what a request says must not become part of a statement");
}

/// A time that a request names is an `Instant`, which is bounded; a bare one may be any that chrono
/// can think of. An id is of one of our types, which have one spelling; a bare one has five.
/// Parameters of a path are named once, for handlers and the document.
#[test]
fn requests_name_no_bare_times_or_ids() {
    let mut looked_at = 0;
    for (path, text) in sources("src").into_iter().filter(|(path, _)| !path.ends_with("store.rs")) {
        let code = code(&text);
        let derived = code.split("#[derive(").skip(1).filter(|part| {
            part.split(')').next().is_some_and(|derives| {
                ["Deserialize", "ToSchema"].iter().all(|name| derives.contains(name))
            })
        });
        let declared =
            code.split("list_query! {").skip(1).chain(code.split("path_params! {").skip(1));
        for block in derived.chain(declared) {
            looked_at += 1;
            let block = block.split("\n}").next().unwrap_or_default();
            let bare = |line: &str| ["DateTime<", "Uuid"].iter().any(|name| line.contains(name));
            let bare = block.lines().find(|line| !line.trim_start().starts_with('#') && bare(line));
            assert_eq!(bare, None, "src/{path}: take an `Instant`, or an id of `kernel::ids`");
        }
        let is_bare = code.contains("FromPath<(") || code.contains(", Path, description");
        assert!(!is_bare, "src/{path}: declare the path's parameters with `path_params!`");
        assert!(!code.contains("FromPath<Uuid"), "src/{path}: take an id of `kernel::ids`");
    }
    assert!(looked_at >= 30, "only {looked_at} requests were found");
}

/// A number says nothing, and two that are the same make strangers wait for each other.
#[test]
fn advisory_locks_have_names() {
    let mut taken = 0;
    for (path, text) in sources("src") {
        for lock in code(&text).split("advisory_xact_lock(").skip(1) {
            taken += 1;
            assert!(lock.starts_with('$'), "src/{path} locks a number; name it in `AdvisoryLock`");
        }
    }
    assert!(taken >= 4, "only {taken} locks were found");
}

/// Where the database is opened, and why there.
const OPENS: [(&str, &str); 3] = [
    ("context/", "contexts begin every transaction"),
    (
        "platform/ops/schema.rs",
        "a readiness check has to tell what is wrong when no context can be had",
    ),
    ("tenancy/navigation/routes.rs", "its one statement checks the session too: one round trip"),
];

/// What a database is opened with.
const DOORS: [&str; 6] =
    [".reader()", ".reader_for(", ".freshness()", ".begin(", ".begin_for(", ".bare_connection("];

#[test]
fn only_contexts_open_the_database() {
    let mut opening = BTreeSet::new();
    for (path, text) in sources("src") {
        let code = code(&text);
        if path.starts_with("kernel/db/") || !DOORS.iter().any(|door| code.contains(door)) {
            continue;
        }
        let excused = OPENS.iter().find(|(place, _)| path.starts_with(place));
        opening.insert(
            excused
                .unwrap_or_else(|| panic!("src/{path} opens the database; ask a context for it"))
                .0,
        );
    }
    assert_eq!(opening.len(), OPENS.len(), "an exception is no longer needed: {opening:?}");
}

/// What runs beside requests, or before one is known.
const BESIDE_REQUESTS: [&str; 5] =
    ["cli/", "kernel/db/breaker/", "http/server.rs", "context/freshness/", "platform/jobs/"];

/// A task does not know by itself for whom it was started: what it logs could be found by no
/// request's id.
#[test]
fn what_a_request_starts_logs_as_the_request() {
    for (path, text) in sources("src") {
        if BESIDE_REQUESTS.iter().any(|beside| path.starts_with(beside)) {
            continue;
        }
        for started in code(&text).split("spawn(").skip(1) {
            let what = started.split(')').next().unwrap_or_default();
            assert!(
                what.ends_with(".in_current_span("),
                "src/{path} starts a task that logs for nobody: spawn({what}…"
            );
        }
    }
}

#[test]
fn only_the_audit_says_that_something_was_recorded_and_only_contexts_make_grants() {
    for (path, text) in sources("src") {
        let code = code(&text);
        let within = |folder: &str| path.starts_with(folder);
        assert!(
            within("context/audit/") || !code.contains("Recorded(())"),
            "src/{path} claims an audit event"
        );
        assert!(within("context/") || !code.contains("Grant::decide"), "src/{path} makes a grant");
        assert!(
            within("http/")
                || path == "platform/ops/routes.rs"
                || !code.contains("Router::new()")
                || code.contains("Routes::new()"),
            "src/{path} makes a router"
        );
    }
}

/// Of the service, and of the crates that it is made of.
#[test]
fn nothing_is_unfinished_or_excused_without_a_reason() {
    for (path, text) in sources("src").into_iter().chain(sources("crates")) {
        let code = code(&text);
        assert!(!code.contains("#[allow("), "{path}: `#[expect(…, reason)]` instead");
        assert!(
            !code.contains("todo!(") && !text.contains("TODO") && !text.contains("FIXME"),
            "{path} is unfinished"
        );
    }
}

/// rustfmt leaves alone what it cannot break: comments, strings with their SQL, and macros.
#[test]
fn lines_stay_within_100_columns() {
    for folder in ["src", "crates", "benches", "tests"] {
        for (path, text) in sources(folder) {
            let long = text.lines().position(|line| line.chars().count() > 100);
            assert_eq!(long.map(|line| line + 1), None, "{folder}/{path}: break this line");
        }
    }
}

#[test]
fn files_stay_short() {
    for folder in ["src", "crates", "tests"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= 450, "{folder}/{path} has {lines} lines: make a folder of it");
        }
    }
}
