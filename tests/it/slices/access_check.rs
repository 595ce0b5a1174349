//! `POST /api/access/check`: what an application asks before it acts.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Desk, denied, pointers, points_at, set, values};
use super::playbook_kit::{ALL, NONE, Stage, admit, instance, role_in};
use crate::harness::World;
use crate::harness::app::Answer;

const PATH: &str = "/api/access/check";
const OPERATIONS: [&str; 4] = ["read", "create", "update", "delete"];

async fn checked(desk: &Desk<'_>, checks: Value) -> Answer {
    desk.post(PATH, json!({ "checks": checks })).await
}

fn check(table: &str, operation: &str) -> Value {
    json!({ "table": table, "operation": operation })
}
fn of_owner(table: &str, operation: &str, owner: Uuid) -> Value {
    json!({ "table": table, "operation": operation, "ownerId": owner })
}

/// The answers in short: `a+` is allowed at level `a`, `m-` is refused though the level is `m`.
#[track_caller]
fn answers(answer: Answer) -> Vec<String> {
    let body = answer.expect(200);
    let short = |result: &Value| {
        format!(
            "{}{}",
            result["level"].as_str().unwrap(),
            if result["allowed"] == json!(true) { '+' } else { '-' }
        )
    };
    body["results"].as_array().unwrap().iter().map(short).collect()
}

#[tokio::test]
async fn questions_are_answered_in_their_order() {
    let world = World::new().await;
    let acme = &world.acme;
    let role = world
        .role_with(
            acme,
            "probe",
            json!({ "members": ["a", "n", "g", "m"], "roles": ["m", "n", "n", "n"] }),
        )
        .await;
    let cleo = world.member_with(acme, "cleo", &[role]).await;
    let desk = world.desk(&cleo, acme);
    let asked = json!([
        check("members", "read"),
        check("members", "create"),
        check("members", "update"),
        check("members", "delete"),
        check("roles", "read"),
        check("mandate", "read"),
        check("audit", "read"),
        check("members", "read"),
    ]);
    assert_eq!(
        answers(checked(&desk, asked).await),
        ["a+", "n-", "g+", "m+", "m+", "n-", "n-", "a+"]
    );
}

#[tokio::test]
async fn an_owner_is_looked_at_as_the_level_says() {
    let stage = Stage::set().await;
    stage.allow(["a", "n", "g", "m"], NONE).await;
    let ask = async |operation: &str| {
        let owners = [stage.caller.id, stage.peer.id, stage.outsider.id, Uuid::now_v7()];
        let checks: Vec<_> =
            owners.iter().map(|owner| of_owner("playbooks", operation, *owner)).collect();
        answers(checked(&stage.desk(), json!(checks)).await)
    };
    assert_eq!(ask("read").await, ["a+", "a+", "a+", "a+"]);
    assert_eq!(ask("update").await, ["g+", "g+", "g-", "g-"]);
    assert_eq!(ask("delete").await, ["m+", "m-", "m-", "m-"]);
    assert_eq!(ask("create").await, ["n-", "n-", "n-", "n-"]);
    // The answer is the same that the operation itself gives.
    let far = stage.playbook_of(&stage.outsider, "far").await;
    stage.allow(["a", "n", "g", "m"], NONE).await;
    denied(
        &stage.desk().patch(format!("/api/playbooks/{far}"), json!({ "title": "x" })).await,
        "playbooks",
        "update",
        "a",
    );
}

#[tokio::test]
async fn an_owner_of_mandate_tables_is_looked_at_likewise() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let role = world.role_with(acme, "near", json!({ "members": ["g", "n", "m", "n"] })).await;
    let path = acme.path(&format!("/users/{}/roles", stage.caller.id));
    world.admin().put(path, json!({ "roleIds": [role] })).await.expect(200);
    let checks: Vec<_> = ["read", "update"]
        .into_iter()
        .flat_map(|operation| {
            [&stage.caller, &stage.peer, &stage.outsider]
                .map(|owner| of_owner("members", operation, owner.id))
        })
        .collect();
    assert_eq!(
        answers(checked(&stage.desk(), json!(checks)).await),
        ["g+", "g+", "g-", "m+", "m-", "m-"]
    );
}

