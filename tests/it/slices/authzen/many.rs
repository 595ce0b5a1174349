//! Several questions at once, each of which answers for itself.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::kit::points_at;
use super::{MANY, ONE, action, decisions, denied, owned, question, resource, subject};
use crate::harness::{World, statements};

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
    assert_eq!(
        decisions(ask(json!([no(), yes(), no()]), Some("permit_on_first_permit")).await),
        [false, true]
    );
    assert_eq!(
        decisions(ask(json!([yes(), yes()]), Some("deny_on_first_deny")).await),
        [true, true]
    );
    assert_eq!(
        decisions(ask(json!([no(), no()]), Some("permit_on_first_permit")).await),
        [false, false]
    );
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
    let incomplete = json!({
        "subject": subject(acme.member.id),
        "evaluations": [{ "action": action("read"), "resource": resource("members") }, {}],
    });
    let answer = admin.post(MANY, incomplete).await;
    assert_eq!(denied(&answer), [("required", "/evaluations/1/action")]);
    assert_eq!(decisions(answer), [true, false]);
    points_at(&admin.post(MANY, json!({})).await, "/subject");
}

/// Whatever is wrong with one question of several: it is denied where it stands, and the others are
/// answered.
#[tokio::test]
async fn one_bad_question_of_several_answers_for_itself() {
    let world = World::new().await;
    let (acme, user, admin) = (&world.acme, world.acme.member.id, world.admin());
    let with = |part: &str, value: Value| {
        let mut asked = question(user, "read", resource("members"));
        asked[part] = value;
        asked
    };
    let bad = [
        (json!(7), "invalid_type", ""),
        (json!(null), "invalid_type", ""),
        (json!([]), "invalid_type", ""),
        (json!({}), "required", "/subject"),
        (with("subject", json!(7)), "invalid_type", "/subject"),
        (with("subject", json!({ "type": "user", "id": 7 })), "invalid_type", "/subject/id"),
        (with("subject", json!({ "type": "user" })), "required", "/subject/id"),
        (with("subject", json!({ "type": "group", "id": user })), "unknown_type", "/subject/type"),
        (with("subject", subject(Uuid::now_v7())), "unknown_subject", "/subject/id"),
        (with("subject", subject(world.globex.member.id)), "unknown_subject", "/subject/id"),
        (with("action", action("approve")), "unknown_action", "/action/name"),
        (with("action", json!("read")), "invalid_type", "/action"),
        (with("resource", resource("nothing")), "unknown_table", "/resource/type"),
        (
            with("resource", owned("members", "nobody")),
            "unknown_owner",
            "/resource/properties/ownerId",
        ),
        (with("resource", resource("playbooks")), "unknown_instance", "/resource/type"),
        (with("context", json!({ "mandate": "acme" })), "invalid_type", "/context/mandate"),
        (with("shoeSize", json!(46)), "unknown_field", "/shoeSize"),
    ];
    // Where a problem has no place in the body, none is named.
    let elsewhere = [
        (with("context", json!({ "mandate": world.globex.id })), "mandate_access_denied"),
        (with("context", json!({ "instance": world.globex.instance })), "not_found"),
    ];
    let places = bad.into_iter().map(|(asked, reason, at)| (asked, reason, Some(at)));
    let good = || question(user, "read", resource("members"));
    for (asked, reason, at) in places.chain(elsewhere.map(|(asked, reason)| (asked, reason, None)))
    {
        let answer = admin.post(MANY, json!({ "evaluations": [good(), asked, good()] })).await;
        let pointer = at.map_or(String::new(), |at| format!("/evaluations/1{at}"));
        assert_eq!(denied(&answer), [(reason, pointer.as_str())], "{asked}");
        assert_eq!(decisions(answer), [true, false, true], "{asked}");
        // It counts as denied where the first one ends it.
        let first = json!({
            "evaluations": [good(), asked, good()],
            "options": { "evaluations_semantic": "deny_on_first_deny" },
        });
        assert_eq!(decisions(admin.post(MANY, first).await), [true, false], "{asked}");
    }
    // What is wrong with a default is wrong where the default stands.
    let mut nobody = question(user, "read", resource("members"));
    nobody["subject"] = subject("nobody");
    nobody["evaluations"] = json!([{}, { "subject": subject(user) }]);
    let answer = admin.post(MANY, nobody).await;
    assert_eq!(denied(&answer), [("unknown_subject", "/subject/id")]);
    assert_eq!(decisions(answer), [false, true]);
    // An owner is named like a subject.
    let near = with("resource", owned("members", &acme.member.name));
    assert_eq!(
        decisions(admin.post(MANY, json!({ "evaluations": [near, good()] })).await),
        [true, true]
    );
}

/// A hundred questions about one subject are one look at that subject.
#[tokio::test]
async fn questions_about_one_subject_cost_no_more_than_one() {
    let world = World::new().await;
    let user = world.acme.member.id;
    let cost = async |many: usize| {
        let asked = question(user, "read", owned("members", world.acme.admin.id));
        let before = statements::sent();
        assert_eq!(
            decisions(world.admin().post(MANY, json!({ "evaluations": vec![asked; many] })).await),
            vec![true; many]
        );
        statements::sent() - before
    };
    cost(1).await;
    let one = cost(1).await;
    assert!(one > 2);
    assert_eq!(cost(100).await, one);
}

/// What is kept of the caller answers, also in an instance that is not open to them: nothing is
/// sent but what all who wait share.
#[tokio::test]
async fn a_question_about_oneself_takes_no_statement_of_its_own() {
    let world = World::new().await;
    let (admin, acme) = (world.admin(), &world.acme);
    let mut asked = question(acme.admin.id, "update", resource("playbooks"));
    asked["context"] = json!({ "instance": acme.instance });
    let cost = async || {
        let before = statements::sent();
        let answer = admin.post(ONE, asked.clone()).await.expect(200);
        assert_eq!(answer["context"]["reason"], Value::Null, "{answer}");
        statements::sent() - before
    };
    cost().await;
    assert_eq!(cost().await, 1);
}
