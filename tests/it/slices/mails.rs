//! What people are told by mail: whatever the mail server does, nothing is lost and nobody waits.

use std::os::unix::fs::PermissionsExt;

use chrono::Duration;
use serde_json::json;
use sqlx::Row;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::refresh::{refresh, signed_in};
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::smtp::{MailServer, Mood, Received};

const FROM: (&str, &str) = ("BAILIWICK_MAIL_FROM", "Accounts <accounts@bailiwick.example>");
const NO_LIMITS: (&str, &str) = ("BAILIWICK_RATE_LIMITS", "off");

/// A service that sends its mail there, and somebody who has something to be told.
async fn started(url: &str) -> (TestApp, Uuid) {
    let app = TestApp::start_with(&[("BAILIWICK_SMTP_URL", url), FROM, NO_LIMITS]).await;
    let alice = app.account("alice", false).await;
    (app, alice)
}

/// One mail more is to be sent.
async fn change_password(app: &TestApp, name: &str) {
    let token = app.sign_in(name).await;
    let body = json!({ "current": PASSWORD, "password": "quay-Lantrn-71x-moss" });
    app.put("/api/auth/password").bearer(&token).json(body).send().await.expect(204);
}

/// How many mails and errands there are.
async fn unsent(app: &TestApp) -> (i64, i64) {
    let mails = app.count("select count(*) from mails").await;
    (mails, app.count("select count(*) from jobs where name = 'send_mail'").await)
}

async fn failures(app: &TestApp) -> (i32, String) {
    let query = "select failures, coalesce(last_error, '') as last_error from jobs
                 where name = 'send_mail'";
    let row = sqlx::query(query).fetch_one(&app.sql).await.unwrap();
    (row.get("failures"), row.get("last_error"))
}

/// A header of a message, as it stands there.
fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let lines = message.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_once(": ")).find(|(own, _)| *own == name).unwrap().1
}

#[tokio::test]
async fn a_changed_password_is_told_in_plain_text_and_in_html() {
    let server = MailServer::start(Mood::Well).await;
    let (app, _) = started(&server.url).await;
    change_password(&app, "alice").await;
    app.run_errands().await;
    let received = server.received();
    let [Received { from, to, message }] = &received[..] else { panic!("{received:?}") };
    assert_eq!((from.as_str(), to.as_str()), ("accounts@bailiwick.example", "alice@example.com"));
    assert_eq!(header(message, "Subject"), "Your password was changed");
    assert_eq!(header(message, "Auto-Submitted"), "auto-generated");
    assert!(message.contains("text/plain") && message.contains("text/html"), "{message}");
    assert!(message.contains("\r\nHello alice,\r\n") && message.contains("<p>Hello alice,</p>"));
    assert_eq!(unsent(&app).await, (0, 0));
}

#[tokio::test]
async fn what_is_told_is_told_in_the_language_of_whom_it_is_for() {
    let server = MailServer::start(Mood::Well).await;
    let (app, _) = started(&server.url).await;
    sqlx::query("update users set language = 'de-CH'").execute(&app.sql).await.unwrap();
    change_password(&app, "alice").await;
    app.run_errands().await;
    let message = server.received()[0].message.clone();
    assert!(message.contains("Guten Tag alice,"), "{message}");
}

/// Of a folder instead of a server, only the owner reads.
#[tokio::test]
async fn mail_may_go_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    let settings = [("BAILIWICK_MAIL_DIR", mail.to_str().unwrap()), NO_LIMITS];
    let app = TestApp::start_with(&settings).await;
    app.account("alice", false).await;
    change_password(&app, "alice").await;
    app.run_errands().await;
    let files: Vec<_> = std::fs::read_dir(&mail).unwrap().map(|entry| entry.unwrap()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert_eq!(file.path().extension().unwrap(), "eml");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&mail).unwrap().permissions().mode() & 0o777, 0o700);
    let message = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(header(&message, "To"), "alice@example.com");
}

#[tokio::test]
async fn a_mail_server_that_is_away_loses_nothing() {
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    let (app, _) = started(&format!("smtp://{address}")).await;
    change_password(&app, "alice").await;
    app.run_errands().await;
    assert_eq!((unsent(&app).await, failures(&app).await.0), ((1, 1), 1));
    let server = MailServer::on(TcpListener::bind(address).await.unwrap(), Mood::Well);
    app.run_errands().await;
    assert_eq!(server.received().len(), 0, "not at once");
    app.clock.advance(Duration::seconds(11));
    app.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (1, (0, 0)));
}

#[tokio::test]
async fn a_server_that_does_not_take_it_now_is_asked_again_and_one_that_never_will_is_not() {
    let server = MailServer::start(Mood::Busy).await;
    let (app, _) = started(&server.url).await;
    change_password(&app, "alice").await;
    app.run_errands().await;
    let (number, why) = failures(&app).await;
    assert_eq!((number, why.as_str()), (1, "the mail server answered 451 at RCPT"));
    app.clock.advance(Duration::seconds(11));
    server.is_now(Mood::HangingUp);
    app.run_errands().await;
    assert_eq!((failures(&app).await.0, unsent(&app).await), (2, (1, 1)));
    app.clock.advance(Duration::seconds(21));
    server.is_now(Mood::Refusing);
    app.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (0, (0, 0)));
}

