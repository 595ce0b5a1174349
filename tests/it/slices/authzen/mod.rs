//! The endpoints of AuthZEN 1.0, over the same answers.

mod many;
mod subjects;

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::points_at;
use super::playbook_kit::{NONE, Stage};
use crate::harness::app::Answer;
use crate::harness::{TestApp, World};

const ONE: &str = "/access/v1/evaluation";

const MANY: &str = "/access/v1/evaluations";

fn subject(user: impl ToString) -> Value {
    json!({ "type": "user", "id": user.to_string() })
}

fn action(name: &str) -> Value {
    json!({ "name": name })
}

fn resource(table: &str) -> Value {
    json!({ "type": table, "id": "any" })
}

fn owned(table: &str, owner: impl ToString) -> Value {
    json!({ "type": table, "id": "any", "properties": { "ownerId": owner.to_string() } })
}

fn question(user: Uuid, operation: &str, resource: Value) -> Value {
    json!({ "subject": subject(user), "action": action(operation), "resource": resource })
}

/// Why questions were denied that could not be decided: the reasons, and where they are.
#[track_caller]
fn denied(answer: &Answer) -> Vec<(&str, &str)> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let contexts = answer.body["evaluations"].as_array().unwrap().iter().map(|one| &one["context"]);
    contexts
        .filter_map(|context| {
            Some((context["reason"].as_str()?, context["pointer"].as_str().unwrap_or_default()))
        })
        .collect()
}

