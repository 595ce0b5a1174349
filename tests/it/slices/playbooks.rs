//! Playbooks: making, reading, changing, listing.

use axum::http::Method;
use serde_json::json;
use uuid::Uuid;

use super::kit::{Desk, points_at, set, values};
use super::playbook_kit::{made, path, stage, worker, written};
use crate::harness::{World, statements};

#[tokio::test]
async fn a_playbook_is_made_read_and_changed() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    let body = json!({
        "name": "  on call ", "title": " When the pager rings ",
        "description": "First\nthings first.",
    });
    let answer = desk.post("/api/playbooks", body).await;
    let id = answer.id();
    assert_eq!(answer.header("location"), format!("/api/playbooks/{id}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    let made = answer.expect(201);
    let told =
        ["instanceId", "name", "title", "description", "ownerId", "latestVersion", "version"]
            .map(|field| made[field].clone());
    let expected = [
        json!(world.acme.instance),
        json!("on call"),
        json!("When the pager rings"),
        json!("First\nthings first."),
        json!(wanda.id),
        json!(null),
        json!(1),
    ];
    assert_eq!(told, expected, "{made}");
    assert!(made["ownerName"].is_string() && made["createdAt"] == made["updatedAt"], "{made}");
    let read = desk.get(path(id)).await;
    assert_eq!((read.header("etag"), read.header("cache-control")), ("\"1\"", "private, no-cache"));
    assert_eq!(read.expect(200), made);

    world.app.clock.advance(chrono::Duration::seconds(90));
    let changed = desk.patch(path(id), json!({ "title": "Pager" })).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let changed = changed.expect(200);
    assert_eq!(
        [&changed["title"], &changed["description"], &changed["name"]],
        ["Pager", "First\nthings first.", "on call"]
    );
    assert_eq!((&changed["version"], &changed["createdAt"]), (&json!(2), &made["createdAt"]));
    assert!(changed["updatedAt"].as_str() > made["updatedAt"].as_str(), "{changed}");
    assert_eq!(desk.get(path(id)).await.expect(200), changed);
}

#[tokio::test]
async fn what_a_playbook_may_not_be_is_pointed_at() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    for (body, pointer) in [
        (json!({ "name": "x" }), "/title"),
        (json!({ "title": "x" }), "/name"),
        (json!({ "name": " \u{3000} ", "title": "x" }), "/name"),
        (json!({ "name": "x", "title": "\t\n" }), "/title"),
        (json!({ "name": "a\u{0}b", "title": "x" }), "/name"),
        (json!({ "name": "x", "title": "a\u{0}b" }), "/title"),
        (json!({ "name": "x", "title": "x", "description": "a\u{0}b" }), "/description"),
        (json!({ "name": "x".repeat(201), "title": "x" }), "/name"),
        (json!({ "name": "x", "title": "x", "ownerId": world.acme.admin.id }), "/ownerId"),
        (json!({ "name": "x", "title": "x", "instanceId": world.acme.instance }), "/instanceId"),
        (json!({ "name": 7, "title": "x" }), "/name"),
    ] {
        points_at(&desk.post("/api/playbooks", body).await, pointer);
    }
    let id = made(&desk, "x").await;
    for (body, pointer) in [
        (json!({ "title": " " }), "/title"),
        (json!({ "title": null }), "/title"),
        (json!({ "name": null }), "/name"),
        (json!({ "ownerId": wanda.id }), "/ownerId"),
        (json!({ "latestVersion": 3 }), "/latestVersion"),
    ] {
        points_at(&desk.patch(path(id), body).await, pointer);
    }
    assert_eq!(desk.get(path(id)).await.expect(200)["version"], json!(1));
}

#[tokio::test]
async fn a_stale_change_is_refused_and_one_of_two_editors_wins() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    let id = made(&desk, "x").await;
    let change = |title: &str| {
        desk.ask(Method::PATCH, path(id))
            .header("if-match", "\"1\"")
            .json(json!({ "title": title }))
            .send()
    };
    let (one, other) = tokio::join!(change("one"), change("other"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    desk.patch(path(id), json!({ "title": "x", "version": 1 }))
        .await
        .refused(409, "version_conflict");
    desk.ask(Method::DELETE, path(id))
        .header("if-match", "\"1\"")
        .send()
        .await
        .refused(412, "precondition_failed");
    desk.ask(Method::DELETE, path(id)).header("if-match", "\"2\"").send().await.expect(200);
}

#[tokio::test]
async fn an_etag_stands_for_the_whole_answer() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    let id = made(&desk, "x").await;
    let fresh = async |tag: &str| {
        desk.ask(Method::GET, path(id)).header("if-none-match", tag).send().await.status.as_u16()
    };
    let tag = async || desk.get(path(id)).await.header("etag").to_owned();
    let first = tag().await;
    assert_eq!(fresh(&first).await, 304);
    // What shows the latest version is another answer once there is another version.
    written(&desk, id, "one").await;
    assert_eq!(fresh(&first).await, 200);
    let second = tag().await;
    assert_eq!(fresh(&second).await, 304);
    desk.delete(super::playbook_kit::version(id, 1)).await.expect(200);
    assert_eq!(fresh(&second).await, 200);
}

