//! `POST /api/access/explain`: why, and why not, in words.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Desk, denied, points_at, values};
use super::playbook_kit::{NONE, Stage, permit};
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::world::Person;

const PATH: &str = "/api/access/explain";

async fn explained(desk: &Desk<'_>, table: &str, operation: &str) -> Value {
    desk.post(PATH, json!({ "table": table, "operation": operation })).await.expect(200)
}

/// Acme with somebody who holds these mandate roles: label, and permissions in short.
async fn stage(roles: &[(&str, Value)]) -> (World, Person, Vec<Uuid>) {
    let world = World::new().await;
    let mut ids = Vec::new();
    for (label, tables) in roles {
        ids.push(world.role_with(&world.acme, label, tables.clone()).await);
    }
    let cleo = world.member_with(&world.acme, "cleo", &ids).await;
    (world, cleo, ids)
}

/// What the level comes from, in short: the role, its level, how it reaches the table.
fn because(answer: &Value) -> Vec<[&str; 3]> {
    let items = answer["because"].as_array().unwrap().iter();
    items
        .map(|item| ["role", "level", "from"].map(|field| item[field].as_str().unwrap_or("-")))
        .collect()
}

#[tokio::test]
async fn the_roles_that_give_the_level_are_named() {
    let all = json!(["a", "a", "a", "a"]);
    let (world, cleo, ids) = stage(&[
        ("named", json!({ "members": ["a", "n", "m", "n"] })),
        ("star", json!({ "*": ["g", "g", "g", "g"] })),
        ("both", json!({ "*": all, "members": ["m", "n", "n", "n"] })),
        ("other", json!({ "groups": ["a", "n", "n", "n"] })),
    ])
    .await;
    let desk = world.desk(&cleo, &world.acme);
    let read = explained(&desk, "members", "read").await;
    assert_eq!((&read["allowed"], &read["level"]), (&json!(true), &json!("a")));
    assert_eq!(
        because(&read),
        [["named", "a", "named"], ["star", "g", "wildcard"], ["both", "m", "named"]]
    );
    assert_eq!(read["because"][0]["roleId"], json!(ids[0]));
    assert!(read["because"][0]["permission"].as_str().unwrap().contains("members"), "{read}");
    assert_eq!((&read["blockedBy"], &read["wouldNeed"]), (&json!([]), &json!(null)));
    let update = explained(&desk, "members", "update").await;
    assert_eq!(because(&update), [["star", "g", "wildcard"], ["named", "m", "named"]]);
    // `g` falls to what the table knows: members are created at `n` or `a` only. And a named table
    // beats the `*` of its role.
    let create = explained(&desk, "members", "create").await;
    assert_eq!(
        (&create["allowed"], &create["level"], because(&create)),
        (&json!(false), &json!("n"), vec![])
    );
    let mandate = explained(&desk, "mandate", "update").await;
    assert_eq!(because(&mandate), [["both", "a", "wildcard"]]);
}

#[tokio::test]
async fn what_is_in_the_way_and_what_it_would_take_is_told() {
    let stage = Stage::set().await;
    stage.allow(["a", "n", "m", "n"], NONE).await;
    let ask = async |operation: &str, owner: Option<Uuid>| {
        let body = json!({ "table": "playbooks", "operation": operation, "ownerId": owner });
        stage.desk().post(PATH, body).await.expect(200)
    };
    let none = ask("delete", None).await;
    assert_eq!(
        (&none["allowed"], &none["level"], &none["because"]),
        (&json!(false), &json!("n"), &json!([]))
    );
    assert_eq!(none["blockedBy"].as_array().unwrap().len(), 1, "{none}");
    for (owner, needed) in [
        (stage.caller.id, None),
        (stage.peer.id, Some("g")),
        (stage.outsider.id, Some("a")),
        (Uuid::now_v7(), Some("a")),
    ] {
        let answer = ask("update", Some(owner)).await;
        assert_eq!(answer["level"], "m");
        assert_eq!(because(&answer), [["probe", "m", "named"]], "what there is, is told too");
        assert_eq!(answer["allowed"], json!(needed.is_none()), "{answer}");
        let Some(needed) = needed else {
            assert_eq!((&answer["blockedBy"], &answer["wouldNeed"]), (&json!([]), &json!(null)));
            continue;
        };
        let need = ["table", "operation", "level"]
            .map(|field| answer["wouldNeed"][field].as_str().unwrap());
        assert_eq!(need, ["playbooks", "update", needed], "{answer}");
        assert!(answer["wouldNeed"]["detail"].as_str().unwrap().len() > 20, "{answer}");
        assert_eq!(answer["blockedBy"].as_array().unwrap().len(), 1, "{answer}");
    }
    // Without an owner, the least level would do; where a table does not know that, the least that
    // it knows.
    assert_eq!(ask("delete", None).await["wouldNeed"]["level"], "m");
    assert_eq!(explained(&stage.desk(), "mandate", "update").await["wouldNeed"]["level"], "a");
    assert_eq!(explained(&stage.desk(), "members", "create").await["wouldNeed"]["level"], "a");
}

