//! Accounts that people make for themselves.

use std::collections::BTreeSet;

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::mailbox::Mailbox;
use crate::harness::smtp::Received;
use crate::harness::watched::Watched;

pub const CHOSEN: &str = "quay-Lantrn-71x-moss";

async fn register(app: &TestApp, username: &str, email: &str) -> Answer {
    let body = json!({ "username": username, "email": email, "password": CHOSEN });
    app.post("/api/auth/register").json(body).send().await
}

async fn verify(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "password": password });
    app.post("/api/auth/verify").json(body).send().await
}

async fn resend(app: &TestApp, email: &str) -> Answer {
    app.post("/api/auth/verify/resend").json(json!({ "email": email })).send().await
}

pub async fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    app.post("/api/auth/login").json(body).send().await
}

async fn accounts(app: &TestApp) -> i64 {
    app.count("select count(*) from users").await
}

#[tokio::test]
async fn who_registers_and_confirms_signs_in_by_name_and_by_address() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    let answer = register(app, "Erin", "Erin@Acme.Example").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.expect(202), json!({}));
    sign_in(app, "erin", CHOSEN).await.refused(401, "invalid_credentials");
    let mail = mailbox.mail().await;
    assert_eq!((mail.to.as_str(), mail.subject()), ("Erin@acme.example", "Confirm your address"));
    let token = mail.token().unwrap();
    let link = format!("http://test/verify?token={token}");
    assert!(mail.message.contains(&format!("\r\n{link}\r\n")), "{}", mail.message);
    assert!(mail.message.contains(&format!(r#"<a href="{link}">"#)), "{}", mail.message);
    assert_eq!(accounts(app).await, 0, "it is no account yet");
    verify(app, &token, CHOSEN).await.expect(204);
    for name in ["erin", "ERIN@acme.example"] {
        let answer = sign_in(app, name, CHOSEN).await.expect(200);
        let token = answer["accessToken"].as_str().unwrap().to_owned();
        let me = app.get("/api/auth/me").bearer(&token).send().await.expect(200);
        assert_eq!(
            (&me["username"], &me["email"], &me["emailVerified"], &me["mandates"]),
            (&json!("erin"), &json!("Erin@Acme.Example"), &json!(true), &json!([]))
        );
    }
    verify(app, &token, CHOSEN).await.refused(410, "token_gone");
    assert_eq!(accounts(app).await, 1);
    let left = "select (select count(*) from registrations) + (select count(*) from mailed_tokens)
                  + (select count(*) from mails)";
    assert_eq!(app.count(left).await, 0);
}

#[tokio::test]
async fn links_lead_where_the_settings_say_in_the_language_of_the_browser() {
    let link = ("BAILIWICK_LINK_VERIFY", "https://app.example/#/verify/{token}");
    let mailbox = Mailbox::with(&[link]).await;
    let app = &mailbox.app;
    let body = json!({ "username": "erin", "email": "e@a.example", "password": CHOSEN });
    let call = app.post("/api/auth/register").header("accept-language", "de-AT, en;q=0.5");
    call.header("host", "evil.example").json(body).send().await.expect(202);
    let mail = mailbox.mail().await;
    let token = mail.token().unwrap();
    // German is sent quoted, where a long line goes on in the next one.
    let whole = mail.message.replace("=\r\n", "");
    assert!(whole.contains(&format!("https://app.example/#/verify/{token}")), "{whole}");
    assert!(
        whole.contains("Guten Tag,") && !whole.contains("evil") && !whole.contains("erin"),
        "{whole}"
    );
}

/// Somebody who registers an address that is not theirs has made nothing of it, whatever its owner
/// clicks.
#[tokio::test]
async fn the_password_of_who_registered_is_asked_for_five_times() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    register(app, "erin", "erin@acme.example").await.expect(202);
    let token = mailbox.token().await;
    let without = app.post("/api/auth/verify").json(json!({ "token": token }));
    let refused = without.send().await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/password");
    for _ in 0..5 {
        verify(app, &token, "not-the-Password-1").await.refused(401, "invalid_credentials");
    }
    verify(app, &token, CHOSEN).await.refused(410, "token_gone");
    resend(app, "erin@acme.example").await.expect(204);
    assert_eq!((mailbox.mails().await.len(), accounts(app).await), (0, 0));
    register(app, "erin", "erin@acme.example").await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_guesses_at_once_five_are_looked_at() {
    let mailbox = Mailbox::with(&[("BAILIWICK_PASSWORD_QUEUE", "100")]).await;
    let app = &mailbox.app;
    register(app, "erin", "erin@acme.example").await.expect(202);
    let token = mailbox.token().await;
    let guesses = (0..20).map(|_| verify(app, &token, "not-the-Password-1"));
    let answers = join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    let gone = answers.iter().filter(|answer| answer.code() == "token_gone").count();
    assert_eq!((looked_at, gone), (5, 15), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_confirm_at_once_one_does() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    register(app, "erin", "erin@acme.example").await.expect(202);
    let token = mailbox.token().await;
    let answers = join_all((0..3).map(|_| verify(app, &token, CHOSEN))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses, accounts(app).await), (vec![204, 410, 410], 1));
    let events = "select count(*) from audit_events where action = 'user_registered'
                    and actor_id = target_user_id and mandate_id is null";
    assert_eq!(app.count(events).await, 1);
}

/// Who has an account is told there and nowhere else.
#[tokio::test]
async fn an_address_that_is_known_is_told_by_mail_only() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    app.account("alice", false).await;
    let known = register(app, "erin", "ALICE@example.com").await;
    let unknown = register(app, "frank", "frank@example.com").await;
    let shown = |answer: &Answer| {
        let names: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        (answer.status, answer.body.clone(), names)
    };
    assert_eq!(shown(&known), shown(&unknown));
    register(app, "erin", "another@example.com").await.refused(409, "username_taken");
    let mails = mailbox.mails().await;
    let [to_alice, to_frank] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(to_alice.subject(), "You have an account already");
    assert_eq!((to_alice.token(), to_frank.token().is_some()), (None, true));
    resend(app, "alice@example.com").await.expect(204);
    assert_eq!(mailbox.mail().await.token(), None);
    sign_in(app, "alice", PASSWORD).await.expect(200);
    sign_in(app, "alice@example.com", CHOSEN).await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn asking_takes_the_same_statements_whoever_has_the_address() {
    let app = TestApp::start().await;
    for name in ["alice", "off", "gone", "unverified"] {
        app.account(name, false).await;
    }
    let made_so = "update users set enabled = username <> 'off',
        email_verified = username <> 'unverified',
        erased_at = case when username = 'gone' then now() end";
    sqlx::query(made_so).execute(&app.sql).await.unwrap();
    let watched = Watched::beside(&app);
    let node = &watched.node;
    let mut seen: [BTreeSet<String>; 3] = Default::default();
    let who = ["warm-up", "alice", "off", "gone", "unverified", "nobody"];
    for (number, name) in who.into_iter().enumerate() {
        let email = format!("{name}@example.com");
        for (index, seen) in seen.iter_mut().enumerate() {
            let answer = match index {
                0 => register(node, &format!("new-{number}"), &email).await,
                1 => resend(node, &email).await,
                _ => {
                    let call = node.post("/api/auth/password/forgot");
                    call.json(json!({ "email": email })).send().await
                }
            };
            assert!(answer.status.is_success(), "{}", answer.body);
            let asked = watched.asked().await;
            // Whether the database is there is asked now and then, whoever comes.
            let statements = asked.iter().map(|noted| noted.trip.statements());
            let statements: Vec<_> =
                statements.filter(|trip| !format!("{trip:?}").contains("select 1\"")).collect();
            if name != "warm-up" {
                seen.insert(format!("{statements:?}"));
            }
        }
    }
    assert_eq!(seen.each_ref().map(BTreeSet::len), [1, 1, 1], "{seen:#?}");
    assert!(seen.iter().flatten().all(|statements| statements.contains("mail_budgets")));
}

#[tokio::test]
async fn a_username_is_kept_for_a_day() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    app.account("alice", false).await;
    register(app, "Alice", "a@a.example").await.refused(409, "username_taken");
    register(app, "erin", "erin@a.example").await.expect(202);
    register(app, "ERIN", "other@a.example").await.refused(409, "username_taken");
    let token = mailbox.token().await;
    app.clock.advance(Duration::hours(24));
    verify(app, &token, CHOSEN).await.refused(410, "token_gone");
    resend(app, "erin@a.example").await.expect(204);
    assert_eq!(mailbox.mails().await.len(), 0);
    register(app, "erin", "other@a.example").await.expect(202);
    let token = mailbox.token().await;
    app.clock.advance(Duration::hours(25));
    app.run_jobs().await;
    let left = "select (select count(*) from registrations) + (select count(*) from mailed_tokens)
                  + (select count(*) from mail_budgets)";
    assert_eq!(app.count(left).await, 0);
    verify(app, &token, CHOSEN).await.refused(410, "token_gone");
}

/// Those who run the service go before those who only asked.
#[tokio::test]
async fn a_username_that_a_sys_admin_gave_meanwhile_is_taken() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    app.account("root", true).await;
    let root = app.sign_in("root").await;
    register(app, "erin", "erin@a.example").await.expect(202);
    let token = mailbox.token().await;
    let body = json!({ "username": "erin", "password": CHOSEN });
    app.post("/api/users").bearer(&root).json(body).send().await.expect(201);
    verify(app, &token, CHOSEN).await.refused(409, "username_taken");
    assert_eq!(accounts(app).await, 2);
}

