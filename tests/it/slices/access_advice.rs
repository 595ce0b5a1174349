//! `POST /api/access/explain`: what is in the way, step by step, and the groups that reach.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::Desk;
use super::playbook_kit::{NONE, Stage, instance, permit, role_in};
use crate::harness::World;

const PATH: &str = "/api/access/explain";

/// The ways that an explanation tells, each as its actions.
fn ways(answer: &Value) -> Vec<Vec<&str>> {
    let ways = answer["wouldNeed"]["ways"].as_array().unwrap().iter();
    ways.map(|way| {
        way["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["action"].as_str().unwrap())
            .collect()
    })
    .collect()
}

async fn explained(desk: &Desk<'_>, body: Value) -> Value {
    desk.post(PATH, body).await.expect(200)
}

/// Whoever is disabled is to be enabled: the roles that they hold come back with that, and none is
/// suggested.
#[tokio::test]
async fn what_is_disabled_is_to_be_enabled_and_no_held_role_given() {
    let stage = Stage::set().await;
    let (world, acme, peer) = (&stage.world, &stage.world.acme, stage.peer.id);
    let admin = world.admin();
    let (member, admission) =
        (acme.path(&format!("/users/{peer}")), acme.instance_path(&format!("/users/{peer}")));
    world.admit(acme, acme.admin.id, &[acme.instance_role("playbooks-admin")]).await;
    let inside = admin.in_instance(acme.instance);
    let ask = async |table: &str| {
        explained(&inside, json!({ "table": table, "operation": "read", "userId": peer })).await
    };
    let off = || json!({ "enabled": false });
    let mut expected: Vec<(&str, &str, &str)> = Vec::new();
    let enable: [(&str, &str, &str); 3] = [
        (
            "enable_admission",
            "Enable the admission to the feature instance.",
            "The admission to the feature instance is disabled.",
        ),
        ("enable_membership", "Enable the membership.", "The membership is disabled."),
        (
            "enable_account",
            "Enable the account, which a SysAdmin does.",
            "The account is disabled.",
        ),
    ];
    for (turn, step) in enable.into_iter().enumerate() {
        match turn {
            0 => drop(admin.patch(&admission, off()).await.expect(200)),
            1 => drop(admin.patch(&member, off()).await.expect(200)),
            _ => drop(world.root().patch(format!("/api/users/{peer}"), off()).await.expect(200)),
        }
        expected.insert(0, step);
        let answer = ask("playbooks").await;
        assert_eq!(
            ways(&answer),
            [expected.iter().map(|step| step.0).collect::<Vec<_>>()],
            "{answer}"
        );
        let sentences = |pick: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
            let steps: Vec<(&'static str, &'static str, &'static str)> =
                enable.iter().rev().filter(|step| expected.contains(step)).copied().collect();
            steps.iter().map(pick).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(answer["wouldNeed"]["detail"], sentences(|step| step.1));
        assert_eq!(answer["wouldNeed"]["role"], Value::Null, "the role that would do is held");
        assert_eq!(
            answer["blockedBy"],
            json!([{ "reason": "not_admitted", "detail": sentences(|step| step.2) }])
        );
    }
    // The mandate's own tables do not hang on the admission.
    assert_eq!(ways(&ask("members").await), [["enable_account", "enable_membership"]]);
    // What the held roles do not permit takes a role besides.
    let answer = ask("mandate").await;
    assert_eq!(ways(&answer), [["enable_account", "enable_membership", "give_role"]]);
    assert_eq!(answer["wouldNeed"]["role"]["label"], "viewer");
}

/// No header has to name the only instance that somebody works in, though nothing is open to them
/// there.
#[tokio::test]
async fn the_only_instance_is_meant_also_where_all_is_disabled() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let solo = world.member_with(acme, "solo", &[acme.role("user")]).await.id;
    world.admit(acme, solo, &[acme.instance_role("playbooks-viewer")]).await;
    let instance = format!("/api/features/instances/{}", acme.instance);
    let body = json!({ "table": "playbooks", "operation": "read", "userId": solo });
    let closing = [
        (acme.path(&format!("/users/{solo}")), vec!["enable_membership"]),
        (instance, vec!["enable_membership", "enable_instance"]),
        (
            acme.instance_path(&format!("/users/{solo}")),
            vec!["enable_membership", "enable_instance", "enable_admission"],
        ),
    ];
    for (path, steps) in closing {
        admin.patch(path, json!({ "enabled": false })).await.expect(200);
        let answer = explained(&admin, body.clone()).await;
        assert_eq!(ways(&answer), [steps], "{answer}");
    }
}

#[tokio::test]
async fn who_is_not_admitted_is_to_be_admitted_with_a_role() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let stranger = world.member_with(acme, "newcomer", &[acme.role("user")]).await;
    world.admit(acme, acme.admin.id, &[acme.instance_role("playbooks-admin")]).await;
    let body = json!({ "table": "playbooks", "operation": "read", "userId": stranger.id });
    let answer = explained(&world.admin().in_instance(acme.instance), body.clone()).await;
    assert_eq!(ways(&answer), [["admit", "give_role"]], "{answer}");
    let role = answer["wouldNeed"]["ways"][0]["steps"][1]["role"]["id"].clone();
    assert_eq!(role, answer["wouldNeed"]["role"]["id"]);
    let admission = json!({ "userId": stranger.id, "roleIds": [role] });
    world.admin().post(acme.instance_path("/users"), admission).await.expect(201);
    assert_eq!(explained(&world.admin().in_instance(acme.instance), body).await["allowed"], true);
    // The same role, by its label, in another instance is another one.
    let nobody_can = explained(
        &world.admin(),
        json!({ "table": "audit", "operation": "update", "userId": stranger.id }),
    )
    .await;
    assert_eq!(ways(&nobody_can), [] as [Vec<&str>; 0]);
    assert_eq!(nobody_can["wouldNeed"]["detail"], "Nobody can `update` rows of `audit`.");
}

