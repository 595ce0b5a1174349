//! Feature instances.

use serde_json::json;
use uuid::Uuid;

use super::kit::{points_at, set};
use crate::harness::World;

const PATH: &str = "/api/features/instances";

#[tokio::test]
async fn an_instance_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let made = admin.post(PATH, json!({ "featureCode": "bookings", "label": " Rooms " })).await;
    let path = made.header("location").to_owned();
    let body = made.expect(201);
    assert_eq!(
        (
            &body["featureCode"],
            &body["mandateId"],
            &body["label"],
            &body["enabled"],
            &body["version"]
        ),
        (&json!("bookings"), &json!(acme.id), &json!("Rooms"), &json!(true), &json!(1)),
    );
    assert_eq!(admin.get(path.clone()).await.expect(200), body);
    let changed =
        admin.patch(path.clone(), json!({ "label": "Halls", "enabled": false })).await.expect(200);
    assert_eq!(
        (&changed["label"], &changed["enabled"], &changed["version"]),
        (&json!("Halls"), &json!(false), &json!(2))
    );
    admin.delete(path.clone()).await.expect(204);
    admin.get(path.clone()).await.refused(404, "not_found");
    admin.delete(path).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_an_instance_had_goes_with_it() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    admin.delete(acme.instance_path("")).await.expect(204);
    for path in [
        acme.instance_path("/users"),
        acme.instance_path("/roles"),
        format!("/api/roles/{}", acme.instance_role("playbooks-viewer")),
    ] {
        admin.get(path).await.refused(404, "not_found");
    }
    assert_eq!(
        world.bare(&acme.member).get("/api/features/my").await.expect(200),
        json!({ "mandates": [] })
    );
    let body = json!({ "featureCode": "playbooks", "label": "Acme handbook" });
    admin.post(PATH, body).await.expect(201);
}

#[tokio::test]
async fn making_an_instance_refuses_unknown_features_and_taken_labels() {
    let world = World::new().await;
    let admin = world.admin();
    let body = |feature: &str, label: &str| json!({ "featureCode": feature, "label": label });
    admin.post(PATH, body("unicorns", "x")).await.refused(404, "not_found");
    admin
        .post(PATH, body("playbooks", "ACME  handbook".replace("  ", " ").as_str()))
        .await
        .refused(409, "label_taken");
    let other = admin.post(PATH, body("playbooks", "Other")).await.id();
    admin
        .patch(format!("{PATH}/{other}"), json!({ "label": "acme HANDBOOK" }))
        .await
        .refused(409, "label_taken");
    points_at(&admin.post(PATH, body("playbooks", " ")).await, "/label");
    points_at(&admin.patch(format!("{PATH}/{other}"), json!({ "label": "" })).await, "/label");
    let wrong = json!({ "featureCode": "playbooks", "label": "y", "grantCreatorRole": "nobody" });
    admin.post(PATH, wrong).await.refused(404, "not_found");
    let listed = admin.walk(PATH, "label").await;
    assert_eq!(listed, set(["Acme handbook", "Other"]), "what is refused leaves nothing");
    world
        .desk(&world.globex.admin, &world.globex)
        .post(PATH, body("playbooks", "Acme handbook"))
        .await
        .expect(201);
}

#[tokio::test]
async fn the_list_is_the_mandates_own_and_filtered_by_feature() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let rooms = admin.post(PATH, json!({ "featureCode": "bookings", "label": "Rooms" })).await.id();
    assert_eq!(admin.walk(PATH, "id").await, set([acme.instance, rooms]));
    assert_eq!(admin.walk(&format!("{PATH}?featureCode=bookings"), "id").await, set([rooms]));
    world.bare(&acme.admin).get(PATH).await.refused(400, "mandate_context_missing");
}

#[tokio::test]
async fn a_disabled_instance_opens_nothing_inside_but_can_be_managed() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-admin")]).await;
    let inside = world.desk(&acme.member, acme);
    inside.get(acme.instance_path("/users")).await.expect(200);
    admin.patch(acme.instance_path(""), json!({ "enabled": false })).await.expect(200);
    inside
        .in_instance(acme.instance)
        .get("/api/access/me")
        .await
        .refused(403, "instance_access_denied");
    inside
        .patch(
            acme.instance_path(&format!("/users/{}", acme.member.id)),
            json!({ "enabled": true }),
        )
        .await
        .refused(403, "permission_denied");
    admin.get(acme.instance_path("/users")).await.expect(200);
    admin.patch(acme.instance_path(""), json!({ "enabled": true })).await.expect(200);
    inside.in_instance(acme.instance).get("/api/access/me").await.expect(200);
}

#[tokio::test]
async fn sys_admins_manage_instances_by_path() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    root.get(acme.instance_path("")).await.expect(200);
    root.patch(acme.instance_path(""), json!({ "label": "Renamed" })).await.expect(200);
    world
        .desk(&world.sys_admin, &world.globex)
        .get(acme.instance_path(""))
        .await
        .refused(403, "mandate_access_denied");
    root.get(format!("{PATH}/{}", Uuid::now_v7())).await.refused(404, "not_found");
    // But not who is in it, nor with which roles.
    root.get(acme.instance_path("/users")).await.refused(400, "mandate_context_missing");
    root.get(acme.instance_path("/roles")).await.refused(400, "mandate_context_missing");
    root.delete(acme.instance_path("")).await.expect(204);
}
