//! Signing in and out, tokens and keys.

use std::collections::BTreeSet;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{points_at, values};
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::held::Held;
use crate::harness::log::Log;
use crate::harness::{TestApp, World};

async fn login(app: &TestApp, username: &str, password: &str) -> Answer {
    app.post("/api/auth/login")
        .json(json!({ "username": username, "password": password }))
        .send()
        .await
}

async fn me(app: &TestApp, token: &str) -> Answer {
    app.get("/api/auth/me").bearer(token).send().await
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn who_signs_in_gets_a_token_that_works() {
    let app = TestApp::start().await;
    let id = app.account("alice", false).await;
    let answer = login(&app, " ALICE ", PASSWORD).await.expect(200);
    assert_eq!((&answer["tokenType"], &answer["expiresIn"]), (&json!("Bearer"), &json!(900)));
    let own = me(&app, answer["accessToken"].as_str().unwrap()).await.expect(200);
    assert_eq!(
        (&own["id"], &own["username"], &own["mandates"], &own["isSysAdmin"]),
        (&json!(id), &json!("alice"), &json!([]), &json!(false))
    );
    assert!(own["session"].is_object() && own["lastLoginAt"].is_string(), "{own}");
    // Nobody is the actor of what the service did when it started.
    let by_people = "select action, actor_id from audit_events where actor_id is not null";
    let trail: Vec<(String, Uuid)> = sqlx::query_as(by_people).fetch_all(&app.sql).await.unwrap();
    assert_eq!(trail, [("user_signed_in".to_owned(), id)], "signing in is audited, and once");
}

#[tokio::test]
async fn me_names_the_mandates_and_roles() {
    let world = World::new().await;
    let own = world.bare(&world.acme.member).get("/api/auth/me").await.expect(200);
    assert_eq!(own["mandates"].as_array().unwrap().len(), 1);
    let mandate = &own["mandates"][0];
    assert_eq!(
        (&mandate["id"], &mandate["name"], &mandate["code"]),
        (&json!(world.acme.id), &json!("Acme"), &json!("acme"))
    );
    assert!(mandate["roles"].to_string().contains("user"), "{own}");
    world.root().patch(world.acme.path(""), json!({ "enabled": false })).await.expect(200);
    assert_eq!(
        world.bare(&world.acme.member).get("/api/auth/me").await.expect(200)["mandates"],
        json!([])
    );
}

#[tokio::test]
async fn a_failed_sign_in_never_says_which_part_was_wrong() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let off = app.account("off", false).await;
    sqlx::query("update users set enabled = false where id = $1")
        .bind(off)
        .execute(&app.sql)
        .await
        .unwrap();
    let mut seen = BTreeSet::new();
    for (username, password) in [
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("off", PASSWORD),
        ("off", "wrong"),
        ("alice", ""),
        ("", PASSWORD),
        ("alice", &"x".repeat(3000)),
    ] {
        let mut answer = login(&app, username, password).await;
        answer.refused(401, "invalid_credentials");
        answer.body.as_object_mut().unwrap().remove("requestId");
        seen.insert(format!(
            "{} {:?}",
            answer.body,
            answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>()
        ));
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    points_at(
        &app.post("/api/auth/login").json(json!({ "username": "alice" })).send().await,
        "/password",
    );
    let body = json!({ "username": "alice", "password": PASSWORD, "remember": true });
    app.post("/api/auth/login").json(body).send().await.refused(422, "unknown_field");
}

#[tokio::test]
async fn signing_out_ends_the_token_at_once_on_every_node() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let (token, other) = (app.sign_in("alice").await, app.sign_in("alice").await);
    let node = app.another_node();
    me(&node, &token).await.expect(200);
    app.post("/api/auth/logout").bearer(&token).send().await.expect(204);
    for node in [&app, &node] {
        me(node, &token).await.refused(401, "unauthenticated");
        node.get("/api/features/my").bearer(&token).send().await.refused(401, "unauthenticated");
        me(node, &other).await.expect(200);
    }
    app.post("/api/auth/logout").bearer(&token).send().await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn whoever_changes_their_password_ends_their_other_sessions() {
    // Fifteen characters are enough (NIST SP 800-63B-4, 3.1.1.2), fourteen are not.
    const WANTED: &str = "quay-Lantrn-71x";
    let world = World::new().await;
    let (app, member) = (&world.app, &world.acme.member);
    let other = app.sign_in(&member.name).await;
    let change = async |current: &str, password: &str| {
        let body = json!({ "current": current, "password": password });
        app.call(Method::PUT, "/api/auth/password").bearer(&member.token).json(body).send().await
    };
    change("not-the-Password-1", WANTED).await.refused(401, "invalid_credentials");
    for (wanted, code) in [
        (PASSWORD, "unchanged"),
        (&WANTED[..14], "password_length"),
        (&member.name.repeat(3), "password_too_weak"),
    ] {
        let answer = change(PASSWORD, wanted).await;
        answer.refused(422, "validation_failed");
        let error = &answer.body["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!("/password"), &json!(code)));
        assert!(!answer.body["reasons"].as_array().unwrap().is_empty(), "{}", answer.body);
    }
    me(app, &other).await.expect(200);
    change(PASSWORD, WANTED).await.expect(204);
    me(app, &other).await.refused(401, "unauthenticated");
    me(app, &member.token).await.expect(200);
    me(app, &world.acme.admin.token).await.expect(200);
    login(app, &member.name, PASSWORD).await.refused(401, "invalid_credentials");
    login(app, &member.name, WANTED).await.expect(200);
}

#[tokio::test]
async fn a_token_expires_after_fifteen_minutes() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let token = app.sign_in("alice").await;
    app.clock.advance(Duration::minutes(14));
    me(&app, &token).await.expect(200);
    app.clock.advance(Duration::minutes(1));
    for path in ["/api/auth/me", "/api/features/my", "/api/features"] {
        app.get(path).bearer(&token).send().await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn the_published_keys_verify_the_token() {
    let app = TestApp::start().await;
    let id = app.account("alice", false).await;
    let token = app.sign_in("alice").await;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(header["alg"], json!("EdDSA"));
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["sub"]),
        (&json!("http://test"), &json!("bailiwick"), &json!(id))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert!(claims["sid"].is_string() && claims["jti"].is_string());
    // RFC 9068, section 2.2.
    let (time, issued) = (claims["auth_time"].as_i64().unwrap(), claims["iat"].as_i64().unwrap());
    assert!((issued - 5..=issued).contains(&time), "{claims}");
    assert_eq!(
        (&claims["client_id"], &claims["acr"], &claims["amr"], &header["typ"]),
        (&json!("bailiwick"), &json!("aal1"), &json!(["pwd"]), &json!("at+jwt"))
    );
    let set = app.get("/.well-known/jwks.json").send().await.expect(200);
    let key =
        set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!((&key["kty"], &key["crv"], key.get("d")), (&json!("OKP"), &json!("Ed25519"), None));
    let bytes: [u8; 32] =
        URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap().try_into().unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    VerifyingKey::from_bytes(&bytes).unwrap().verify_strict(signed.as_bytes(), &signature).unwrap();
}

/// A token of the same key with other words in it.
fn forged(token: &str, index: usize, change: impl Fn(&mut Value)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut value = part(token, index);
    change(&mut value);
    parts[index] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

#[tokio::test]
async fn anything_but_our_own_token_is_refused_in_the_same_words() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.account("alice", false).await, app.account("bob", true).await);
    let token = app.sign_in("alice").await;
    let stranger = TestApp::start().await;
    stranger.account("alice", false).await;
    let unsigned = format!(
        "{}.",
        forged(&token, 0, |header| header["alg"] = json!("none")).rsplit_once('.').unwrap().0
    );
    let tokens = [
        ("another deployment's session", stranger.sign_in("alice").await),
        ("another subject", forged(&token, 1, |claims| claims["sub"] = json!(bob))),
        ("a longer life", forged(&token, 1, |claims| claims["exp"] = json!(4_000_000_000_i64))),
        ("another audience", forged(&token, 1, |claims| claims["aud"] = json!("other"))),
        ("another issuer", forged(&token, 1, |claims| claims["iss"] = json!("http://evil"))),
        ("another key", forged(&token, 0, |header| header["kid"] = json!("other"))),
        ("an HMAC", forged(&token, 0, |header| header["alg"] = json!("HS256"))),
        ("no signature", unsigned),
        ("the user's id", alice.to_string()),
    ];
    let mut words = BTreeSet::new();
    for (what, token) in tokens {
        let answer = me(&app, &token).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthenticated"), "{what}");
        let challenge = r#"Bearer realm="bailiwick", error="invalid_token""#;
        assert_eq!(answer.header("www-authenticate"), challenge, "{what}");
        words.insert(answer.body["detail"].to_string());
    }
    let basic = app.get("/api/auth/me").header("authorization", "Basic YTpi").send().await;
    basic.refused(401, "unauthenticated");
    assert_eq!(basic.header("www-authenticate"), r#"Bearer realm="bailiwick""#, "that is no token");
    words.insert(basic.body["detail"].to_string());
    let nothing = app.get("/api/auth/me").send().await;
    assert_eq!(nothing.header("www-authenticate"), r#"Bearer realm="bailiwick""#);
    for empty in ["Bearer", "Bearer  "] {
        let answer = app.get("/api/auth/me").header("authorization", empty).send().await;
        answer.refused(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="bailiwick""#);
    }
    words.insert(nothing.body["detail"].to_string());
    let twice = app.get("/api/auth/me").bearer(&token).bearer(&token).send().await;
    twice.refused(401, "unauthenticated");
    words.insert(twice.body["detail"].to_string());
    for elsewhere in [
        app.get(format!("/api/auth/me?access_token={token}")),
        app.get("/api/auth/me").header("cookie", format!("access_token={token}")),
    ] {
        let status = elsewhere.send().await.status.as_u16();
        assert!([400, 401].contains(&status), "a token stands in its header only: {status}");
    }
    assert_eq!(words.len(), 1, "{words:?}");
    me(&app, &token).await.expect(200);
    // The scheme's name is written as one likes (RFC 9110).
    app.get("/api/auth/me")
        .header("authorization", format!("bearer {token}"))
        .send()
        .await
        .expect(200);
}

/// Ids and times, and what a refresh proves no anew: nobody's name or role is in the hands of
/// whoever is shown a token.
#[tokio::test]
async fn a_token_says_who_and_until_when_and_nothing_else() {
    let app = TestApp::start().await;
    app.account("alice", true).await;
    let pair = super::refresh::signed_in(&app, "alice").await;
    let mut claims = part(&pair.access, 1);
    let names: BTreeSet<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["acr", "amr", "aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "sid", "sub"];
    assert_eq!(names, BTreeSet::from(expected));
    app.clock.advance(chrono::Duration::minutes(10));
    let next = super::refresh::refresh(&app, &pair.refresh).await.expect(200);
    let next = part(next["accessToken"].as_str().unwrap(), 1);
    for anew in ["exp", "iat", "jti"] {
        assert_ne!(claims[anew], next[anew], "{anew}");
        claims[anew] = next[anew].clone();
    }
    assert_eq!(claims, next);
}

#[tokio::test]
async fn a_sign_in_ends_no_session_and_no_password_gets_too_old() {
    let app = TestApp::start().await;
    app.account("alice", false).await;
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(app.sign_in("alice").await);
    }
    for token in &tokens {
        me(&app, token).await.expect(200);
    }
    app.clock.advance(chrono::Duration::days(1_000));
    me(&app, &app.sign_in("alice").await).await.expect(200);
}

/// One for who is looked at, and one for who waits; alice has an account.
async fn with_two_places_for_passwords() -> TestApp {
    let app = TestApp::start_with(&[
        ("BAILIWICK_RATE_LIMITS", "off"),
        ("BAILIWICK_PASSWORD_WORKERS", "1"),
        ("BAILIWICK_PASSWORD_QUEUE", "1"),
    ])
    .await;
    app.account("alice", false).await;
    app
}

#[tokio::test]
async fn a_full_password_queue_answers_at_once() {
    let app = with_two_places_for_passwords().await;
    let log = Log::json("info");
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..24 {
        let app = app.clone();
        // Unknown names wait in the same queue as known ones.
        let username = if number % 2 == 0 { "alice" } else { "nobody" };
        crowd.spawn(async move { login(&app, username, PASSWORD).await });
    }
    let answers = crowd.join_all().await;
    let busy: Vec<_> = answers.iter().filter(|answer| answer.status.as_u16() == 503).collect();
    assert!(
        !busy.is_empty() && busy.len() < answers.len(),
        "{} of {} were turned away",
        busy.len(),
        answers.len()
    );
    for answer in busy {
        answer.refused(503, "overloaded");
        assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    // Anybody can bring it about: it fills no log of errors.
    assert!(
        log.objects("\"overloaded\"").iter().all(|line| line["level"] == "WARN"),
        "{}",
        log.all()
    );
    login(&app, "alice", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn whoever_finds_no_place_for_their_password_is_told_before_anything_is_looked_up() {
    let app = with_two_places_for_passwords().await;
    let held = Held::wholly(&app, &["users"]).await;
    let mut first = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let app = app.clone();
        first.spawn(async move { login(&app, "alice", PASSWORD).await });
    }
    held.waited_for_by(2).await;
    login(&app, "alice", PASSWORD).await.refused(503, "overloaded");
    held.release().await;
    for answer in first.join_all().await {
        answer.expect(200);
    }
}

#[tokio::test]
async fn sign_ins_are_in_the_platforms_trail_without_secrets() {
    let world = World::new().await;
    login(&world.app, "acme-member", "wrong-Password-77").await.refused(401, "invalid_credentials");
    let trail = world.root().get("/api/audit?limit=200").await.expect(200);
    assert!(!values(&trail, "action").is_empty());
    let text = trail.to_string();
    assert!(
        !text.contains("wrong-Password-77") && !text.contains(PASSWORD) && !text.contains("argon2")
    );
}