#[tokio::test]
async fn callers_are_told_their_own_roles_whatever_they_may_read() {
    let (world, cleo, ids) =
        stage(&[("secretive", json!({ "groups": ["a", "n", "n", "n"] }))]).await;
    let acme = &world.acme;
    let role =
        world.admin().post(acme.instance_path("/roles"), json!({ "label": "inside" })).await.id();
    permit(&world, role, json!({ "playbooks": ["m", "n", "n", "n"] })).await;
    world.admit(acme, cleo.id, &[role]).await;
    let desk = world.desk(&cleo, acme);
    for (table, label, id) in [("groups", "secretive", ids[0]), ("playbooks", "inside", role)] {
        for user in [None, Some(cleo.id)] {
            let body = json!({ "table": table, "operation": "read", "userId": user });
            let answer = desk.post(PATH, body).await.expect(200);
            assert_eq!(
                (&answer["because"][0]["role"], &answer["because"][0]["roleId"]),
                (&json!(label), &json!(id)),
                "{table}"
            );
        }
    }
}

/// An observer who reads members and these roles, a subject with a role, and the roles' ids.
#[tokio::test]
async fn nobody_is_told_of_roles_that_they_may_not_read() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let observes = world.role_with(acme, "observes", json!({})).await;
    let hidden = world.role_with(acme, "hush-hush", json!({ "audit": ["m", "n", "n", "n"] })).await;
    let roles = |id: Uuid| acme.path(&format!("/users/{id}/roles"));
    world.admin().put(roles(stage.caller.id), json!({ "roleIds": [observes] })).await.expect(200);
    world.admin().put(roles(stage.outsider.id), json!({ "roleIds": [hidden] })).await.expect(200);
    let ask = async |owner: Uuid| {
        let body = json!({
            "table": "audit", "operation": "read", "userId": stage.outsider.id, "ownerId": owner,
        });
        world.desk(&stage.caller, acme).post(PATH, body).await.expect(200)
    };
    for level in ["n", "m", "g"] {
        permit(
            world,
            observes,
            json!({ "members": ["a", "n", "n", "n"], "roles": [level, "n", "n", "n"] }),
        )
        .await;
        for owner in [stage.outsider.id, stage.caller.id] {
            let answer = ask(owner).await;
            assert_eq!(answer["level"], "m");
            let text = answer.to_string();
            for secret in [
                "hush-hush",
                &hidden.to_string(),
                &acme.role("viewer").to_string(),
                &acme.role("admin").to_string(),
            ] {
                assert!(!text.contains(secret), "{level}: {text}");
            }
        }
    }
    permit(
        world,
        observes,
        json!({ "members": ["a", "n", "n", "n"], "roles": ["a", "n", "n", "n"] }),
    )
    .await;
    let answer = ask(stage.outsider.id).await;
    assert_eq!(
        (&answer["because"][0]["role"], &answer["because"][0]["roleId"]),
        (&json!("hush-hush"), &json!(hidden))
    );
    assert_eq!(ask(stage.caller.id).await["wouldNeed"]["role"]["label"], "admin");
}