fn decisions(answer: Answer) -> Vec<bool> {
    let body = answer.expect(200);
    body["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["decision"].as_bool().unwrap())
        .collect()
}

#[tokio::test]
async fn a_question_is_decided() {
    let world = World::new().await;
    let acme = &world.acme;
    let ask = |operation: &str, resource: Value| {
        let question = question(acme.member.id, operation, resource);
        async { world.admin().post(ONE, question).await.expect(200) }
    };
    let read = ask("read", resource("members")).await;
    assert_eq!((&read["decision"], &read["context"]["level"]), (&json!(true), &json!("g")));
    assert_eq!(ask("update", resource("members")).await["decision"], json!(false));
    assert_eq!(ask("read", owned("members", acme.member.id)).await["decision"], json!(true));
    assert_eq!(ask("read", owned("members", Uuid::now_v7())).await["decision"], json!(false));
    // What the specification lets callers add is taken and changes nothing.
    let more = json!({
        "subject": { "type": "user", "id": acme.member.id, "properties": { "role": "admin" } },
        "action": { "name": "read", "properties": { "method": "GET" } },
        "resource": { "type": "members", "id": "7", "properties": { "colour": "red" } },
        "context": { "mandate": acme.id, "time": "2026-01-01T00:00:00Z" },
    });
    assert_eq!(world.admin().post(ONE, more).await.expect(200)["decision"], json!(true));
}

#[tokio::test]
async fn the_mandate_of_the_body_must_be_that_of_the_header() {
    let world = World::new().await;
    let (acme, globex) = (&world.acme, &world.globex);
    let mut asked = question(acme.member.id, "read", resource("members"));
    asked["context"] = json!({ "mandate": globex.id });
    world.admin().post(ONE, asked.clone()).await.refused(403, "mandate_access_denied");
    world.admin().post(MANY, asked.clone()).await.refused(403, "mandate_access_denied");
    assert_eq!(
        denied(&world.admin().post(MANY, json!({ "evaluations": [asked] })).await),
        [("mandate_access_denied", "")]
    );
    asked["context"] = json!({ "mandate": acme.id });
    world.admin().post(ONE, asked.clone()).await.expect(200);
    world.bare(&acme.admin).post(ONE, asked.clone()).await.refused(400, "mandate_context_missing");
    world
        .desk(&acme.admin, globex)
        .post(ONE, asked.clone())
        .await
        .refused(403, "mandate_access_denied");
    world.app.post(ONE).mandate(acme.id).json(asked).send().await.refused(401, "unauthenticated");
}

/// A policy enforcement point gets an answer: what is not known is denied, and why is said. What is
/// no question is refused.
#[tokio::test]
async fn what_is_not_known_is_denied_and_what_is_no_question_refused() {
    let world = World::new().await;
    let (user, admin) = (world.acme.member.id, world.admin());
    for (part, value, reason, pointer) in [
        ("subject", json!({ "type": "group", "id": user }), "unknown_type", "/subject/type"),
        ("subject", subject("somebody"), "unknown_subject", "/subject/id"),
        ("subject", subject("a\u{0}b"), "unknown_subject", "/subject/id"),
        ("subject", subject(""), "unknown_subject", "/subject/id"),
        ("subject", subject(Uuid::now_v7()), "unknown_subject", "/subject/id"),
        ("action", action("approve"), "unknown_action", "/action/name"),
        ("resource", resource("nothing"), "unknown_table", "/resource/type"),
        ("resource", resource("a\u{0}b"), "unknown_table", "/resource/type"),
        ("resource", owned("members", "nobody"), "unknown_owner", "/resource/properties/ownerId"),
        (
            "resource",
            json!({ "type": "members", "id": "1", "properties": { "ownerId": 7 } }),
            "unknown_owner",
            "/resource/properties/ownerId",
        ),
    ] {
        let mut asked = question(user, "read", resource("members"));
        asked[part] = value;
        let answer = admin.post(ONE, asked.clone()).await.expect(200);
        assert_eq!(
            (&answer["decision"], &answer["context"]["level"]),
            (&json!(false), &json!("n")),
            "{answer}"
        );
        assert_eq!(
            (&answer["context"]["reason"], &answer["context"]["pointer"]),
            (&json!(reason), &json!(pointer)),
            "{answer}"
        );
        assert_eq!(
            admin.post(MANY, asked).await.expect(200),
            answer,
            "one question, in the other form"
        );
    }
    for (part, value, pointer) in [
        ("subject", json!({ "type": "user" }), "/subject/id"),
        ("subject", json!({ "type": "user", "id": 7 }), "/subject/id"),
        ("action", json!({}), "/action/name"),
        ("resource", json!({ "type": "members" }), "/resource/id"),
        ("context", json!({ "mandate": "acme" }), "/context/mandate"),
    ] {
        let mut asked = question(user, "read", resource("members"));
        asked[part] = value;
        points_at(&admin.post(ONE, asked).await, pointer);
    }
    for missing in ["subject", "action", "resource"] {
        let mut asked = question(user, "read", resource("members"));
        asked.as_object_mut().unwrap().remove(missing);
        points_at(&admin.post(ONE, asked).await, &format!("/{missing}"));
    }
    points_at(&admin.post(MANY, json!({ "evaluations": "all" })).await, "/evaluations");
}

#[tokio::test]
async fn an_instance_is_named_in_the_context_or_is_the_only_one() {
    let stage = Stage::set().await;
    stage.allow(["m", "n", "n", "n"], NONE).await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let ask = async |instance: Option<Uuid>| {
        let mut asked = question(stage.caller.id, "delete", resource("playbooks"));
        if let Some(instance) = instance {
            asked["context"] = json!({ "instance": instance });
        }
        world.admin().post(ONE, asked).await
    };
    ask(None).await.refused(400, "instance_context_missing");
    assert_eq!(ask(Some(acme.instance)).await.expect(200)["decision"], json!(false));
    assert_eq!(ask(Some(stage.elsewhere)).await.expect(200)["decision"], json!(true));
    for unknown in [Uuid::now_v7(), world.globex.instance] {
        ask(Some(unknown)).await.refused(404, "not_found");
        // The same where the question is about the mandate.
        let mut asked = question(stage.caller.id, "read", resource("members"));
        asked["context"] = json!({ "instance": unknown });
        world.admin().post(ONE, asked).await.refused(404, "not_found");
    }
    // To whom it is not open, an instance is as if it were not there; and where none could be
    // named, that is an answer.
    let outsider = world.member_with(acme, "outsider", &[acme.role("user")]).await;
    let desk = world.desk(&outsider, acme);
    let mut asked = question(outsider.id, "read", resource("playbooks"));
    assert_eq!(
        desk.post(ONE, asked.clone()).await.expect(200)["context"]["reason"],
        "unknown_instance"
    );
    asked["context"] = json!({ "instance": acme.instance });
    desk.post(ONE, asked).await.refused(404, "not_found");
    let path = format!("/api/features/instances/{}", stage.elsewhere);
    world.admin().patch(path, json!({ "enabled": false })).await.expect(200);
    assert_eq!(ask(Some(stage.elsewhere)).await.expect(200)["decision"], json!(false));
    assert_eq!(
        ask(None).await.expect(200)["decision"],
        json!(false),
        "the other is the only one now"
    );
}

/// Who reads by level `g` knows of an instance while somebody near is in it, whoever asked before.
#[tokio::test]
async fn an_instance_is_known_as_long_as_somebody_near_is_in_it() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let reads = json!({ "instances": ["g", "n", "n", "n"] });
    let role = world.role_with(acme, "reader", reads).await;
    let caller = world.member_with(acme, "caller", &[role]).await;
    let near = world.member_with(acme, "near", &[acme.role("user")]).await;
    let group = admin.post(acme.path("/groups"), json!({ "name": "Desk" })).await.id();
    let body = json!({ "userIds": [caller.id, near.id] });
    admin.put(acme.path(&format!("/groups/{group}/members")), body).await.expect(200);
    let desk = world.desk(&caller, acme);
    let mut asked = question(caller.id, "read", resource("playbooks"));
    asked["context"] = json!({ "instance": acme.instance });
    desk.post(ONE, asked.clone()).await.refused(404, "not_found");
    world.admit(acme, near.id, &[acme.instance_role("playbooks-viewer")]).await;
    assert_eq!(desk.post(ONE, asked.clone()).await.expect(200)["decision"], json!(false));
    admin.delete(acme.instance_path(&format!("/users/{}", near.id))).await.expect(204);
    desk.post(ONE, asked).await.refused(404, "not_found");
}

