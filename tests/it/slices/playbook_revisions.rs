//! Every edit of a version is a revision, and one can go back.

use axum::http::Method;
use serde_json::{Value, json};

use super::kit::{Desk, points_at};
use super::playbook_kit::{made, version, worker, written};
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::world::Person;

/// Somebody with a version that was `one` and then `two` and so on.
async fn stage(contents: &[&str]) -> (World, Person) {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    written(&desk, "p", contents[0]).await;
    for content in &contents[1..] {
        edited(&desk, content).await.expect(200);
    }
    (world, wanda)
}

async fn edited(desk: &Desk<'_>, content: &str) -> Answer {
    desk.put(version("p", 1), json!({ "content": content })).await
}
async fn back(desk: &Desk<'_>, body: Value) -> Answer {
    desk.put(format!("{}/rollback", version("p", 1)), body).await
}

#[tokio::test]
async fn they_are_listed_page_by_page() {
    let (world, wanda) = stage(&["one"]).await;
    let desk = world.desk(&wanda, &world.acme);
    for content in ["two", "three"] {
        edited(&desk, content).await.expect(200);
    }
    for (sort, expected) in [("-revision", [3, 2, 1]), ("revision", [1, 2, 3])] {
        let mut url = format!("{}/revisions?limit=1&count=true&sort={sort}", version("p", 1));
        for (page, number) in expected.into_iter().enumerate() {
            let list = desk.get(url.clone()).await.expect(200);
            assert_eq!(
                [&list["total"], &list["items"][0]["revision"]],
                [&json!(3), &json!(number)],
                "{sort}"
            );
            assert_eq!(list["nextCursor"].is_null(), page == 2, "{sort}: {list}");
            if let Some(cursor) = list["nextCursor"].as_str() {
                url = format!(
                    "{}/revisions?limit=1&count=true&sort={sort}&cursor={cursor}",
                    version("p", 1)
                );
            }
        }
    }
}

/// The revisions, oldest first.
async fn revisions(desk: &Desk<'_>) -> Vec<Value> {
    let list = desk.get(format!("{}/revisions", version("p", 1))).await.expect(200);
    assert!(!list.to_string().contains("\"content\""), "{list}");
    let mut items = list["items"].as_array().unwrap().clone();
    items.sort_by_key(|item| item["revision"].as_i64());
    items
}

#[tokio::test]
async fn an_edit_is_a_revision() {
    let (world, wanda) = stage(&["one"]).await;
    let willy = worker(&world, &world.acme, "willy").await;
    let (desk, other) = (world.desk(&wanda, &world.acme), world.desk(&willy, &world.acme));
    let before = desk.get(version("p", 1)).await.expect(200);
    world.app.clock.advance(chrono::Duration::seconds(60));
    let answer = edited(&other, "three").await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let body = answer.expect(200);
    assert_eq!(
        [&body["revision"], &body["content"], &body["size"]],
        [&json!(2), &json!("three"), &json!(5)]
    );
    // Whose it is does not change with who edits.
    assert_eq!([&body["ownerId"], &body["createdAt"]], [&before["ownerId"], &before["createdAt"]]);
    assert!(body["updatedAt"].as_str() > before["updatedAt"].as_str(), "{body}");
    let read = desk.get(version("p", 1)).await;
    assert_eq!(read.header("etag"), "\"2\"");
    assert_eq!(read.expect(200), body);
    let [first, second] = &revisions(&desk).await[..] else { panic!("two revisions") };
    assert_eq!(
        [&first["revision"], &first["authorId"], &first["size"]],
        [&json!(1), &json!(wanda.id), &json!(3)]
    );
    assert_eq!(
        [&second["revision"], &second["authorId"], &second["size"]],
        [&json!(2), &json!(willy.id), &json!(5)]
    );
    assert_eq!(
        [&first["createdAt"], &second["createdAt"]],
        [&before["createdAt"], &body["updatedAt"]]
    );
    assert_eq!(
        [first.get("rolledBackFrom"), second.get("rolledBackFrom")],
        [Some(&Value::Null); 2]
    );
}

