//! How large a body may be: 64 KiB, and more only where a route says so.

use serde_json::json;

use crate::harness::World;

const KIB: usize = 1024;

/// A body of exactly that many bytes, filled up with white space.
fn filled(body: &serde_json::Value, bytes: usize) -> String {
    let text = body.to_string();
    let rest = " ".repeat(bytes - text.len());
    text + &rest
}

#[tokio::test]
async fn a_body_has_64_kib_and_more_where_a_route_needs_more() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let role = world.role_with(acme, "clerk", json!({})).await;
    root.post("/api/features", json!({ "code": "trustee" })).await.expect(201);
    let (patch, put, post) = (axum::http::Method::PATCH, axum::http::Method::PUT,
        axum::http::Method::POST);
    let cases = [
        (&admin, patch.clone(), acme.path(""), json!({ "name": "Acme" }), 64 * KIB),
        (&admin, patch.clone(), acme.path(&format!("/groups/{group}")),
            json!({ "description": "x" }), 64 * KIB),
        (&admin, post, "/api/access/check".to_owned(), json!({
            "checks": [{ "table": "members", "operation": "read" }],
        }), 64 * KIB),
        (&admin, put.clone(), acme.path(&format!("/groups/{group}/members")),
            json!({ "userIds": [] }), 1024 * KIB),
        (&admin, put, format!("/api/roles/{role}/permissions"), json!({ "tables": {} }), 256 * KIB),
        (&admin, patch.clone(), format!("/api/roles/{role}/permissions"), json!({ "tables": {} }),
            256 * KIB),
        (&root, patch, "/api/features/trustee"
            .to_owned(), json!({ "icon": "mdi-bank" }), 256 * KIB),
    ];
    for (desk, method, path, body, limit) in cases {
        let send = |bytes: usize| desk.ask(method.clone(), path.clone()).raw("application/json",
            &filled(&body, bytes)).send();
        let taken = send(limit).await;
        assert_eq!(taken.status.as_u16(), 200, "{method} {path} with {limit} bytes: {}",
            taken.body);
        let refused = send(limit + 1).await;
        refused.refused(413, "payload_too_large");
        assert!(refused.body["detail"].as_str().unwrap().contains(&limit.to_string()), "{}",
            refused.body);
    }
}

#[tokio::test]
async fn a_greater_setting_raises_every_route_and_a_smaller_one_no_exception() {
    let world = World::new().await;
    let (acme, role) = (&world.acme, world.role_with(&world.acme, "clerk", json!({})).await);
    for (setting, name, permissions) in [("524288", 524_288, 524_288), ("1024", 1_024, 256 * KIB)] {
        let node = world.app.another_node_with("BAILIWICK_MAX_BODY_BYTES", setting);
        let desk = super::kit::Desk::at(&node, &acme.admin, acme);
        let send = |path: String, body: serde_json::Value, bytes: usize| {
            desk.ask(axum::http::Method::PATCH, path).raw("application/json",
                &filled(&body, bytes)).send()
        };
        for (path, body, limit) in [
            (acme.path(""), json!({ "name": "Acme" }), name),
            (format!("/api/roles/{role}/permissions"), json!({ "views": {} }), permissions),
        ] {
            send(path.clone(), body.clone(), limit).await.expect(200);
            send(path, body, limit + 1).await.refused(413, "payload_too_large");
        }
    }
}
