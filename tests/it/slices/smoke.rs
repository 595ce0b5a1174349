//! The shortest way through the service.

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn a_world_can_be_made_and_seen() {
    let world = World::new().await;
    let acme = &world.acme;
    let members = world
        .app
        .get(acme.path("/users"))
        .bearer(&acme.admin.token)
        .mandate(acme.id)
        .send()
        .await
        .expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let mine =
        world.app.get("/api/features/my").bearer(&acme.member.token).send().await.expect(200);
    assert_eq!(
        mine["mandates"][0]["features"][0]["instances"][0]["userRole"],
        json!("playbooks-viewer")
    );
}
