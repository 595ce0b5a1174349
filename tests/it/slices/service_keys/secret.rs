//! The secret that they are sealed under.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{command_with, refused, said};
use crate::harness::TestApp;
use crate::harness::app::{PASSWORD, SECRET};
use crate::harness::process::{Service, url};

/// How a node, or a command, has the secrets.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn one(secret: [u8; 32]) -> Self {
        Self(vec![("BAILIWICK_SECRET_KEY", STANDARD.encode(secret))])
    }
    fn changing(new: [u8; 32], old: [u8; 32]) -> Self {
        let old = ("BAILIWICK_SECRET_KEY_OLD", STANDARD.encode(old));
        Self(Self::one(new).0.into_iter().chain([old]).collect())
    }
    fn settings(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

const OLD: [u8; 32] = SECRET;
const NEW: [u8; 32] = [9; 32];

/// A node over HTTP.
struct Node(Service);

impl Node {
    async fn start(app: &TestApp, secrets: Secrets) -> Self {
        let url = url(&app.options);
        let started = tokio::task::spawn_blocking(move || {
            let of_all = [
                ("DATABASE_URL", url.as_str()),
                ("BAILIWICK_ISSUER", "http://test"),
                ("BAILIWICK_RATE_LIMITS", "off"),
                ("BAILIWICK_DATABASE_POOL", "4"),
            ];
            Service::start(&[&of_all[..], &secrets.settings()].concat())
        });
        Self(started.await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let call = reqwest::Client::new().post(format!("{}{path}", self.0.base)).json(&body);
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn sign_in(&self) -> Value {
        let body = json!({ "username": "alice", "password": PASSWORD });
        let (status, pair) = self.post("/api/auth/login", body).await;
        assert_eq!(status, 200, "{pair}");
        pair
    }

    async fn refresh(&self, pair: &Value) -> (u16, Value) {
        self.post("/api/auth/refresh", json!({ "refreshToken": pair["refreshToken"] })).await
    }

    async fn readiness(&self) -> (u16, Value) {
        let answer = reqwest::get(format!("{}/readyz", self.0.base)).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A page of one, by its cursor or the first.
    async fn page(&self, pair: &Value, cursor: Option<&Value>) -> (u16, Value) {
        let mut url = format!("{}/api/users?limit=1", self.0.base);
        if let Some(cursor) = cursor {
            url = format!("{url}&cursor={}", cursor.as_str().unwrap());
        }
        let token = pair["accessToken"].as_str().unwrap();
        let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn rotate(app: &TestApp, secrets: &Secrets, more: &[&str]) -> std::process::Output {
    command_with(app, &[&["secret", "rotate"], more].concat(), &secrets.settings())
}

async fn stage() -> TestApp {
    let app = TestApp::start().await;
    app.account("alice", true).await;
    app.account("bob", false).await;
    app
}

/// Node by node, as the help of the command says; whoever is signed in notices nothing.
#[tokio::test]
async fn the_secret_is_changed_while_the_service_runs() {
    let app = stage().await;
    let old = Node::start(&app, Secrets::one(OLD)).await;
    let pair = old.sign_in().await;
    let (_, page) = old.page(&pair, None).await;
    let cursor = &page["nextCursor"];
    let both = Node::start(&app, Secrets::changing(NEW, OLD)).await;
    // What one node gives, the other takes, before anything is sealed anew.
    let (status, pair) = both.refresh(&pair).await;
    assert_eq!(status, 200, "{pair}");
    assert_eq!(old.page(&pair, Some(cursor)).await.0, 200);
    assert_eq!(both.page(&pair, Some(cursor)).await.0, 200);

    let told = said(&rotate(&app, &Secrets::changing(NEW, OLD), &[]));
    assert!(told.contains("3 keys are sealed under this secret key"), "{told}");
    // Whoever has the secret before could make these.
    assert_eq!(told.matches("bailiwick keys retire ").count(), 2, "{told}");
    let new = Node::start(&app, Secrets::one(NEW)).await;
    assert_eq!(new.page(&pair, Some(cursor)).await.0, 200);
    assert_eq!(both.page(&pair, Some(cursor)).await.0, 200);
    let (status, pair) = new.refresh(&pair).await;
    assert_eq!(status, 200, "{pair}");
    // Who was forgotten has an hour: nothing is made with what it cannot open.
    assert_eq!(old.page(&pair, Some(cursor)).await.0, 200);
    assert_eq!(old.readiness().await.0, 200);
    assert_eq!(both.refresh(&pair).await.0, 200);

    let again = said(&rotate(&app, &Secrets::one(NEW), &[]));
    assert!(again.contains("already"), "{again}");
    let count = "select count(*) from audit_events where action = 'secret_rotated'
                   and details = '{\"sealed\": 3, \"replaced\": false}'";
    assert_eq!(app.count(count).await, 1);
}

/// A node that has the earlier secret only goes on to whatever is changed meanwhile.
#[tokio::test]
async fn keys_that_are_made_meanwhile_are_for_all_nodes() {
    let app = stage().await;
    let list = |secrets: Secrets| command_with(&app, &["keys", "list"], &secrets.settings());
    said(&list(Secrets::one(OLD)));
    let both = Secrets::changing(NEW, OLD);
    said(&command_with(&app, &["keys", "rotate"], &both.settings()));
    let doctor = command_with(&app, &["doctor"], &both.settings());
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("warning keys") && doctor.contains("secret rotate"), "{doctor}");
    said(&list(Secrets::one(OLD)));
    said(&rotate(&app, &both, &[]));
    said(&command_with(&app, &["keys", "rotate", "--now"], &both.settings()));
    let table = said(&list(Secrets::one(NEW)));
    assert_eq!(table.matches("signing").count(), 2, "{table}");
}

/// With another secret nothing starts, and nothing is changed.
#[tokio::test]
async fn what_another_secret_seals_is_not_opened() {
    let app = stage().await;
    said(&rotate(&app, &Secrets::one(OLD), &[]));
    let before = app.digest().await;
    for arguments in [&["keys", "list"][..], &["serve"], &["secret", "rotate"]] {
        let said = refused(&command_with(&app, arguments, &Secrets::one(NEW).settings()));
        for wanted in ["BAILIWICK_SECRET_KEY_OLD", "secret rotate --replace"] {
            assert!(said.contains(wanted), "{said}");
        }
        assert!(!said.contains(&STANDARD.encode(NEW)), "{said}");
    }
    assert_eq!(app.digest().await, before);
    let doctor = command_with(&app, &["doctor"], &Secrets::one(NEW).settings());
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("FAILED  keys"), "{doctor}");
}

/// Whoever has the secret that leaked has nothing: all that it could make is refused.
#[tokio::test]
async fn when_all_keys_are_replaced_everybody_signs_in_again() {
    let app = stage().await;
    let old = Node::start(&app, Secrets::one(OLD)).await;
    let pair = old.sign_in().await;
    let (_, page) = old.page(&pair, None).await;
    let same = refused(&rotate(&app, &Secrets::one(OLD), &["--replace"]));
    assert!(same.contains("make another one first"), "{same}");
    assert_eq!(old.refresh(&pair).await.0, 200);
    // The old one is lost: nobody has to know it.
    let told = said(&rotate(&app, &Secrets::one(NEW), &["--replace"]));
    assert!(told.contains("Everybody has to sign in again"), "{told}");
    // A node that cannot open the new ones takes none of the earlier ones any more, and says so.
    let began = Instant::now();
    while old.page(&pair, None).await.0 != 401 {
        assert!(began.elapsed() < Duration::from_secs(30), "what leaked is still good");
    }
    assert_eq!(old.refresh(&pair).await.0, 401);
    let (status, told) = old.readiness().await;
    assert_eq!((status, &told["code"]), (503, &json!("unavailable")));
    assert!(told["checks"]["keys"].as_str().unwrap().contains("secret key"), "{told}");
    let node = Node::start(&app, Secrets::one(NEW)).await;
    assert_eq!(node.page(&pair, None).await.0, 401);
    let (status, body) = node.refresh(&pair).await;
    assert_eq!((status, &body["code"]), (401, &json!("session_revoked")));
    let anew = node.sign_in().await;
    assert_eq!(node.page(&anew, Some(&page["nextCursor"])).await.0, 400);
    assert_eq!(node.refresh(&anew).await.0, 200);
}

/// What is kept opens nothing without the secret.
#[tokio::test]
async fn no_private_key_is_in_the_database() {
    let app = stage().await;
    bailiwick::identity::service_keys::open(&app.app).await.unwrap();
    let kept: Vec<(String, Vec<u8>)> = sqlx::query_as("select purpose, sealed from service_keys")
        .fetch_all(&app.sql)
        .await
        .unwrap();
    assert_eq!(kept.len(), 3);
    for (purpose, sealed) in kept {
        // A nonce of 24 bytes, 32 that are encrypted, and 16 that show that nobody changed them.
        assert_eq!(sealed.len(), 24 + 32 + 16, "{purpose}");
        assert!(!sealed.windows(32).any(|bytes| bytes == OLD), "{purpose}");
    }
}
