//! `kill -9` at every moment of a request with an `Idempotency-Key`, on a database that stays:
//! afterwards there is one effect, and the same answer on every retry. With effects that nothing
//! else makes unique: the next version of a playbook, a booking.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use nix::sys::signal::Signal;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::effort::is_full;
use crate::harness::World;
use crate::harness::process::Service;
use crate::slices::bookings;

/// Where the service dies, and whether the effect is there afterwards.
const MOMENTS: [(&str, bool); 7] = [
    ("before_begin", false),
    ("after_claim", false),
    ("after_effect", false),
    ("after_audit_row", false),
    ("after_handler", false),
    ("before_commit", false),
    ("before_answer", true),
];
/// How often at each of them, where all rounds are played; half of the times a version, half a
/// booking.
const KILLS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_the_service_is_killed_there_is_one_effect_and_one_answer() {
    let stage = Arc::new(Stage::set().await);
    let mut moments = JoinSet::new();
    for (moment, lasts) in MOMENTS {
        let stage = stage.clone();
        moments.spawn(async move {
            let mut hits = 0;
            for round in 0..if is_full() { KILLS } else { 1 } {
                stage.killed(moment, lasts, round).await;
                hits += 1;
            }
            (moment, hits)
        });
    }
    let hits: BTreeMap<&str, u64> = moments.join_all().await.into_iter().collect();
    eprintln!("killed, and had one effect each: {hits:?}");
    assert_eq!(hits.len(), MOMENTS.len());
}

/// A service that stays up, and the world whose database it has.
struct Stage {
    world: World,
    survivor: Service,
    http: Client,
    playbook: String,
}

/// A request that could have two effects.
struct Attempt {
    path: String,
    instance: String,
    body: Value,
    key: String,
    count: &'static str,
}

/// Status, `Location`, body, and whether it was a repetition.
type Told = (StatusCode, String, String, bool);

impl Stage {
    async fn set() -> Self {
        let world = bookings::world().await;
        let app = &world.app;
        let admin = world.admin();
        let label = json!({
            "featureCode": "playbooks", "label": "Kept", "grantCreatorRole": "playbooks-admin",
        });
        let kept = admin.post("/api/features/instances", label).await.id();
        let rooms = json!({
            "userId": world.acme.admin.id, "roleIds": [world.acme.instance_role("bookings-admin")],
        });
        admin.post(world.acme.instance_path("/users"), rooms).await.expect(201);
        let playbook = json!({ "name": "kept", "title": "Kept" });
        let playbook = admin.clone().in_instance(kept).post("/api/playbooks", playbook).await.id();
        let survivor = Service::beside(app, None).await;
        Self { survivor, http: Client::new(), playbook: format!("{kept} {playbook}"), world }
    }

    /// One round: dies, is asked again by somebody else, and once more.
    async fn killed(&self, moment: &'static str, lasts: bool, round: u64) {
        let attempt = self.attempt(moment, round);
        let mut dying = Service::beside(&self.world.app, Some(moment)).await;
        let cut_off = self.send(&dying.base, &attempt).await;
        assert!(cut_off.is_none(), "{moment}: answered although it was to die: {cut_off:?}");
        let status = tokio::task::spawn_blocking(move || dying.ended()).await.unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{moment}: {status}");
        assert_eq!(
            self.effects(&attempt).await,
            i64::from(lasts),
            "{moment}: effects before the retry"
        );
        let first = self.answered(&attempt).await;
        assert_eq!((first.0, first.3), (StatusCode::CREATED, lasts), "{moment}: {first:?}");
        let second = self.answered(&attempt).await;
        assert_eq!(second, (first.0, first.1, first.2, true), "{moment}: the same answer again");
        assert_eq!(self.effects(&attempt).await, 1, "{moment}: effects after the retries");
    }

    fn attempt(&self, moment: &str, round: u64) -> Attempt {
        let key = format!("{moment} {round}");
        let (kept, playbook) = self.playbook.split_once(' ').unwrap();
        if round.is_multiple_of(2) {
            let count = "select count(*) from playbook_revisions where content = $1";
            let path = format!("/api/playbooks/{playbook}/versions");
            Attempt { path, instance: kept.to_owned(), body: json!({ "content": key }), key, count }
        } else {
            let count = "select count(*) from bookings where topic = $1";
            let (path, instance) =
                (bookings::LIST.to_owned(), self.world.acme.instance.to_string());
            Attempt { path, instance, body: bookings::request(json!({ "topic": key })), key, count }
        }
    }

    /// `None` where the connection broke.
    async fn send(&self, base: &str, attempt: &Attempt) -> Option<Told> {
        let acme = &self.world.acme;
        let request = self
            .http
            .post(format!("{base}{}", attempt.path))
            .bearer_auth(&acme.admin.token)
            .json(&attempt.body);
        let request = request
            .header("x-mandate-id", acme.id.to_string())
            .header("x-instance-id", &attempt.instance);
        // The request's id is that of the event: what was undone has none.
        let request = request
            .header("idempotency-key", &attempt.key)
            .header("x-request-id", attempt.key.replace(' ', "."));
        let answer = request.send().await.ok()?;
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        let (status, location, replayed) =
            (answer.status(), header("location"), header("idempotency-replayed") == "true");
        Some((status, location, answer.text().await.ok()?, replayed))
    }

    /// Asked of the service that lives, until the database has let go of what the dead one held.
    async fn answered(&self, attempt: &Attempt) -> Told {
        loop {
            let told = self
                .send(&self.survivor.base, attempt)
                .await
                .unwrap_or_else(|| panic!("the one that lives answers"));
            if !told.2.contains("idempotency_in_flight") {
                return told;
            }
            tokio::task::yield_now().await;
        }
    }

    /// How often the effect is there, with as many events.
    async fn effects(&self, attempt: &Attempt) -> i64 {
        let sql = &self.world.app.sql;
        let effects: i64 =
            sqlx::query_scalar(attempt.count).bind(&attempt.key).fetch_one(sql).await.unwrap();
        let events = "select count(*) from audit_events where request_id = $1";
        let events: i64 = sqlx::query_scalar(events)
            .bind(attempt.key.replace(' ', "."))
            .fetch_one(sql)
            .await
            .unwrap();
        assert_eq!(effects, events, "{}: each effect has its event", attempt.key);
        effects
    }
}
