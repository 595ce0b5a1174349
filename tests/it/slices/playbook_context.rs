//! In which instance work is done: the one that the header names, or the only one that is open.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Desk, set, values};
use super::playbook_kit::{admit, instance, made, permit, role_in};
use crate::harness::World;
use crate::harness::world::Person;

/// Acme with a member who is admitted to nothing yet.
async fn stage() -> (World, Person) {
    let world = World::new().await;
    let cleo = world.member_with(&world.acme, "cleo", &[world.acme.role("user")]).await;
    (world, cleo)
}

/// A further instance of a feature, to which this person is admitted.
async fn opened(world: &World, feature: &str, label: &str, person: &Person) -> Uuid {
    let id = instance(world, feature, label).await;
    let role = role_in(world, id, "everything").await;
    admit(world, id, person.id, &[role]).await;
    id
}

/// Asks without a header: the candidates that are named.
async fn candidates(desk: &Desk<'_>) -> Value {
    let answer = desk.get("/api/playbooks").await;
    answer.refused(400, "instance_context_missing");
    let made = desk.post("/api/playbooks", json!({ "name": "x", "title": "x" })).await;
    made.refused(400, "instance_context_missing");
    answer.body["candidates"].clone()
}

#[tokio::test]
async fn without_a_header_the_only_open_instance_is_meant() {
    let (world, cleo) = stage().await;
    let desk = world.desk(&cleo, &world.acme);
    assert_eq!(candidates(&desk).await, json!([]));
    // Another feature's instance is no candidate.
    opened(&world, "bookings", "Room", &cleo).await;
    assert_eq!(candidates(&desk).await, json!([]));
    let one = opened(&world, "playbooks", "One", &cleo).await;
    let playbook =
        desk.post("/api/playbooks", json!({ "name": "x", "title": "x" })).await.expect(201);
    assert_eq!(playbook["instanceId"], json!(one));
    let two = opened(&world, "playbooks", "Two", &cleo).await;
    let several = candidates(&desk).await;
    assert_eq!(set(values(&several, "id")), set([one, two]));
    assert_eq!(set(values(&several, "label")), set(["One", "Two"]));
    assert_eq!(desk.in_instance(one).walk("/api/playbooks", "name").await, set(["x"]));
    assert_eq!(desk.in_instance(two).walk("/api/playbooks", "name").await, set::<&str>([]));
    // What is closed is no candidate.
    let closed = json!({ "enabled": false });
    world.admin().patch(format!("/api/features/instances/{two}"), closed.clone()).await.expect(200);
    assert_eq!(desk.walk("/api/playbooks", "name").await, set(["x"]));
    world
        .admin()
        .patch(format!("/api/features/instances/{two}"), json!({ "enabled": true }))
        .await
        .expect(200);
    world
        .admin()
        .patch(format!("/api/features/instances/{two}/users/{}", cleo.id), closed)
        .await
        .expect(200);
    assert_eq!(desk.walk("/api/playbooks", "name").await, set(["x"]));
    world
        .admin()
        .delete(format!("/api/features/instances/{two}/users/{}", cleo.id))
        .await
        .expect(204);
    assert_eq!(desk.walk("/api/playbooks", "name").await, set(["x"]));
    world
        .admin()
        .delete(format!("/api/features/instances/{one}/users/{}", cleo.id))
        .await
        .expect(204);
    assert_eq!(candidates(&desk).await, json!([]));
}