#[tokio::test]
async fn of_two_registrations_of_one_address_the_first_confirmed_counts() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    register(app, "erin", "erin@ü.example").await.expect(202);
    register(app, "stranger", "ERIN@xn--tda.example").await.expect(202);
    let tokens: Vec<_> = mailbox.mails().await.iter().filter_map(Received::token).collect();
    // Both are asked anew, each by a mail of its own; an hour later, since three are all it gets.
    app.clock.advance(Duration::hours(1));
    resend(app, "erin@Ü.example").await.expect(204);
    let anew: Vec<_> = mailbox.mails().await.iter().filter_map(Received::token).collect();
    assert_eq!((tokens.len(), anew.len()), (2, 2));
    for earlier in &tokens {
        verify(app, earlier, CHOSEN).await.refused(410, "token_gone");
    }
    let mut statuses = Vec::new();
    for token in &anew {
        statuses.push(verify(app, token, CHOSEN).await.status.as_u16());
    }
    assert_eq!(statuses, [204, 410]);
    assert_eq!(app.count("select count(*) from registrations").await, 0, "neither waits any more");
    sign_in(app, "erin@xn--tda.example", CHOSEN).await.expect(200);
    sign_in(app, "erin@ü.example", CHOSEN).await.expect(200);
}

#[tokio::test]
async fn an_address_gets_three_mails_an_hour_of_a_kind() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    for number in 0..5 {
        register(app, &format!("erin-{number}"), "erin@a.example").await.expect(202);
    }
    assert_eq!(mailbox.mails().await.len(), 3);
    resend(app, "erin@a.example").await.expect(204);
    assert_eq!(mailbox.mails().await.len(), 0, "however they are asked for");
    app.clock.advance(Duration::minutes(59));
    register(app, "erin-5", "erin@a.example").await.expect(202);
    assert_eq!(mailbox.mails().await.len(), 0);
    register(app, "erin-6", "other@a.example").await.expect(202);
    assert_eq!(mailbox.mails().await.len(), 1);
    app.clock.advance(Duration::minutes(2));
    register(app, "erin-7", "erin@a.example").await.expect(202);
    assert_eq!(mailbox.mails().await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_and_keeps_nothing() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    let body = json!({ "username": "x", "email": "nonsense", "password": "short" });
    let refused = app.post("/api/auth/register").json(body).send().await.expect(422);
    let pointers: Vec<&Value> =
        refused["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/username", "/email", "/password"]);
    for (password, code) in [
        ("fourteen-chars", "password_length"),
        ("erinerinerinerin", "password_too_weak"),
        ("passwordpassword", "password_too_weak"),
        ("erin erin erin example", "password_too_weak"),
        ("quay\u{7}Lantrn-71x-moss", "password_characters"),
    ] {
        let body = json!({ "username": "erin", "email": "erin@example.com", "password": password });
        let refused = app.post("/api/auth/register").json(body).send().await.expect(422);
        assert_eq!(refused["errors"][0]["code"], code);
        let reasons = refused["reasons"].as_array().unwrap();
        let is_whole =
            |reason: &Value| reason["pointer"] == "/password" && reason["code"].is_string();
        assert!(!reasons.is_empty() && reasons.iter().all(is_whole), "{reasons:?}");
    }
    for address in ["nonsense", "a@[127.0.0.1]", ".b.@dot.example", "d..d@dot.example"] {
        resend(app, address).await.expect(422);
    }
    assert_eq!(app.count("select count(*) from registrations").await, 0);
    for wrong in ["", "bwm_", "x", &format!("bwm_{}", "A".repeat(43)), &"A".repeat(10_000)] {
        verify(app, wrong, CHOSEN).await.refused(410, "token_gone");
    }
}