/// Whether the caller reads the membership of that owner, as the admin has it explained.
async fn reading_members(stage: &Stage, owner: Option<Uuid>) -> Value {
    let question = json!({
        "table": "members", "operation": "read", "userId": stage.caller.id, "ownerId": owner,
    });
    explained(&stage.world.admin(), question).await
}

/// A group of these people.
async fn group_of(stage: &Stage, name: &str, auto_join: bool, people: [Uuid; 2]) -> Uuid {
    let (admin, acme) = (stage.world.admin(), &stage.world.acme);
    let body = json!({ "name": name, "autoJoin": auto_join });
    let group = admin.post(acme.path("/groups"), body).await.id();
    let path = acme.path(&format!("/groups/{group}/members"));
    admin.put(path, json!({ "userIds": people })).await.expect(200);
    group
}

fn names(answer: &Value) -> Vec<&str> {
    let groups = answer["groups"].as_array().unwrap();
    groups.iter().map(|group| group["name"].as_str().unwrap()).collect()
}

/// Where `g` reaches, the groups through which it does are named; where it does not, that a group
/// would be enough.
#[tokio::test]
async fn the_groups_that_reach_are_named() {
    let stage = Stage::set().await;
    let world = &stage.world;
    let ask = async |owner: Option<Uuid>| reading_members(&stage, owner).await;
    let near = ask(Some(stage.peer.id)).await;
    assert_eq!(
        (&near["allowed"], names(&near), &near["groupCount"]),
        (&json!(true), vec!["shared"], &json!(1))
    );
    assert_eq!(near["groupsDetail"], "`shared`.");
    assert_eq!(
        ask(Some(stage.caller.id)).await["groups"],
        Value::Null,
        "their own row takes no group"
    );
    let far = ask(Some(stage.outsider.id)).await;
    assert_eq!(
        (&far["allowed"], names(&far), &far["groupCount"]),
        (&json!(false), vec![], &json!(0))
    );
    assert!(far["blockedBy"][0]["detail"].as_str().unwrap().ends_with("shares none."), "{far}");
    assert_eq!(ways(&far), [vec!["give_role"], vec!["share_group"]], "{far}");
    assert!(
        far["wouldNeed"]["detail"]
            .as_str()
            .unwrap()
            .ends_with("Or: Put the user and the row's owner into one group."),
        "{far}"
    );
    // Nobody can be put into a group who is no member, and who is, is not told by this.
    for stranger in [Uuid::now_v7(), world.globex.admin.id] {
        assert_eq!(ways(&ask(Some(stranger)).await), [["give_role"]]);
    }
}