#[tokio::test]
async fn one_to_a_hundred_well_formed_questions_are_taken() {
    let world = World::new().await;
    let desk = world.admin();
    assert_eq!(
        answers(checked(&desk, json!(vec![check("members", "read"); 100])).await),
        vec!["a+"; 100]
    );
    for many in [0, 101] {
        points_at(&checked(&desk, json!(vec![check("members", "read"); many])).await, "/checks");
    }
    for (wrong, pointer) in [
        (check("nothing", "read"), "/checks/1/table"),
        (check("*", "read"), "/checks/1/table"),
        (check("Members", "read"), "/checks/1/table"),
        (check("", "read"), "/checks/1/table"),
        (check("a\u{0}b", "read"), "/checks/1/table"),
        (check("members", "view"), "/checks/1/operation"),
        (json!({ "table": "members" }), "/checks/1/operation"),
        (json!({ "table": "members", "operation": "read", "ownerId": "x" }), "/checks/1/ownerId"),
        (json!({ "table": "members", "operation": "read", "rowId": "x" }), "/checks/1/rowId"),
    ] {
        points_at(&checked(&desk, json!([check("members", "read"), wrong])).await, pointer);
    }
    // Every unknown table is pointed at.
    let both = checked(
        &desk,
        json!([check("one", "read"), check("members", "read"), check("two", "read")]),
    )
    .await;
    assert_eq!(
        pointers(&both).into_iter().map(|(at, _)| at).collect::<Vec<_>>(),
        ["/checks/0/table", "/checks/2/table"]
    );
    points_at(&desk.post(PATH, json!({})).await, "/checks");
    points_at(
        &desk.post(PATH, json!({ "checks": [check("members", "read")], "userId": 7 })).await,
        "/userId",
    );
    points_at(
        &desk.post(PATH, json!({ "checks": [check("members", "read")], "instanceId": null })).await,
        "/instanceId",
    );
    desk.post(format!("{PATH}?dryRun=true"), json!({ "checks": [check("members", "read")] }))
        .await
        .refused(400, "unknown_parameter");
}

#[tokio::test]
async fn a_feature_table_is_looked_up_in_the_instance_of_the_header_or_in_the_only_one() {
    let world = World::new().await;
    let acme = &world.acme;
    let cleo = world.member_with(acme, "cleo", &[acme.role("user")]).await;
    let desk = world.desk(&cleo, acme);
    let ask = || checked(&desk, json!([check("playbooks", "read"), check("members", "read")]));
    let answer = ask().await;
    answer.refused(400, "instance_context_missing");
    assert_eq!(answer.body["candidates"], json!([]));
    // A table that no feature has is not missing an instance.
    points_at(&checked(&desk, json!([check("nothing", "read")])).await, "/checks/0/table");
    world.admit(acme, cleo.id, &[acme.instance_role("playbooks-viewer")]).await;
    assert_eq!(answers(ask().await), ["a+", "g+"]);
    assert_eq!(answers(checked(&desk, json!([check("access", "read")])).await), ["n-"]);
    // An instance of another feature does not know the table.
    let room = instance(&world, "bookings", "Room").await;
    let everything = role_in(&world, room, "everything").await;
    admit(&world, room, cleo.id, &[everything]).await;
    assert_eq!(answers(ask().await), ["a+", "g+"]);
    assert_eq!(
        answers(
            checked(&desk, json!([check("bookings", "delete"), check("playbooks", "delete")]))
                .await
        ),
        ["a+", "n-"]
    );
    points_at(
        &checked(&desk.in_instance(room), json!([check("playbooks", "read")])).await,
        "/checks/0/table",
    );
    // Every instance knows `access`.
    let several = checked(&desk, json!([check("access", "read")])).await;
    several.refused(400, "instance_context_missing");
    assert_eq!(set(values(&several.body["candidates"], "id")), set([acme.instance, room]));
    let second = instance(&world, "playbooks", "Second").await;
    let role = role_in(&world, second, "everything").await;
    admit(&world, second, cleo.id, &[role]).await;
    let several = ask().await;
    several.refused(400, "instance_context_missing");
    assert_eq!(set(values(&several.body["candidates"], "id")), set([acme.instance, second]));
    assert_eq!(set(values(&several.body["candidates"], "label")), set(["Acme handbook", "Second"]));
    for (instance, expected) in [(acme.instance, "n-"), (second, "a+")] {
        assert_eq!(
            answers(
                checked(&desk.in_instance(instance), json!([check("playbooks", "delete")])).await
            ),
            [expected]
        );
    }
    // Mandate tables need none.
    assert_eq!(answers(checked(&desk, json!([check("members", "read")])).await), ["g+"]);
}

