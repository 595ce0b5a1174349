//! The keys that access tokens are signed with.

use std::time::{Duration, Instant};

use bailiwick::context::{RequestMeta, SystemContext};
use bailiwick::identity::service_keys::{When, follow, open, rotate};
use bailiwick::kernel::config::TokenAlgorithm;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{command, header, listed, published, refused, said, the};
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::process::Service;

async fn good(app: &TestApp, token: &str) -> bool {
    app.get("/api/auth/me").bearer(token).send().await.status == 200
}

/// Whoever verifies has the key before anything is signed with it, and what was signed before stays
/// good.
#[tokio::test]
async fn a_new_key_is_published_at_once_and_signs_an_hour_later() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let node = app.another_node();
    let before = app.sign_in("alice").await;
    let told = said(&command(&app, &["keys", "rotate"]));
    for nodes in [&app, &node] {
        assert!(follow(&nodes.app).await.unwrap(), "there are other keys");
        assert!(!follow(&nodes.app).await.unwrap(), "and no more of them");
    }
    let keys = listed(&app, "EdDSA");
    let (signing, next) = (the("signing", &keys), the("next", &keys));
    assert!(told.contains(&next) && told.contains("signs from"), "{told}");
    assert_eq!(header(&before)["kid"], json!(signing));
    let all = published(&app).await;
    assert!(all.contains(&signing) && all.contains(&next) && all.len() == 4, "{all:?}");

    app.clock.advance(chrono::Duration::minutes(59));
    let meanwhile = app.sign_in("alice").await;
    assert_eq!(header(&meanwhile)["kid"], json!(signing));
    app.clock.advance(chrono::Duration::seconds(62));
    let after = app.sign_in("alice").await;
    assert_eq!(header(&after)["kid"], json!(next));
    for token in [&meanwhile, &after] {
        assert!(good(&app, token).await && good(&node, token).await);
    }
    // Another one in its place has not signed anything, and so none has to wait for it.
    said(&command(&app, &["keys", "rotate", "--alg", "EdDSA"]));
    let count = "select count(*) from audit_events where action = 'signing_keys_rotated'
                   and mandate_id is null and actor_id is null";
    assert_eq!(app.count(count).await, 2);
}

/// A key that was made and not used yet is replaced by the one that is made after it.
#[tokio::test]
async fn of_keys_that_wait_there_is_one() {
    let app = TestApp::start().await;
    said(&command(&app, &["keys", "rotate"]));
    let first = the("next", &listed(&app, "ES256"));
    said(&command(&app, &["keys", "rotate", "--alg", "es256"]));
    let keys = listed(&app, "ES256");
    assert_ne!(the("next", &keys), first);
    assert_eq!(the("retired", &keys), first);
    assert!(!listed(&app, "EdDSA").iter().any(|(state, _)| state == "retired"));
    follow(&app.app).await.unwrap();
    assert!(!published(&app).await.contains(&first));
}

/// Five seconds, with a real node that nobody tells.
#[tokio::test]
async fn a_key_that_is_to_sign_now_does_on_every_node_within_seconds() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let service = Service::beside(&app, None).await;
    let sign_in = || async {
        let answer = reqwest::Client::new()
            .post(format!("{}/api/auth/login", service.base))
            .json(&json!({ "username": "alice", "password": PASSWORD }))
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        header(answer["accessToken"].as_str().unwrap())["kid"].clone()
    };
    let before = sign_in().await;
    said(&command(&app, &["keys", "rotate", "--now"]));
    let began = Instant::now();
    let signed = loop {
        let kid = sign_in().await;
        if kid != before {
            break kid;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{kid} signs on");
    };
    assert_eq!(json!(the("signing", &listed(&app, "EdDSA"))), signed);
}

