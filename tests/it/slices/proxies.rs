//! Whose request it is that comes through a proxy: in the trail and in the limits alike.

use bailiwick::tenancy::limits::{beat, forwarding_unheeded, leave};
use serde_json::{Value, json};

use crate::gates::sources::sources;
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;

const PROXY: &str = "10.1.1.1";

/// What comes with a request, and whose it is by that.
const CASES: [(&[&str], &str); 6] = [
    (&["198.51.100.7, 203.0.113.7"], "203.0.113.7"),
    (&["198.51.100.7, 203.0.113.8:51000"], "203.0.113.8"),
    (&["198.51.100.7, [2001:db8:1::1]:443"], "2001:db8:1::1"),
    (&["198.51.100.7", "203.0.113.9, 10.2.2.2"], "203.0.113.9"),
    (&["198.51.100.7, unknown, 10.3.3.3"], "10.3.3.3"),
    (&["198.51.100.7, unknown"], PROXY),
];

fn body() -> Value {
    json!({ "username": "alice", "password": PASSWORD })
}

#[tokio::test]
async fn the_trail_notes_the_client_and_nobody_whom_it_invents() {
    let app = TestApp::start_with(&[
        ("BAILIWICK_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("BAILIWICK_RATE_LIMITS", "off"),
    ])
    .await;
    app.account("alice", false).await;
    for (sent, client) in CASES {
        let call = app.post("/api/auth/login").coming_from(PROXY).json(body());
        sent.iter()
            .fold(call, |call, line| call.header("x-forwarded-for", line))
            .send()
            .await
            .expect(200);
        let noted = "select host(a.address) from audit_addresses a
                       join audit_events e on e.id = a.event_id order by e.id desc limit 1";
        let noted: String = sqlx::query_scalar(noted).fetch_one(&app.sql).await.unwrap();
        assert_eq!(noted, client, "{sent:?}");
    }
}

#[tokio::test]
async fn the_client_pays_and_nobody_whom_it_invents() {
    let settings =
        [("BAILIWICK_TRUSTED_PROXIES", "10.0.0.0/8"), ("BAILIWICK_RATE_LIMIT_DEFAULT", "2")];
    let app = TestApp::start_with(&settings).await;
    for (sent, _) in CASES {
        let mut statuses = Vec::new();
        for invented in 1..=3 {
            let call = app.get("/problems/not_found").coming_from(PROXY);
            let lines = sent
                .iter()
                .map(|line| line.replace("198.51.100.7", &format!("198.51.100.{invented}")));
            let answer =
                lines.fold(call, |call, line| call.header("x-forwarded-for", line)).send().await;
            statuses.push(answer.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 429], "{sent:?}");
    }
}

/// A second reader would read it otherwise.
#[test]
fn one_file_reads_where_a_request_comes_from() {
    for (path, text) in sources("src") {
        let reads = ["\"x-forwarded-for\"", "\"forwarded\"", "\"x-real-ip\"", "ConnectInfo<"]
            .iter()
            .any(|name| text.contains(name));
        let may = ["http/client.rs", "http/mod.rs", "http/server.rs"].contains(&path.as_str());
        assert!(
            may || !reads,
            "{path} looks for a client's address itself; `RequestMeta` and `Identity` have it"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_nobody_trusts_is_told_of() {
    let app = TestApp::start().await;
    let told = async || forwarding_unheeded(app.app.services()).await.unwrap();
    let trusting = app.another_node_with("BAILIWICK_TRUSTED_PROXIES", "10.0.0.0/8");
    for node in [&app, &trusting] {
        node.get("/healthz").coming_from(PROXY).send().await.expect(200);
        beat(&node.app).await.unwrap();
    }
    assert_eq!(told().await, 0);
    for node in [&app, &trusting] {
        node.get("/healthz")
            .coming_from(PROXY)
            .header("x-forwarded-for", "203.0.113.7")
            .send()
            .await
            .expect(200);
        beat(&node.app).await.unwrap();
    }
    assert_eq!(told().await, 1, "the one that trusts nobody");
    // Whoever looks for faults may have to stop the service first; it is not counted as alive.
    for node in [&app, &trusting] {
        leave(&node.app).await.unwrap();
    }
    assert_eq!(told().await, 1);
    assert_eq!(
        app.count("select count(*) from nodes where seen_at > now() - interval '15 seconds'").await,
        0
    );
    assert_eq!(app.count("select count(*) from nodes").await, 1);
}

#[test]
fn the_compose_file_trusts_its_own_gateway() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml"))
        .unwrap();
    let after = |name: &str| {
        text.lines()
            .find_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    let (subnet, gateway) = (after("subnet:"), after("gateway:"));
    let network: ipnet::IpNet = subnet.parse().unwrap();
    assert!(
        network.contains(&gateway.parse::<std::net::IpAddr>().unwrap()),
        "{gateway} is not in {subnet}"
    );
    assert_eq!(
        after("BAILIWICK_TRUSTED_PROXIES:"),
        format!("${{BAILIWICK_TRUSTED_PROXIES:-{gateway}}}")
    );
}