#[tokio::test]
async fn contexts_are_refused_as_everywhere() {
    let world = World::new().await;
    let (acme, globex) = (&world.acme, &world.globex);
    let cleo = world.member_with(acme, "cleo", &[acme.role("user")]).await;
    world.admit(acme, cleo.id, &[acme.instance_role("playbooks-viewer")]).await;
    let off = instance(&world, "playbooks", "Off").await;
    let role = role_in(&world, off, "everything").await;
    admit(&world, off, cleo.id, &[role]).await;
    world
        .admin()
        .patch(format!("/api/features/instances/{off}"), json!({ "enabled": false }))
        .await
        .expect(200);
    let desk = world.desk(&cleo, acme);
    let asked = json!([check("playbooks", "read")]);
    for closed in [off, globex.instance, Uuid::now_v7()] {
        checked(&desk.in_instance(closed), asked.clone())
            .await
            .refused(403, "instance_access_denied");
    }
    assert_eq!(
        answers(checked(&desk, asked.clone()).await),
        ["a+"],
        "a disabled instance is no candidate"
    );
    checked(&world.bare(&cleo), asked.clone()).await.refused(400, "mandate_context_missing");
    checked(&world.desk(&cleo, globex), asked.clone()).await.refused(403, "mandate_access_denied");
    checked(&world.desk(&world.sys_admin, acme), asked.clone())
        .await
        .refused(403, "mandate_access_denied");
    desk.ask(Method::POST, PATH)
        .header("x-instance-id", "x")
        .json(json!({ "checks": asked }))
        .send()
        .await
        .refused(400, "invalid_header");
    let nobody =
        world.app.post(PATH).mandate(acme.id).json(json!({ "checks": asked })).send().await;
    nobody.refused(401, "unauthenticated");
}

#[tokio::test]
async fn questions_about_others_are_for_who_may_read_them() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let role = world.role_with(acme, "asks", json!({})).await;
    let path = acme.path(&format!("/users/{}/roles", stage.caller.id));
    world.admin().put(path, json!({ "roleIds": [role] })).await.expect(200);
    let ask = async |user: Uuid| {
        let body = json!({
            "checks": [check("members", "read"), of_owner("members", "read", user)], "userId": user,
        });
        world.desk(&stage.caller, acme).post(PATH, body).await
    };
    // Oneself, always.
    assert_eq!(answers(ask(stage.caller.id).await), ["n-", "n-"]);
    for user in [stage.peer.id, world.globex.member.id, Uuid::now_v7()] {
        denied(&ask(user).await, "members", "read", "m");
    }
    for (level, reached) in [("m", 0), ("g", 1), ("a", 2)] {
        let tables = json!({ "members": [level, "n", "n", "n"] });
        super::playbook_kit::permit(world, role, tables).await;
        for (place, user) in [stage.peer.id, stage.outsider.id].into_iter().enumerate() {
            let answer = ask(user).await;
            // Both hold `user`, which reads the members of its groups.
            if place < reached {
                assert_eq!(answers(answer), ["g+", "g+"], "{level}");
            } else {
                answer.refused(404, "not_found");
            }
        }
        for user in [world.globex.member.id, Uuid::now_v7(), world.sys_admin.id] {
            ask(user).await.refused(404, "not_found");
        }
    }
}

