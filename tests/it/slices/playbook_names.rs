//! The names of playbooks: when two are the same, which are refused, and how they stand in paths.

use serde_json::json;

use super::kit::points_at;
use super::playbook_kit::{ALL, NONE, Stage, encoded, made, path, version, versions, worker};
use crate::harness::World;

fn named(name: &str) -> serde_json::Value {
    json!({ "name": name, "title": "x" })
}

#[tokio::test]
async fn names_are_unique_trimmed_and_whatever_their_case_and_form() {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    let desk = world.desk(&wanda, &world.acme);
    for (name, others) in [
        ("On Call", ["  on call ", "ON CALL", "on\u{a0}call"]),
        ("Straße", ["STRASSE", "strasse", "straſſe"]),
        ("caf\u{e9}", ["cafe\u{301}", "CAF\u{c9}", " CAFE\u{301} "]),
        ("final", ["ﬁnal", "ＦＩＮＡＬ", "Final"]),
    ] {
        let id = made(&desk, name).await;
        for other in others {
            let answer = desk.post("/api/playbooks", named(other)).await;
            answer.refused(409, "name_taken");
            assert_eq!(answer.body["id"], json!(id), "{other}");
            assert_eq!(desk.get(path(other)).await.expect(200)["id"], json!(id), "{other}");
        }
    }
    assert_eq!(desk.walk("/api/playbooks", "name").await.len(), 4);
}

#[tokio::test]
async fn renaming_keeps_names_unique_and_frees_the_old_one() {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    let desk = world.desk(&wanda, &world.acme);
    let (one, two) = (made(&desk, "one").await, made(&desk, "two").await);
    let taken = desk.patch(path(two), json!({ "name": " ONE " })).await;
    taken.refused(409, "name_taken");
    assert_eq!(taken.body["id"], json!(one));
    assert_eq!(desk.patch(path(one), json!({ "name": " ONE " })).await.expect(200)["name"], "ONE");
    desk.patch(path("one"), json!({ "name": "uno" })).await.expect(200);
    desk.get(path("one")).await.refused(404, "not_found");
    desk.patch(path("two"), json!({ "name": "one" })).await.expect(200);
    assert_eq!(desk.get(path("one")).await.expect(200)["id"], json!(two));
    for wrong in ["", "..", "0190f3a4-7b1c-7def-8abc-0123456789ab"] {
        points_at(&desk.patch(path(one), json!({ "name": wrong })).await, "/name");
    }
}

#[tokio::test]
async fn one_of_many_who_race_for_a_name_gets_it() {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    let desk = world.desk(&wanda, &world.acme);
    let make = |name: &'static str| desk.post("/api/playbooks", named(name));
    let answers = tokio::join!(make("x"), make("X"), make(" x"), make("x "), make("Ｘ"));
    let mut statuses = <[_; 5]>::from(answers).map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409]);
}

#[tokio::test]
async fn names_that_paths_would_misread_are_refused() {
    let world = World::new().await;
    let wanda = worker(&world, &world.acme, "wanda").await;
    let desk = world.desk(&wanda, &world.acme);
    let id = "0190f3a4-7b1c-7def-8abc-0123456789ab";
    for name in [
        id,
        &id.to_uppercase(),
        &format!(" {id} "),
        "00000000-0000-0000-0000-000000000000",
        ".",
        "..",
        " . ",
        "．",
        "․․",
    ] {
        points_at(&desk.post("/api/playbooks", named(name)).await, "/name");
    }
    // Other ways to write an id are either refused or names like any other: what is made is found.
    for name in [
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        format!("{id}x"),
        "...".into(),
    ] {
        let answer = desk.post("/api/playbooks", named(&name)).await;
        match answer.status.as_u16() {
            201 => assert_eq!(
                desk.get(path(&name)).await.expect(200)["id"],
                answer.body["id"],
                "{name}"
            ),
            _ => points_at(&answer, "/name"),
        }
    }
}

