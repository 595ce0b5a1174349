//! How often somebody may guess.

use std::collections::BTreeSet;

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::refresh::{refresh, signed_in};
use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::watched::Watched;

async fn attempt(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    app.post("/api/auth/login").json(body).send().await
}

async fn wrong(app: &TestApp, name: &str) -> Answer {
    attempt(app, name, "not-the-Password-1").await
}

/// In how many seconds one may try again.
#[track_caller]
fn locked(answer: &Answer) -> i64 {
    answer.refused(429, "account_locked");
    answer.header("retry-after").parse().unwrap()
}

async fn lock(app: &TestApp, name: &str) {
    for _ in 0..5 {
        wrong(app, name).await.refused(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn five_failures_lock_on_every_node_and_each_one_after_that_for_longer() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let node = app.another_node();
    for due in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
        if due == 30 {
            lock(&app, "alice").await;
        } else {
            wrong(&app, " ALICE ").await.refused(401, "invalid_credentials");
        }
        for at in [&node, &app] {
            let seconds = locked(&attempt(at, "alice", PASSWORD).await);
            assert!((due - 15..=due).contains(&seconds), "{seconds} of {due}");
        }
        app.clock.advance(Duration::seconds(due));
    }
    attempt(&node, "alice", PASSWORD).await.expect(200);
    // A success forgets all of it.
    lock(&app, "alice").await;
    assert!(locked(&attempt(&app, "alice", PASSWORD).await) <= 30);
}

#[tokio::test]
async fn a_day_without_a_failure_forgets_them() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    lock(&app, "alice").await;
    app.clock.advance(Duration::hours(25));
    app.run_jobs().await;
    assert_eq!(app.count("select count(*) from guesses").await, 0);
    lock(&app, "alice").await;
    assert!(locked(&wrong(&app, "alice").await) <= 30, "the first lock again");
}

/// Whoever is locked is told nothing but that: not whether there is such an account.
#[tokio::test]
async fn names_that_are_nobodys_are_locked_as_others_are() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let off = app.account("off", false).await;
    let disable = "update users set enabled = false where id = $1";
    sqlx::query(disable).bind(off).execute(&app.sql).await.unwrap();
    let mut seen = BTreeSet::new();
    for name in ["alice", "nobody", "off", "not a name at all"] {
        lock(&app, name).await;
        let mut answer = attempt(&app, name, PASSWORD).await;
        assert!(locked(&answer) > 15);
        let body = answer.body.as_object_mut().unwrap();
        body.remove("requestId");
        body.remove("detail");
        let headers: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        seen.insert(format!("{} {headers:?}", answer.body));
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    app.account("bob", false).await;
    attempt(&app, "bob", PASSWORD).await.expect(200);
}

/// Each attempt is noted before the password is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_at_once_five_are_looked_at() {
    let settings = [("BAILIWICK_RATE_LIMITS", "off"), ("BAILIWICK_PASSWORD_QUEUE", "100")];
    let app = TestApp::start_with(&settings).await;
    let node = app.another_node_with("BAILIWICK_PASSWORD_QUEUE", "100");
    app.account("alice", false).await;
    for name in ["alice", "nobody"] {
        let guesses = (0..50).map(|number| {
            let at = if number % 2 == 0 { &app } else { &node };
            async { wrong(at, name).await.code().to_owned() }
        });
        let codes = join_all(guesses).await;
        let looked_at = codes.iter().filter(|code| *code == "invalid_credentials").count();
        let locked = codes.iter().filter(|code| *code == "account_locked").count();
        assert_eq!((looked_at, locked), (5, 45), "{name}: {codes:?}");
    }
}

/// Whoever has the right password has not failed, though others try at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_passwords_at_once_lock_nobody() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    for _ in 0..5 {
        let all = join_all((0..5).map(|_| attempt(&app, "alice", PASSWORD))).await;
        assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    }
    assert_eq!(app.count("select count(*) from guesses").await, 0);
}