#[tokio::test]
async fn the_role_that_permits_the_least_is_named_as_enough() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let ask = async |operation: &str, user: Uuid, owner: Option<Uuid>| {
        let body =
            json!({ "table": "groups", "operation": operation, "userId": user, "ownerId": owner });
        world.admin().post(PATH, body).await.expect(200)["wouldNeed"]["role"].clone()
    };
    assert_eq!(ask("update", stage.peer.id, None).await["label"], "admin");
    let all = json!(["a", "a", "a", "a"]);
    world.role_with(acme, "wide", json!({ "groups": all, "members": ["a", "n", "n", "n"] })).await;
    let narrow = world.role_with(acme, "narrow", json!({ "groups": ["m", "n", "m", "n"] })).await;
    assert_eq!(
        ask("update", stage.peer.id, None).await,
        json!({ "id": narrow, "label": "narrow" })
    );
    assert_eq!(ask("update", stage.peer.id, Some(stage.peer.id)).await["label"], "narrow");
    assert_eq!(ask("update", stage.peer.id, Some(stage.outsider.id)).await["label"], "wide");
    assert_eq!(ask("delete", stage.peer.id, None).await["label"], "wide");
}

#[tokio::test]
async fn questions_are_taken_and_refused_as_by_check() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let desk = stage.desk();
    for (body, pointer) in [
        (json!({ "table": "nothing", "operation": "read" }), "/table"),
        (json!({ "table": "members", "operation": "view" }), "/operation"),
        (json!({ "table": "members", "operation": 7 }), "/operation"),
        (json!({ "operation": "read" }), "/table"),
        (json!({ "table": "members", "operation": "read", "x": 1 }), "/x"),
    ] {
        points_at(&desk.post(PATH, body).await, pointer);
    }
    let body = |user: Uuid| json!({ "table": "members", "operation": "read", "userId": user });
    desk.post(PATH, body(stage.outsider.id)).await.refused(404, "not_found");
    desk.post(PATH, body(Uuid::now_v7())).await.refused(404, "not_found");
    desk.post(PATH, body(stage.peer.id)).await.expect(200);
    let mute =
        world.member_with(acme, "mute", &[world.role_with(acme, "mute", json!({})).await]).await;
    denied(&world.desk(&mute, acme).post(PATH, body(stage.peer.id)).await, "members", "read", "m");
    let two = world
        .desk(&stage.caller, acme)
        .post(PATH, json!({ "table": "playbooks", "operation": "read" }))
        .await;
    two.refused(400, "instance_context_missing");
    assert_eq!(values(&two.body["candidates"], "id").len(), 2);
    world
        .bare(&stage.caller)
        .post(PATH, body(stage.caller.id))
        .await
        .refused(400, "mandate_context_missing");
}

/// Explain, check and the operation itself agree, whatever is permitted.
#[tokio::test]
async fn explaining_agrees_with_checking() {
    let stage = Stage::set().await;
    for [read, update] in [["n", "n"], ["m", "n"], ["g", "m"], ["a", "g"], ["a", "a"]] {
        stage.allow([read, "m", update, "n"], NONE).await;
        if read == "n" {
            stage.allow(NONE, NONE).await;
        }
        for (table, operation) in [
            ("playbooks", "read"),
            ("playbooks", "update"),
            ("playbook_versions", "read"),
            ("members", "read"),
        ] {
            for owner in [None, Some(stage.caller.id), Some(stage.peer.id), Some(stage.outsider.id)]
            {
                let question = json!({ "table": table, "operation": operation, "ownerId": owner });
                let checked: Answer =
                    stage.desk().post("/api/access/check", json!({ "checks": [question] })).await;
                let result = &checked.expect(200)["results"][0];
                let answer = stage.desk().post(PATH, question).await.expect(200);
                assert_eq!(
                    [&answer["allowed"], &answer["level"]],
                    [&result["allowed"], &result["level"]],
                    "{answer}"
                );
                let allowed = answer["allowed"] == json!(true);
                assert_eq!(
                    (answer["blockedBy"] == json!([]), answer["wouldNeed"].is_null()),
                    (allowed, allowed),
                    "{answer}"
                );
                assert!(!allowed || !answer["because"].as_array().unwrap().is_empty(), "{answer}");
            }
        }
    }
}
