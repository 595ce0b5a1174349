//! What the program says of itself: which version runs, from which commit, and what it did to the
//! schema.

use std::path::Path;

use bailiwick::kernel::db::bootstrap::{self, MIGRATOR};
use bailiwick::kernel::telemetry;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::harness::cluster;
use crate::harness::process::{self, Service, url};

/// Only its reading of `.git` is of interest here.
#[expect(dead_code, reason = "its `main` is cargo's")]
#[path = "../../../build.rs"]
mod build;

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// What production needs.
fn variables(url: &str) -> [(&'static str, &str); 3] {
    [("DATABASE_URL", url), ("BAILIWICK_SECRET_KEY", KEY), ("BAILIWICK_ISSUER", "http://test")]
}

/// How each migration is told of.
fn migrations(prefix: &str) -> Vec<String> {
    MIGRATOR
        .iter()
        .map(|migration| format!("{prefix}{:04} {}", migration.version, migration.description))
        .collect()
}

#[tokio::test]
async fn migrating_tells_what_was_applied() {
    let url = url(&cluster::empty_database().await);
    let migrate = |arguments: &[&str]| {
        let done = process::run(&[&["migrate"], arguments].concat(), &variables(&url));
        let lines: Vec<String> =
            String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(String::from_utf8(done.stderr).unwrap(), "");
        (done.status.code(), lines)
    };
    let done = "The schema and the built-in features are up to date.".to_owned();
    assert_eq!(migrate(&["--check"]), (Some(1), migrations("pending: ")));
    assert_eq!(migrate(&[]), (Some(0), [migrations("applied: "), vec![done.clone()]].concat()));
    assert_eq!(migrate(&[]), (Some(0), vec!["Nothing was pending.".to_owned(), done]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_starts_says_what_runs_and_answers_under_ids_in_both_forms() {
    let url = url(&cluster::empty_database().await);
    let variables = |format| [&variables(&url)[..], &[("BAILIWICK_LOG_FORMAT", format)]].concat();
    let ask = async |service: &Service, id: &str| {
        let asked = reqwest::Client::new()
            .get(format!("{}/api/auth/me", service.base))
            .header("x-request-id", id);
        assert_eq!(asked.send().await.unwrap().status(), 401);
    };
    let (service, log) = Service::start_logging(&variables("json"));
    let lines: Vec<Value> =
        log.until("\"started\"").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let applied = lines.iter().filter(|line| line["message"] == "applied a migration");
    let applied: Vec<String> = applied
        .map(|line| {
            format!(
                "{:04} {}",
                line["version"].as_i64().unwrap(),
                line["description"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(applied, migrations(""));
    let (started, told) = (lines.last().unwrap(), MIGRATOR.iter().count());
    let address = service.base.trim_start_matches("http://");
    let expected =
        json!([env!("CARGO_PKG_VERSION"), telemetry::COMMIT, address, bootstrap::schema(), told]);
    assert_eq!(
        json!(
            ["version", "commit", "address", "schema", "migrations_applied"]
                .map(|field| &started[field])
        ),
        expected
    );
    ask(&service, "r-json").await;
    let line: Value = serde_json::from_str(log.until("r-json").last().unwrap()).unwrap();
    assert_eq!(
        (&line["request_id"], &line["status"], &line["client"]),
        (&json!("r-json"), &json!(401), &json!("127.0.0.1"))
    );
    drop(service);

    let (service, log) = Service::start_logging(&variables("text"));
    let lines = log.until(" started ");
    assert!(!lines.iter().any(|line| line.contains("applied a migration")), "{lines:?}");
    assert!(lines.last().unwrap().contains("migrations_applied=0"), "{lines:?}");
    ask(&service, "r-text").await;
    let line = log.until("r-text").pop().unwrap();
    assert!(line.contains("answered status=401 client=127.0.0.1 duration_ms="), "{line}");
}

#[tokio::test]
async fn metrics_tell_what_runs() {
    let app = TestApp::start().await;
    let (version, commit, schema) = (telemetry::VERSION, telemetry::COMMIT, bootstrap::schema());
    let text = telemetry::render(&app.db);
    let line = text.lines().find(|line| line.starts_with("bailiwick_build_info")).unwrap();
    for label in [
        format!("version=\"{version}\""),
        format!("commit=\"{commit}\""),
        format!("schema=\"{schema}\""),
    ] {
        assert!(line.contains(&label) && line.ends_with(" 1"), "{line}");
    }
}

const COMMIT: &str = "a5b9704f00000000000000000000000000000001";

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn the_commit_is_read_from_git_however_git_keeps_it() {
    let line = format!("{COMMIT}\n");
    let packed = format!(
        "# pack-refs with: peeled\n{}1 refs/heads/other\n{COMMIT} refs/heads/main\n",
        &COMMIT[..39]
    );
    let kept: [(&str, &[(&str, &str)]); 4] = [
        ("a branch", &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", &line)]),
        (
            "a packed branch",
            &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/packed-refs", &packed)],
        ),
        ("no branch", &[(".git/HEAD", &line)]),
        (
            "a worktree",
            &[
                (".git", "gitdir: main/worktrees/one\n"),
                ("main/worktrees/one/HEAD", "ref: refs/heads/one\n"),
                ("main/worktrees/one/commondir", "../..\n"),
                ("main/refs/heads/one", &line),
            ],
        ),
    ];
    for (how, files) in kept {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), files);
        let head = build::head(folder.path()).unwrap_or_else(|| panic!("{how}: not found"));
        assert_eq!(head.commit, COMMIT[..12], "{how}");
        assert!(head.read_from.iter().all(|file| file.is_file()), "{how}: {head:?}");
    }
    let unknown: [&[(&str, &str)]; 4] = [
        &[],
        &[(".git/HEAD", "ref: refs/heads/unborn\n")],
        &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", "\"} 1\nother{x=\"")],
        &[(".git", "gitdir: gone\n")],
    ];
    for files in unknown {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), files);
        assert_eq!(build::head(folder.path()), None, "{files:?}");
    }
}