#[tokio::test]
async fn rolling_back_twice_gives_back_the_first() {
    let (world, wanda) = stage(&["one", "two"]).await;
    let desk = world.desk(&wanda, &world.acme);
    let answer = desk.ask(Method::PUT, format!("{}/rollback", version("p", 1))).send().await;
    assert_eq!(answer.header("etag"), "\"3\"");
    let body = answer.expect(200);
    assert_eq!(
        [&body["content"], &body["revision"], &body["size"]],
        [&json!("one"), &json!(3), &json!(3)]
    );
    assert_eq!(desk.get(version("p", 1)).await.expect(200), body);
    let again = back(&desk, json!({})).await.expect(200);
    assert_eq!([&again["content"], &again["revision"]], [&json!("two"), &json!(4)]);
    let once_more = back(&desk, json!({ "toRevision": null })).await.expect(200);
    assert_eq!([&once_more["content"], &once_more["revision"]], [&json!("one"), &json!(5)]);
    let all = revisions(&desk).await;
    let marked: Vec<_> = all.iter().map(|revision| !revision["rolledBackFrom"].is_null()).collect();
    assert_eq!(marked, [false, false, true, true, true]);
}

#[tokio::test]
async fn one_can_go_back_to_a_named_revision() {
    let (world, wanda) = stage(&["one", "two", "three"]).await;
    let desk = world.desk(&wanda, &world.acme);
    let body = back(&desk, json!({ "toRevision": 1 })).await.expect(200);
    assert_eq!([&body["content"], &body["revision"]], [&json!("one"), &json!(4)]);
    let body = back(&desk, json!({ "toRevision": 2 })).await.expect(200);
    assert_eq!([&body["content"], &body["revision"]], [&json!("two"), &json!(5)]);
    for unknown in [6, 99, i64::from(i32::MAX), 0, -1] {
        back(&desk, json!({ "toRevision": unknown })).await.refused(404, "not_found");
    }
    for wrong in [json!("1"), json!(1.5), json!(u64::MAX)] {
        points_at(&back(&desk, json!({ "toRevision": wrong })).await, "/toRevision");
    }
    points_at(&back(&desk, json!({ "revision": 1 })).await, "/revision");
    assert_eq!(desk.get(version("p", 1)).await.expect(200)["revision"], json!(5));
}

#[tokio::test]
async fn what_was_never_edited_has_nothing_to_go_back_to() {
    let (world, wanda) = stage(&["one"]).await;
    let desk = world.desk(&wanda, &world.acme);
    back(&desk, json!({})).await.refused(409, "no_previous_revision");
    desk.put(format!("{}/rollback", version("p", 2)), json!({})).await.refused(404, "not_found");
    assert_eq!(revisions(&desk).await.len(), 1);
}

#[tokio::test]
async fn the_revision_guards_every_change() {
    let (world, wanda) = stage(&["one", "two"]).await;
    let desk = world.desk(&wanda, &world.acme);
    let rollback = format!("{}/rollback", version("p", 1));
    let stale = |method, path: String| desk.ask(method, path).header("if-match", "\"1\"");
    stale(Method::PUT, version("p", 1))
        .json(json!({ "content": "x" }))
        .send()
        .await
        .refused(412, "precondition_failed");
    stale(Method::PUT, rollback.clone())
        .json(json!({}))
        .send()
        .await
        .refused(412, "precondition_failed");
    stale(Method::DELETE, version("p", 1)).send().await.refused(412, "precondition_failed");
    desk.put(version("p", 1), json!({ "content": "x", "version": 1 }))
        .await
        .refused(409, "version_conflict");
    back(&desk, json!({ "version": 1 })).await.refused(409, "version_conflict");
    assert_eq!(desk.get(version("p", 1)).await.expect(200)["content"], "two");
    desk.put(version("p", 1), json!({ "content": "three", "version": 2 })).await.expect(200);
    desk.ask(Method::PUT, rollback)
        .header("if-match", "\"3\"")
        .json(json!({ "version": 3 }))
        .send()
        .await
        .expect(200);
    desk.ask(Method::DELETE, version("p", 1)).header("if-match", "\"4\"").send().await.expect(200);
}

#[tokio::test]
async fn one_of_the_editors_who_race_wins() {
    let (world, wanda) = stage(&["one"]).await;
    let desk = world.desk(&wanda, &world.acme);
    let edit = |content: &'static str| {
        desk.ask(Method::PUT, version("p", 1))
            .header("if-match", "\"1\"")
            .json(json!({ "content": content }))
            .send()
    };
    let answers: [Answer; 4] = tokio::join!(edit("a"), edit("b"), edit("c"), edit("d")).into();
    let won: Vec<_> = answers.iter().filter(|answer| answer.status.as_u16() == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 200 | 412)));
    assert_eq!(desk.get(version("p", 1)).await.expect(200), won[0].body);
    // Without a guard all are taken, one after the other.
    let edit = |content: &'static str| edited(&desk, content);
    let answers: [Answer; 4] = tokio::join!(edit("e"), edit("f"), edit("g"), edit("h")).into();
    let mut numbers: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.expect(200)["revision"].as_i64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 4, 5, 6]);
}