/// A group that everybody joins is said to be one; without an owner all of the subject's groups are
/// named.
#[tokio::test]
async fn a_group_that_everybody_joins_is_said_to_be_one() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let ask = async |owner: Option<Uuid>| reading_members(&stage, owner).await;
    let both = [stage.caller.id, stage.outsider.id];
    let all = group_of(&stage, "all hands", true, both).await;
    let far = ask(Some(stage.outsider.id)).await;
    assert_eq!(
        (&far["allowed"], &far["groupsDetail"]),
        (&json!(true), &json!("`all hands`, which every member joins."))
    );
    assert_eq!(far["groups"], json!([{ "id": all, "name": "all hands", "autoJoin": true }]));
    assert_eq!(names(&ask(None).await), ["all hands", "shared"]);
    let access = world
        .admin()
        .get(acme.path(&format!("/users/{}/access", stage.caller.id)))
        .await
        .expect(200);
    assert_eq!((names(&access), &access["groupCount"]), (vec!["all hands", "shared"], &json!(2)));
    assert_eq!(access["groupsDetail"], "`all hands`, which every member joins; `shared`.");
    let all_reaching =
        world.admin().get(acme.path(&format!("/users/{}/access", acme.admin.id))).await.expect(200);
    assert_eq!(all_reaching["groups"], Value::Null, "no level hangs on groups: {all_reaching}");
    // At most 20 are named, by name.
    for number in 0..20 {
        let both = [stage.caller.id, stage.peer.id];
        group_of(&stage, &format!("team {number:02}"), false, both).await;
    }
    let near = ask(Some(stage.peer.id)).await;
    assert_eq!((names(&near).len(), &near["groupCount"]), (20, &json!(21)));
    assert_eq!(names(&near)[..2], ["shared", "team 00"]);
    assert!(near["groupsDetail"].as_str().unwrap().ends_with("; and 1 more."), "{near}");
}

/// That a group reaches is told; which one, only to who may read it.
#[tokio::test]
async fn groups_are_named_to_who_may_read_them() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let watches = world.role_with(acme, "watches", json!({})).await;
    let path = acme.path(&format!("/users/{}/roles", stage.outsider.id));
    world.admin().put(path, json!({ "roleIds": [watches] })).await.expect(200);
    let desk = world.desk(&stage.outsider, acme);
    // The watcher belongs to `mixed` with the subject, and with somebody of `near`, who is not in
    // `shared`.
    let near = world.member_with(acme, "ned", &[acme.role("user")]).await;
    for (name, members) in [
        ("mixed", [stage.outsider.id, stage.caller.id, near.id].to_vec()),
        ("near", [near.id, stage.caller.id].to_vec()),
        ("far", vec![stage.caller.id]),
    ] {
        let group = world.admin().post(acme.path("/groups"), json!({ "name": name })).await.id();
        world
            .admin()
            .put(acme.path(&format!("/groups/{group}/members")), json!({ "userIds": members }))
            .await
            .expect(200);
    }
    for (level, named) in [
        ("n", vec![]),
        ("m", vec!["mixed"]),
        ("g", vec!["far", "mixed", "near", "shared"]),
        ("a", vec!["far", "mixed", "near", "shared"]),
    ] {
        permit(
            world,
            watches,
            json!({ "members": ["a", "n", "n", "n"], "groups": [level, "n", "n", "n"] }),
        )
        .await;
        let body = json!({ "table": "members", "operation": "read", "userId": stage.caller.id });
        let access =
            desk.get(acme.path(&format!("/users/{}/access", stage.caller.id))).await.expect(200);
        for answer in [explained(&desk, body).await, access] {
            let groups = answer["groups"].as_array().unwrap();
            let told: Vec<&str> =
                groups.iter().filter_map(|group| group["name"].as_str()).collect();
            assert_eq!(
                (told, groups.len(), &answer["groupCount"]),
                (named.clone(), 4, &json!(4)),
                "{level}: {answer}"
            );
            let hidden = groups.iter().filter(|group| group["name"].is_null());
            assert!(
                hidden
                    .clone()
                    .all(|group| *group == json!({ "id": null, "name": null, "autoJoin": null })),
                "{level}: {answer}"
            );
            for secret in ["far", "near", "shared"].iter().filter(|name| !named.contains(*name)) {
                assert!(
                    !answer["groupsDetail"].as_str().unwrap().contains(secret),
                    "{level}: {answer}"
                );
            }
        }
    }
}

