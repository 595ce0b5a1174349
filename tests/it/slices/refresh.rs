//! Staying signed in: refresh tokens.

use std::collections::BTreeSet;

use chrono::Duration;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::join;

use super::rate_limits::limited;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::held::Held;
use crate::harness::jobs::let_go;
use crate::harness::{TestApp, World};

/// What a sign-in or a refresh gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

impl Pair {
    pub fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { access: text("accessToken"), refresh: text("refreshToken") }
    }
}

pub async fn signed_in(app: &TestApp, username: &str) -> Pair {
    let body = json!({ "username": username, "password": PASSWORD });
    Pair::of(&app.post("/api/auth/login").json(body).send().await.expect(200))
}

pub async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post("/api/auth/refresh").json(json!({ "refreshToken": token })).send().await
}

async fn is_alive(app: &TestApp, access: &str) -> bool {
    app.get("/api/features/my").bearer(access).send().await.status == 200
}

async fn events(app: &TestApp) -> i64 {
    app.count("select count(*) from audit_events where action = 'refresh_token_reused'").await
}

#[tokio::test]
async fn who_refreshes_stays_signed_in() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let node = app.another_node();
    let mut pair = signed_in(&app, "alice").await;
    for day in 1..=20 {
        app.clock.advance(Duration::days(1));
        assert!(!is_alive(&app, &pair.access).await, "an access token lasts a quarter of an hour");
        let answer = refresh(if day % 2 == 0 { &app } else { &node }, &pair.refresh).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let answer = answer.expect(200);
        assert_eq!((&answer["tokenType"], &answer["expiresIn"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(answer["refreshExpiresIn"], json!(7 * 86_400), "on day {day}");
        let next = Pair::of(&answer);
        assert!(next.refresh.starts_with("bwr_") && next != pair);
        assert!(is_alive(&app, &next.access).await && is_alive(&node, &next.access).await);
        pair = next;
    }
    let me = app.get("/api/auth/me").bearer(&pair.access).send().await.expect(200);
    assert_eq!(me["username"], "alice");
    assert_eq!(events(&app).await, 0);
}

#[tokio::test]
async fn a_lost_answer_is_told_again_for_ten_seconds() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let node = app.another_node();
    let first = signed_in(&app, "alice").await;
    let second = Pair::of(&refresh(&app, &first.refresh).await.expect(200));
    app.clock.advance(Duration::seconds(8));
    let again = Pair::of(&refresh(&node, &first.refresh).await.expect(200));
    assert_eq!(again.refresh, second.refresh, "the same one");
    for pair in [&first, &second, &again] {
        assert!(is_alive(&app, &pair.access).await);
    }
    let third = Pair::of(&refresh(&app, &second.refresh).await.expect(200));
    assert!(is_alive(&app, &third.access).await);
    // Its successor is used: by whoever has that, and this is somebody else.
    refresh(&app, &first.refresh).await.refused(401, "session_revoked");
    assert!(!is_alive(&app, &third.access).await);
}

#[tokio::test]
async fn a_token_that_is_used_again_ends_the_session_on_every_node() {
    let app = TestApp::start().await;
    let id = app.account("alice", false).await;
    let (node, other) = (app.another_node(), signed_in(&app, "alice").await);
    let first = signed_in(&app, "alice").await;
    let second = Pair::of(&refresh(&app, &first.refresh).await.expect(200));
    assert!(is_alive(&node, &second.access).await);
    app.clock.advance(Duration::seconds(11));
    let answer = refresh(&node, &first.refresh).await;
    answer.refused(401, "session_revoked");
    for access in [&first.access, &second.access] {
        assert!(!is_alive(&app, access).await && !is_alive(&node, access).await);
    }
    for token in [&first.refresh, &second.refresh] {
        refresh(&app, token).await.refused(401, "session_revoked");
    }
    assert!(is_alive(&app, &other.access).await, "a sign-in elsewhere is another one");
    refresh(&app, &other.refresh).await.expect(200);
    let told: Vec<Value> = sqlx::query_scalar(
        "select jsonb_build_object('actor', actor_id, 'target', target_user_id,
           'platform', mandate_id is null, 'request', request_id)
         from audit_events where action = 'refresh_token_reused'",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    let request = answer.header("x-request-id");
    let due = json!({ "actor": null, "target": id, "platform": true, "request": request });
    assert_eq!(told, [due], "told once, and by nobody");
}

#[tokio::test]
async fn whatever_is_wrong_with_one_is_answered_alike() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let (pair, stranger) = (signed_in(&app, "alice").await, TestApp::start().await);
    stranger.account("alice", false).await;
    let used = signed_in(&app, "alice").await;
    let ended = signed_in(&app, "alice").await;
    let next = Pair::of(&refresh(&app, &used.refresh).await.expect(200));
    app.clock.advance(Duration::seconds(11));
    app.post("/api/auth/logout").bearer(&ended.access).send().await.expect(204);
    let changed = format!("{}{}", &pair.refresh[..40], &next.refresh[40..]);
    let tokens = [
        ("used", used.refresh),
        ("of a session that ended with it", next.refresh),
        ("of a session that was signed out", ended.refresh),
        ("another deployment's", signed_in(&stranger, "alice").await.refresh),
        ("two halves", changed),
        ("an access token", pair.access.clone()),
        ("cut off", pair.refresh[..pair.refresh.len() - 1].to_owned()),
        ("longer", format!("{}A", pair.refresh)),
        ("nothing", String::new()),
        ("much", "bwr_".repeat(10_000)),
    ];
    let mut seen = BTreeSet::new();
    for (what, token) in tokens {
        let mut answer = refresh(&app, &token).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "session_revoked"), "{what}");
        answer.body.as_object_mut().unwrap().remove("requestId");
        let headers: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        seen.insert(format!("{} {headers:?}", answer.body));
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    let secret = &pair.refresh;
    let call = app.post("/api/auth/refresh");
    call.json(json!({ "token": secret })).send().await.refused(422, "unknown_field");
    let keyed = app.post("/api/auth/refresh").header("idempotency-key", "k");
    let keyed = keyed.json(json!({ "refreshToken": secret })).send().await;
    keyed.refused(400, "idempotency_not_supported");
    refresh(&app, secret).await.expect(200);
}

