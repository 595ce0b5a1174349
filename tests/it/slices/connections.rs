//! What a client cannot do to others by its connections alone, over real sockets: slow, silent,
//! oversized and too many ones. And how the service stops.

use std::net::SocketAddr;
use std::time::Duration;

use bailiwick::context::{RequestMeta, SystemContext};
use bailiwick::http::server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::gates::effort::is_full;
use crate::harness::held::Held;
use crate::harness::{TestApp, World};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service that listens.
pub(super) struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Listening {
    pub async fn start(app: &TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (app, service) = (app.app.clone(), app.service.clone());
        let server = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server::serve(&app, service, listener, stopped).await;
        });
        Self { address, stop, server }
    }

    async fn with(environment: &[(&str, &str)]) -> Self {
        let settings = [&[("BAILIWICK_RATE_LIMITS", "off")], environment].concat();
        Self::start(&TestApp::start_with(&settings).await).await
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Another client's request, on a connection of its own.
    async fn serves_others(&self) {
        assert!(
            self.ask("GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
    }

    /// Sends all of it at once and reads to the end.
    pub async fn ask(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        // Whoever is refused early may not be read to the end.
        let _ = stream.write_all(text.as_bytes()).await;
        read_to_end(&mut stream).await
    }
}

/// What comes until the connection ends, however it ends.
pub(super) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let all = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = all.unwrap_or_else(|_| panic!("the connection stays open"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Status and problem code of an answer.
fn told(answer: &str) -> (u16, String) {
    let status =
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let code = serde_json::from_str::<Value>(body)
        .ok()
        .and_then(|body| Some(body["code"].as_str()?.to_owned()));
    (status, code.unwrap_or_default())
}

#[tokio::test]
async fn slow_and_silent_clients_are_hung_up_on_while_others_are_served() {
    let listening = Listening::with(&[("BAILIWICK_HEADER_TIMEOUT_SECONDS", "1")]).await;
    // Nothing at all, half a word in either HTTP, and headers without an end.
    for said in ["", "GE", "PRI * HT", "GET /healthz HTTP/1.1\r\nHost: b\r\nX-Slow: "] {
        let mut slow = listening.connect().await;
        slow.write_all(said.as_bytes()).await.unwrap();
        listening.serves_others().await;
        assert_eq!(read_to_end(&mut slow).await, "", "{said:?}");
    }
    // A letter every now and then does not help: it is the headers as a whole that have so long.
    let mut slow = listening.connect().await;
    let (mut reading, mut writing) = slow.split();
    writing.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if writing.write_all(b"X-Slow: 1\r\n").await.is_err() {
                return;
            }
        }
    };
    let mut bytes = Vec::new();
    let closed = async {
        tokio::time::timeout(PATIENCE, reading.read_to_end(&mut bytes))
            .await
            .unwrap_or_else(|_| panic!("not hung up on"))
            .map(|_| ())
    };
    tokio::select! { _ = closed => {}, () = trickle => {} }
    assert_eq!(bytes, b"");
    listening.serves_others().await;
}

#[tokio::test]
async fn a_connection_that_was_answered_may_rest_no_longer_than_one_that_begins() {
    let listening = Listening::with(&[("BAILIWICK_HEADER_TIMEOUT_SECONDS", "1")]).await;
    let mut stream = listening.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n").await.unwrap();
    }
    let answers = read_to_end(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_body_that_trickles_is_408() {
    let listening = Listening::with(&[("BAILIWICK_BODY_TIMEOUT_SECONDS", "1")]).await;
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: b\r\nConnection: close\r\nContent-Type: \
        application/json\r\nContent-Length: 100\r\n\r\n{";
    assert_eq!(told(&listening.ask(head).await), (408, "request_timeout".to_owned()));
    listening.serves_others().await;
}

#[tokio::test]
async fn oversized_requests_are_refused_by_what_came_not_by_what_was_said() {
    let listening = Listening::with(&[("BAILIWICK_MAX_BODY_BYTES", "4096")]).await;
    let login = "POST /api/auth/login HTTP/1.1\r\nHost: b\r\nConnection: close\r\nContent-Type: \
        application/json\r\n";
    let chunked = format!(
        "{login}Transfer-Encoding: chunked\r\n\r\n2000\r\n{}\r\n0\r\n\r\n",
        " ".repeat(0x2000)
    );
    assert_eq!(told(&listening.ask(&chunked).await), (413, "payload_too_large".to_owned()));
    let said = format!("{login}Content-Length: 8192\r\n\r\n{}", " ".repeat(8192));
    assert_eq!(told(&listening.ask(&said).await), (413, "payload_too_large".to_owned()));
    let close = "HTTP/1.1\r\nHost: b\r\nConnection: close\r\n";
    let path = format!("GET /{} {close}\r\n", "a".repeat(8200));
    assert_eq!(told(&listening.ask(&path).await), (414, "uri_too_long".to_owned()));
    let header = format!("GET /healthz {close}X-Long: {}\r\n\r\n", "a".repeat(17_000));
    assert_eq!(told(&listening.ask(&header).await), (431, "headers_too_large".to_owned()));
    let many = format!("GET /healthz {close}{}\r\n", "X-Many: 1\r\n".repeat(200));
    assert_eq!(told(&listening.ask(&many).await), (431, "headers_too_large".to_owned()));
    // What does not end is not collected for ever either.
    let endless = format!("GET /healthz {close}X-Endless: {}", "a".repeat(200_000));
    assert_eq!(told(&listening.ask(&endless).await), (431, "headers_too_large".to_owned()));
    listening.serves_others().await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let listening = Listening::with(&[("BAILIWICK_MAX_CONNECTIONS_PER_ADDRESS", "2")]).await;
    let (first, mut second) = (listening.connect().await, listening.connect().await);
    // Answered, and so seated.
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n").await.unwrap();
    assert!(second.read(&mut [0; 64]).await.unwrap() > 0);
    assert_eq!(
        listening.ask("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n").await,
        "",
        "one too many is closed"
    );
    drop(first);
    // As soon as the service has seen the first one go, there is a place.
    tokio::time::timeout(PATIENCE, async {
        while listening
            .ask("GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
            .await
            .is_empty()
        {}
    })
    .await
    .unwrap_or_else(|_| panic!("a place that was left stays empty"));
}

#[tokio::test]
async fn with_all_connections_taken_the_next_one_waits() {
    let listening = Listening::with(&[("BAILIWICK_MAX_CONNECTIONS", "1")]).await;
    let mut first = listening.connect().await;
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n").await.unwrap();
    assert!(first.read(&mut [0; 64]).await.unwrap() > 0);
    let waiting = listening.serves_others();
    let mut waiting = Box::pin(waiting);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err(), "served beside the only connection there may be");
    drop(first);
    waiting.await;
}

/// Whether this service still answers there. Its port is free once it listens no more, and another
/// test may have been given it.
async fn lets_in(address: SocketAddr, token: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let request = format!(
        "GET /api/auth/me HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\nConnection: \
            close\r\n\r\n"
    );
    let _ = stream.write_all(request.as_bytes()).await;
    let mut first = [0; 13];
    let answer = tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await;
    answer.is_ok_and(|read| read.is_ok()) && first == *b"HTTP/1.1 200 "
}

#[tokio::test]
async fn what_runs_is_finished_and_the_new_refused_when_the_service_stops() {
    let world = World::new().await;
    let listening = Listening::start(&world.app).await;
    let held = Held::tables(&world.app, &["mandates"]).await;
    let mut idle = listening.connect().await;
    let mut busy = listening.connect().await;
    let body = json!({ "name": "Renamed" }).to_string();
    let request = format!(
        "PATCH {} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {}\r\nContent-Type: \
            application/json\r\nContent-Length: {}\r\n\r\n{body}",
        world.acme.path(""),
        world.sys_admin.token,
        body.len()
    );
    busy.write_all(request.as_bytes()).await.unwrap();
    held.waited_for_by(1).await;
    listening.stop.send(()).unwrap();
    assert_eq!(read_to_end(&mut idle).await, "", "who asks nothing is hung up on");
    assert!(!lets_in(listening.address, &world.sys_admin.token).await, "nobody new is let in");
    assert!(!listening.server.is_finished(), "what runs is waited for");
    held.release().await;
    let answer = read_to_end(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Renamed"), "{answer}");
    tokio::time::timeout(PATIENCE, listening.server)
        .await
        .unwrap_or_else(|_| panic!("the service does not end"))
        .unwrap();
}

/// As long as the database lets a tenant's statement wait, so that it is played with all rounds
/// only.
#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_by_the_database() {
    if !is_full() {
        return;
    }
    let world = World::new().await;
    let held = Held::tables(&world.app, &["groups"]).await;
    let answer = world.admin().post(world.acme.path("/groups"), json!({ "name": "slow" })).await;
    answer.refused(504, "timed_out");
    held.release().await;
    assert_eq!(world.app.count("select count(*) from groups where name = 'slow'").await, 0);
}

#[tokio::test]
async fn the_platform_has_more_time_for_a_statement() {
    let app = TestApp::start().await;
    let system = SystemContext::unattended(app.app.services().clone(), RequestMeta::default());
    let mut reading = system.read().await.unwrap();
    let time: String =
        sqlx::query_scalar("show statement_timeout").fetch_one(&mut *reading).await.unwrap();
    assert_eq!(time, "30s");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_abandoned_with_all_that_it_did() {
    let world = World::new().await;
    let hasty = world.app.another_node_with("BAILIWICK_REQUEST_TIMEOUT_SECONDS", "1");
    let admin = &world.acme.admin.token;
    let before = hasty.digest().await;
    // The group is made before its event, which cannot be written.
    let held = Held::tables(&world.app, &["audit_events"]).await;
    let answer = hasty
        .post(world.acme.path("/groups"))
        .bearer(admin)
        .mandate(world.acme.id)
        .json(json!({ "name": "slow" }))
        .send()
        .await;
    answer.refused(504, "timed_out");
    held.release().await;
    let others = "select count(*) from pg_stat_activity where datname = current_database()
                    and state <> 'idle' and pid <> pg_backend_pid()";
    let quiet = async { while world.app.count(others).await > 0 {} };
    tokio::time::timeout(PATIENCE, quiet)
        .await
        .unwrap_or_else(|_| panic!("a statement of it goes on"));
    assert_eq!(hasty.digest().await, before, "nothing of it is left");
}