/// Its tokens are good no more, on every node, also those that were verified before.
#[tokio::test]
async fn a_retired_key_verifies_nothing() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let (node, token) = (app.another_node(), app.sign_in("alice").await);
    let kid = header(&token)["kid"].as_str().unwrap().to_owned();
    let signs = refused(&command(&app, &["keys", "retire", &kid]));
    assert!(signs.contains("rotate it first"), "{signs}");
    let unknown = refused(&command(&app, &["keys", "retire", "nobody"]));
    assert!(unknown.contains("no key has the kid nobody"), "{unknown}");
    said(&command(&app, &["keys", "rotate", "--now"]));
    // It begins within seconds: the commands' clock is not the tests'.
    let began = "update service_keys set begins_at = created_at where begins_at > now()";
    sqlx::query(began).execute(&app.sql).await.unwrap();
    let fresh = refused(&command(&app, &["keys", "retire", &kid]));
    assert!(fresh.contains("may be good until") && fresh.contains("--force"), "{fresh}");
    follow(&app.app).await.unwrap();
    follow(&node.app).await.unwrap();
    assert!(good(&app, &token).await && good(&node, &token).await);

    said(&command(&app, &["keys", "retire", &kid, "--force"]));
    for app in [&app, &node] {
        follow(&app.app).await.unwrap();
        app.get("/api/auth/me").bearer(&token).send().await.refused(401, "unauthenticated");
        assert!(!published(app).await.contains(&kid));
    }
    assert!(good(&app, &app.sign_in("alice").await).await);
    let kept = "select count(*) from service_keys where retired_at is not null
                  and sealed is not null";
    assert_eq!(app.count(kept).await, 0, "its private half is gone");
    let again = refused(&command(&app, &["keys", "retire", &kid, "--force"]));
    assert!(again.contains("retired already"), "{again}");
    let event = "select count(*) from audit_events where action = 'signing_key_retired'";
    assert_eq!(app.count(event).await, 1);
}

/// By a gateway that knows no Ed25519, and nothing but what is published.
#[tokio::test]
async fn tokens_are_signed_by_es256_where_the_settings_say_so() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let node = app.another_node_with("BAILIWICK_TOKEN_ALG", "ES256");
    let (ours, theirs) = (app.sign_in("alice").await, node.sign_in("alice").await);
    assert_eq!(
        (&header(&ours)["alg"], &header(&theirs)["alg"]),
        (&json!("EdDSA"), &json!("ES256"))
    );
    for token in [&ours, &theirs] {
        assert!(good(&app, token).await && good(&node, token).await, "nodes are changed in turn");
    }
    let answer = app.get("/.well-known/jwks.json").send().await;
    assert_eq!(answer.header("cache-control"), "public, max-age=3600");
    let set: JwkSet = serde_json::from_value(answer.expect(200)).unwrap();
    for (token, algorithm) in [(&ours, Algorithm::EdDSA), (&theirs, Algorithm::ES256)] {
        let jwk = set.find(header(token)["kid"].as_str().unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["bailiwick"]);
        let key = DecodingKey::from_jwk(jwk).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
    }
}

/// Sixteen verify at most: all are published.
#[tokio::test]
async fn keys_do_not_pile_up() {
    let app = TestApp::start().await;
    open(&app.app).await.unwrap();
    let rotate = || async {
        app.clock.advance(chrono::Duration::seconds(7));
        let services = app.app.services().clone();
        let system = SystemContext::unattended(services, RequestMeta::default());
        rotate(&app.app, &system, (&[TokenAlgorithm::EdDsa], When::Now)).await
    };
    for _ in 0..15 {
        rotate().await.unwrap();
    }
    let before = app.digest().await;
    let refused = rotate().await.unwrap_err();
    assert!(refused.detail().contains("16 keys of EdDSA verify already"), "{}", refused.detail());
    assert_eq!(app.digest().await, before);
}

/// Sealed at one place, a key cannot be put at another; and a node that cannot take what it finds
/// goes on with what it has.
#[tokio::test]
async fn a_key_that_was_moved_is_not_taken() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    open(&app.app).await.unwrap();
    let moved = "update service_keys to_key set sealed = from_key.sealed from service_keys from_key
                 where to_key.purpose = 'EdDSA' and from_key.purpose = 'hashes'";
    sqlx::query(moved).execute(&app.sql).await.unwrap();
    let before = app.digest().await;
    let refused = refused(&command(&app, &["keys", "rotate"]));
    assert!(refused.contains("sealed under"), "{refused}");
    let node = app.another_node();
    assert!(open(&node.app).await.is_err(), "no node starts with it");
    assert_eq!(app.digest().await, before);
    assert!(!follow(&app.app).await.unwrap(), "who has it goes on");
    assert!(good(&app, &app.sign_in("alice").await).await);
}
