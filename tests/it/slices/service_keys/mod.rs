//! The service's own keys are changed while it runs: `bailiwick keys`, `bailiwick secret`, as an
//! operator runs them beside it.

mod secret;
mod signing;

use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::harness::TestApp;
use crate::harness::app::SECRET;
use crate::harness::process::{run, url};

/// A command, with the secret that the tests' nodes have.
fn command(app: &TestApp, arguments: &[&str]) -> Output {
    command_with(app, arguments, &[("BAILIWICK_SECRET_KEY", &STANDARD.encode(SECRET))])
}

fn command_with(app: &TestApp, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let url = url(&app.options);
    let all = [
        ("DATABASE_URL", url.as_str()),
        ("BAILIWICK_ISSUER", "http://test"),
        ("BAILIWICK_LISTEN", "127.0.0.1:0"),
        ("BAILIWICK_METRICS_LISTEN", "off"),
    ];
    run(arguments, &[&all[..], settings].concat())
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What stands in the one line of a refusal.
#[track_caller]
fn refused(output: &Output) -> String {
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
    line
}

/// The states of an algorithm's keys, with their ids, as they are listed.
fn listed(app: &TestApp, algorithm: &str) -> Vec<(String, String)> {
    let table = said(&command(app, &["keys", "list"]));
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1] == algorithm)
        .map(|row| (row[2].to_owned(), row[0].to_owned()))
        .collect()
}

/// The kid of the one in that state.
#[track_caller]
fn the(state: &str, keys: &[(String, String)]) -> String {
    let mut found = keys.iter().filter(|(other, _)| other == state).map(|(_, kid)| kid.clone());
    let (one, another) = (found.next(), found.next());
    assert!(one.is_some() && another.is_none(), "{keys:?}");
    one.unwrap()
}

/// A token's header.
fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

/// The kids that are published.
async fn published(app: &TestApp) -> Vec<String> {
    let set = app.get("/.well-known/jwks.json").send().await.expect(200);
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}
