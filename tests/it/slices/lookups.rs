//! Adding members by name or address: what trying out names tells, what it leaves behind, and what
//! it costs.

use axum::http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::app::Answer;
use crate::harness::world::Person;
use crate::harness::{TestApp, World};

/// A world whose service gives so many of the class `auth`.
async fn world(auth: &str) -> World {
    let roomy = ["READ", "LIST_MANDATES", "MEMBER_WRITE", "WRITE", "AUTH_ADDRESS"]
        .map(|name| format!("BAILIWICK_RATE_LIMIT_{name}"));
    let mut settings: Vec<(&str, &str)> =
        roomy.iter().map(|name| (name.as_str(), "1000")).collect();
    settings.push(("BAILIWICK_RATE_LIMIT_AUTH", auth));
    World::in_app(TestApp::start_with(&settings).await).await
}

async fn add(world: &World, by: &Person, who: Value, roles: &[Uuid]) -> Answer {
    let mut body = who;
    body["roleIds"] = json!(roles);
    world
        .app
        .post(world.acme.path("/users"))
        .bearer(&by.token)
        .mandate(world.acme.id)
        .json(body)
        .send()
        .await
}

async fn failures(world: &World) -> Vec<Value> {
    let events = "select jsonb_build_object('target', target_user_id, 'resource', resource_id,
                      'details', details, 'actor', actor_id,
                  'mandate', mandate_id) from audit_events where action = 'lookup_failed'
                    order by id";
    sqlx::query_scalar(events).fetch_all(&world.app.sql).await.unwrap()
}

/// Who may add members with few rights.
async fn recruiter(world: &World) -> (Person, Uuid) {
    let few =
        world.role_with(&world.acme, "recruiter", json!({ "members": ["a", "a", "n", "n"] })).await;
    (world.member_with(&world.acme, "recruiter", &[few]).await, few)
}

/// Named by every means: somebody who has an account, and nobody.
fn named(name: &str) -> [Value; 2] {
    [json!({ "username": name }), json!({ "email": format!("{name}@example.com") })]
}

#[tokio::test]
async fn what_is_wrong_with_the_roles_does_not_tell_who_has_an_account() {
    let world = world("1").await;
    let erin = world.app.account("erin", false).await;
    let (recruiter, _) = recruiter(&world).await;
    for (roles, status, code) in [
        (vec![Uuid::now_v7()], 404, "not_found"),
        (vec![world.globex.role("user")], 404, "not_found"),
        (vec![world.acme.role("admin")], 403, "grant_exceeds_own_access"),
        (vec![world.acme.role("viewer")], 403, "grant_exceeds_own_access"),
        (vec![world.acme.role("viewer"), Uuid::now_v7()], 404, "not_found"),
    ] {
        for (exists, not) in named("erin").into_iter().zip(named("nobody")) {
            let [exists, not] = [
                add(&world, &recruiter, exists, &roles).await,
                add(&world, &recruiter, not, &roles).await,
            ];
            exists.refused(status, code);
            let told = |answer: &Answer| {
                ["title", "detail", "code", "status", "errors", "needed"]
                    .map(|name| answer.body[name].clone())
            };
            assert_eq!(told(&exists), told(&not), "{roles:?}");
            assert_eq!(exists.header("ratelimit-policy"), not.header("ratelimit-policy"));
            assert!(!exists.header("ratelimit-policy").contains("auth"), "nobody was looked up");
        }
        for id in [erin, Uuid::now_v7()] {
            add(&world, &recruiter, json!({ "targetUserId": id }), &roles)
                .await
                .refused(status, code);
        }
    }
    assert!(
        failures(&world).await.is_empty(),
        "what was refused before anybody was looked up is not told"
    );
}

#[tokio::test]
async fn naming_oneself_ends_where_it_did() {
    let world = world("1").await;
    let (recruiter, few) = recruiter(&world).await;
    for who in named("recruiter") {
        add(&world, &recruiter, who, &[world.acme.role("admin")])
            .await
            .refused(403, "self_escalation");
    }
    for who in named("root") {
        for role in [few, world.acme.role("admin"), Uuid::now_v7()] {
            let mut body = who.clone();
            body["roleIds"] = json!([role]);
            world
                .root()
                .post(world.acme.path("/users"), body)
                .await
                .refused(403, "self_escalation");
        }
    }
    assert!(failures(&world).await.is_empty());
}