/// However slowly: a hundred wrong ones in a row, under whichever of its names, and the password is
/// good no more until it is reset. A right one before that forgets them.
#[tokio::test]
async fn a_hundred_failures_in_a_row_end_a_password() {
    let app = TestApp::start().await;
    let alice = app.account("alice", false).await;
    app.account("root", true).await;
    let names = ["alice", "alice@example.com"];
    let fail = async |times: usize| {
        for number in 0..times {
            wrong(&app, names[number % 2]).await.refused(401, "invalid_credentials");
            app.clock.advance(Duration::hours(1));
        }
    };
    fail(99).await;
    attempt(&app, "alice", PASSWORD).await.expect(200);
    let pair = signed_in(&app, "alice").await;
    fail(100).await;
    attempt(&app, "alice", PASSWORD).await.refused(401, "invalid_credentials");
    app.clock.advance(Duration::hours(25));
    let root = app.sign_in("root").await;
    let unlock = app.post("/api/auth/unlock").bearer(&root).json(json!({ "userId": alice }));
    unlock.send().await.expect(204);
    attempt(&app, "alice@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    let reasons = "select count(*) from audit_events where action = 'sign_in_failed'
                     and details ->> 'reason' = 'password_spent'";
    assert_eq!(app.count(reasons).await, 2);
    refresh(&app, &pair.refresh).await.expect(200);
    let token = app.reset_token(alice).await;
    let body = json!({ "token": token, "password": "quay-Lantrn-71x-moss" });
    app.post("/api/auth/password/reset").json(body).send().await.expect(204);
    attempt(&app, "alice", "quay-Lantrn-71x-moss").await.expect(200);
}

#[tokio::test]
async fn who_is_signed_in_stays_so_whatever_others_guess() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let pair = signed_in(&app, "alice").await;
    lock(&app, "alice").await;
    refresh(&app, &pair.refresh).await.expect(200);
}

#[tokio::test]
async fn a_sys_admin_lets_somebody_try_again() {
    let app = TestApp::start().await;
    let (alice, _) = (app.account("alice", false).await, app.account("root", true).await);
    let root = app.sign_in("root").await;
    lock(&app, "alice").await;
    let unlock = async |token: &str, user: Uuid| {
        app.post("/api/auth/unlock").bearer(token).json(json!({ "userId": user })).send().await
    };
    unlock(&root, Uuid::now_v7()).await.refused(404, "not_found");
    unlock(&root, alice).await.expect(204);
    let token = attempt(&app, "alice", PASSWORD).await.expect(200)["accessToken"].clone();
    unlock(token.as_str().unwrap(), alice).await.refused(403, "permission_denied");
    lock(&app, "alice").await;
    assert!(locked(&attempt(&app, "alice", PASSWORD).await) <= 30);
}

/// A session that somebody found open is no way to guess the password of its owner.
#[tokio::test]
async fn who_guesses_their_own_password_is_locked_there_only() {
    let app = TestApp::start().await;
    let alice = app.account("alice", false).await;
    let pair = signed_in(&app, "alice").await;
    let change = async |current: &str| {
        let body = json!({ "current": current, "password": "quay-Lantrn-71x" });
        app.put("/api/auth/password").bearer(&pair.access).json(body).send().await
    };
    for _ in 0..5 {
        change("not-the-Password-1").await.refused(401, "invalid_credentials");
    }
    assert!(locked(&change(PASSWORD).await) <= 30);
    let erase = app.delete(format!("/api/users/{alice}?mode=erase")).bearer(&pair.access);
    locked(&erase.json(json!({ "password": PASSWORD })).send().await);
    signed_in(&app, "alice").await;
    app.clock.advance(Duration::seconds(31));
    change(PASSWORD).await.expect(204);
}

