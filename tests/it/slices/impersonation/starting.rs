//! Where it is allowed, to whom, and with what.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use serde_json::{Value, json};

use super::{IMPERSONATE, world};
use crate::harness::World;
use crate::harness::world::Person;

fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn nobody_acts_as_anybody_until_an_admin_of_theirs_allows_it() {
    let world = World::new().await;
    let (acme, member) = (&world.acme, world.acme.member.clone());
    let mandate = world.admin().get(acme.path("")).await.expect(200);
    assert_eq!(mandate["allowImpersonation"], false);
    world.impersonate(&world.sys_admin, &member).await.refused(409, "impersonation_not_allowed");
    // Another mandate's admin allows it for that one.
    world.allow(&world.globex, true).await;
    world.impersonate(&world.sys_admin, &member).await.refused(409, "impersonation_not_allowed");
    world.allow(acme, true).await;
    world.impersonate(&world.sys_admin, &member).await.expect(201);
    world.allow(acme, false).await;
    world.impersonate(&world.sys_admin, &member).await.refused(409, "impersonation_not_allowed");
    let told = world.told_to(acme, "mandate_updated").await;
    let allowed: Vec<_> =
        told.iter().map(|event| &event["details"]["after"]["allowImpersonation"]).collect();
    assert_eq!(allowed, [&json!(false), &json!(true)]);
}

#[tokio::test]
async fn admins_of_the_mandate_alone_allow_it() {
    let world = world().await;
    let acme = &world.acme;
    let levels = json!({ "mandate": ["a", "n", "a", "n"] });
    let role = world.role_with(acme, "renames", levels).await;
    let delegate = world.member_with(acme, "delegate", &[role]).await;
    let admin_too = json!({ "targetUserId": world.sys_admin.id, "roleIds": [acme.role("admin")] });
    world.admin().post(acme.path("/users"), admin_too).await.expect(201);
    let body = json!({ "allowImpersonation": false });
    for desk in
        [world.desk(&delegate, acme), world.root(), world.desk(&world.sys_admin.clone(), acme)]
    {
        desk.patch(acme.path(""), body.clone()).await.refused(403, "permission_denied");
        desk.put(acme.path(""), body.clone()).await.refused(403, "permission_denied");
        desk.patch(acme.path(""), json!({ "name": "Acme Holding" })).await.expect(200);
    }
    // Never through it.
    let acting = world.as_if(&acme.admin).await;
    let desk = world.desk(&acting, acme);
    desk.patch(acme.path(""), body).await.refused(403, "operation_not_allowed");
    desk.patch(acme.path(""), json!({ "name": "Acme" })).await.expect(200);
}

#[tokio::test]
async fn a_reason_says_why() {
    let world = world().await;
    let member = world.acme.member.id;
    let root = world.root();
    let start = |body: Value| root.post(IMPERSONATE, body);
    for (reason, code) in [
        (json!(""), "blank"),
        (json!(" \u{200b} "), "blank"),
        (json!("x".repeat(501)), "too_long"),
        (json!("a\u{202e}b"), "unreadable"),
    ] {
        let answer = start(json!({ "userId": member, "reason": reason })).await;
        answer.refused(422, "validation_failed");
        let fault = &answer.body["errors"][0];
        assert_eq!((&fault["pointer"], &fault["code"]), (&json!("/reason"), &json!(code)));
    }
    start(json!({ "userId": member })).await.refused(422, "validation_failed");
    start(json!({ "userId": member, "reason": "x", "minutes": 60 }))
        .await
        .refused(422, "unknown_field");
    start(json!({ "userId": member, "reason": "ü".repeat(500) })).await.expect(201);
    let unknown = start(json!({ "userId": uuid::Uuid::now_v7(), "reason": "x" })).await;
    unknown.refused(404, "not_found");
    assert_eq!(unknown.body["errors"][0]["code"], "unknown_user");
    let kept = world.root().ask(axum::http::Method::POST, IMPERSONATE);
    let kept = kept.header("idempotency-key", "k").json(json!({ "userId": member, "reason": "x" }));
    kept.send().await.refused(400, "idempotency_not_supported");
}

#[tokio::test]
async fn nobody_acts_as_a_sys_admin_and_only_sys_admins_act() {
    let world = world().await;
    let acme = &world.acme;
    let id = world.app.account("other-root", true).await;
    let other = Person { id, name: "other-root".to_owned(), token: String::new() };
    let body = json!({ "targetUserId": id, "roleIds": [acme.role("user")] });
    world.admin().post(acme.path("/users"), body).await.expect(201);
    for target in [&other, &world.sys_admin] {
        let answer = world.impersonate(&world.sys_admin, target).await;
        answer.refused(403, "operation_not_allowed");
    }
    world.impersonate(&acme.admin, &acme.member).await.refused(403, "permission_denied");
    // Nor does whoever acts as somebody else act as the next one.
    let acting = world.as_if(&acme.admin).await;
    world.impersonate(&acting, &acme.member).await.refused(403, "operation_not_allowed");
}

#[tokio::test]
async fn nobody_acts_where_the_person_cannot_work() {
    let world = world().await;
    let (acme, member) = (&world.acme, world.acme.member.clone());
    let refused = async || {
        let answer = world.impersonate(&world.sys_admin, &member).await;
        answer.refused(409, "impersonation_not_allowed");
    };
    let path = acme.path(&format!("/users/{}", member.id));
    world.admin().patch(&*path, json!({ "enabled": false })).await.expect(200);
    refused().await;
    world.admin().patch(&*path, json!({ "enabled": true })).await.expect(200);
    world.root().patch(acme.path(""), json!({ "enabled": false })).await.expect(200);
    refused().await;
    world.root().patch(acme.path(""), json!({ "enabled": true })).await.expect(200);
    let account = format!("/api/users/{}", member.id);
    world.root().patch(&*account, json!({ "enabled": false })).await.expect(200);
    refused().await;
}

#[tokio::test]
async fn the_token_says_who_acts_and_lasts_a_quarter_of_an_hour_at_most() {
    let world = world().await;
    let member = world.acme.member.clone();
    let answer = world.impersonate(&world.sys_admin, &member).await;
    let location = answer.header("location").to_owned();
    let body = answer.expect(201);
    let mut fields: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    fields.sort();
    assert_eq!(fields, ["accessToken", "expiresIn", "tokenType"], "nothing renews it");
    assert_eq!((&body["tokenType"], &body["expiresIn"]), (&json!("Bearer"), &json!(900)));
    let told = claims(body["accessToken"].as_str().unwrap());
    assert_eq!(told["sub"], json!(member.id));
    assert_eq!(told["act"], json!({ "sub": world.sys_admin.id }), "RFC 8693, 4.1");
    assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 900);
    let session = told["sid"].as_str().unwrap();
    assert_eq!(location, format!("/api/users/{}/sessions/{session}", member.id));
    // When the SysAdmin signed in, and how: it was nobody else.
    let own = claims(&world.sys_admin.token);
    for claim in ["auth_time", "acr", "amr", "aud", "iss"] {
        assert_eq!(told[claim], own[claim], "{claim}");
    }
    assert!(own.get("act").is_none());
    // It does not outlast the session that it was begun in.
    world.app.clock.advance(Duration::minutes(50));
    let token = world.app.sign_in(&member.name).await;
    world.desk(&Person { token, ..member.clone() }, &world.acme).get("/api/access/me").await;
    world.root().get("/api/auth/me").await.refused(401, "unauthenticated");
}
