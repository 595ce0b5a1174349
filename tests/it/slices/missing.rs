//! What a body names and is not there: told one by one, where it is named, and the same whether it
//! is nobody's or another mandate's.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::World;
use crate::harness::app::Answer;

/// Where a refusal points to, and the kinds of things that are not there.
#[track_caller]
fn told(answer: &Answer) -> Vec<(String, String)> {
    answer.refused(404, "not_found");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(&error["pointer"]), text(&error["code"])))
        .collect()
}

fn expected(places: &[(&str, &str)]) -> Vec<(String, String)> {
    places.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect()
}

#[tokio::test]
async fn each_thing_that_is_not_there_is_told_once() {
    let world = World::new().await;
    let (acme, globex, admin) = (&world.acme, &world.globex, world.admin());
    let (viewer, foreign) =
        (acme.instance_role("playbooks-viewer"), globex.instance_role("playbooks-viewer"));
    let unknown = Uuid::now_v7();
    for stranger in [Uuid::now_v7(), globex.member.id] {
        let body =
            json!({ "userId": stranger, "roleIds": [viewer, unknown, viewer, foreign, unknown] });
        let answer = admin.post(acme.instance_path("/users"), body).await;
        let places = [
            ("/userId", "unknown_user"),
            ("/roleIds/1", "unknown_role"),
            ("/roleIds/3", "unknown_role"),
        ];
        assert_eq!(told(&answer), expected(&places));
        assert_eq!(answer.body["detail"], "/userId names nobody who is known here");
    }
    let members = acme.path(&format!("/groups/{}/members", acme.everyone));
    let ids: Vec<Uuid> = [acme.member.id, globex.member.id]
        .into_iter()
        .chain((0..300).map(|_| Uuid::now_v7()))
        .collect();
    let answer = admin.put(members, json!({ "userIds": ids })).await;
    assert_eq!(
        told(&answer)[..2],
        expected(&[("/userIds/1", "unknown_user"), ("/userIds/2", "unknown_user")])
    );
    assert_eq!(told(&answer).len(), 100, "as many as a refusal tells");
}

#[tokio::test]
async fn whom_a_body_names_is_told_by_the_field_that_names_them() {
    let world = World::new().await;
    let (acme, user) = (&world.acme, world.acme.role("user"));
    for (field, value) in [
        ("targetUserId", json!(Uuid::now_v7())),
        ("username", json!("nobody")),
        ("email", json!("nobody@example.com")),
    ] {
        let mut body = json!({ "roleIds": [user] });
        body[field] = value;
        let answer = world.admin().post(acme.path("/users"), body).await;
        assert_eq!(told(&answer), expected(&[(&format!("/{field}"), "unknown_user")]));
    }
    let answer = world
        .root()
        .post("/api/mandates", json!({ "name": "Initech", "adminUserId": Uuid::now_v7() }))
        .await;
    assert_eq!(told(&answer), expected(&[("/adminUserId", "unknown_user")]));
}

#[tokio::test]
async fn features_and_roles_are_told_apart() {
    let world = World::new().await;
    let admin = world.admin();
    let path = "/api/features/instances";
    let answer = admin
        .post(path, json!({ "featureCode": "unicorns", "label": "x", "grantCreatorRole": "rider" }))
        .await;
    assert_eq!(
        told(&answer),
        expected(&[("/featureCode", "unknown_feature")]),
        "what is no feature has no roles to look for"
    );
    let answer = admin
        .post(
            path,
            json!({ "featureCode": "playbooks", "label": "x", "grantCreatorRole": "rider" }),
        )
        .await;
    assert_eq!(told(&answer), expected(&[("/grantCreatorRole", "unknown_role")]));
    let body = json!({ "roleLabel": "auditor", "featureCode": "unicorns" });
    let answer = world.root().post("/api/features/templates/roles", body).await;
    assert_eq!(told(&answer), expected(&[("/featureCode", "unknown_feature")]));
}

/// Whoever may read only some members is told of the others what is told of nobody.
#[tokio::test]
async fn out_of_reach_is_not_there() {
    let world = World::new().await;
    let acme = &world.acme;
    sqlx::query("update groups set auto_join = false").execute(&world.app.sql).await.unwrap();
    sqlx::query("delete from group_members").execute(&world.app.sql).await.unwrap();
    let reader = world.role_with(acme, "reader", json!({ "members": ["g", "n", "n", "n"] })).await;
    let reader = world.member_with(acme, "reader", &[reader]).await;
    let desk = world.desk(&reader, acme);
    for user in [acme.member.id, world.globex.member.id, Uuid::now_v7()] {
        for (path, body) in [
            (
                "/api/access/check",
                json!({ "checks": [{ "table": "roles", "operation": "read" }], "userId": user }),
            ),
            (
                "/api/access/explain",
                json!({ "table": "roles", "operation": "read", "userId": user }),
            ),
        ] {
            assert_eq!(
                told(&desk.post(path, body).await),
                expected(&[("/userId", "unknown_user")])
            );
        }
    }
}

#[tokio::test]
async fn what_a_path_names_is_not_pointed_to() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (role, user) = (acme.role("user"), Uuid::now_v7());
    for answer in [
        admin.put(acme.path(&format!("/users/{user}/roles")), json!({ "roleIds": [role] })).await,
        admin
            .put(
                acme.path(&format!("/users/{}/roles/{}", acme.member.id, Uuid::now_v7())),
                json!({}),
            )
            .await,
        admin
            .put(
                acme.path(&format!("/groups/{}/members", Uuid::now_v7())),
                json!({ "userIds": [user] }),
            )
            .await,
    ] {
        answer.refused(404, "not_found");
        assert!(answer.body.get("errors").is_none(), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_id_that_is_none_must_be_a_uuid() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let detail = |answer: &Answer| answer.body["detail"].as_str().unwrap().to_owned();
    let body = json!({ "userId": acme.member.id, "roleIds": [acme.role("user"), "viewer"] });
    assert_eq!(
        detail(&admin.post(acme.instance_path("/users"), body).await),
        "/roleIds/1 must be a UUID"
    );
    assert_eq!(
        detail(&admin.get(acme.path("/users?roleId=viewer")).await),
        "`roleId` must be a UUID."
    );
    assert_eq!(
        detail(&admin.get(acme.path("/users/bob")).await),
        "`userId` in the path must be a UUID."
    );
    assert_eq!(
        detail(&admin.get(acme.path("/users?limit=many")).await),
        "`limit` must be a whole number from 1 to 200."
    );
    assert_eq!(
        detail(&admin.get(acme.path("/users?limit=201")).await),
        "`limit` must be a whole number from 1 to 200."
    );
    assert_eq!(
        detail(&admin.get(acme.path("/users?enabled=yes")).await),
        "`enabled` must be true or false."
    );
}
