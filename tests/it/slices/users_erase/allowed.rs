//! Who erases whom, and whom nobody erases.

use axum::http::Method;
use serde_json::json;
use uuid::Uuid;

use super::super::kit::{everything, points_at};
use super::{erase_own, erasing, row};
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::world::{Person, World};

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

/// Everything but that somebody guessed.
async fn all_but_guesses(app: &TestApp) -> String {
    let everything = everything(app).await;
    let others: Vec<&str> =
        everything.lines().filter(|line| !line.starts_with("guesses ")).collect();
    others.join("\n")
}

/// A session that somebody found open is not enough; that goes for SysAdmins too.
#[tokio::test]
async fn erasing_oneself_takes_the_password() {
    let world = World::new().await;
    world.app.account("second-root", true).await;
    for person in [&world.acme.member, &world.sys_admin] {
        let desk = world.bare(person);
        let before = all_but_guesses(&world.app).await;
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
        assert_eq!(all_but_guesses(&world.app).await, before, "{}", person.name);
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
