//! Requests whose body is held back until their right is gone. Nothing that was taken away is still
//! had by whoever began before: neither by a slow body, nor by what waits in between.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::connections::Listening;
use super::registration::CHOSEN;
use crate::harness::app::PASSWORD;
use crate::harness::held::Held;
use crate::harness::{TestApp, World};

/// Longer than a body may take to come without being asked about, by far: the service may be late
/// in beginning to wait for it.
const LONG: Duration = Duration::from_secs(1);

/// A request of which one byte is missing.
struct HeldBack {
    stream: TcpStream,
    last: u8,
}

impl HeldBack {
    async fn begin(
        listening: &Listening,
        (method, path): (Method, String),
        headers: &str,
        body: &Value,
    ) -> Self {
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let (begun, last) = body.as_bytes().split_at(body.len() - 1);
        let mut stream = listening.connect().await;
        stream.write_all(&[head.as_bytes(), begun].concat()).await.unwrap();
        Self { stream, last: last[0] }
    }

    /// Sends what is missing, late after whatever was done meanwhile; the status, and the whole
    /// answer.
    async fn finish(mut self, app: &TestApp) -> (u16, String) {
        let since = Instant::now();
        while since.elapsed() < LONG {
            app.get("/healthz").send().await.expect(200);
        }
        self.stream.write_all(&[self.last]).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

async fn account_exists(app: &TestApp, username: &str) -> bool {
    let found = "select count(*) from users where username = $1";
    let found = sqlx::query_scalar::<_, i64>(found).bind(username);
    found.fetch_one(&app.sql).await.unwrap() > 0
}

#[tokio::test]
async fn who_was_signed_out_meanwhile_gets_401_and_has_done_nothing() {
    let app = TestApp::start().await;
    let (alice, _) = (app.account("alice", false).await, app.account("root", true).await);
    let listening = Listening::start(&app).await;
    let (owner, thief) = (app.sign_in("alice").await, app.sign_in("alice").await);
    let (root, stolen) = (app.sign_in("root").await, app.sign_in("root").await);
    let wanted = (Method::POST, format!("/api/users/{alice}/email"));
    let email = json!({ "email": "thief@evil.example" });
    let wanted = HeldBack::begin(&listening, wanted, &bearer(&thief), &email).await;
    let made = json!({ "username": "mallory", "password": CHOSEN, "isSysAdmin": true });
    let users = (Method::POST, "/api/users".to_owned());
    let made = HeldBack::begin(&listening, users, &bearer(&stolen), &made).await;
    let change = json!({ "current": PASSWORD, "password": CHOSEN });
    app.put("/api/auth/password").bearer(&owner).json(change).send().await.expect(204);
    app.delete("/api/auth/sessions").bearer(&root).send().await.expect(204);
    for held_back in [wanted, made] {
        let (status, answer) = held_back.finish(&app).await;
        assert_eq!(status, 401, "{answer}");
    }
    assert_eq!(app.count("select count(*) from address_changes").await, 0);
    assert!(!account_exists(&app, "mallory").await);
}

#[tokio::test]
async fn who_may_do_less_meanwhile_has_done_nothing_more() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    let listening = Listening::start(app).await;
    let headers = format!("{}X-Mandate-Id: {}\r\n", bearer(&acme.admin.token), acme.id);
    let group = (Method::POST, format!("/api/mandates/{}/groups", acme.id));
    let group = HeldBack::begin(&listening, group, &headers, &json!({ "name": "Mine" })).await;
    let off = json!({ "enabled": false });
    world.root().patch(format!("/api/mandates/{}", acme.id), off).await.expect(200);
    let (status, answer) = group.finish(app).await;
    assert_eq!(status, 403, "{answer}");
    assert_eq!(app.count("select count(*) from groups where name = 'Mine'").await, 0);
}

/// Where nobody held anything back: what waits for the account's lock is asked about under it, and
/// what waited for a password's hash when it writes.
#[tokio::test]
async fn what_waited_for_a_lock_is_asked_about_under_it() {
    let app = TestApp::start().await;
    let alice: Uuid = app.account("alice", false).await;
    let token = app.sign_in("alice").await;
    let held = Held::account(&app, alice).await;
    let want = app.post(format!("/api/users/{alice}/email")).bearer(&token);
    let want = want.json(json!({ "email": "thief@evil.example" })).send();
    let meanwhile = async {
        held.waited_for_by(1).await;
        let ended = "update sessions set revoked_at = now()";
        sqlx::query(ended).execute(&app.sql).await.unwrap();
        held.release().await;
    };
    let (answer, ()) = tokio::join!(want, meanwhile);
    answer.refused(401, "unauthenticated");
    assert_eq!(app.count("select count(*) from address_changes").await, 0);
}
