//! Who may know whom, read from the sources: the import rules of the architecture, and what may be said only in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::sources::sources;

/// What everybody stands on; it knows nobody above.
const KERNEL: [&str; 8] = ["ids", "clock", "crypto", "error", "db", "names", "languages", "weight"];
/// What is neither kernel nor slice: the model, contexts, HTTP, and what stands around the service.
const FRAME: [&str; 11] = [
    "access",
    "context",
    "http",
    "app",
    "builtin",
    "config",
    "cli",
    "seeds",
    "telemetry",
    "jobs",
    "lib",
];

/// Every other folder of `src/` is a slice; a new one is covered without being named.
static SLICES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let modules: BTreeSet<String> =
        sources("src").iter().map(|(path, _)| module(path).to_owned()).collect();
    let slices = modules.into_iter().filter(|name| {
        name != "main" && !KERNEL.contains(&name.as_str()) && !FRAME.contains(&name.as_str())
    });
    slices.collect()
});

fn is_slice(module: &str) -> bool {
    SLICES.iter().any(|slice| slice == module)
}

/// Concepts of a slice that others use by name, each declared `pub` in its `mod.rs`. The list may only get shorter.
const SHARED: [(&str, &str); 7] = [
    ("auth", "session"),  // claims of a verified token: what a context is made from
    ("auth", "password"), // hashing, for accounts made by hand and by seeds
    ("members", "store"), // a mandate's first admin, in the transaction that makes the mandate
    ("roles", "copies"), // templates, copied in the transaction that makes a mandate or an instance
    ("roles", "store"),  // what a named role permits, before it is given
    ("roles", "sync"),   // what a sync would change
    ("users", "store"),  // whom a request names
];
/// Slices that know each other both ways. May only get shorter.
const MUTUAL: [(&str, &str); 2] = [
    ("auth", "users"), // signing in reads accounts, and accounts are made with hashed passwords
    ("features", "roles"), // a template role is of a feature, and a feature brings template roles
];

/// A file's code: no comments, no unit tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn module(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// What a file takes from other modules of the crate: module, and what of it.
fn uses(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for part in code(text).split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            // `use crate::{a, b::c};`
            let inside = group.split("};").next().unwrap_or_default().replace(['{', '}'], ",");
            found.extend(
                inside.split(',').map(str::trim).filter(|item| !item.is_empty()).map(first_two),
            );
        } else {
            found.insert(first_two(part));
        }
    }
    found
}