#[tokio::test]
async fn each_name_that_becomes_no_member_is_told_and_costs() {
    let world = world("5").await;
    let (acme, app) = (&world.acme, &world.app);
    let (recruiter, few) = recruiter(&world).await;
    let member = acme.member.id;
    let cases = [
        (json!({ "username": "nobody" }), 404, "not_found", Value::Null),
        (json!({ "email": "nobody@example.com" }), 404, "not_found", Value::Null),
        (json!({ "username": "acme-member" }), 409, "already_member", json!(member)),
        (json!({ "email": "ACME-member@example.com" }), 409, "already_member", json!(member)),
    ];
    let mut expected = Vec::new();
    for (nth, (who, status, code, target)) in cases.into_iter().enumerate() {
        let mut body = who;
        body["roleIds"] = json!([few]);
        // A key remembers no refusals; the event and the cost stay all the same.
        let call = app
            .call(Method::POST, acme.path("/users"))
            .bearer(&recruiter.token)
            .mandate(acme.id)
            .json(body);
        let answer =
            if nth % 2 == 0 { call } else { call.header("idempotency-key", format!("key {nth}")) }
                .send()
                .await;
        answer.refused(status, code);
        let policies = answer.header("ratelimit-policy");
        assert!(policies.starts_with("\"auth\";q=5;w=60, \"member-write\""), "{policies}");
        assert!(
            answer.header("ratelimit").starts_with(&format!("\"auth\";r={};", 4 - nth)),
            "{}",
            answer.header("ratelimit")
        );
        expected.push(json!({
            "target": target, "resource": null, "details": {}, "actor": recruiter.id,
            "mandate": acme.id,
        }));
    }
    assert_eq!(failures(&world).await, expected);
    // Ids cannot be guessed.
    let add = async |who: Value| add(&world, &recruiter, who, &[few]).await;
    add(json!({ "targetUserId": Uuid::now_v7() })).await.refused(404, "not_found");
    add(json!({ "targetUserId": member })).await.refused(409, "already_member");
    assert_eq!(failures(&world).await.len(), 4);

    add(json!({ "username": "nobody" })).await.refused(404, "not_found");
    app.account("erin", false).await;
    for who in [named("erin"), named("nobody"), named("acme-member")].concat() {
        let answer = add(who).await;
        answer.refused(429, "too_many_requests");
        assert!(
            answer.header("ratelimit").starts_with("\"auth\";r=0;")
                && !answer.header("retry-after").is_empty()
        );
    }
    assert_eq!(failures(&world).await.len(), 5, "nobody was looked up");
    let lookup = app.get("/api/users/lookup?username=erin").bearer(&recruiter.token);
    lookup.mandate(acme.id).send().await.refused(429, "too_many_requests");
    let own = app.delete("/api/auth/sessions").bearer(&recruiter.token).send().await;
    own.refused(429, "too_many_requests");
}

/// It says who has an account, and nobody becomes a member.
#[tokio::test]
async fn a_dry_run_by_name_costs_what_a_name_does_that_becomes_no_member() {
    let world = world("2").await;
    let erin = world.app.account("erin", false).await;
    let (recruiter, few) = recruiter(&world).await;
    let ask = async |mut who: Value| {
        who["roleIds"] = json!([few]);
        let call = world
            .app
            .post(format!("{}?dryRun=true", world.acme.path("/users")))
            .bearer(&recruiter.token)
            .mandate(world.acme.id);
        call.json(who).send().await
    };
    for _ in 0..3 {
        ask(json!({ "targetUserId": erin })).await.expect(200);
    }
    for who in named("erin") {
        let answer = ask(who).await;
        assert!(
            answer.header("ratelimit-policy").starts_with("\"auth\";q=2;w=60"),
            "{}",
            answer.header("ratelimit-policy")
        );
        answer.expect(200);
    }
    ask(json!({ "username": "erin" })).await.refused(429, "too_many_requests");
    ask(json!({ "targetUserId": erin })).await.expect(200);
}

#[tokio::test]
async fn names_that_become_members_cost_nothing() {
    let world = world("2").await;
    let (recruiter, few) = recruiter(&world).await;
    for nth in 0..8 {
        let name = format!("new{nth}");
        world.app.account(&name, false).await;
        let answer = add(&world, &recruiter, named(&name)[nth % 2].clone(), &[few]).await;
        assert!(
            answer.header("ratelimit-policy").starts_with("\"member-write\""),
            "{}",
            answer.header("ratelimit-policy")
        );
        answer.expect(201);
    }
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(
            add(&world, &recruiter, json!({ "username": "nobody" }), &[few]).await.status.as_u16(),
        );
    }
    assert_eq!(statuses, [404, 404, 429], "no more for what was given back, and no less");
}

#[tokio::test]
async fn names_tried_at_once_are_no_more_than_one_after_the_other() {
    let world = world("3").await;
    let (recruiter, few) = recruiter(&world).await;
    let mut all = JoinSet::new();
    for nth in 0..20 {
        let (world, recruiter) = (world.clone(), recruiter.clone());
        all.spawn(async move {
            add(&world, &recruiter, json!({ "username": format!("nobody{nth}") }), &[few])
                .await
                .status
                .as_u16()
        });
    }
    let answers = all.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 404).count(), 3, "{answers:?}");
    assert_eq!(failures(&world).await.len(), 3);
}
