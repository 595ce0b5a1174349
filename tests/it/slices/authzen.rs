//! The endpoints of AuthZEN 1.0, over the same answers.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{denied, pointers, points_at};
use super::playbook_kit::{NONE, Stage, permit};
use crate::harness::app::Answer;
use crate::harness::{TestApp, World, statements};

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

fn decisions(answer: Answer) -> Vec<bool> {
    let body = answer.expect(200);
    body["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].as_bool().unwrap()).collect()
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
    world.admin().post(MANY, json!({ "evaluations": [asked] })).await.refused(403, "mandate_access_denied");
    asked["context"] = json!({ "mandate": acme.id });
    world.admin().post(ONE, asked.clone()).await.expect(200);
    world.bare(&acme.admin).post(ONE, asked.clone()).await.refused(400, "mandate_context_missing");
    world.desk(&acme.admin, globex).post(ONE, asked.clone()).await.refused(403, "mandate_access_denied");
    world.app.post(ONE).mandate(acme.id).json(asked).send().await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn only_who_may_read_the_subject_may_ask() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let role = world.role_with(acme, "asks", json!({})).await;
    let path = acme.path(&format!("/users/{}/roles", stage.caller.id));
    world.admin().put(path, json!({ "roleIds": [role] })).await.expect(200);
    let desk = world.desk(&stage.caller, acme);
    let ask = async |user: Uuid| {
        let question = question(user, "read", resource("members"));
        let one = desk.post(ONE, question.clone()).await;
        let many = desk.post(MANY, json!({ "evaluations": [question] })).await;
        assert_eq!((one.status, one.code()), (many.status, many.code()));
        one
    };
    for user in [stage.caller.id, stage.peer.id, Uuid::now_v7()] {
        denied(&ask(user).await, "members", "read", "m");
    }
    for (level, reached) in [("m", 1), ("g", 2), ("a", 3)] {
        permit(world, role, json!({ "members": [level, "n", "n", "n"] })).await;
        for (place, user) in [stage.caller.id, stage.peer.id, stage.outsider.id, world.globex.member.id].into_iter().enumerate() {
            let answer = ask(user).await;
            if place < reached { drop(answer.expect(200)) } else { answer.refused(404, "not_found") }
        }
    }
}

#[tokio::test]
async fn several_questions_are_gone_through_as_the_options_say() {
    let world = World::new().await;
    let user = world.acme.member.id;
    let yes = || question(user, "read", resource("members"));
    let no = || question(user, "delete", resource("members"));
    let ask = async |evaluations: Value, semantic: Option<&str>| {
        let mut body = json!({ "evaluations": evaluations });
        if let Some(semantic) = semantic {
            body["options"] = json!({ "evaluations_semantic": semantic });
        }
        world.admin().post(MANY, body).await
    };
    let mixed = json!([yes(), no(), yes(), no()]);
    for semantic in [None, Some("execute_all")] {
        assert_eq!(decisions(ask(mixed.clone(), semantic).await), [true, false, true, false]);
    }
    assert_eq!(decisions(ask(mixed.clone(), Some("deny_on_first_deny")).await), [true, false]);
    assert_eq!(decisions(ask(mixed, Some("permit_on_first_permit")).await), [true]);
    assert_eq!(decisions(ask(json!([no(), yes(), no()]), Some("permit_on_first_permit")).await), [false, true]);
    assert_eq!(decisions(ask(json!([yes(), yes()]), Some("deny_on_first_deny")).await), [true, true]);
    assert_eq!(decisions(ask(json!([no(), no()]), Some("permit_on_first_permit")).await), [false, false]);
    points_at(&ask(json!([yes()]), Some("at_random")).await, "/options/evaluations_semantic");
    assert_eq!(decisions(ask(json!(vec![yes(); 100]), None).await), [true; 100]);
    points_at(&ask(json!(vec![yes(); 101]), None).await, "/evaluations");
}

#[tokio::test]
async fn what_a_question_leaves_out_comes_from_the_defaults() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let body = json!({
        "subject": subject(acme.member.id),
        "action": action("read"),
        "resource": resource("members"),
        "context": { "mandate": acme.id },
        "evaluations": [
            {},
            { "action": action("delete") },
            { "subject": subject(acme.admin.id), "action": action("delete") },
            { "resource": resource("audit") },
            { "resource": owned("members", Uuid::now_v7()) },
        ],
    });
    assert_eq!(decisions(admin.post(MANY, body.clone()).await), [true, false, true, false, false]);
    // A part replaces its default whole.
    let mut foreign = body.clone();
    foreign["context"] = json!({ "mandate": world.globex.id });
    foreign["evaluations"] = json!([{ "context": {} }]);
    assert_eq!(decisions(admin.post(MANY, foreign).await), [true]);
    // Without questions of its own, it is one question.
    for evaluations in [Some(json!([])), None] {
        let mut single = body.clone();
        match evaluations {
            Some(none) => single["evaluations"] = none,
            None => drop(single.as_object_mut().unwrap().remove("evaluations")),
        }
        let answer = admin.post(MANY, single).await.expect(200);
        assert_eq!((&answer["decision"], answer.get("evaluations")), (&json!(true), None));
    }
    let incomplete =
        json!({ "subject": subject(acme.member.id), "evaluations": [{ "action": action("read"), "resource": resource("members") }, {}] });
    let missing = pointers(&admin.post(MANY, incomplete).await);
    assert!(missing.iter().any(|(at, _)| at == "/evaluations/1/action"), "{missing:?}");
    points_at(&admin.post(MANY, json!({})).await, "/subject");
}

