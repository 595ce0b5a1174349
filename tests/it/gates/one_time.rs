//! Nothing is decided by reading a clock twice. Whether a request is let in has one time, what is
//! done then another, which in a change is that of its locks; and what is decided once a password
//! was hashed that of then. Every case of every operation is played by a node whose clock notes
//! when it is read; and the sources say where that may be. (Who erases themselves takes a password
//! too: that is tried with a wrong one.)

use std::collections::BTreeMap;

use axum::http::Method;
use bailiwick::kernel::clock::Clock;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::architecture::code;
use super::cases::Case;
use super::once::is_kept;
use super::operations::Operation;
use super::sources::sources;
use super::stage::{Approach, Ground, call, on_grounds_with};
use crate::harness::held::Held;
use crate::harness::timed::Timed;
use crate::harness::{TestApp, World};

/// Far more than anything takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Operations that decide once more, each time at one time, and why.
const MORE: [(&str, usize, &str); 7] = [
    ("login", 2, "whether somebody may try, and what became of it once the password was hashed"),
    ("change_password", 3, "the same, of a caller who was let in before"),
    ("step_up", 3, "the same"),
    ("register_user", 2, "whether the username is free, and once more when it is taken"),
    ("verify_address", 2, "whether a token is good, and once more when it is used up"),
    ("reset_password", 2, "the same"),
    ("accept_invitation", 3, "the same, and in between whether it would be given"),
];

/// How often the operation may read the clock.
fn most(operation: &Operation) -> usize {
    let more = MORE.iter().find(|(id, ..)| *id == operation.id).map(|(_, times, _)| *times);
    more.unwrap_or(if operation.is_public() { 1 } else { 2 })
}

/// A way to call a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plainly,
    /// With an `Idempotency-Key`.
    WithKey,
    /// A public operation with a token, which is looked at before anybody knows that it says
    /// nothing: a visitor's time is their own.
    WithToken,
}

impl Way {
    fn all(operation: &Operation, case: &Case) -> Vec<Self> {
        let with_key = is_kept(operation, case).then_some(Self::WithKey);
        let with_token = operation.is_public().then_some(Self::WithToken);
        [Some(Self::Plainly), with_key, with_token].into_iter().flatten().collect()
    }

    fn approach(self, ground: &Ground, operation: &Operation, case: &Case) -> Approach {
        let rightful = ground.rightful(operation, case);
        match self {
            Self::Plainly if operation.is_public() => Approach::nobody(),
            Self::WithKey => Approach { key: Some("the key"), ..rightful },
            Self::Plainly | Self::WithToken => rightful,
        }
    }
}

/// How often it was read in the calls of a case: the most of them, and what is wrong with them.
struct Played {
    operation: String,
    most_read: usize,
    faults: Vec<String>,
}

#[test]
fn each_decision_has_one_time_and_a_change_that_of_its_locks() {
    let played = on_grounds_with(|ground| Timed::beside(&ground.world.app), play);
    let mut faults: Vec<String> = Vec::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for one in played {
        faults.extend(one.faults);
        let most = times.entry(one.operation).or_default();
        *most = (*most).max(one.most_read);
    }
    for (operation, due, _) in MORE {
        if times.get(operation) != Some(&due) {
            faults.push(format!("{operation} decides no oftener than others: take it out"));
        }
    }
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
    let read = times.values().filter(|times| **times > 0).count();
    assert!(read >= 100, "only {read} operations read the clock");
}

/// Calls a case in every way, and each time once more: what is refused, or answered again, has one
/// time too.
async fn play(ground: &Ground, timed: &Timed, operation: &Operation, case: &Case) -> Played {
    let (mut most_read, mut faults) = (0, Vec::new());
    for way in Way::all(operation, case) {
        let names = ground.stage_for(case, &ground.world.acme).await;
        let approach = way.approach(ground, operation, case);
        for attempt in ["first", "second"] {
            timed.read();
            let answer = call(&timed.node, operation, case, &names, &approach).await;
            if attempt == "first" {
                assert_eq!(
                    answer.status.as_u16(),
                    case.status,
                    "{}: {}",
                    case.title(),
                    answer.body
                );
            }
            let mut read = timed.read();
            let title = format!("{} ({way:?}, {attempt} call)", case.title());
            // The token's own, which decides nothing about a visitor.
            let of_the_token =
                if way == Way::WithToken { read.drain(..1).collect() } else { vec![] };
            if read.len() > most(operation) {
                faults.push(format!("{title} reads the clock {} times", read.len()));
            }
            most_read = most_read.max(read.len());
            let earlier = &read[..read.len().saturating_sub(1)];
            for place in bearing(&timed.node, &[&of_the_token, earlier].concat()).await {
                faults.push(format!("{title}: {place} bears a time before that of its decision"));
            }
        }
        ground.mend().await;
    }
    Played { operation: operation.id.clone(), most_read, faults }
}