/// Decisions are those of check, and those are the guards'.
#[tokio::test]
async fn decisions_agree_with_check() {
    let stage = Stage::set().await;
    stage.allow(["a", "m", "g", "m"], ["g", "n", "m", "n"]).await;
    let owners = [None, Some(stage.caller.id), Some(stage.peer.id), Some(stage.outsider.id)];
    let (mut checks, mut evaluations) = (Vec::new(), Vec::new());
    for table in ["playbooks", "playbook_versions", "access", "members", "roles"] {
        for operation in ["read", "create", "update", "delete"] {
            for owner in owners {
                checks.push(json!({ "table": table, "operation": operation, "ownerId": owner }));
                let asked = owner.map_or_else(|| resource(table), |owner| owned(table, owner));
                evaluations.push(question(stage.caller.id, operation, asked));
            }
        }
    }
    let checked =
        stage.desk().post("/api/access/check", json!({ "checks": checks })).await.expect(200);
    let allowed: Vec<_> = checked["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["allowed"].as_bool().unwrap())
        .collect();
    assert!(allowed.contains(&true) && allowed.contains(&false));
    assert_eq!(
        decisions(stage.desk().post(MANY, json!({ "evaluations": evaluations })).await),
        allowed
    );
}

#[tokio::test]
async fn the_metadata_is_public_and_names_the_endpoints() {
    let app = TestApp::start().await;
    let answer = app.get("/.well-known/authzen-configuration").send().await;
    assert!(answer.header("content-type").starts_with("application/json"));
    let body = answer.expect(200);
    assert_eq!(body["policy_decision_point"], "http://test");
    for (name, path) in [("access_evaluation_endpoint", ONE), ("access_evaluations_endpoint", MANY)]
    {
        assert_eq!(body[name], format!("http://test{path}"));
    }
}

#[tokio::test]
async fn asking_leaves_no_trace_has_the_budget_of_checks_and_echoes_the_request_id() {
    let app = TestApp::start_with(&[
        ("BAILIWICK_RATE_LIMIT_AUTH", "1000"),
        ("BAILIWICK_RATE_LIMIT_WRITE", "1000"),
    ])
    .await;
    let world = World::in_app(app).await;
    let before = world.app.count("select count(*) from audit_events").await;
    let asked = question(world.acme.member.id, "read", resource("members"));
    for (path, body) in [(ONE, asked.clone()), (MANY, json!({ "evaluations": [asked] }))] {
        let answer = world
            .admin()
            .ask(Method::POST, path)
            .header("x-request-id", "bfe9eb29-ab87")
            .json(body)
            .send()
            .await;
        assert_eq!(answer.header("ratelimit-policy"), "\"check\";q=6000;w=60");
        assert_eq!(answer.header("x-request-id"), "bfe9eb29-ab87");
        answer.expect(200);
    }
    assert_eq!(world.app.count("select count(*) from audit_events").await, before);
}