#[tokio::test]
async fn what_is_not_understood_is_pointed_at() {
    let world = World::new().await;
    let (user, admin) = (world.acme.member.id, world.admin());
    for (part, value, pointer) in [
        ("subject", json!({ "type": "group", "id": user }), "/subject/type"),
        ("subject", subject("somebody"), "/subject/id"),
        ("subject", json!({ "type": "user" }), "/subject/id"),
        ("action", action("approve"), "/action/name"),
        ("action", json!({}), "/action/name"),
        ("resource", resource("nothing"), "/resource/type"),
        ("resource", owned("members", "nobody"), "/resource/properties/ownerId"),
        ("context", json!({ "mandate": "acme" }), "/context/mandate"),
    ] {
        let mut asked = question(user, "read", resource("members"));
        asked[part] = value;
        points_at(&admin.post(ONE, asked.clone()).await, pointer);
        let good = question(user, "read", resource("members"));
        points_at(&admin.post(MANY, json!({ "evaluations": [good, asked] })).await, &format!("/evaluations/1{pointer}"));
    }
    for missing in ["subject", "action", "resource"] {
        let mut asked = question(user, "read", resource("members"));
        asked.as_object_mut().unwrap().remove(missing);
        points_at(&admin.post(ONE, asked).await, &format!("/{missing}"));
    }
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
    let path = format!("/api/features/instances/{}", stage.elsewhere);
    world.admin().patch(path, json!({ "enabled": false })).await.expect(200);
    assert_eq!(ask(Some(stage.elsewhere)).await.expect(200)["decision"], json!(false));
    assert_eq!(ask(None).await.expect(200)["decision"], json!(false), "the other is the only one now");
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
    let checked = stage.desk().post("/api/access/check", json!({ "checks": checks })).await.expect(200);
    let allowed: Vec<_> = checked["results"].as_array().unwrap().iter().map(|result| result["allowed"].as_bool().unwrap()).collect();
    assert!(allowed.contains(&true) && allowed.contains(&false));
    assert_eq!(decisions(stage.desk().post(MANY, json!({ "evaluations": evaluations })).await), allowed);
}

/// A hundred questions about one subject are one look at that subject.
#[tokio::test]
async fn questions_about_one_subject_cost_no_more_than_one() {
    let world = World::new().await;
    let user = world.acme.member.id;
    let cost = async |many: usize| {
        let asked = question(user, "read", owned("members", world.acme.admin.id));
        let before = statements::sent();
        assert_eq!(decisions(world.admin().post(MANY, json!({ "evaluations": vec![asked; many] })).await), vec![true; many]);
        statements::sent() - before
    };
    cost(1).await;
    let one = cost(1).await;
    assert!(one > 2);
    assert_eq!(cost(100).await, one);
}

#[tokio::test]
async fn the_metadata_is_public_and_names_the_endpoints() {
    let app = TestApp::start().await;
    let answer = app.get("/.well-known/authzen-configuration").send().await;
    assert!(answer.header("content-type").starts_with("application/json"));
    let body = answer.expect(200);
    assert_eq!(body["policy_decision_point"], "http://test");
    for (name, path) in [("access_evaluation_endpoint", ONE), ("access_evaluations_endpoint", MANY)] {
        assert_eq!(body[name], format!("http://test{path}"));
    }
}

#[tokio::test]
async fn asking_leaves_no_trace_has_the_budget_of_checks_and_echoes_the_request_id() {
    let app = TestApp::start_with(&[("BAILIWICK_RATE_LIMIT_AUTH", "1000"), ("BAILIWICK_RATE_LIMIT_WRITE", "1000")]).await;
    let world = World::in_app(app).await;
    let before = world.app.count("select count(*) from audit_events").await;
    let asked = question(world.acme.member.id, "read", resource("members"));
    for (path, body) in [(ONE, asked.clone()), (MANY, json!({ "evaluations": [asked] }))] {
        let answer = world.admin().ask(Method::POST, path).header("x-request-id", "bfe9eb29-ab87").json(body).send().await;
        assert_eq!(answer.header("ratelimit-policy"), "\"check\";q=6000;w=60");
        assert_eq!(answer.header("x-request-id"), "bfe9eb29-ab87");
        answer.expect(200);
    }
    assert_eq!(world.app.count("select count(*) from audit_events").await, before);
}