#[tokio::test]
async fn a_session_that_rests_or_lasts_too_long_is_over() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let resting = signed_in(&app, "alice").await;
    let mut pair = signed_in(&app, "alice").await;
    app.clock.advance(Duration::days(7) - Duration::minutes(1));
    pair = Pair::of(&refresh(&app, &pair.refresh).await.expect(200));
    app.clock.advance(Duration::minutes(2));
    refresh(&app, &resting.refresh).await.refused(401, "session_revoked");
    for _ in 0..3 {
        app.clock.advance(Duration::days(6));
        pair = Pair::of(&refresh(&app, &pair.refresh).await.expect(200));
    }
    // Signed in 25 days ago: the rest is less than a week.
    let answer = refresh(&app, &pair.refresh).await.expect(200);
    let seconds = answer["refreshExpiresIn"].as_i64().unwrap();
    assert!((4 * 86_400..5 * 86_400 + 60).contains(&seconds), "{seconds}");
    app.clock.advance(Duration::seconds(seconds - 60));
    let last = refresh(&app, &Pair::of(&answer).refresh).await.expect(200);
    let (access, left) = (last["expiresIn"].as_i64(), last["refreshExpiresIn"].as_i64());
    assert!(access == left && left.is_some_and(|left| left <= 60), "{last}");
    app.clock.advance(Duration::seconds(61));
    let last = Pair::of(&last);
    refresh(&app, &last.refresh).await.refused(401, "session_revoked");
    assert!(!is_alive(&app, &last.access).await);
    assert_eq!(events(&app).await, 0);
}

/// NIST SP 800-63B-4, 2.2.3.
#[tokio::test]
async fn a_sys_admin_signs_in_every_day_and_after_an_hour_of_rest() {
    let app = TestApp::start().await;
    app.account("root", true).await;
    let later = app.account("later", false).await;
    let mut pair = signed_in(&app, "root").await;
    let becomes = signed_in(&app, "later").await;
    let resting = signed_in(&app, "root").await;
    for _ in 0..30 {
        app.clock.advance(Duration::minutes(45));
        let answer = refresh(&app, &pair.refresh).await.expect(200);
        assert!(answer["refreshExpiresIn"].as_i64().unwrap() <= 3_600);
        pair = Pair::of(&answer);
    }
    refresh(&app, &resting.refresh).await.refused(401, "session_revoked");
    // 22 hours and a half are over.
    app.clock.advance(Duration::minutes(50));
    pair = Pair::of(&refresh(&app, &pair.refresh).await.expect(200));
    app.clock.advance(Duration::minutes(50));
    refresh(&app, &pair.refresh).await.refused(401, "session_revoked");
    // Whoever has become one since.
    let flag = "update users set is_sys_admin = true where id = $1";
    sqlx::query(flag).bind(later).execute(&app.sql).await.unwrap();
    refresh(&app, &becomes.refresh).await.refused(401, "session_revoked");
}