fn first_two(path: &str) -> (String, String) {
    let word = |text: &str| {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let first = word(path);
    let second = path[first.len()..].strip_prefix("::").map(word).unwrap_or_default();
    (first, second)
}

fn forbid(of: &[&str], allowed: &[&str]) {
    for (path, text) in sources("src") {
        let own = module(&path);
        if !of.contains(&own) {
            continue;
        }
        for (other, item) in uses(&text) {
            let known = other == own
                || allowed.contains(&other.as_str())
                || allowed.contains(&format!("{other}::{item}").as_str());
            assert!(
                known,
                "src/{path} uses crate::{other}::{item}; `{own}` may know only {allowed:?}"
            );
        }
    }
}

#[test]
fn the_kernel_knows_nobody_above_it() {
    forbid(&KERNEL, &KERNEL);
}

#[test]
fn the_access_model_is_pure() {
    forbid(&["access"], &["error", "ids"]);
    for (path, text) in sources("src/access") {
        let code = code(&text);
        assert!(
            !code.contains("sqlx") && !code.contains("axum"),
            "src/access/{path} knows the database or HTTP"
        );
    }
}

#[test]
fn contexts_know_the_access_model_the_kernel_and_what_a_session_is() {
    let allowed: Vec<&str> = KERNEL.into_iter().chain(["access", "auth::session"]).collect();
    forbid(&["context"], &allowed);
}

#[test]
fn slices_know_contexts_access_audit_the_kernel_and_what_others_share() {
    let below = [
        "access",
        "context",
        "audit",
        "app",
        "http",
        "config",
        "jobs",
        "telemetry",
        "list_query",
        "feature_tables",
    ];
    let shared: Vec<String> =
        SHARED.iter().map(|(slice, concept)| format!("{slice}::{concept}")).collect();
    for (path, text) in sources("src") {
        let own = module(&path);
        if !is_slice(own) {
            continue;
        }
        for (other, item) in uses(&text) {
            let is_concept = item.starts_with(|c: char| c.is_lowercase())
                && sources("src").iter().any(|(path, _)| *path == format!("{other}/{item}.rs"));
            let foreign = is_slice(&other) && other != own;
            let allowed = !foreign || !is_concept || shared.contains(&format!("{other}::{item}"));
            assert!(
                allowed,
                "src/{path} reaches into {other}/{item}.rs; of another slice only its mod.rs"
            );
            let known = other == own
                || foreign
                || below.contains(&other.as_str())
                || KERNEL.contains(&other.as_str());
            assert!(known, "src/{path} uses crate::{other}::{item}");
        }
    }
}

/// An exception that is no longer one goes.
#[test]
fn every_exception_is_still_needed() {
    let all: BTreeMap<String, String> = sources("src").into_iter().collect();
    for (slice, concept) in SHARED {
        let needed = all.iter().any(|(path, text)| {
            module(path) != slice && (text.contains(&format!("{slice}::{concept}")))
        });
        assert!(needed, "{slice}::{concept} is used by nobody else: take it off the list");
    }
    for (one, other) in MUTUAL {
        assert!(
            knows(&all, one, other) && knows(&all, other, one),
            "{one} and {other} are no circle any more: take them off the list"
        );
    }
}

fn knows(all: &BTreeMap<String, String>, one: &str, other: &str) -> bool {
    all.iter()
        .any(|(path, text)| module(path) == one && uses(text).iter().any(|(used, _)| used == other))
}

#[test]
fn slices_form_no_circles() {
    let all: BTreeMap<String, String> = sources("src").into_iter().collect();
    let forgiven =
        |one: &str, other: &str| MUTUAL.contains(&(one, other)) || MUTUAL.contains(&(other, one));
    let next = |one: &str| {
        SLICES
            .iter()
            .filter(|other| *other != one && !forgiven(one, other) && knows(&all, one, other))
            .collect::<Vec<_>>()
    };
    for slice in SLICES.iter() {
        let (mut open, mut reached) = (next(slice), BTreeSet::new());
        while let Some(other) = open.pop() {
            assert_ne!(other, slice, "a circle leads from {slice} back to it, over {reached:?}");
            if reached.insert(other) {
                open.extend(next(other));
            }
        }
    }
}

#[test]
fn http_knows_slices_only_where_routes_are_assembled() {
    for (path, text) in sources("src/http") {
        for (other, item) in uses(&text) {
            let of_slice = is_slice(&other);
            let assembly = path == "mod.rs" && (item == "routes" || item == "docs_page");
            assert!(
                !of_slice || assembly || (other == "auth" && item == "session"),
                "src/http/{path} uses crate::{other}::{item}"
            );
        }
    }
}

#[test]
fn routes_hold_no_sql_and_stores_no_http() {
    for (path, text) in sources("src") {
        let (code, file) = (code(&text), path.rsplit('/').next().unwrap());
        let slice = is_slice(module(&path));
        if slice && file.ends_with("routes.rs") {
            assert!(
                !code.contains("sqlx::query"),
                "src/{path} holds SQL; it belongs into store.rs"
            );
        }
        if slice && file.ends_with("store.rs") {
            assert!(
                !code.contains("axum") && !code.contains("crate::http"),
                "src/{path} knows HTTP"
            );
        }
    }
}

/// A time that a request names is an `Instant`, which is bounded; a bare one may be any that chrono can think of. An id is of one of
/// our types, which have one spelling; a bare one has five.
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
        for block in derived.chain(code.split("list_query! {").skip(1)) {
            looked_at += 1;
            let block = block.split("\n}").next().unwrap_or_default();
            let bare = |line: &str| ["DateTime<", "Uuid"].iter().any(|name| line.contains(name));
            let bare = block.lines().find(|line| !line.trim_start().starts_with('#') && bare(line));
            assert_eq!(bare, None, "src/{path}: take an `Instant`, or an id of `crate::ids`");
        }
        assert!(!code.contains("FromPath<Uuid"), "src/{path}: take an id of `crate::ids`");
    }
    assert!(looked_at >= 30, "only {looked_at} requests were found");
}

/// Where the database is opened, and why there.
const OPENS: [(&str, &str); 3] = [
    ("context/", "contexts begin every transaction"),
    ("ops/schema.rs", "a readiness check has to tell what is wrong when no context can be had"),
    ("navigation/routes.rs", "its one statement checks the session too: one round trip"),
];

#[test]
fn only_contexts_open_the_database() {
    let mut opening = BTreeSet::new();
    for (path, text) in sources("src") {
        let code = code(&text);
        if path.starts_with("db/")
            || !(code.contains(".reader()")
                || code.contains(".begin(")
                || code.contains(".bare_connection("))
        {
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
    ["cli/", "db/breaker.rs", "db/embedded/", "db/fetch.rs", "http/server.rs"];

/// A task does not know by itself for whom it was started: what it logs could be found by no request's id.
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
            within("audit/") || !code.contains("Recorded::new()"),
            "src/{path} claims an audit event"
        );
        assert!(within("context/") || !code.contains("Grant::decide"), "src/{path} makes a grant");
        assert!(
            within("http/")
                || path == "ops/routes.rs"
                || !code.contains("Router::new()")
                || code.contains("Routes::new()"),
            "src/{path} makes a router"
        );
        assert!(!code.contains("#[allow("), "src/{path}: `#[expect(…, reason)]` instead");
        assert!(
            !code.contains("todo!(") && !text.contains("TODO") && !text.contains("FIXME"),
            "src/{path} is unfinished"
        );
    }
}

/// Longer than 450 lines; the list may only get shorter, and nothing is much longer.
const LONG: [&str; 11] = [
    "context/enter.rs",
    "context/mod.rs",
    "names.rs",
    "roles/store.rs",
    "tests: embedded.rs",
    "tests: gates/walls.rs",
    "tests: model/enter.rs",
    "tests: slices/access_levels.rs",
    "tests: slices/authzen.rs",
    "tests: slices/templates_sync.rs",
    "tests: slices/users_erase.rs",
];

#[test]
fn files_stay_short() {
    for (path, text) in sources("src")
        .into_iter()
        .chain(sources("tests/it").into_iter().map(|(path, text)| (format!("tests: {path}"), text)))
    {
        let lines = text.lines().count();
        let forgiven = LONG.contains(&path.as_str());
        assert!(
            lines <= 450 || (forgiven && lines <= 560),
            "{path} has {lines} lines: make a folder of it"
        );
    }
}
