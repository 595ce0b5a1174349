//! U+0000, which PostgreSQL cannot store or be asked for, is refused wherever text comes in: it is
//! nobody's mistake but the caller's.

use serde_json::json;

use super::kit::pointers;
use crate::harness::World;

#[tokio::test]
async fn in_paths_it_is_not_found_and_in_queries_it_is_malformed() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    for path in ["/api/features/a%00b", "/api/features/%00"] {
        admin.get(path).await.refused(404, "not_found");
    }
    for path in [
        acme.path("/users?q=a%00b"),
        acme.path("/groups?q=%00"),
        acme.path("/audit?action=%00"),
        "/api/features/instances?featureCode=%00".into(),
    ] {
        admin.get(path).await.refused(400, "invalid_parameter");
    }
    for path in
        ["/api/mandates?q=%00", "/api/users?q=%00", "/api/features/templates/roles?featureCode=%00"]
    {
        root.get(path).await.refused(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn in_bodies_it_is_not_valid() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    for answer in [
        world
            .app
            .post("/api/auth/login")
            .json(json!({ "username": "a\u{0}", "password": "x" }))
            .send()
            .await,
        admin
            .post(
                acme.path("/users"),
                json!({
                    "username": "a\u{0}", "roleIds": [acme.role("user")],
                }),
            )
            .await,
        admin
            .post(
                acme.path("/users"),
                json!({
                    "email": "a\u{0}@example.com", "roleIds": [acme.role("user")],
                }),
            )
            .await,
        admin.post(acme.path("/groups"), json!({ "name": "x", "description": "a\u{0}" })).await,
        admin
            .post(
                acme.path("/roles"),
                json!({
                    "label": "x", "description": { "en": "a\u{0}" },
                }),
            )
            .await,
        admin
            .post(
                "/api/features/instances",
                json!({
                    "featureCode": "a\u{0}", "label": "x",
                }),
            )
            .await,
        root.post("/api/features", json!({ "code": "helpdesk", "icon": "a\u{0}" })).await,
        root.post("/api/mandates", json!({ "name": "x", "code": "a\u{0}" })).await,
        root.post(
            "/api/users",
            json!({
                "username": "zed", "password": crate::harness::app::PASSWORD, "lastName": "a\u{0}",
            }),
        )
        .await,
    ] {
        // 404 where the text says which thing is meant.
        if answer.status.as_u16() != 404 {
            assert!(!pointers(&answer).is_empty(), "{}", answer.body);
        }
    }
}