/// A view is asked about like a table: by check and by explain, in the instance of the header or
/// the only one.
#[tokio::test]
async fn views_are_checked_and_explained() {
    let stage = Stage::set().await;
    stage.allow(NONE, NONE).await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let view = "editor";
    let check = async |desk: &Desk<'_>, check: Value| {
        desk.post("/api/access/check", json!({ "checks": [check] })).await
    };
    let asked = json!({ "view": view });
    assert_eq!(
        check(&stage.desk(), asked.clone()).await.expect(200)["results"],
        json!([{ "allowed": false, "level": "n" }])
    );
    let answer = explained(&stage.desk(), asked.clone()).await;
    assert_eq!(
        (&answer["allowed"], &answer["blockedBy"][0]["reason"]),
        (&json!(false), &json!("no_permission")),
        "{answer}"
    );
    assert_eq!(answer["because"], json!([]), "no role that is held speaks of it");
    assert_eq!(
        (&answer["wouldNeed"]["view"], ways(&answer)),
        (&json!(view), vec![vec!["give_role"]]),
        "{answer}"
    );
    // A role that shows it is what it takes.
    let shows = role_in(world, acme.instance, "shows").await;
    let body = json!({ "tables": {}, "views": { view: true } });
    world.admin().put(format!("/api/roles/{shows}/permissions"), body).await.expect(200);
    let path = acme.instance_path(&format!("/users/{}/roles", stage.caller.id));
    world.admin().put(path, json!({ "roleIds": [shows] })).await.expect(200);
    assert_eq!(
        check(&stage.desk(), asked.clone()).await.expect(200)["results"],
        json!([{ "allowed": true, "level": "a" }])
    );
    let answer = explained(&stage.desk(), asked.clone()).await;
    let because = json!([{ "role": "shows", "roleId": shows, "permission": format!("views.{view}"),
        "level": "a", "from": "named" }]);
    assert_eq!(
        (&answer["allowed"], &answer["because"], &answer["wouldNeed"]),
        (&json!(true), &because, &Value::Null),
        "{answer}"
    );
    let me = stage.desk().get("/api/access/me").await.expect(200);
    assert_eq!(me["views"][&view], true, "{me}");
    // Where several instances have it, the header says which; an instance of another feature does
    // not know it.
    let bare = world.desk(&stage.caller, acme);
    check(&bare, asked.clone()).await.refused(400, "instance_context_missing");
    let room = instance(world, "bookings", "Room").await;
    let role = role_in(world, room, "everything").await;
    super::playbook_kit::admit(world, room, stage.caller.id, &[role]).await;
    super::kit::points_at(&check(&bare.in_instance(room), asked.clone()).await, "/checks/0/view");
}

#[tokio::test]
async fn questions_about_views_that_cannot_be_asked_are_told_where() {
    let (stage, view) = (Stage::set().await, "editor");
    stage.allow(NONE, NONE).await;
    for (wrong, at) in [
        (json!({ "view": "nothing" }), "view"),
        (json!({ "view": "a\u{0}b" }), "view"),
        (json!({ "view": view, "table": "members" }), "view"),
        (json!({ "view": view, "operation": "read" }), "view"),
        (json!({ "view": view, "ownerId": stage.caller.id }), "ownerId"),
        (json!({}), "table"),
        (json!({ "table": "members" }), "operation"),
    ] {
        let checked =
            stage.desk().post("/api/access/check", json!({ "checks": [wrong.clone()] })).await;
        super::kit::points_at(&checked, &format!("/checks/0/{at}"));
        super::kit::points_at(&stage.desk().post(PATH, wrong).await, &format!("/{at}"));
    }
}