#[tokio::test]
async fn what_could_not_be_sent_for_three_days_is_given_up() {
    let server = MailServer::start(Mood::Busy).await;
    let (app, _) = started(&server.url).await;
    change_password(&app, "alice").await;
    app.run_errands().await;
    app.clock.advance(Duration::hours(71));
    app.run_errands().await;
    assert_eq!(unsent(&app).await, (1, 1));
    app.clock.advance(Duration::hours(2));
    server.is_now(Mood::Well);
    app.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (0, (0, 0)));
}

/// Also where the database takes the table for so small that it looks for the next errand once for
/// each row: the second look would pass over what the first one locked.
#[tokio::test]
async fn a_claim_takes_one_errand_and_leaves_the_others_to_whoever_comes() {
    let server = MailServer::start(Mood::Well).await;
    let (app, _) = started(&server.url).await;
    app.account("bob", false).await;
    for statement in [
        "delete from jobs",
        "insert into jobs (name, subject, due_at) values ('another', '', 'infinity')",
        "vacuum analyze jobs",
    ] {
        sqlx::query(statement).execute(&app.sql).await.unwrap();
    }
    change_password(&app, "alice").await;
    change_password(&app, "bob").await;
    let database = app.options.get_database().unwrap();
    for way in ["enable_hashjoin", "enable_mergejoin"] {
        let off = format!("alter database {database} set {way} = off");
        sqlx::query(sqlx::AssertSqlSafe(off)).execute(&app.sql).await.unwrap();
    }
    let node = app.another_limited_node(&[("BAILIWICK_SMTP_URL", &server.url), FROM]);
    assert!(node.courier().step().await.unwrap());
    let claimed = app.count("select count(*) from jobs where claim is not null").await;
    assert_eq!(claimed, 0, "nobody does it, and nobody else may for five minutes");
    app.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (2, (0, 0)));
}

/// A server that says nothing keeps no connection to the database, and nobody else's mail.
#[tokio::test]
async fn nothing_holds_a_connection_while_it_talks() {
    let server = MailServer::start(Mood::Silent).await;
    let (app, _) = started(&server.url).await;
    change_password(&app, "alice").await;
    let courier = app.courier();
    let meanwhile = async {
        server.until_waiting(1).await;
        let in_transactions = app
            .count(
                "select count(*) from pg_stat_activity where datname = current_database()
                   and state like 'idle in transaction%'",
            )
            .await;
        assert_eq!((app.db.is_at_rest(), in_transactions), (true, 0));
        assert!(!app.courier().step().await.unwrap(), "and nobody else does it");
        server.is_now(Mood::Well);
    };
    let (done, ()) = tokio::join!(courier.step(), meanwhile);
    assert!(done.unwrap());
    assert_eq!((server.received().len(), unsent(&app).await), (1, (0, 0)));
}

#[tokio::test]
async fn what_a_node_that_died_was_doing_is_done_by_another_once_its_claim_runs_out() {
    let server = MailServer::start(Mood::Silent).await;
    let (app, _) = started(&server.url).await;
    change_password(&app, "alice").await;
    let courier = app.courier();
    tokio::select! {
        done = courier.step() => panic!("nobody answered: {done:?}"),
        () = server.until_waiting(1) => {}
    }
    server.is_now(Mood::Well);
    let node = app.another_limited_node(&[("BAILIWICK_SMTP_URL", &server.url), FROM]);
    node.run_errands().await;
    assert_eq!(server.received().len(), 0, "it may still be doing it");
    app.clock.advance(Duration::minutes(5));
    node.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (1, (0, 0)));
}

#[tokio::test]
async fn whoever_comes_back_too_late_changes_nothing() {
    let server = MailServer::start(Mood::Silent).await;
    let busy = MailServer::start(Mood::Busy).await;
    let (app, _) = started(&server.url).await;
    change_password(&app, "alice").await;
    let node = app.another_limited_node(&[("BAILIWICK_SMTP_URL", &busy.url), FROM]);
    let courier = app.courier();
    let meanwhile = async {
        server.until_waiting(1).await;
        app.clock.advance(Duration::minutes(5));
        node.run_errands().await;
        server.is_now(Mood::Well);
    };
    let (done, ()) = tokio::join!(courier.step(), meanwhile);
    assert!(done.unwrap());
    // The other node took it up, failed, and tries again: it knows nothing of the first one's luck.
    let (number, why) = failures(&app).await;
    assert!(number == 2 && why.contains("451"), "{number} {why}");
    app.clock.advance(Duration::minutes(1));
    busy.is_now(Mood::Well);
    node.run_errands().await;
    let id = |server: &MailServer| header(&server.received()[0].message, "Message-ID").to_owned();
    assert_eq!(id(&server), id(&busy), "receivers see that it is the same");
    assert_eq!(unsent(&app).await, (0, 0));
}

