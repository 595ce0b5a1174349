//! Erasing an account: who may, what goes, what stays, and that nothing of it comes back.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Desk, everything, points_at, values};
use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::world::{Person, World};

fn row(id: Uuid) -> String {
    format!("/api/users/{id}")
}

fn erasing(id: Uuid) -> String {
    format!("/api/users/{id}?mode=erase")
}

/// Erases one's own account with this password.
async fn erase_own(desk: &Desk<'_>, id: Uuid, password: &str) -> Answer {
    desk.ask(Method::DELETE, erasing(id)).json(json!({ "password": password })).send().await
}

/// Everything that is kept of an account.
async fn kept(world: &World, id: Uuid) -> Value {
    sqlx::query_scalar("select to_jsonb(u) from users u where id = $1")
        .bind(id)
        .fetch_one(&world.app.sql)
        .await
        .unwrap()
}

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
async fn erasing_has_to_be_said() {
    let world = World::new().await;
    let (root, member) = (world.root(), &world.acme.member);
    let before = everything(&world.app).await;
    for query in ["", "?mode=", "?mode=delete", "?mode=Erase", "?mode=erase&mode=erase"] {
        root.delete(format!("{}{query}", row(member.id))).await.refused(400, "invalid_parameter");
        let own = world.bare(member).ask(Method::DELETE, format!("{}{query}", row(member.id)));
        own.json(json!({ "password": PASSWORD })).send().await.refused(400, "invalid_parameter");
    }
    root.delete(format!("{}&dryRun=true", erasing(member.id)))
        .await
        .refused(400, "unknown_parameter");
    assert_eq!(everything(&world.app).await, before);
}

/// A session that somebody found open is not enough; that goes for SysAdmins too.
#[tokio::test]
async fn erasing_oneself_takes_the_password() {
    let world = World::new().await;
    world.app.account("second-root", true).await;
    for person in [&world.acme.member, &world.sys_admin] {
        let desk = world.bare(person);
        let before = everything(&world.app).await;
        points_at(&desk.delete(erasing(person.id)).await, "/password");
        for body in [json!({}), json!({ "password": null }), json!({ "password": 1 })] {
            points_at(
                &desk.ask(Method::DELETE, erasing(person.id)).json(body).send().await,
                "/password",
            );
        }
        erase_own(&desk, person.id, "not-my-Password-42").await.refused(401, "invalid_credentials");
        erase_own(&desk, person.id, "").await.refused(401, "invalid_credentials");
        let untyped = desk
            .ask(Method::DELETE, erasing(person.id))
            .raw("text/plain", &json!({ "password": PASSWORD }).to_string());
        untyped.send().await.refused(415, "unsupported_media_type");
        assert_eq!(everything(&world.app).await, before, "{}", person.name);
        assert_eq!(erase_own(&desk, person.id, PASSWORD).await.expect(200)["id"], json!(person.id));
        desk.get("/api/auth/me").await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn nobody_erases_others_but_sys_admins_who_send_nothing() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let before = everything(&world.app).await;
    for id in [acme.member.id, world.sys_admin.id, Uuid::now_v7()] {
        erase_own(&world.admin(), id, PASSWORD).await.refused(403, "permission_denied");
        erase_own(&world.bare(&acme.admin), id, PASSWORD).await.refused(403, "permission_denied");
    }
    world.app.delete(erasing(acme.member.id)).send().await.refused(401, "unauthenticated");
    assert_eq!(everything(&world.app).await, before);
    // An empty body is none, whatever it is said to be.
    root.ask(Method::DELETE, erasing(acme.member.id))
        .raw("text/plain", "")
        .send()
        .await
        .expect(200);
    root.delete(erasing(world.globex.member.id)).await.expect(200);
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

#[tokio::test]
async fn the_last_admin_and_the_last_sys_admin_are_not_erased_and_a_refusal_changes_nothing() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let before = everything(&world.app).await;
    root.delete(erasing(acme.admin.id)).await.refused(409, "last_mandate_admin");
    erase_own(&world.bare(&acme.admin), acme.admin.id, PASSWORD)
        .await
        .refused(409, "last_mandate_admin");
    erase_own(&root, world.sys_admin.id, PASSWORD).await.refused(409, "last_sys_admin");
    assert_eq!(everything(&world.app).await, before);

    // Whoever leaves somebody behind may go: an admin of one of two, a SysAdmin of two.
    let second = world.member_with(acme, "second-admin", &[acme.role("admin")]).await;
    erase_own(&world.bare(&acme.admin), acme.admin.id, PASSWORD).await.expect(200);
    let before = everything(&world.app).await;
    root.delete(erasing(second.id)).await.refused(409, "last_mandate_admin");
    assert_eq!(everything(&world.app).await, before);
    let other = world.app.account("second-root", true).await;
    erase_own(&root, world.sys_admin.id, PASSWORD).await.expect(200);
    let root = Person {
        id: other,
        name: "second-root".to_owned(),
        token: world.app.sign_in("second-root").await,
    };
    world.bare(&root).delete(erasing(second.id)).await.refused(409, "last_mandate_admin");
    world.bare(&root).delete(acme.path("")).await.expect(200);
    world.bare(&root).delete(erasing(second.id)).await.expect(200);
}

/// The second wall: the database recounts by itself, whatever a statement forgot to ask.
#[tokio::test]
async fn the_database_keeps_the_last_admin_by_itself() {
    let world = World::new().await;
    let orders = [
        "begin; update users set erased_at = now(), enabled = false where id = $admin; delete
           from memberships where user_id = $admin; commit",
        "begin; delete from memberships where user_id = $admin; update users
           set erased_at = now(), enabled = false where id = $admin; commit",
    ];
    for statements in orders {
        let statements = sqlx::AssertSqlSafe(
            statements.replace("$admin", &format!("'{}'", world.acme.admin.id)),
        );
        let mut connection = world.app.sql.acquire().await.unwrap();
        let refused = sqlx::raw_sql(statements).execute(&mut *connection).await.unwrap_err();
        let constraint = refused
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::constraint)
            .map(str::to_owned);
        assert_eq!(constraint.as_deref(), Some("last_mandate_admin"));
        sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
    }
}