#[tokio::test]
async fn an_instance_that_is_not_open_is_the_same_refusal_whatever_the_reason() {
    let (world, cleo) = stage().await;
    let (acme, globex) = (&world.acme, &world.globex);
    opened(&world, "playbooks", "Open", &cleo).await;
    let room = opened(&world, "bookings", "Room", &cleo).await;
    let off = opened(&world, "playbooks", "Off", &cleo).await;
    world
        .admin()
        .patch(format!("/api/features/instances/{off}"), json!({ "enabled": false }))
        .await
        .expect(200);
    let left = opened(&world, "playbooks", "Left", &cleo).await;
    world
        .admin()
        .patch(
            format!("/api/features/instances/{left}/users/{}", cleo.id),
            json!({ "enabled": false }),
        )
        .await
        .expect(200);
    // In Globex the caller is a member too, and admitted.
    let there = world.desk(&globex.admin, globex);
    there
        .post(
            globex.path("/users"),
            json!({ "targetUserId": cleo.id, "roleIds": [globex.role("user")] }),
        )
        .await
        .expect(201);
    let access = json!({ "userId": cleo.id, "roleIds": [globex.instance_role("playbooks-admin")] });
    there.post(globex.instance_path("/users"), access).await.expect(201);
    let desk = world.desk(&cleo, acme);
    let mut details = Vec::new();
    for instance in [Uuid::now_v7(), globex.instance, acme.instance, off, left, room] {
        for path in [
            "/api/playbooks".to_owned(),
            format!("/api/playbooks/{}", Uuid::now_v7()),
            "/api/playbooks/x/versions/1".into(),
        ] {
            let answer = desk.in_instance(instance).get(path).await;
            answer.refused(403, "instance_access_denied");
            details.push((answer.body["title"].clone(), answer.body["detail"].clone()));
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "{details:?}");
    desk.get("/api/playbooks").await.expect(200);
}

#[tokio::test]
async fn the_headers_are_asked_for_and_must_be_well_formed() {
    let (world, cleo) = stage().await;
    let one = opened(&world, "playbooks", "One", &cleo).await;
    let desk = world.desk(&cleo, &world.acme);
    world.bare(&cleo).get("/api/playbooks").await.refused(400, "mandate_context_missing");
    world
        .bare(&cleo)
        .in_instance(one)
        .get("/api/playbooks")
        .await
        .refused(400, "mandate_context_missing");
    for header in ["", "x", "00000000-0000-0000-0000-00000000000"] {
        desk.ask(Method::GET, "/api/playbooks")
            .header("x-instance-id", header)
            .send()
            .await
            .refused(400, "invalid_header");
    }
    desk.in_instance(one)
        .ask(Method::GET, "/api/playbooks")
        .header("x-instance-id", one)
        .send()
        .await
        .refused(400, "invalid_header");
    world
        .desk(&cleo, &world.globex)
        .in_instance(one)
        .get("/api/playbooks")
        .await
        .refused(403, "mandate_access_denied");
    world
        .app
        .get("/api/playbooks")
        .mandate(world.acme.id)
        .send()
        .await
        .refused(401, "unauthenticated");
}

#[tokio::test]
async fn an_admin_of_the_mandate_sees_no_data_until_somebody_grants_access() {
    let (world, cleo) = stage().await;
    let one = opened(&world, "playbooks", "One", &cleo).await;
    let id = made(&world.desk(&cleo, &world.acme), "p").await;
    let admin = world.admin();
    assert_eq!(candidates(&admin).await, json!([]));
    for path in
        ["/api/playbooks".to_owned(), format!("/api/playbooks/{id}"), "/api/playbooks/p".into()]
    {
        admin.in_instance(one).get(path).await.refused(403, "instance_access_denied");
    }
    let role = admin
        .post(format!("/api/features/instances/{one}/roles"), json!({ "label": "reads" }))
        .await
        .id();
    permit(&world, role, json!({ "playbooks": ["a", "n", "n", "n"] })).await;
    admit(&world, one, world.acme.admin.id, &[role]).await;
    assert_eq!(admin.get("/api/playbooks/p").await.id(), id);
    admin.delete("/api/playbooks/p").await.refused(403, "permission_denied");
    admin.get("/api/playbooks/p/versions").await.refused(403, "permission_denied");
}

#[tokio::test]
async fn sys_admins_see_no_data() {
    let (world, cleo) = stage().await;
    let one = opened(&world, "playbooks", "One", &cleo).await;
    let id = made(&world.desk(&cleo, &world.acme), "p").await;
    let within = world.desk(&world.sys_admin, &world.acme);
    for path in [
        "/api/playbooks".to_owned(),
        format!("/api/playbooks/{id}"),
        format!("/api/playbooks/{id}/versions/1"),
    ] {
        world.root().get(path.clone()).await.refused(400, "mandate_context_missing");
        within.get(path.clone()).await.refused(403, "mandate_access_denied");
        within.in_instance(one).get(path).await.refused(403, "mandate_access_denied");
    }
    within
        .in_instance(one)
        .delete(format!("/api/playbooks/{id}"))
        .await
        .refused(403, "mandate_access_denied");
}

#[tokio::test]
async fn what_was_taken_is_taken_with_the_next_request() {
    let (world, cleo) = stage().await;
    let one = opened(&world, "playbooks", "One", &cleo).await;
    let desk = world.desk(&cleo, &world.acme);
    made(&desk, "p").await;
    let open = json!({ "enabled": true });
    for (path, refusal) in [
        (format!("/api/features/instances/{one}"), "instance_access_denied"),
        (format!("/api/features/instances/{one}/users/{}", cleo.id), "instance_access_denied"),
        (world.acme.path(&format!("/users/{}", cleo.id)), "mandate_access_denied"),
    ] {
        world.admin().patch(path.clone(), json!({ "enabled": false })).await.expect(200);
        desk.in_instance(one).get("/api/playbooks/p").await.refused(403, refusal);
        world.admin().patch(path, open.clone()).await.expect(200);
        desk.in_instance(one).get("/api/playbooks/p").await.expect(200);
    }
}