#[tokio::test]
async fn who_floods_one_address_locks_out_nobody_else() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let from = async |name: &str, password: &str, address: &str| {
        let body = json!({ "username": name, "password": password });
        app.post("/api/auth/login").json(body).coming_from(address).send().await
    };
    let good = async |address: &str| from("alice", PASSWORD, address).await;
    for number in 0..99 {
        let name = format!("name-{}", number % 25);
        let refused = from(&name, "x", "2001:db8:0:1::7").await;
        refused.refused(401, "invalid_credentials");
        if number % 4 == 3 {
            app.clock.advance(Duration::seconds(1));
        }
    }
    good("2001:db8:0:1::8").await.expect(200);
    from("one-more", "x", "2001:db8:0:1::9").await.refused(401, "invalid_credentials");
    let answer = good("2001:db8:0:1::a").await;
    answer.refused(429, "too_many_requests");
    let seconds: i64 = answer.header("retry-after").parse().unwrap();
    assert!((890..=900).contains(&seconds), "{seconds}");
    for elsewhere in ["2001:db8:0:2::7", "203.0.113.7"] {
        good(elsewhere).await.expect(200);
    }
    app.clock.advance(Duration::minutes(15));
    good("2001:db8:0:1::7").await.expect(200);
    // Many failures of few names are somebody who forgot: those who get in after some.
    let there = "203.0.113.9";
    for number in 0..9 {
        app.account(&format!("few-{number}"), false).await;
    }
    for number in 0..27 {
        let name = format!("few-{}", number % 9);
        for _ in 0..4 {
            from(&name, "x", there).await.refused(401, "invalid_credentials");
        }
        from(&name, PASSWORD, there).await.expect(200);
    }
    good(there).await.expect(200);
    from("a-tenth", "x", there).await.refused(401, "invalid_credentials");
    good(there).await.refused(429, "too_many_requests");
}

/// Who has the right password meets those who guess at every moment: nobody is refused for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_and_wrong_ones_at_once_hinder_each_other_by_the_count_only() {
    let settings = [("BAILIWICK_RATE_LIMITS", "off"), ("BAILIWICK_PASSWORD_QUEUE", "100")];
    let app = TestApp::start_with(&settings).await;
    let node = app.another_node_with("BAILIWICK_PASSWORD_QUEUE", "100");
    app.account("alice", false).await;
    let mut seen = BTreeSet::new();
    for _ in 0..6 {
        let attempts = (0..8).map(|number| {
            let at = if number % 2 == 0 { &app } else { &node };
            let password = if number < 4 { PASSWORD } else { "not-the-Password-1" };
            async move {
                let answer = attempt(at, "alice", password).await;
                let code = if answer.status == 200 { "200" } else { answer.code() };
                (number < 4, code.to_owned())
            }
        });
        seen.extend(join_all(attempts).await);
        app.clock.advance(Duration::hours(25));
    }
    let may_be = [(true, "200"), (true, "account_locked"), (false, "invalid_credentials")];
    let may_be: BTreeSet<_> = may_be.into_iter().chain([(false, "account_locked")]).collect();
    let seen: BTreeSet<_> = seen.iter().map(|(right, code)| (*right, code.as_str())).collect();
    assert!(seen.is_subset(&may_be), "{seen:?}");
}

/// What a failure costs tells nothing of whose name it is, and neither does being locked.
#[tokio::test]
async fn a_failure_takes_the_same_statements_whoever_is_meant() {
    let app = TestApp::start_with(&[("BAILIWICK_RATE_LIMITS", "off")]).await;
    for name in ["alice", "off", "gone", "without"] {
        app.account(name, false).await;
    }
    let made_so = "update users set
          enabled = username <> 'off',
          password_hash = case when username <> 'without' then password_hash end,
          erased_at = case when username = 'gone' then now() end";
    sqlx::query(made_so).execute(&app.sql).await.unwrap();
    let watched = Watched::beside(&app);
    let mut failures = BTreeSet::new();
    let mut refusals = BTreeSet::new();
    for name in ["warm-up", "alice", "nobody", "off", "gone", "without", "not a name"] {
        for number in 0..7 {
            let answer = wrong(&watched.node, name).await;
            let asked = watched.asked().await;
            let statements: Vec<String> =
                asked.iter().map(|noted| format!("{:?}", noted.trip.statements())).collect();
            if name != "warm-up" {
                let seen = if number < 5 { &mut failures } else { &mut refusals };
                seen.insert(format!("{} {statements:?}", answer.code()));
            }
        }
    }
    assert_eq!((failures.len(), refusals.len()), (1, 1), "{failures:#?} {refusals:#?}");
}