#[tokio::test]
async fn a_version_that_has_passed_is_not_erased() {
    let world = World::new().await;
    let (root, member) = (world.root(), &world.acme.member);
    let tag = root.get(row(member.id)).await.header("etag").to_owned();
    root.patch(row(member.id), json!({ "firstName": "Max" })).await.expect(200);
    root.ask(Method::DELETE, erasing(member.id))
        .header("if-match", tag)
        .send()
        .await
        .refused(412, "precondition_failed");
    let tag = root.get(row(member.id)).await.header("etag").to_owned();
    root.ask(Method::DELETE, erasing(member.id)).header("if-match", tag).send().await.expect(200);
}

#[tokio::test]
async fn the_platform_and_each_mandate_learn_of_it_once_deleted_ones_too() {
    let world = World::new().await;
    let (acme, globex, member, root) =
        (&world.acme, &world.globex, &world.acme.member, world.root());
    let body = json!({ "targetUserId": member.id, "roleIds": [globex.role("viewer")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    let hooli = world.another_tenant("Hooli", &world.stranger("hooli-admin").await).await;
    let body = json!({ "targetUserId": member.id, "roleIds": [hooli.role("viewer")] });
    root.post(hooli.path("/users"), body).await.expect(201);
    let untouched = world.another_tenant("Initech", &world.stranger("initech-admin").await).await;
    root.delete(hooli.path("")).await.expect(200);
    root.delete(erasing(member.id)).await.expect(200);
    let told: Vec<Value> = sqlx::query_scalar(
        "select to_jsonb(e) from audit_events e where action = 'user_erased' order by mandate_id",
    )
    .fetch_all(&world.app.sql)
    .await
    .unwrap();
    let mut expected = vec![json!(acme.id), json!(globex.id), json!(hooli.id), Value::Null];
    expected[..3].sort_by_key(ToString::to_string);
    assert_eq!(
        told.iter().map(|event| event["mandate_id"].clone()).collect::<Vec<_>>(),
        expected,
        "{told:#?}"
    );
    for event in &told {
        let ids = ["actor_id", "target_user_id", "resource_id"].map(|field| event[field].clone());
        assert_eq!(ids, [json!(world.sys_admin.id), json!(member.id), json!(member.id)]);
        assert_eq!(event["details"], json!({ "before": { "enabled": true, "isSysAdmin": false } }));
    }
    let seen = world
        .desk(&untouched.admin, &untouched)
        .get(untouched.path("/audit?action=user_erased"))
        .await
        .expect(200);
    assert_eq!(seen["items"], json!([]));
}

#[tokio::test]
async fn the_trail_stays_under_the_pseudonym_and_without_addresses() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let clerk = world.member_with(acme, "clerk", &[acme.role("admin")]).await;
    for (person, name, address) in
        [(&clerk, "board", "203.0.113.7"), (&acme.admin, "staff", "203.0.113.8")]
    {
        let made = world
            .desk(person, acme)
            .ask(Method::POST, acme.path("/groups"))
            .json(json!({ "name": name }))
            .coming_from(address);
        made.send().await.expect(201);
    }
    let events = async |action: &str| {
        world.admin().get(acme.path(&format!("/audit?action={action}"))).await.expect(200)["items"]
            .clone()
    };
    let told = |items: &Value| {
        let each =
            |event: &Value| ["actorId", "actorName", "actorIp"].map(|field| event[field].clone());
        items.as_array().unwrap().iter().map(each).collect::<Vec<_>>()
    };
    let others = [json!(acme.admin.id), json!("acme-admin"), json!("203.0.113.8")];
    let before = [others.clone(), [json!(clerk.id), json!("clerk"), json!("203.0.113.7")]];
    assert_eq!(told(&events("group_created").await), before);

    let erase = world
        .bare(&clerk)
        .ask(Method::DELETE, erasing(clerk.id))
        .json(json!({ "password": PASSWORD }))
        .coming_from("203.0.113.7");
    erase.send().await.expect(200);
    let pseudonym = kept(&world, clerk.id).await["username"].clone();
    let forgotten = [json!(clerk.id), pseudonym, Value::Null];
    assert_eq!(told(&events("group_created").await), [others, forgotten.clone()]);
    assert_eq!(
        told(&events("user_erased").await),
        std::slice::from_ref(&forgotten),
        "nor where it was asked for"
    );
    let platform = root.get(format!("/api/audit?actorId={}", clerk.id)).await.expect(200);
    let actions = values(&platform, "action");
    assert_eq!(actions, ["user_erased", "user_signed_in"]);
    assert!(told(&platform["items"]).iter().all(|event| *event == forgotten), "{platform}");
}

/// Recycled identifiers: whoever takes the name takes nothing else.
#[tokio::test]
async fn the_name_and_address_are_free_and_bring_nothing_back() {
    let world = World::new().await;
    let (acme, root, old) = (&world.acme, world.root(), &world.acme.member);
    world.admit(acme, old.id, &[acme.instance_role("playbooks-viewer")]).await;
    let body = json!({
        "username": "acme-member", "email": "acme-member@example.com", "password": PASSWORD,
    });
    root.post("/api/users", body.clone()).await.refused(409, "username_taken");
    root.delete(erasing(old.id)).await.expect(200);
    let new = root.post("/api/users", body).await;
    let id = new.id();
    assert_ne!(id, old.id);
    assert_eq!(new.expect(201)["emailVerified"], json!(false));
    let token = world.app.sign_in("acme-member").await;
    let me = world.app.get("/api/auth/me").bearer(&token).send().await.expect(200);
    assert_eq!((&me["id"], &me["mandates"]), (&json!(id), &json!([])));
    assert_eq!(
        world.app.get("/api/features/my").bearer(&token).send().await.expect(200),
        json!({ "mandates": [] })
    );
    world
        .app
        .get(acme.path("/users"))
        .bearer(&token)
        .mandate(acme.id)
        .send()
        .await
        .refused(403, "mandate_access_denied");
    world.bare(old).get("/api/auth/me").await.refused(401, "unauthenticated");
    root.get(row(old.id)).await.refused(410, "gone");
    assert_eq!(
        root.get(format!("/api/audit?actorId={id}")).await.expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "one sign-in"
    );
    // The new account can be erased as the old one was, beside it.
    root.delete(erasing(id)).await.expect(200);
    assert_ne!(kept(&world, id).await["username"], kept(&world, old.id).await["username"]);
}

#[tokio::test]
async fn the_address_of_a_request_that_was_under_way_does_not_come_back() {
    let world = World::new().await;
    let (member, app) = (&world.acme.member, &world.app);
    let noted = async |event: Uuid| {
        let insert = "insert into audit_addresses (event_id, mandate_id, actor_id, address)
                        values ($1, null, $2, '203.0.113.7')";
        sqlx::query(insert)
            .bind(event)
            .bind(member.id)
            .execute(&app.sql)
            .await
            .unwrap()
            .rows_affected()
    };
    assert_eq!(noted(Uuid::now_v7()).await, 1);
    world.root().delete(erasing(member.id)).await.expect(200);
    assert_eq!(noted(Uuid::now_v7()).await, 0);
    let kept: i64 = sqlx::query_scalar("select count(*) from audit_addresses where actor_id = $1")
        .bind(member.id)
        .fetch_one(&app.sql)
        .await
        .unwrap();
    assert_eq!(kept, 0);
}