#[tokio::test]
async fn where_registration_is_closed_nobody_registers() {
    let mailbox = Mailbox::with(&[("BAILIWICK_REGISTRATION", "off")]).await;
    let token = mailbox.app.registration_token("frank").await;
    verify(&mailbox.app, &token, PASSWORD).await.refused(403, "registration_closed");
    register(&mailbox.app, "erin", "erin@a.example").await.refused(403, "registration_closed");
    resend(&mailbox.app, "erin@a.example").await.refused(403, "registration_closed");
}

/// An address that somebody else set is nobody's name.
#[tokio::test]
async fn an_address_that_was_not_confirmed_signs_nobody_in() {
    let app = TestApp::start().await;
    app.account("root", true).await;
    let root = app.sign_in("root").await;
    let body = json!({ "username": "erin", "email": "erin@a.example", "password": CHOSEN });
    let made = app.post("/api/users").bearer(&root).json(body).send().await.expect(201);
    assert_eq!(made["emailVerified"], false);
    sign_in(&app, "erin@a.example", CHOSEN).await.refused(401, "invalid_credentials");
    sign_in(&app, "erin", CHOSEN).await.expect(200);
}

/// Nothing that is kept is good for anything: not in tables, not in what waits to be sent.
#[tokio::test]
async fn no_token_is_kept_anywhere() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    app.account("alice", false).await;
    register(app, "erin", "erin@a.example").await.expect(202);
    let forgot = app.post("/api/auth/password/forgot");
    forgot.json(json!({ "email": "alice@example.com" })).send().await.expect(204);
    let mails = mailbox.mails().await;
    let tokens: Vec<String> = mails.iter().filter_map(Received::token).collect();
    assert_eq!(tokens.len(), 2);
    let tables = "select relname from pg_class where relkind = 'r'
                    and relnamespace = 'bailiwick'::regnamespace";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&app.sql).await.unwrap();
    for table in tables {
        let text = format!("select coalesce(string_agg(t::text, ' '), '') from {table} t");
        let text: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&app.sql).await.unwrap();
        for token in &tokens {
            assert!(!text.contains(&token[4..]), "{table} holds a token");
        }
        assert!(!text.contains(CHOSEN), "{table} holds a password");
    }
}

#[tokio::test]
async fn whoever_is_erased_leaves_no_registration() {
    let mailbox = Mailbox::new().await;
    let app = &mailbox.app;
    let alice = app.account("alice", false).await;
    app.account("root", true).await;
    let root = app.sign_in("root").await;
    register(app, "alice-too", "alice@example.com").await.expect(202);
    let forgot = app.post("/api/auth/password/forgot");
    forgot.json(json!({ "email": "alice@example.com" })).send().await.expect(204);
    let erase = app.delete(format!("/api/users/{alice}?mode=erase")).bearer(&root);
    erase.send().await.expect(200);
    let left = "select (select count(*) from registrations) + (select count(*) from mails)";
    assert_eq!((app.count(left).await, mailbox.mails().await.len()), (0, 0));
}