/// As the service runs them: several at a time, and those under way are ended before it stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_conversation_keeps_nobody_elses() {
    let server = MailServer::start(Mood::Silent).await;
    let (app, _) = started(&server.url).await;
    app.account("bob", false).await;
    change_password(&app, "alice").await;
    change_password(&app, "bob").await;
    let (stop, stopped) = oneshot::channel::<()>();
    let courier = app.courier();
    let running = courier.run(async { drop(stopped.await) });
    let meanwhile = async {
        server.until_waiting(2).await;
        stop.send(()).unwrap();
        server.is_now(Mood::Well);
    };
    tokio::join!(running, meanwhile);
    assert_eq!((server.received().len(), unsent(&app).await), (2, (0, 0)));
}

/// Of these steps none is about the mail: the server may take it when it was set right.
#[tokio::test]
async fn a_server_that_does_not_let_us_in_is_asked_again() {
    let server = MailServer::start(Mood::ShuttingOut).await;
    let url = server.url.replace("smtp://", "smtp://me:pa%26ss@");
    let (app, _) = started(&url).await;
    change_password(&app, "alice").await;
    for (mood, step) in [
        (Mood::ShuttingOut, "the greeting"),
        (Mood::KnowingNobody, "AUTH"),
        (Mood::DislikingTheSender, "MAIL"),
    ] {
        server.is_now(mood);
        app.run_errands().await;
        let why = failures(&app).await.1;
        assert!(why.ends_with(step) && !why.contains("alice"), "{why}");
        app.clock.advance(Duration::minutes(5));
    }
    server.is_now(Mood::Well);
    app.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (1, (0, 0)));
    assert_eq!(server.signed_in(), Some("\0me\0pa&ss".to_owned()));
}

/// What is to be sent in secret is not sent otherwise.
#[tokio::test]
async fn nothing_is_sent_in_the_clear_where_that_was_not_allowed() {
    let server = MailServer::start(Mood::Well).await;
    let (app, _) = started(&format!("{}?tls=required", server.url)).await;
    change_password(&app, "alice").await;
    app.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (0, (1, 1)));
    assert!(!server.commands().contains(&"MAIL".to_owned()), "{:?}", server.commands());
}

#[tokio::test]
async fn whoever_has_no_address_or_is_erased_is_told_nothing() {
    let server = MailServer::start(Mood::Well).await;
    let (app, alice) = started(&server.url).await;
    app.account("bob", false).await;
    app.account("root", true).await;
    change_password(&app, "alice").await;
    change_password(&app, "bob").await;
    let no_address = "update users set email = null, email_key = null where username = 'bob'";
    sqlx::query(no_address).execute(&app.sql).await.unwrap();
    let root = app.sign_in("root").await;
    let erase = app.delete(format!("/api/users/{alice}?mode=erase")).bearer(&root);
    erase.send().await.expect(200);
    assert_eq!(unsent(&app).await.0, 1, "what was to be told goes with the account");
    app.run_errands().await;
    assert_eq!((server.received().len(), unsent(&app).await), (0, (0, 0)));
}

#[tokio::test]
async fn a_stolen_session_is_told() {
    let server = MailServer::start(Mood::Well).await;
    let (app, _) = started(&server.url).await;
    let pair = signed_in(&app, "alice").await;
    refresh(&app, &pair.refresh).await.expect(200);
    app.clock.advance(Duration::seconds(11));
    refresh(&app, &pair.refresh).await.refused(401, "session_revoked");
    refresh(&app, &pair.refresh).await.refused(401, "session_revoked");
    app.run_errands().await;
    let received = server.received();
    assert_eq!(received.len(), 1, "once");
    let subject = header(&received[0].message, "Subject");
    assert_eq!(subject, "Somebody else may have used your session");
}

/// By a SysAdmin, who may have taken the account over: so the earlier address is told.
#[tokio::test]
async fn another_address_is_told_at_the_earlier_one() {
    let server = MailServer::start(Mood::Well).await;
    let (app, alice) = started(&server.url).await;
    app.account("root", true).await;
    let root = app.sign_in("root").await;
    for (body, told) in [
        (json!({ "firstName": "Alice" }), 0),
        (json!({ "email": "Alice@Example.com" }), 0),
        (json!({ "email": "new@example.com" }), 1),
        (json!({ "email": null }), 2),
        (json!({ "email": "newest@example.com" }), 2),
    ] {
        let change = app.patch(format!("/api/users/{alice}")).bearer(&root).json(body.clone());
        change.send().await.expect(200);
        app.run_errands().await;
        assert_eq!(server.received().len(), told, "{body}");
    }
    let told: Vec<String> = server.received().into_iter().map(|mail| mail.to).collect();
    assert_eq!(told, ["Alice@example.com", "new@example.com"]);
}