/// What is settings' affair.
#[tokio::test]
async fn how_long_sessions_last_can_be_set() {
    let settings = [
        ("BAILIWICK_RATE_LIMITS", "off"),
        ("BAILIWICK_SESSION_DAYS", "3"),
        ("BAILIWICK_SESSION_IDLE_DAYS", "2"),
    ];
    let app = TestApp::start_with(&settings).await;
    app.account("alice", false).await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let answer = app.post("/api/auth/login").json(body).send().await.expect(200);
    assert_eq!(answer["refreshExpiresIn"], json!(2 * 86_400));
    app.clock.advance(Duration::hours(47));
    let answer = refresh(&app, &Pair::of(&answer).refresh).await.expect(200);
    assert!(answer["refreshExpiresIn"].as_i64().unwrap() <= 25 * 3_600);
}

/// Two tabs of one browser refresh at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_given_the_same() {
    let app = TestApp::start().await;
    let id = app.account("alice", false).await;
    let node = app.another_node();
    let pair = signed_in(&app, "alice").await;
    let held = Held::sessions_of(&app, id).await;
    let (one, other, ()) =
        join!(refresh(&app, &pair.refresh), refresh(&node, &pair.refresh), async {
            held.waited_for_by(2).await;
            held.release().await;
        });
    let (one, other) = (Pair::of(&one.expect(200)), Pair::of(&other.expect(200)));
    assert_eq!(one.refresh, other.refresh);
    assert!(is_alive(&node, &one.access).await && is_alive(&app, &other.access).await);
    refresh(&app, &one.refresh).await.expect(200);
    assert_eq!(events(&app).await, 0);
}

/// A refresh that waits while the account is disabled, or its sessions are ended, ends in no token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_begun_before_the_end_gives_nothing() {
    for action in ["user_updated", "sessions_ended"] {
        let world = World::new().await;
        let (app, person) = (&world.app, &world.acme.member);
        let pair = signed_in(app, &person.name).await;
        let used = signed_in(app, &person.name).await;
        refresh(app, &used.refresh).await.expect(200);
        let (root, path) = (world.root(), format!("/api/users/{}", person.id));
        let holder = app.hold_at(action).await;
        let ending = async {
            match action {
                "user_updated" => root.patch(path, json!({ "enabled": false })).await,
                _ => root.delete(format!("{path}/sessions")).await,
            }
        };
        let (ended, (fresh, again)) = join!(ending, async {
            app.until_waiting(1).await;
            let release = async {
                app.until_waiting(3).await;
                let_go(holder).await;
            };
            let (fresh, again, ()) =
                join!(refresh(app, &pair.refresh), refresh(app, &used.refresh), release);
            (fresh, again)
        });
        assert!(ended.status.is_success(), "{action}: {}", ended.body);
        fresh.refused(401, "session_revoked");
        again.refused(401, "session_revoked");
    }
}

#[tokio::test]
async fn each_session_has_a_budget_and_refused_ones_have_their_address() {
    let app = limited(&[("BAILIWICK_RATE_LIMIT_AUTH_ADDRESS", "3")]).await;
    app.account("alice", false).await;
    let mut pair = signed_in(&app, "alice").await;
    // The sign-in took one of the address.
    let unreadable = app.post("/api/auth/refresh").raw("application/json", "{").send().await;
    unreadable.refused(400, "malformed_json");
    for due in [401, 429, 429] {
        assert_eq!(refresh(&app, "bwr_nonsense").await.status.as_u16(), due);
    }
    let unreadable = app.post("/api/auth/refresh").raw("application/json", "{").send().await;
    unreadable.refused(429, "too_many_requests");
    for _ in 0..5 {
        pair = Pair::of(&refresh(&app, &pair.refresh).await.expect(200));
    }
    let app = limited(&[("BAILIWICK_RATE_LIMIT_AUTH", "10")]).await;
    app.account("alice", false).await;
    app.account("bob", false).await;
    let (mut pair, other) = (signed_in(&app, "alice").await, signed_in(&app, "bob").await);
    for _ in 0..10 {
        pair = Pair::of(&refresh(&app, &pair.refresh).await.expect(200));
    }
    refresh(&app, &pair.refresh).await.refused(429, "too_many_requests");
    refresh(&app, &other.refresh).await.expect(200);
}

