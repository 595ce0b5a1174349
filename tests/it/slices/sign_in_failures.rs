//! What operators learn of sign-ins that fail, and what whoever tries learns of it: nothing.

use std::time::Duration;

use axum::http::Method;
use bailiwick::kernel::telemetry;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::connections::Listening;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::held::Held;
use crate::harness::log::Log;
use crate::harness::{TestApp, World};

/// Far more than an event takes to be written.
const PATIENCE: Duration = Duration::from_secs(20);
const FAILURES: &str = "select count(*) from audit_events where action = 'sign_in_failed'";

async fn fail(app: &TestApp, username: &str, password: &str) -> Answer {
    let call = app
        .post("/api/auth/login")
        .coming_from("203.0.113.7")
        .header("x-request-id", format!("r-{}", username.len()));
    let answer = call.json(json!({ "username": username, "password": password })).send().await;
    answer.refused(401, "invalid_credentials");
    answer
}

/// A SysAdmin, and accounts that cannot sign in for one reason each.
struct Stage {
    world: World,
    alice: Uuid,
    off: Uuid,
    bare: Uuid,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let app = &world.app;
        let (alice, off, bare) = (
            app.account("alice", false).await,
            app.account("off", false).await,
            app.account("bare", false).await,
        );
        sqlx::query("update users set enabled = false where id = $1")
            .bind(off)
            .execute(&app.sql)
            .await
            .unwrap();
        sqlx::query("update users set password_hash = null where id = $1")
            .bind(bare)
            .execute(&app.sql)
            .await
            .unwrap();
        Self { world, alice, off, bare }
    }

    /// What is typed, why it fails, and whose account it is.
    fn attempts(&self) -> [(&'static str, &'static str, &'static str, Option<Uuid>); 5] {
        [
            ("alice", "not-the-Password-1", "wrong_password", Some(self.alice)),
            ("alice2", PASSWORD, "unknown_account", None),
            ("off", PASSWORD, "account_disabled", Some(self.off)),
            ("off", "not-the-Password-1", "account_disabled", Some(self.off)),
            ("bare", PASSWORD, "no_password", Some(self.bare)),
        ]
    }

    async fn told(&self) -> Vec<Value> {
        let page = self
            .world
            .root()
            .get("/api/audit?action=sign_in_failed&limit=200&sort=at")
            .await
            .expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

/// What has been counted in this process, in whichever test.
fn counted(reason: &str) -> u64 {
    let line = format!("bailiwick_sign_in_failures_total{{reason=\"{reason}\"}} ");
    let text = telemetry::metrics_handle().render();
    text.lines()
        .find_map(|found| found.strip_prefix(&line))
        .map_or(0, |number| number.parse().unwrap())
}

#[tokio::test]
async fn the_platforms_trail_tells_why_and_on_which_account_and_from_where() {
    let stage = Stage::new().await;
    for (username, password, reason, account) in stage.attempts() {
        let (before, seen) = (stage.told().await.len(), counted(reason));
        let answer = fail(&stage.world.app, username, password).await;
        let told = stage.told().await;
        assert_eq!(told.len(), before + 1, "{username}");
        let event = told.last().unwrap();
        let expected = json!({
            "id": event["id"], "at": event["at"], "action": "sign_in_failed", "actorId": null,
                "actorName": null, "impersonatedBy": null, "impersonatedByName": null,
            "mandateId": null, "resourceType": "session", "resourceId": null,
                "targetUserId": account, "actorIp": "203.0.113.7",
            "requestId": answer.body["requestId"], "details": { "reason": reason },
        });
        assert_eq!(*event, expected, "{username}");
        assert!(counted(reason) > seen, "{reason}");
    }
    // Texts that no name is.
    for nobody in ["", " ", &"x".repeat(300)] {
        let before = stage.told().await.len();
        let body = json!({ "username": nobody, "password": PASSWORD });
        stage
            .world
            .app
            .post("/api/auth/login")
            .json(body)
            .send()
            .await
            .refused(401, "invalid_credentials");
        let told = stage.told().await;
        let last = told.last().unwrap();
        let known = (told.len(), &last["targetUserId"], &last["details"]["reason"]);
        assert_eq!(known, (before + 1, &Value::Null, &json!("unknown_account")));
    }
    let all = json!(stage.told().await).to_string();
    assert!(!all.contains("alice") && !all.contains("xxx") && !all.contains("Password"), "{all}");
    let elsewhere = "select count(*) from audit_events where action = 'sign_in_failed'
                       and mandate_id is not null";
    assert_eq!(stage.world.app.count(elsewhere).await, 0);
}

/// Statement by statement, and with the hash of a password each.
#[tokio::test]
async fn every_failure_takes_the_same_work_and_gets_the_same_answer() {
    let stage = Stage::new().await;
    let mut all = Vec::new();
    for (username, password, ..) in stage.attempts() {
        let log = Log::json("off,sqlx::query=debug");
        let mut answer = fail(&stage.world.app, username, password).await;
        answer.body["requestId"].take();
        let headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        let statements =
            log.objects("sqlx::query").into_iter().map(|mut line| line["summary"].take());
        // How a new connection of the pool begins (all `set …`) is no part of it.
        let of_a_request = |statement: &Value| {
            statement.as_str().is_some_and(|statement| !statement.starts_with("set "))
        };
        let statements: Vec<Value> = statements.filter(of_a_request).collect();
        assert!(statements.len() >= 4, "{statements:?}");
        all.push((answer.status, answer.body, headers, statements));
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:#?}");
    let of_nobody =
        "select count(*) from audit_addresses a join audit_events e on e.id = a.event_id
                     where e.action = 'sign_in_failed' and a.actor_id is null";
    assert_eq!(
        stage.world.app.count(of_nobody).await,
        0,
        "an address of no account would spare the work of looking whether it may be kept"
    );
}

#[tokio::test]
async fn what_limits_refuse_leaves_no_event() {
    let app = TestApp::start_with(&[
        ("BAILIWICK_RATE_LIMIT_AUTH", "3"),
        ("BAILIWICK_RATE_LIMIT_AUTH_ADDRESS", "5"),
    ])
    .await;
    app.account("alice", false).await;
    let mut refused = 0;
    // Three for alice and then no more; and five from there, of which one was in vain.
    for username in ["alice", "alice", "alice", "alice", "bob", "carol", "dora"] {
        let body = json!({ "username": username, "password": "not-the-Password-1" });
        let answer = app.post("/api/auth/login").coming_from("203.0.113.7").json(body).send().await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!((app.count(FAILURES).await, refused), (4, 3));
}

/// Whatever becomes of the event.
#[tokio::test]
async fn an_event_that_cannot_be_written_changes_no_answer() {
    let stage = Stage::new().await;
    let app = &stage.world.app;
    sqlx::raw_sql("revoke insert on audit_events from bailiwick_system")
        .execute(&app.sql)
        .await
        .unwrap();
    for (username, password, ..) in stage.attempts() {
        let log = Log::json("info");
        fail(app, username, password).await;
        let lines = log.objects(&format!("r-{}", username.len()));
        assert_eq!(
            lines[0]["message"],
            "a failed sign-in is missing in the audit trail",
            "{}",
            log.all()
        );
        assert!(lines[0]["cause"].as_str().unwrap().contains("audit_events"), "{}", log.all());
    }
    assert_eq!(app.count(FAILURES).await, 0);
}

/// Waiting for a while, which is the same for all; and the event comes when it can, even if nobody
/// waits for the answer.
#[tokio::test]
async fn an_event_that_comes_late_comes() {
    let stage = Stage::new().await;
    let app = &stage.world.app;
    let held = Held::tables(app, &["audit_events"]).await;
    // One with each name: whoever tries one waits until it is noted how the last attempt ended.
    // (Equal names stand together.)
    let mut attempts = stage.attempts().to_vec();
    attempts.dedup_by_key(|(username, ..)| *username);
    let late = attempts.iter().map(|(username, password, ..)| fail(app, username, password));
    futures_util::future::join_all(late).await;
    let gone = app
        .call(Method::POST, "/api/auth/login")
        .json(json!({ "username": "nobody", "password": "not-the-Password-1" }));
    tokio::select! {
        // On a busy machine its second may be over first; then the event is late, as the others'.
        _ = gone.send() => {}
        () = held.waited_for_by(5) => {}
    }
    held.release().await;
    let all_there = async { while app.count(FAILURES).await < 5 {} };
    tokio::time::timeout(PATIENCE, all_there)
        .await
        .unwrap_or_else(|_| panic!("an event is missing"));
}

/// From the first look at the account on: nobody tries passwords unheard by not waiting for the
/// answers.
#[tokio::test]
async fn whoever_hangs_up_before_it_is_known_whether_they_may_sign_in_is_told_of() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let (listening, log, seen) =
        (Listening::start(&app).await, Log::json("info"), counted("wrong_password"));
    let held = Held::wholly(&app, &["users"]).await;
    let body = json!({ "username": "alice", "password": "not-the-Password-1" }).to_string();
    let request = "POST /api/auth/login HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n";
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = listening.connect().await;
        stream
            .write_all(format!("{request}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .await
            .unwrap();
        streams.push(stream);
    }
    held.waited_for_by(3).await;
    drop(streams);
    let noticed = async {
        while log.with("not answered").len() < 3 {
            assert_eq!(app.count(FAILURES).await, 0);
        }
    };
    tokio::time::timeout(PATIENCE, noticed)
        .await
        .unwrap_or_else(|_| panic!("they are still waited for: {}", log.all()));
    held.release().await;
    let all_there = async { while app.count(FAILURES).await < 3 {} };
    tokio::time::timeout(PATIENCE, all_there)
        .await
        .unwrap_or_else(|_| panic!("an event is missing: {}", log.all()));
    assert!(counted("wrong_password") >= seen + 3);
}

#[tokio::test]
async fn whoever_is_erased_leaves_no_address_of_theirs() {
    let stage = Stage::new().await;
    let (world, app) = (&stage.world, &stage.world.app);
    let of_alice = "select count(*) from audit_events e join audit_addresses a on a.event_id = e.id
                    where e.target_user_id = (select id from users where username = 'alice')";
    fail(app, "alice", "not-the-Password-1").await;
    fail(app, "nobody-at-all", "not-the-Password-1").await;
    assert_eq!(app.count(of_alice).await, 1);
    world.root().delete(format!("/api/users/{}?mode=erase", stage.alice)).await.expect(200);
    // What was under way when the erasure came is told without an address.
    let late = "insert into audit_addresses (event_id, actor_id, address)
                  values (gen_random_uuid(), $1, '203.0.113.7')";
    sqlx::query(late).bind(stage.alice).execute(&app.sql).await.unwrap();
    let kept = "select count(*) from audit_addresses where actor_id = $1";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(kept).bind(stage.alice).fetch_one(&app.sql).await.unwrap(),
        0
    );
    let told = stage.told().await;
    let addresses: Vec<&Value> = told.iter().map(|event| &event["actorIp"]).collect();
    assert_eq!(addresses, [&Value::Null, &json!("203.0.113.7")], "the event stays: {told:?}");
    // The name is free again, and nobody's.
    fail(app, "alice", PASSWORD).await;
    assert_eq!(stage.told().await.last().unwrap()["targetUserId"], Value::Null);
}