/// Every operation that names a playbook, by a name that needs encoding.
async fn works_everywhere(stage: &Stage, name: &str) {
    let desk = stage.desk();
    let id = made(&desk, name).await;
    assert_eq!(desk.get(path(name)).await.expect(200)["name"], name);
    assert_eq!(
        desk.patch(path(name), json!({ "title": "new" })).await.expect(200)["id"],
        json!(id)
    );
    let written = desk.post(versions(name), json!({ "content": "one" })).await;
    assert_eq!(desk.get(written.header("location")).await.expect(200)["content"], "one", "{name}");
    desk.put(version(name, 1), json!({ "content": "two" })).await.expect(200);
    assert_eq!(desk.get(version(name, 1)).await.expect(200)["content"], "two");
    assert_eq!(
        desk.put(format!("{}/rollback", version(name, 1)), json!({})).await.expect(200)["content"],
        "one"
    );
    assert_eq!(
        desk.get(format!("{}/revisions", version(name, 1))).await.expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    desk.get(versions(name)).await.expect(200);
    desk.delete(version(name, 1)).await.expect(200);
    desk.post(format!("{}/restore", version(name, 1)), json!({})).await.expect(200);
    assert_eq!(desk.delete(path(name)).await.expect(200)["id"], json!(id));
    desk.get(path(name)).await.refused(410, "gone");
    desk.post(format!("{}/restore", path(name)), json!({})).await.expect(200);
    let listed = desk.get(format!("/api/playbooks?q={}", encoded(name))).await.expect(200);
    assert_eq!(listed["items"][0]["id"], json!(id), "{name}");
}

#[tokio::test]
async fn every_operation_takes_a_name_that_is_encoded() {
    let stage = Stage::set().await;
    stage.allow(ALL, ALL).await;
    for name in [
        "a/b",
        "x/versions/1",
        "with space",
        "100%",
        "%2F",
        "a+b",
        "why?",
        "#1",
        "a&b=c;d",
        "back\\slash",
        "it's \"so\"",
        "🚀 ☕️",
        "日本語",
        "... ",
        "restore",
        "/",
    ] {
        works_everywhere(&stage, name.trim()).await;
    }
    // What is not UTF-8 is no name; a trailing slash is accepted, and is not part of it.
    assert!(matches!(stage.desk().get("/api/playbooks/%ff").await.status.as_u16(), 400 | 404));
    for path in [
        "/api/playbooks/a%00b",
        "/api/playbooks/%00",
        "/api/playbooks/a%00b/versions",
        "/api/playbooks/a%00b/versions/1",
    ] {
        stage.desk().get(path).await.refused(404, "not_found");
    }
    stage.desk().get(format!("{}/", path("a/b"))).await.expect(200);
}

#[tokio::test]
async fn a_taken_name_names_the_other_row_only_to_who_may_read_it() {
    let stage = Stage::set().await;
    let own = stage.playbook_of(&stage.caller, "own").await;
    let peers = stage.playbook_of(&stage.peer, "peers").await;
    let outsiders = stage.playbook_of(&stage.outsider, "outsiders").await;
    for (level, readable) in
        [("m", vec![own]), ("g", vec![own, peers]), ("a", vec![own, peers, outsiders])]
    {
        stage.allow([level, "m", "m", "n"], NONE).await;
        for (name, id) in [("own", own), ("peers", peers), ("outsiders", outsiders)] {
            let mine = made_or_kept(&stage).await;
            for answer in [
                stage.desk().post("/api/playbooks", named(name)).await,
                stage.desk().patch(path(mine), json!({ "name": name })).await,
            ] {
                answer.refused(409, "name_taken");
                assert_eq!(
                    answer.body.get("id"),
                    readable.contains(&id).then(|| json!(id)).as_ref(),
                    "{name} at {level}"
                );
                assert!(
                    readable.contains(&id) || !answer.body.to_string().contains(&id.to_string()),
                    "{}",
                    answer.body
                );
            }
        }
    }
    // Nobody's name elsewhere is in the way.
    let elsewhere = stage.world.desk(&stage.caller, &stage.world.acme).in_instance(stage.elsewhere);
    made(&elsewhere, "own").await;
    made(&stage.world.desk(&stage.caller, &stage.world.globex), "own").await;
}

/// A playbook of the caller's to be renamed.
async fn made_or_kept(stage: &Stage) -> uuid::Uuid {
    let answer = stage.desk().get(path("to be renamed")).await;
    if answer.status.as_u16() == 200 {
        answer.id()
    } else {
        made(&stage.desk(), "to be renamed").await
    }
}