/// Who has which refresh token, and what becomes of the session: somebody honest refreshes when
/// they need to, and somebody else has stolen one of their tokens at some moment.
#[derive(Debug, Default)]
struct Theft {
    honest: Option<Pair>,
    thief: Option<Pair>,
    /// Whoever came second was refused.
    both_used: bool,
}

/// Whatever both do, and whenever: two holders do not go on side by side. As soon as each has used
/// what the other used before, longer ago than answers are told again, neither has a session; and
/// as long as nobody stole anything, the honest one always has.
#[tokio::test]
async fn a_thief_and_the_owner_do_not_both_go_on() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let node = app.another_node();
    let (mut ended, mut lasting) = (0, 0);
    for seed in 0..60 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut theft = Theft { honest: Some(signed_in(&app, "alice").await), ..Theft::default() };
        let steals = random.random_bool(0.6);
        for step in 0..14 {
            let seconds = [0, 3, 11, 60, 900][random.random_range(0..5)];
            app.clock.advance(Duration::seconds(seconds));
            let at = if random.random_bool(0.5) { &app } else { &node };
            if steals && theft.thief.is_none() && random.random_bool(0.3) {
                theft.thief.clone_from(&theft.honest);
            }
            let by_thief = theft.thief.is_some() && random.random_bool(0.5);
            let holder = if by_thief { &mut theft.thief } else { &mut theft.honest };
            let Some(pair) = holder.clone() else { continue };
            let answer = refresh(at, &pair.refresh).await;
            *holder = answer.status.is_success().then(|| Pair::of(&answer.body));
            let told = format!("seed {seed}, step {step}: {}", answer.body);
            if theft.thief.is_none() && !steals {
                assert!(answer.status.is_success(), "{told}");
            }
            if !answer.status.is_success() {
                // Whoever is refused has ended it for the other.
                let other = if by_thief { &theft.honest } else { &theft.thief };
                if let Some(pair) = other {
                    assert!(!is_alive(&app, &pair.access).await, "{told}");
                    refresh(at, &pair.refresh).await.refused(401, "session_revoked");
                }
                theft.both_used = true;
                break;
            }
        }
        *(if theft.both_used { &mut ended } else { &mut lasting }) += 1;
        // Long after, at most one of them has something that is good: they part as soon as both
        // have refreshed once more.
        app.clock.advance(Duration::minutes(1));
        let (mut alive, holders) = (0, [theft.honest, theft.thief]);
        for pair in holders.iter().flatten() {
            let answer = refresh(&app, &pair.refresh).await;
            app.clock.advance(Duration::seconds(11));
            alive = if answer.status.is_success() { alive + 1 } else { 0 };
        }
        assert!(alive <= 1, "seed {seed}: both go on");
    }
    assert!(ended > 20 && lasting > 15, "{ended} ended, {lasting} went on");
}

/// Being made less brings nothing back.
#[tokio::test]
async fn a_session_that_was_over_stays_over_when_its_sys_admin_is_one_no_more() {
    let app = TestApp::start().await;
    let alice = app.account("alice", true).await;
    app.account("root", true).await;
    let old = signed_in(&app, "alice").await;
    app.clock.advance(Duration::hours(2));
    refresh(&app, &old.refresh).await.refused(401, "session_revoked");
    let present = signed_in(&app, "alice").await;
    let root = app.sign_in("root").await;
    let demote = app.patch(format!("/api/users/{alice}")).bearer(&root);
    demote.json(json!({ "isSysAdmin": false })).send().await.expect(200);
    refresh(&app, &old.refresh).await.refused(401, "session_revoked");
    refresh(&app, &present.refresh).await.expect(200);
}
