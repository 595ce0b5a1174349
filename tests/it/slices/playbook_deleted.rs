//! Deleting playbooks and versions is soft: hidden at once, told as gone to those who could read
//! it, restorable for seven days.

use chrono::{DateTime, Duration};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Desk, set};
use super::playbook_kit::{ALL, Stage, made, numbers, path, stage, version, versions, written};
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::world::Person;

/// Later, somebody signs in anew.
async fn later(world: &World, person: &Person, by: Duration) -> Person {
    world.app.clock.advance(by);
    Person { token: world.app.sign_in(&person.name).await, ..person.clone() }
}

/// A deletion's answer: when it ends for good.
fn purge_at(body: &Value) -> Value {
    let at = |field: &str| {
        DateTime::parse_from_rfc3339(
            body[field].as_str().unwrap_or_else(|| panic!("no {field}: {body}")),
        )
        .unwrap()
    };
    assert_eq!(at("purgeAt") - at("deletedAt"), Duration::days(7), "{body}");
    body["purgeAt"].clone()
}

#[track_caller]
fn gone(answer: &Answer, purge_at: &Value) {
    answer.refused(410, "gone");
    assert_eq!(&answer.body["purgeAt"], purge_at, "{}", answer.body);
}

fn restore(path: String) -> String {
    format!("{path}/restore")
}

/// Whether every way to a deleted playbook says that it is gone.
async fn all_gone(desk: &Desk<'_>, playbook: &str, until: &Value) {
    let content = json!({ "content": "x" });
    for answer in [
        desk.get(path(playbook)).await,
        desk.patch(path(playbook), json!({ "title": "x" })).await,
        desk.delete(path(playbook)).await,
        desk.get(versions(playbook)).await,
        desk.post(versions(playbook), content.clone()).await,
        desk.get(version(playbook, 1)).await,
        desk.put(version(playbook, 1), content).await,
        desk.put(format!("{}/rollback", version(playbook, 1)), json!({})).await,
        desk.get(format!("{}/revisions", version(playbook, 1))).await,
        desk.delete(version(playbook, 1)).await,
        desk.post(restore(version(playbook, 1)), json!({})).await,
    ] {
        gone(&answer, until);
    }
}

#[tokio::test]
async fn a_deleted_playbook_is_gone_and_comes_back_whole() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    let (id, other) = (made(&desk, "p").await, made(&desk, "other").await);
    written(&desk, id, "one").await;
    desk.put(version(id, 1), json!({ "content": "two" })).await.expect(200);
    let before = desk.get(path(id)).await.expect(200);
    let deleted = desk.delete(path(id)).await.expect(200);
    assert_eq!(deleted["id"], json!(id));
    let until = purge_at(&deleted);
    all_gone(&desk, &id.to_string(), &until).await;
    all_gone(&desk, "P", &until).await;
    assert_eq!(desk.walk("/api/playbooks", "id").await, set([other]));
    assert_eq!(desk.walk("/api/playbooks?deleted=true", "id").await, set([id]));
    assert_eq!(desk.walk("/api/playbooks?deleted=true&q=title%20of%20p", "id").await, set([id]));
    let back = desk.post(restore(path(id)), json!({})).await.expect(200);
    for field in ["id", "name", "title", "ownerId", "latestVersion", "createdAt"] {
        assert_eq!(back[field], before[field], "{field}");
    }
    assert_eq!(desk.get(version(id, 1)).await.expect(200)["content"], "two");
    assert_eq!(desk.walk("/api/playbooks", "id").await, set([id, other]));
    assert_eq!(desk.walk("/api/playbooks?deleted=true", "id").await, set::<Uuid>([]));
    desk.post(restore(path(id)), json!({})).await.refused(409, "not_deleted");
    desk.post(restore(path(Uuid::now_v7())), json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_deleted_name_is_free_at_once_and_may_be_taken_when_it_comes_back() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    let old = made(&desk, "p").await;
    desk.delete(path("p")).await.expect(200);
    let new = made(&desk, "P").await;
    assert_eq!(desk.get(path("p")).await.expect(200)["id"], json!(new));
    let taken = desk.post(restore(path(old)), json!({})).await;
    taken.refused(409, "name_taken");
    assert_eq!(taken.body["id"], json!(new));
    desk.get(path(old)).await.refused(410, "gone");
    // By name one means what can be restored.
    desk.post(restore(path("p")), json!({})).await.refused(409, "name_taken");
    desk.delete(path("p")).await.expect(200);
    // Of several that are deleted, the one that was deleted last.
    assert_eq!(desk.post(restore(path("p")), json!({})).await.expect(200)["id"], json!(new));
    desk.patch(path(new), json!({ "name": "another" })).await.expect(200);
    assert_eq!(desk.post(restore(path("p")), json!({})).await.expect(200)["id"], json!(old));
}

#[tokio::test]
async fn after_seven_days_a_playbook_is_as_if_it_had_never_been() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    let (early, late) = (made(&desk, "early").await, made(&desk, "late").await);
    for id in [early, late] {
        desk.delete(path(id)).await.expect(200);
    }
    let wanda = later(&world, &wanda, Duration::days(7) - Duration::minutes(5)).await;
    let desk = world.desk(&wanda, &world.acme);
    desk.get(path(late)).await.refused(410, "gone");
    desk.post(restore(path(early)), json!({})).await.expect(200);
    desk.delete(path(early)).await.expect(200);
    let wanda = later(&world, &wanda, Duration::minutes(6)).await;
    let desk = world.desk(&wanda, &world.acme);
    for name in [late.to_string(), "late".to_owned()] {
        desk.get(path(&name)).await.refused(404, "not_found");
        desk.post(restore(path(&name)), json!({})).await.refused(404, "not_found");
        desk.delete(path(&name)).await.refused(404, "not_found");
        desk.get(versions(&name)).await.refused(404, "not_found");
    }
    assert_eq!(desk.walk("/api/playbooks?deleted=true", "id").await, set([early]));
    // A restored one's days begin anew.
    desk.get(path(early)).await.refused(410, "gone");
    made(&desk, "late").await;
}