#[tokio::test]
async fn the_list_searches_filters_sorts_and_pages() {
    let (world, wanda) = stage().await;
    let willy = worker(&world, &world.acme, "willy").await;
    let (desk, other) = (world.desk(&wanda, &world.acme), world.desk(&willy, &world.acme));
    let make = async |desk: &Desk<'_>, name: &str, title: &str, description: &str| {
        desk.post(
            "/api/playbooks",
            json!({ "name": name, "title": title, "description": description }),
        )
        .await
        .id()
    };
    let backup = make(&desk, "Backup", "Every night", "tapes").await;
    let alarm = make(&desk, "alarm", "100% of STRASSE", "").await;
    let under = make(&other, "c_d", "Every morning", "").await;
    assert_eq!(desk.walk("/api/playbooks", "id").await, set([backup, alarm, under]));
    for (query, found) in [
        ("q=every", set([backup, under])),
        ("q=BACK", set([backup])),
        ("q=stra%C3%9Fe", set([alarm])),
        ("q=%25", set([alarm])),
        ("q=_", set([under])),
        ("q=%5C", set::<Uuid>([])),
        ("q=nothing", set::<Uuid>([])),
        (&format!("ownerId={}", wanda.id), set([backup, alarm])),
        (&format!("ownerId={}&q=every", willy.id), set([under])),
        (&format!("ownerId={}", Uuid::now_v7()), set::<Uuid>([])),
        ("deleted=false", set([backup, alarm, under])),
        ("deleted=true", set::<Uuid>([])),
    ] {
        assert_eq!(desk.walk(&format!("/api/playbooks?{query}"), "id").await, found, "{query}");
    }
    let sorted = async |sort: &str| {
        values(&desk.get(format!("/api/playbooks?sort={sort}")).await.expect(200), "name")
    };
    assert_eq!(sorted("name").await, ["alarm", "Backup", "c_d"]);
    assert_eq!(sorted("-name").await, ["c_d", "Backup", "alarm"]);
    for wrong in [
        "limit=0",
        "limit=201",
        "sort=colour",
        "cursor=x",
        "ownerId=x",
        "deleted=perhaps",
        "q=a%00b",
    ] {
        desk.get(format!("/api/playbooks?{wrong}")).await.refused(400, "invalid_parameter");
    }
    desk.get("/api/playbooks?owner=x").await.refused(400, "unknown_parameter");
    let page = desk.get("/api/playbooks?limit=2").await;
    assert!(page.header("link").ends_with("; rel=\"next\""), "{}", page.header("link"));
}

#[tokio::test]
async fn a_cursor_stays_with_its_sort_and_hides_nothing_that_stands() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    for name in ["a", "c", "e"] {
        made(&desk, name).await;
    }
    let page = desk.get("/api/playbooks?sort=name&limit=1").await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    assert!(
        cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)),
        "{cursor}"
    );
    desk.delete(path("a")).await.expect(200);
    made(&desk, "b").await;
    let rest = desk.get(format!("/api/playbooks?sort=name&cursor={cursor}")).await.expect(200);
    assert_eq!(values(&rest, "name"), ["b", "c", "e"]);
    desk.get(format!("/api/playbooks?sort=-name&cursor={cursor}"))
        .await
        .refused(400, "invalid_parameter");
}

#[tokio::test]
async fn work_has_a_budget_of_its_own_for_reads_and_writes() {
    let settings = [("BAILIWICK_RATE_LIMIT_AUTH", "1000"), ("BAILIWICK_RATE_LIMIT_WRITE", "1000")];
    let app = crate::harness::TestApp::start_with(&settings).await;
    let world = World::in_app(app).await;
    let desk = world.desk(&world.acme.member, &world.acme);
    let id = Uuid::now_v7();
    let at = |rest: &str| format!("{}{rest}", path(id));
    for (method, path) in [
        ("GET", "/api/playbooks".to_owned()),
        ("POST", "/api/playbooks".into()),
        ("GET", at("")),
        ("PATCH", at("")),
        ("DELETE", at("")),
        ("POST", at("/restore")),
        ("GET", at("/versions")),
        ("POST", at("/versions")),
        ("GET", at("/versions/1")),
        ("PUT", at("/versions/1")),
        ("PUT", at("/versions/1/rollback")),
        ("GET", at("/versions/1/revisions")),
        ("DELETE", at("/versions/1")),
        ("POST", at("/versions/1/restore")),
    ] {
        let answer = desk.ask(method.parse().unwrap(), path.clone()).send().await;
        assert_eq!(
            answer.header("ratelimit-policy"),
            "\"work\";q=600;w=60",
            "{method} {path}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn reading_takes_one_statement_beside_freshness_begin_and_commit() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    let id = made(&desk, "x").await;
    written(&desk, id, "one").await;
    for path in [
        path(id),
        path("x"),
        super::playbook_kit::version(id, 1),
        super::playbook_kit::versions(id),
    ] {
        desk.get(path.clone()).await.expect(200);
        let before = statements::sent();
        desk.get(path.clone()).await.expect(200);
        assert_eq!(statements::sent() - before, 4, "{path}");
    }
}
