//! What the audit trail tells of work with playbooks: who did what to which, and never what they
//! hold.

use axum::http::Method;
use serde_json::{Value, json};

use super::playbook_kit::{made, path, version, versions, worker};
use crate::harness::World;

/// Words of contents and descriptions; none may be in the trail.
const WORDS: [&str; 3] = ["sesame", "abracadabra", "shibboleth"];

async fn events(world: &World) -> Vec<Value> {
    let query = "select to_jsonb(e) from audit_events e order by e.id";
    sqlx::query_scalar(query).fetch_all(&world.app.sql).await.unwrap()
}

#[tokio::test]
async fn every_change_is_told_once_and_without_its_content() {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    let desk = world.desk(&wanda, &world.acme);
    let at = version("p", 1);
    let restore = |path: &str| format!("{path}/restore");
    let [one, two, three] = WORDS.map(|word| json!({ "content": word }));
    let mut seen = events(&world).await.len();
    let mut actions = Vec::new();
    let mut told = async |answer: crate::harness::Answer| {
        assert!(answer.status.is_success(), "{}", answer.body);
        let all = events(&world).await;
        assert_eq!(all.len(), seen + 1, "one event of {}", answer.body);
        seen = all.len();
        let event = all[seen - 1].clone();
        assert_eq!(
            (&event["actor_id"], &event["mandate_id"]),
            (&json!(wanda.id), &json!(world.acme.id))
        );
        assert_eq!(event["request_id"], answer.header("x-request-id"));
        let text = event.to_string();
        assert!(WORDS.iter().all(|word| !text.contains(word)) && !text.contains("wanda"), "{text}");
        actions.push(event["action"].as_str().unwrap().to_owned());
        event
    };
    let created = told(
        desk.post("/api/playbooks", json!({ "name": "p", "title": "x", "description": WORDS[1] }))
            .await,
    )
    .await;
    let id = desk.get(path("p")).await.expect(200)["id"].clone();
    assert_eq!(created["resource_id"], id);
    let changed =
        told(desk.patch(path("p"), json!({ "title": "y", "description": WORDS[2] })).await).await;
    assert_eq!(
        (&changed["resource_id"], &changed["resource_type"]),
        (&id, &created["resource_type"])
    );
    for (method, path, body) in [
        (Method::POST, versions("p"), one),
        (Method::PUT, at.clone(), two),
        (Method::PUT, at.clone(), three),
    ] {
        let event = told(desk.ask(method, path).json(body).send().await).await;
        assert!(event.to_string().contains(id.as_str().unwrap()), "which playbook: {event}");
        assert!(event["details"].to_string().contains('1'), "which version: {event}");
    }
    told(desk.put(format!("{at}/rollback"), json!({})).await).await;
    told(desk.delete(at.clone()).await).await;
    told(desk.post(restore(&at), json!({})).await).await;
    told(desk.delete(path("p")).await).await;
    told(desk.post(restore(&path("p")), json!({})).await).await;
    actions.dedup();
    let distinct: std::collections::BTreeSet<_> = actions.iter().collect();
    assert_eq!(distinct.len(), 9, "each kind of change has its own action: {actions:?}");
}

#[tokio::test]
async fn reads_and_refusals_are_not_told() {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    super::playbook_kit::written(&desk, "p", "x").await;
    let before = events(&world).await.len();
    for path in [
        "/api/playbooks",
        "/api/playbooks/p",
        "/api/playbooks/p/versions",
        "/api/playbooks/p/versions/1",
    ] {
        desk.get(path).await.expect(200);
    }
    desk.get("/api/playbooks/p/versions/1/revisions").await.expect(200);
    made_refused(&desk).await;
    desk.put("/api/playbooks/p/versions/1/rollback", json!({}))
        .await
        .refused(409, "no_previous_revision");
    desk.post("/api/playbooks/p/restore", json!({})).await.refused(409, "not_deleted");
    desk.delete("/api/playbooks/unknown").await.refused(404, "not_found");
    assert_eq!(events(&world).await.len(), before);
}

async fn made_refused(desk: &super::kit::Desk<'_>) {
    desk.post("/api/playbooks", json!({ "name": "P", "title": "x" }))
        .await
        .refused(409, "name_taken");
    desk.post(versions("p"), json!({ "content": "x", "version": 1 }))
        .await
        .refused(409, "version_exists");
}