#[tokio::test]
async fn about_others_it_is_their_access_and_their_groups_that_count() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let asked = |owner: Uuid| {
        json!({
            "checks": [of_owner("members", "read", owner)], "userId": stage.peer.id,
        })
    };
    let admin = world.admin();
    assert_eq!(answers(admin.post(PATH, asked(stage.caller.id)).await), ["g+"]);
    assert_eq!(answers(admin.post(PATH, asked(stage.peer.id)).await), ["g+"]);
    assert_eq!(answers(admin.post(PATH, asked(stage.outsider.id)).await), ["g-"]);
    // Who is disabled may do nothing.
    let path = acme.path(&format!("/users/{}", stage.peer.id));
    admin.patch(path, json!({ "enabled": false })).await.expect(200);
    assert_eq!(answers(admin.post(PATH, asked(stage.peer.id)).await), ["n-"]);
}

#[tokio::test]
async fn instances_are_named_as_candidates_only_to_who_may_see_them() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let asks = world.role_with(acme, "asks", json!({ "members": ["a", "n", "n", "n"] })).await;
    let mole = world.member_with(acme, "mole", &[asks]).await;
    let asked = json!({ "checks": [check("playbooks", "read")], "userId": stage.peer.id });
    let candidates = async |desk: Desk<'_>| {
        let answer = desk.post(PATH, asked.clone()).await;
        answer.refused(400, "instance_context_missing");
        set(values(&answer.body["candidates"], "label"))
    };
    assert_eq!(candidates(world.admin()).await, set(["Acme handbook", "Elsewhere"]));
    assert_eq!(candidates(world.desk(&mole, acme)).await, set::<&str>([]));
    world.admit(acme, mole.id, &[acme.instance_role("playbooks-viewer")]).await;
    assert_eq!(candidates(world.desk(&mole, acme)).await, set(["Acme handbook"]));
}

#[tokio::test]
async fn answers_agree_with_what_the_navigation_tells() {
    let stage = Stage::set().await;
    stage.allow(["g", "m", "g", "m"], ["a", "n", "n", "n"]).await;
    let me = stage.desk().get("/api/access/me").await.expect(200);
    let tables = me["tables"].as_object().unwrap();
    assert!(tables.len() >= 3, "{me}");
    for (table, rule) in tables {
        let checks: Vec<_> = OPERATIONS.iter().map(|operation| check(table, operation)).collect();
        let expected = OPERATIONS
            .map(|operation| rule[operation].as_str().unwrap())
            .map(|level| if level == "n" { "n-".to_owned() } else { format!("{level}+") });
        assert_eq!(answers(checked(&stage.desk(), json!(checks)).await), expected, "{table}");
    }
}

#[tokio::test]
async fn what_is_taken_away_is_gone_from_the_next_answer() {
    let stage = Stage::set().await;
    stage.allow(ALL, ALL).await;
    let asked = json!([check("playbooks", "delete")]);
    assert_eq!(answers(checked(&stage.desk(), asked.clone()).await), ["a+"]);
    stage.allow(["m", "n", "n", "n"], NONE).await;
    assert_eq!(answers(checked(&stage.desk(), asked.clone()).await), ["n-"]);
    let acme = &stage.world.acme;
    let path = acme.instance_path(&format!("/users/{}", stage.caller.id));
    stage.world.admin().patch(path, json!({ "enabled": false })).await.expect(200);
    checked(&stage.desk(), asked).await.refused(403, "instance_access_denied");
}

#[tokio::test]
async fn asking_leaves_no_trace_and_has_the_budget_of_checks() {
    let app = crate::harness::TestApp::start_with(&[
        ("BAILIWICK_RATE_LIMIT_AUTH", "1000"),
        ("BAILIWICK_RATE_LIMIT_WRITE", "1000"),
    ])
    .await;
    let world = World::in_app(app).await;
    let before = world.app.count("select count(*) from audit_events").await;
    let answer = checked(&world.admin(), json!([check("members", "read")])).await;
    assert_eq!(answer.header("ratelimit-policy"), "\"check\";q=6000;w=60");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.expect(200);
    assert_eq!(world.app.count("select count(*) from audit_events").await, before);
}