/// The columns in which one of these times was written.
async fn bearing(app: &TestApp, times: &[DateTime<Utc>]) -> Vec<String> {
    if times.is_empty() {
        return Vec::new();
    }
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select c.table_name::text, c.column_name::text from information_schema.columns c
         join information_schema.tables t using (table_schema, table_name)
         where c.table_schema = 'bailiwick' and t.table_type = 'BASE TABLE'
           and c.data_type = 'timestamp with time zone'",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    assert!(columns.len() >= 40, "only {} columns are times", columns.len());
    let looks: Vec<String> = columns
        .iter()
        .map(|(table, column)| {
            format!("select '{table}.{column}' from {table} where {column} = any($1)")
        })
        .collect();
    let look = AssertSqlSafe(looks.join(" union "));
    sqlx::query_scalar(look).bind(times).fetch_all(&app.sql).await.unwrap()
}

/// Whoever typed a wrong password is told of when it was found wrong: later than they were let try,
/// so that who was not heard of for long has failed once.
#[tokio::test]
async fn a_wrong_password_is_told_of_when_it_was_found_wrong() {
    let world = World::new().await;
    let timed = Timed::beside(&world.app);
    let (node, member) = (&timed.node, &world.acme.member);
    let wrong = "quiet-Harbour-58-lantern";
    let sign_in = json!({ "username": member.name, "password": wrong });
    let change = json!({ "current": wrong, "password": "drifting-Lantern-71-quay" });
    let own = format!("/api/users/{}?mode=erase", member.id);
    let calls = [
        node.post("/api/auth/login").json(sign_in),
        node.put("/api/auth/password").bearer(&member.token).json(change),
        node.delete(own).bearer(&member.token).json(json!({ "password": wrong })),
    ];
    for call in calls {
        timed.read();
        call.send().await.refused(401, "invalid_credentials");
        // It is noted after the answer where that takes long.
        let (mut read, noted) =
            (Vec::new(), "select count(*) from guesses where $1 = any(failed_at)");
        let is_noted = async {
            loop {
                read.extend(timed.read());
                let found = sqlx::query_scalar::<_, i64>(noted).bind(read.last());
                if found.fetch_one(&node.sql).await.unwrap() == 1 {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, is_noted).await.unwrap_or_else(|_| panic!("nobody is told"));
        let [.., let_try, _] = read[..] else { panic!("{read:?}") };
        assert_eq!(bearing(node, &[let_try]).await, [""; 0]);
    }
}

/// Under the locks it is later than when the request got in line: what is written bears that time.
#[tokio::test]
async fn a_change_is_made_when_it_has_its_locks() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    let as_admin =
        |path: String| app.call(Method::PATCH, path).bearer(&acme.admin.token).mandate(acme.id);
    let changes = [
        as_admin(format!("/api/mandates/{}/users/{}", acme.id, acme.member.id))
            .json(json!({ "enabled": false })),
        as_admin(acme.instance_path("")).json(json!({ "label": "Later" })),
        app.call(Method::PATCH, format!("/api/mandates/{}", acme.id))
            .bearer(&world.sys_admin.token)
            .json(json!({ "language": "de" })),
    ];
    let told = "select count(*) from audit_events where at > $1";
    for call in changes {
        let held = Held::mandate(app, acme.id).await;
        let answered = call.send();
        let later = async {
            held.waited_for_by(1).await;
            app.clock.advance(Duration::minutes(1));
            let later = app.clock.now();
            held.release().await;
            later
        };
        let (answer, later) = tokio::join!(answered, later);
        answer.expect(200);
        let told = sqlx::query_scalar::<_, i64>(told).bind(later - Duration::seconds(1));
        assert!(told.fetch_one(&app.sql).await.unwrap() > 0, "told at the time of the guard");
        app.clock.advance(Duration::minutes(1));
    }
}

/// What reads a clock, or begins another time. The last four are the database's own.
const READS: [&str; 13] = [
    "clock.now()",
    "Clock.now()",
    ".moment()",
    ".anew()",
    "Moment::of(",
    "Visitor::new(",
    "SystemContext::unattended(",
    "Utc::now()",
    "SystemTime::now()",
    " now()",
    "(now()",
    "clock_timestamp",
    "current_timestamp",
];

/// Where that is done, how often, and why there.
const WHERE: [(&str, usize, &str); 39] = [
    ("kernel/clock.rs", 2, "the clock itself, and that of tests over it"),
    ("context/moment.rs", 1, "a moment reads it once"),
    ("context/services.rs", 1, "hands out moments"),
    ("context/caller.rs", 1, "gives out another time, to whoever says why"),
    ("context/visitor.rs", 2, "the same; and a visitor is nobody yet, with a time of their own"),
    ("context/guest.rs", 1, "the same"),
    ("context/authorize/guest.rs", 1, "the same"),
    ("context/invited.rs", 1, "decides under its locks"),
    ("tenancy/invitations/accept_routes.rs", 1, "why nothing came of it is noted afterwards"),
    ("context/system.rs", 3, "the same; and a command or a job begins with its context"),
    ("context/impersonation.rs", 1, "a request is noted when it is answered"),
    ("context/change.rs", 2, "decides under its locks, with a caller or without one"),
    ("context/authorize/facts.rs", 1, "whoever was let in acts when their body has come"),
    ("context/authorize/member.rs", 1, "a first use is noted on the way in"),
    ("http/mod.rs", 1, "a request begins"),
    ("http/guard.rs", 1, "whose body was long in coming is asked about once more"),
    ("cli/doctor.rs", 2, "compares the system's clock with the database's"),
    ("identity/auth/routes.rs", 1, "a password was hashed since somebody was let try"),
    ("identity/users/own_password.rs", 1, "the same"),
    ("identity/passwords/reset_routes.rs", 1, "a password was hashed since a token was good"),
    ("identity/registration/confirm_routes.rs", 1, "the same"),
    ("identity/registration/routes.rs", 1, "the same since a username was free"),
    ("identity/users/import_routes.rs", 1, "each line of a file is a decision of its own"),
    ("identity/sessions/seen.rs", 1, "one context for each round"),
    ("tenancy/limits/nodes.rs", 3, "the same"),
    ("tenancy/limits/node_store.rs", 6, "whether a node is there: nodes' clocks may differ"),
    ("tenancy/catalogue/builtin.rs", 1, "one context for the start"),
    ("platform/jobs/courier.rs", 1, "one context for each claim, and for each conclusion"),
    ("platform/jobs/scheduler.rs", 3, "the same; and a job is due again from when it ended"),
    ("platform/ops/routes.rs", 1, "tells until when a text may be believed, and has no context"),
    ("seeds/open.rs", 1, "one context for the command"),
    ("seeds/demo/mod.rs", 3, "one context for each step of the command"),
    ("seeds/load.rs", 1, "one context for the command"),
    ("identity/service_keys/mod.rs", 3, "one context for each round, and for a check"),
    ("cli/user.rs", 1, "one context for the command"),
    ("cli/keys.rs", 1, "one context for the command"),
    ("cli/secret.rs", 1, "one context for the command"),
    ("cli/rotate_password.rs", 1, "one context for the command"),
    ("cli/set_password.rs", 1, "one context for the command"),
];

/// How often a file reads a clock or begins another time, comments and unit tests aside.
fn reads(text: &str) -> usize {
    let (code, joined) = (code(text), code(text).split_whitespace().collect::<String>());
    let count = |read: &&str| {
        // What belongs to SQL stands in texts, which are not to be joined.
        let text = if read.starts_with(' ') { &code } else { &joined };
        text.matches(*read).count()
    };
    READS.iter().map(count).sum()
}

#[test]
fn a_clock_is_read_and_a_time_begun_where_it_is_said_why() {
    let found: BTreeMap<String, usize> = sources("src")
        .into_iter()
        .map(|(path, text)| (path, reads(&text)))
        .filter(|(_, reads)| *reads > 0)
        .collect();
    let said = WHERE.iter().map(|(path, times, _)| ((*path).to_owned(), *times)).collect();
    assert_eq!(found, said, "take the context's `now()`, or say here why it is another time");
}

/// The test of the test.
#[test]
fn another_reading_is_found_however_it_is_written() {
    for line in [
        "let now = services.clock.now();",
        "let now = self\n    .clock\n    .now();",
        "let now = SystemClock.now();",
        "let later = caller.anew();",
        "let now = app.services().moment().now();",
        "let now = Utc::now();",
        "update sessions set revoked_at = now()",
    ] {
        assert_eq!(reads(line), 1, "{line}");
    }
    for line in
        ["let now = context.now();", "// let now = clock.now();", "let now = Instant::now();"]
    {
        assert_eq!(reads(line), 0, "{line}");
    }
}
