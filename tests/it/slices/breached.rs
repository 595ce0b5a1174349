//! Passwords that were stolen elsewhere are refused wherever one is chosen, and the list that knows
//! them learns none.

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::log::Log;
use crate::harness::mailbox::Mailbox;
use crate::harness::ranges::{Mood, Ranges};
use crate::harness::secured::AUTHORITY;

const STOLEN: &str = "quay-Lantrn-71x-moss";
const GOOD: &str = "drifting-Lantern-71-quay";
const UNLIMITED: (&str, &str) = ("BAILIWICK_RATE_LIMITS", "off");

async fn asking(ranges: &Ranges, fails: &str) -> TestApp {
    let url = ("BAILIWICK_BREACH_RANGES_URL", ranges.url.as_str());
    let app = TestApp::start_with(&[url, ("BAILIWICK_BREACH_CHECK_FAILS", fails), UNLIMITED]).await;
    app.account("alice", false).await;
    app
}

async fn change(app: &TestApp, password: &str) -> Answer {
    let token = app.sign_in("alice").await;
    let body = json!({ "current": PASSWORD, "password": password });
    app.put("/api/auth/password").bearer(&token).json(body).send().await
}

fn faults(answer: &Answer) -> Vec<(&str, &str)> {
    let faults = answer.body["errors"].as_array().into_iter().flatten();
    faults
        .map(|fault| (fault["pointer"].as_str().unwrap(), fault["code"].as_str().unwrap()))
        .collect()
}

#[track_caller]
fn breached(answer: &Answer) {
    answer.refused(422, "validation_failed");
    assert_eq!(faults(answer), [("/password", "password_breached")], "{}", answer.body);
    assert_eq!(answer.body["reasons"][0]["code"], "password_breached", "{}", answer.body);
}

#[tokio::test]
async fn a_stolen_password_is_refused_wherever_one_is_chosen() {
    let ranges = Ranges::with(&[STOLEN]).await;
    let mailbox = Mailbox::with(&[
        ("BAILIWICK_BREACH_RANGES_URL", &ranges.url),
        ("BAILIWICK_REGISTRATION", "on"),
    ])
    .await;
    let app = &mailbox.app;
    let alice = app.account("alice", false).await;
    app.account("root", true).await;
    let root = app.sign_in("root").await;

    breached(&change(app, STOLEN).await);
    let body = json!({ "username": "erin", "password": STOLEN });
    breached(&app.post("/api/users").bearer(&root).json(body).send().await);
    let body = json!({ "username": "erin", "email": "erin@a.example", "password": STOLEN });
    breached(&app.post("/api/auth/register").json(body).send().await);
    let token = app.reset_token(alice).await;
    let reset = |password: &str| {
        let body = json!({ "token": token, "password": password });
        app.post("/api/auth/password/reset").json(body)
    };
    breached(&reset(STOLEN).send().await);
    assert_eq!(app.count("select count(*) from users where username = 'erin'").await, 0);
    assert_eq!(app.count("select count(*) from registrations").await, 0);
    assert_eq!(ranges.asked().len(), 4);
    // Of what is refused for something else it is told nothing.
    let body = json!({ "username": "a b", "password": STOLEN });
    let answer = app.post("/api/users").bearer(&root).json(body).send().await;
    answer.refused(422, "validation_failed");
    assert_eq!(ranges.asked().len(), 4);

    reset(GOOD).send().await.expect(204);
}

/// Five letters of twenty bytes' digest, among which are hundreds of passwords; of what is refused
/// for something else, nothing.
#[tokio::test]
async fn the_list_learns_no_password() {
    let ranges = Ranges::with(&[STOLEN]).await;
    let app = asking(&ranges, "open").await;
    for weak in ["short", "password1234password"] {
        change(&app, weak).await.refused(422, "validation_failed");
    }
    assert!(ranges.asked().is_empty());
    change(&app, GOOD).await.expect(204);
    let [asked] = &ranges.asked()[..] else { panic!("{:?}", ranges.asked()) };
    assert!(asked.range.len() == 5 && asked.padded, "{asked:?}");
    assert!(asked.agent.starts_with("bailiwick/"), "{asked:?}");
}

/// Letters that another keyboard composes otherwise are the same password.
#[tokio::test]
async fn a_stolen_password_is_known_however_it_was_typed() {
    let ranges = Ranges::with(&["Z\u{fc}rich-quay-Lantern-71"]).await;
    let app = asking(&ranges, "open").await;
    breached(&change(&app, "Zu\u{308}rich-quay-Lantern-71").await);
}

const UNWELL: [Mood; 7] = [
    Mood::Broken,
    Mood::Silent,
    Mood::Stuck,
    Mood::Endless,
    Mood::Babbling,
    Mood::Empty,
    Mood::Elsewhere,
];

/// The lines of the log that tell of the list.
fn told(log: &Log) -> Vec<Value> {
    log.objects("the list of stolen passwords")
}

#[tokio::test]
async fn a_list_that_tells_nothing_takes_any_password_where_it_fails_open() {
    for mood in UNWELL {
        let (ranges, log) = (Ranges::with(&[STOLEN]).await, Log::json("warn"));
        let app = asking(&ranges, "open").await;
        ranges.is_now(mood);
        change(&app, STOLEN).await.expect(204);
        let lines = told(&log);
        assert_eq!(lines.len(), 1, "{mood:?}: {lines:?}");
        assert_eq!((&lines[0]["level"], &lines[0]["fails"]), (&json!("WARN"), &json!("open")));
        assert!(!log.all().contains(STOLEN), "{}", log.all());
    }
}

#[tokio::test]
async fn a_list_that_tells_nothing_refuses_any_password_where_it_fails_closed() {
    let (ranges, log) = (Ranges::with(&[STOLEN]).await, Log::json("warn"));
    let app = asking(&ranges, "closed").await;
    for mood in UNWELL {
        ranges.is_now(mood);
        let answer = change(&app, GOOD).await;
        answer.refused(503, "unavailable");
        assert_eq!(answer.header("retry-after"), "10", "{mood:?}");
    }
    let lines = told(&log);
    assert_eq!(lines.len(), UNWELL.len(), "{lines:?}");
    assert!(lines.iter().all(|line| line["fails"] == "closed"), "{lines:?}");
    ranges.is_now(Mood::Well);
    change(&app, GOOD).await.expect(204);
}

#[tokio::test]
async fn a_list_that_is_not_there_is_one_that_tells_nothing() {
    let mut ranges = Ranges::with(&[]).await;
    ranges.url = "http://127.0.0.1:1/range/".to_owned();
    change(&asking(&ranges, "closed").await, GOOD).await.refused(503, "unavailable");
    change(&asking(&ranges, "open").await, GOOD).await.expect(204);
}

#[tokio::test]
async fn a_list_has_to_prove_that_it_is_the_one() {
    let ranges = Ranges::secured_with(&[STOLEN]).await;
    let (url, closed) = (
        ("BAILIWICK_BREACH_RANGES_URL", ranges.url.as_str()),
        ("BAILIWICK_BREACH_CHECK_FAILS", "closed"),
    );
    let trusting = [url, closed, UNLIMITED, ("BAILIWICK_CA_FILE", AUTHORITY)];
    let app = TestApp::start_with(&trusting).await;
    app.account("alice", false).await;
    breached(&change(&app, STOLEN).await);
    // Whoever does not know the authority asks nothing.
    let stranger = app.another_limited_node(&[url, closed, UNLIMITED]);
    change(&stranger, GOOD).await.refused(503, "unavailable");
    assert_eq!(ranges.asked().len(), 1);
    change(&app, GOOD).await.expect(204);
}
