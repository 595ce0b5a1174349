//! What says who somebody was, their sessions and their memberships.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::kit::values;
use super::{erasing, kept, row};
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::world::World;

async fn rows_of(world: &World, table: &'static str, id: Uuid) -> i64 {
    let query = sqlx::AssertSqlSafe(format!("select count(*) from {table} where user_id = $1"));
    sqlx::query_scalar(query).bind(id).fetch_one(&world.app.sql).await.unwrap()
}

#[tokio::test]
async fn nothing_personal_is_left_of_an_erased_account() {
    let world = World::new().await;
    let (root, member) = (world.root(), &world.acme.member);
    let named = json!({ "firstName": "Max", "lastName": "Muster", "language": "de" });
    root.patch(row(member.id), named).await.expect(200);
    let before = kept(&world, member.id).await;
    let erased = root.delete(erasing(member.id)).await.expect(200);
    let after = kept(&world, member.id).await;
    assert_eq!(erased.as_object().unwrap().len(), 2, "{erased}");
    assert_eq!(erased["id"], json!(member.id));
    let at = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    assert_eq!(at(&erased["erasedAt"]), at(&after["erased_at"]));
    let pseudonym = after["username"].as_str().unwrap();
    assert!(pseudonym.starts_with("erased-") && pseudonym.len() > 12, "{pseudonym}");
    let mut expected = before.clone();
    for empty in ["email", "email_key", "first_name", "last_name", "password_hash", "last_login_at"]
    {
        expected[empty] = Value::Null;
    }
    for (column, value) in [
        ("username", after["username"].clone()),
        ("username_key", after["username"].clone()),
        ("email_verified", json!(false)),
        ("language", json!("en")),
        ("enabled", json!(false)),
        ("is_sys_admin", json!(false)),
        ("erased_at", after["erased_at"].clone()),
        ("password_version", json!(before["password_version"].as_i64().unwrap() + 1)),
        ("version", json!(before["version"].as_i64().unwrap() + 1)),
    ] {
        expected[column] = value;
    }
    assert_eq!(after, expected);
}

#[tokio::test]
async fn an_erased_account_is_gone_for_sys_admins_and_as_before_for_others() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let erased = &acme.member;
    let owner = world.stranger("owner").await;
    let before = world.bare(&owner).get(row(erased.id)).await;
    root.delete(erasing(erased.id)).await.expect(200);
    root.get(row(erased.id)).await.refused(410, "gone");
    root.patch(row(erased.id), json!({ "enabled": true })).await.refused(410, "gone");
    root.delete(erasing(erased.id)).await.refused(410, "gone");
    root.delete(erasing(Uuid::now_v7())).await.refused(404, "not_found");
    before.refused(403, "permission_denied");
    world.bare(&owner).get(row(erased.id)).await.refused(403, "permission_denied");

    let pseudonym = kept(&world, erased.id).await["username"].as_str().unwrap().to_owned();
    let listed = root.walk("/api/users", "username").await;
    assert!(
        !listed.contains(&pseudonym)
            && !listed.contains("acme-member")
            && listed.contains("acme-admin"),
        "{listed:?}"
    );
    assert_eq!(root.get("/api/users?q=erased&count=true").await.expect(200)["total"], json!(0));
    for named in [
        json!({ "targetUserId": erased.id }),
        json!({ "username": pseudonym }),
        json!({ "username": "acme-member" }),
    ] {
        let mut body = named.clone();
        body["roleIds"] = json!([acme.role("user")]);
        world.admin().post(acme.path("/users"), body).await.refused(404, "not_found");
    }
    root.post("/api/mandates", json!({ "name": "Initech", "adminUserId": erased.id }))
        .await
        .refused(404, "not_found");
    for query in [
        format!("username={pseudonym}"),
        "username=acme-member".to_owned(),
        "email=acme-member@example.com".to_owned(),
    ] {
        world.admin().get(format!("/api/users/lookup?{query}")).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn tokens_of_an_erased_account_stop_at_the_next_request_on_every_node() {
    let world = World::new().await;
    let acme = &world.acme;
    let login = |app| {
        TestApp::post(app, "/api/auth/login")
            .json(json!({ "username": "acme-member", "password": PASSWORD }))
    };
    let again = login(&world.app)
        .coming_from("203.0.113.7")
        .header("user-agent", "Laptop")
        .send()
        .await
        .expect(200);
    let (token, again) = (&acme.member.token, again["accessToken"].as_str().unwrap().to_owned());
    let other = world.app.another_node();
    let asks = async |token: &str| {
        let me = other.get("/api/features/my").bearer(token).send().await.status.as_u16();
        (
            me,
            other
                .get(acme.path("/users"))
                .bearer(token)
                .mandate(acme.id)
                .send()
                .await
                .status
                .as_u16(),
        )
    };
    for token in [token, &again] {
        assert_eq!(asks(token).await, (200, 200), "the other node keeps what it read");
    }
    world.root().delete(erasing(acme.member.id)).await.expect(200);
    for token in [token, &again] {
        assert_eq!(asks(token).await, (401, 401));
    }
    for app in [&world.app, &other] {
        login(app).send().await.refused(401, "invalid_credentials");
    }
    let alive = "select count(*) from sessions s join users u on u.id = s.user_id
                 where u.erased_at is not null and (s.revoked_at is null or s.address is not null
                     or s.user_agent is not null)";
    assert_eq!(world.app.count(alive).await, 0);
}

#[tokio::test]
async fn memberships_go_with_everything_that_hangs_on_them() {
    let world = World::new().await;
    let (acme, globex, member) = (&world.acme, &world.globex, &world.acme.member);
    world.admit(acme, member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let body = json!({ "targetUserId": member.id, "roleIds": [globex.role("viewer")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    let tables =
        ["memberships", "member_roles", "group_members", "feature_accesses", "access_roles"];
    for table in tables {
        assert!(rows_of(&world, table, member.id).await > 0, "{table}");
    }
    world.root().delete(erasing(member.id)).await.expect(200);
    for table in tables {
        assert_eq!(rows_of(&world, table, member.id).await, 0, "{table}");
    }
    assert_eq!(
        values(&world.admin().get(acme.path("/users")).await.expect(200), "username"),
        ["acme-admin"]
    );
    world.admin().get(acme.path(&format!("/users/{}", member.id))).await.refused(404, "not_found");
    let admitted = world.admin().get(acme.instance_path("/users")).await.expect(200);
    assert_eq!(admitted["items"], json!([]));
}