#[tokio::test]
async fn a_deleted_version_is_gone_and_comes_back_whole() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    written(&desk, "p", "one").await;
    written(&desk, "p", "two").await;
    let latest = async || desk.get(path("p")).await.expect(200)["latestVersion"].clone();
    let before = desk.get(version("p", 2)).await.expect(200);
    let until = purge_at(&desk.delete(version("p", 2)).await.expect(200));
    for answer in [
        desk.get(version("p", 2)).await,
        desk.put(version("p", 2), json!({ "content": "x" })).await,
        desk.put(format!("{}/rollback", version("p", 2)), json!({})).await,
        desk.get(format!("{}/revisions", version("p", 2))).await,
        desk.delete(version("p", 2)).await,
    ] {
        gone(&answer, &until);
    }
    assert_eq!(numbers(&desk, &versions("p"), 9).await, [[1]]);
    assert_eq!(latest().await, json!(1));
    // Its number stays its own while it may come back.
    desk.post(versions("p"), json!({ "content": "x", "version": 2 }))
        .await
        .refused(409, "version_exists");
    assert_eq!(written(&desk, "p", "three").await, 3);
    let back = desk.post(restore(version("p", 2)), json!({})).await.expect(200);
    assert_eq!(
        [&back["content"], &back["number"], &back["ownerId"]],
        [&before["content"], &json!(2), &before["ownerId"]]
    );
    assert_eq!(numbers(&desk, &versions("p"), 9).await, [[3, 2, 1]]);
    desk.post(restore(version("p", 2)), json!({})).await.refused(409, "not_deleted");
    desk.post(restore(version("p", 9)), json!({})).await.refused(404, "not_found");
    for number in [3, 2, 1] {
        assert_eq!(latest().await, json!(number));
        desk.delete(version("p", number)).await.expect(200);
    }
    assert_eq!(latest().await, json!(null));
    desk.post(restore(version("p", 1)), json!({})).await.expect(200);
    assert_eq!(latest().await, json!(1));
}

#[tokio::test]
async fn after_seven_days_a_version_is_as_if_it_had_never_been() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    written(&desk, "p", "old words").await;
    desk.put(version("p", 1), json!({ "content": "old words again" })).await.expect(200);
    desk.delete(version("p", 1)).await.expect(200);
    let wanda = later(&world, &wanda, Duration::days(7) - Duration::minutes(5)).await;
    world.desk(&wanda, &world.acme).get(version("p", 1)).await.refused(410, "gone");
    let wanda = later(&world, &wanda, Duration::minutes(6)).await;
    let desk = world.desk(&wanda, &world.acme);
    desk.get(version("p", 1)).await.refused(404, "not_found");
    desk.post(restore(version("p", 1)), json!({})).await.refused(404, "not_found");
    desk.get(format!("{}/revisions", version("p", 1))).await.refused(404, "not_found");
    // Its number is free, and nothing of it comes back.
    let anew =
        desk.post(versions("p"), json!({ "content": "new", "version": 1 })).await.expect(201);
    assert_eq!(anew["revision"], json!(1));
    let kept = desk.get(format!("{}/revisions", version("p", 1))).await.expect(200);
    assert_eq!(kept["items"].as_array().unwrap().len(), 1, "{kept}");
    desk.put(format!("{}/rollback", version("p", 1)), json!({}))
        .await
        .refused(409, "no_previous_revision");
}

#[tokio::test]
async fn only_who_could_read_it_is_told_that_it_is_gone() {
    let stage = Stage::set().await;
    let mut ids = Vec::new();
    for (person, name) in [(&stage.caller, "mine"), (&stage.peer, "near"), (&stage.outsider, "far")]
    {
        let id = stage.playbook_of(person, name).await;
        stage.at(person).delete(path(id)).await.expect(200);
        ids.push((name, id));
    }
    for (level, readable) in [("m", 1), ("g", 2), ("a", 3)] {
        stage.allow([level, "n", "n", level], ALL).await;
        let desk = stage.desk();
        for (place, (name, id)) in ids.iter().enumerate() {
            let expected = if place < readable { (410, "gone") } else { (404, "not_found") };
            for answer in [
                desk.get(path(id)).await,
                desk.get(path(name)).await,
                desk.delete(path(id)).await,
                desk.get(versions(id)).await,
                desk.post(versions(name), json!({ "content": "x" })).await,
            ] {
                answer.refused(expected.0, expected.1);
            }
            if place >= readable {
                desk.post(restore(path(id)), json!({})).await.refused(404, "not_found");
            }
        }
        let listed = desk.walk("/api/playbooks?deleted=true", "id").await;
        assert_eq!(listed, set(ids[..readable].iter().map(|(_, id)| id)), "{level}");
    }
}

#[tokio::test]
async fn a_playbook_that_races_its_deletion_loses_nothing() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    let (deleted, again) = tokio::join!(desk.delete(path("p")), desk.delete(path("p")));
    let mut statuses = [deleted.status.as_u16(), again.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
    let (one, two) = tokio::join!(
        desk.post(restore(path("p")), json!({})),
        desk.post(restore(path("p")), json!({}))
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}
