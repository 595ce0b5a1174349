//! Which versions the levels reach: each is its maker's, and its playbook must be readable.

use serde_json::json;
use uuid::Uuid;

use super::kit::denied;
use super::playbook_kit::{ALL, NONE, Stage, numbers, path, version, versions, written};
use crate::harness::app::Answer;

const LEVELS: [(&str, usize); 3] = [("m", 1), ("g", 2), ("a", 3)];
const NEEDED: [&str; 3] = ["m", "g", "a"];

/// A playbook of somebody's in which the caller made version 1, the peer version 2, the outsider
/// version 3.
async fn shared(stage: &Stage, owner: &crate::harness::world::Person, name: &str) -> Uuid {
    let playbook = stage.playbook_of(owner, name).await;
    for (number, person) in (1..).zip([&stage.caller, &stage.peer, &stage.outsider]) {
        assert_eq!(
            written(&stage.at(person), playbook, &format!("by {}", person.name)).await,
            number
        );
    }
    playbook
}

#[tokio::test]
async fn reading() {
    let stage = Stage::set().await;
    let playbook = shared(&stage, &stage.outsider, "p").await;
    let desk = stage.desk();
    for (level, reach) in LEVELS {
        stage.allow(["a", "n", "n", "n"], [level, "n", "n", "n"]).await;
        let shown: Vec<i64> = numbers(&desk, &versions(playbook), 1).await.concat();
        assert_eq!(
            shown,
            (1..=3)
                .rev()
                .filter(|number| *number <= reach)
                .map(|number| i64::try_from(number).unwrap())
                .collect::<Vec<_>>()
        );
        for (place, number) in (1..=3).enumerate() {
            for path in
                [version(playbook, number), format!("{}/revisions", version(playbook, number))]
            {
                let answer = desk.get(path).await;
                if place < reach {
                    drop(answer.expect(200));
                } else {
                    answer.refused(404, "not_found");
                }
            }
        }
    }
}

#[tokio::test]
async fn changing_deleting_and_restoring() {
    let stage = Stage::set().await;
    let playbook = shared(&stage, &stage.outsider, "p").await;
    let desk = stage.desk();
    let judge = |answer: Answer, operation: &str, place: usize, reach: usize, seen: usize| {
        if place < reach {
            answer.expect(200);
        } else if place < seen {
            denied(&answer, "playbook_versions", operation, NEEDED[place]);
        } else {
            answer.refused(404, "not_found");
        }
    };
    for (read, seen) in LEVELS {
        for (level, reach) in LEVELS.into_iter().filter(|(_, reach)| *reach <= seen) {
            stage.allow(["a", "n", "n", "n"], [read, "n", level, level]).await;
            for (place, number) in (1..=3).enumerate() {
                let at = version(playbook, number);
                judge(
                    desk.put(at.clone(), json!({ "content": "x" })).await,
                    "update",
                    place,
                    reach,
                    seen,
                );
                judge(
                    desk.put(format!("{at}/rollback"), json!({})).await,
                    "update",
                    place,
                    reach,
                    seen,
                );
                judge(desk.delete(at.clone()).await, "delete", place, reach, seen);
                judge(
                    desk.post(format!("{at}/restore"), json!({})).await,
                    "delete",
                    place,
                    reach,
                    seen,
                );
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_version_is_told_of_only_to_who_could_read_it() {
    let stage = Stage::set().await;
    let playbook = shared(&stage, &stage.outsider, "p").await;
    for number in 1..=3 {
        stage.at(&stage.peer).delete(version(playbook, number)).await.expect(200);
    }
    for (level, reach) in LEVELS {
        stage.allow(["a", "n", "n", "n"], [level, "n", level, level]).await;
        for (place, number) in (1..=3).enumerate() {
            let expected = if place < reach { (410, "gone") } else { (404, "not_found") };
            stage.desk().get(version(playbook, number)).await.refused(expected.0, expected.1);
            stage.desk().delete(version(playbook, number)).await.refused(expected.0, expected.1);
        }
    }
}

#[tokio::test]
async fn making_is_tested_against_the_owner_of_the_playbook() {
    let stage = Stage::set().await;
    let mut playbooks = Vec::new();
    for (person, name) in [(&stage.caller, "mine"), (&stage.peer, "near"), (&stage.outsider, "far")]
    {
        playbooks.push(stage.playbook_of(person, name).await);
    }
    for (read, seen) in LEVELS {
        for (level, reach) in LEVELS {
            stage.allow([read, "n", "n", "n"], ["m", level, "n", "n"]).await;
            for (place, playbook) in playbooks.iter().enumerate() {
                let answer = stage.desk().post(versions(playbook), json!({ "content": "x" })).await;
                if place >= seen {
                    answer.refused(404, "not_found");
                } else if place >= reach {
                    denied(&answer, "playbook_versions", "create", NEEDED[place]);
                } else {
                    assert_eq!(answer.expect(201)["ownerId"], json!(stage.caller.id));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_playbook_that_is_not_readable_hides_its_versions() {
    let stage = Stage::set().await;
    let playbook = shared(&stage, &stage.peer, "p").await;
    stage.allow(["m", "n", "n", "n"], ALL).await;
    let body = json!({ "content": "x" });
    for playbook in [playbook.to_string(), "p".to_owned(), Uuid::now_v7().to_string()] {
        let at = version(&playbook, 1);
        for answer in [
            stage.desk().get(versions(&playbook)).await,
            stage.desk().post(versions(&playbook), body.clone()).await,
            stage.desk().get(at.clone()).await,
            stage.desk().put(at.clone(), body.clone()).await,
            stage.desk().put(format!("{at}/rollback"), json!({})).await,
            stage.desk().get(format!("{at}/revisions")).await,
            stage.desk().delete(at.clone()).await,
            stage.desk().post(format!("{at}/restore"), json!({})).await,
        ] {
            answer.refused(404, "not_found");
        }
    }
    // Nor does a caller who reads no playbook at all get at one by its versions.
    stage.allow(NONE, ALL).await;
    for answer in [
        stage.desk().get(versions(playbook)).await,
        stage.desk().get(version(playbook, 1)).await,
        stage.desk().post(versions(playbook), body).await,
        stage.desk().delete(version(playbook, 1)).await,
    ] {
        assert!(
            matches!(
                (answer.status.as_u16(), answer.code()),
                (404, "not_found") | (403, "permission_denied")
            ),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn none_refuses_before_any_lookup() {
    let stage = Stage::set().await;
    let playbook = shared(&stage, &stage.caller, "p").await;
    stage.allow(ALL, NONE).await;
    let body = json!({ "content": "x" });
    for playbook in [playbook, Uuid::now_v7()] {
        let at = version(playbook, 1);
        denied(&stage.desk().get(versions(playbook)).await, "playbook_versions", "read", "m");
        denied(
            &stage.desk().post(versions(playbook), body.clone()).await,
            "playbook_versions",
            "create",
            "m",
        );
        denied(&stage.desk().get(at.clone()).await, "playbook_versions", "read", "m");
        denied(
            &stage.desk().put(at.clone(), body.clone()).await,
            "playbook_versions",
            "update",
            "m",
        );
        denied(
            &stage.desk().put(format!("{at}/rollback"), json!({})).await,
            "playbook_versions",
            "update",
            "m",
        );
        denied(
            &stage.desk().get(format!("{at}/revisions")).await,
            "playbook_versions",
            "read",
            "m",
        );
        denied(&stage.desk().delete(at.clone()).await, "playbook_versions", "delete", "m");
        denied(
            &stage.desk().post(format!("{at}/restore"), json!({})).await,
            "playbook_versions",
            "delete",
            "m",
        );
    }
    // The playbook itself is as open as it was.
    stage.desk().get(path(playbook)).await.expect(200);
}

#[tokio::test]
async fn versions_are_reached_in_their_own_place_only() {
    let stage = Stage::set().await;
    stage.allow(ALL, ALL).await;
    let second = stage.world.desk(&stage.caller, &stage.world.acme).in_instance(stage.elsewhere);
    let globex = stage.world.desk(&stage.caller, &stage.world.globex);
    for desk in [&second, &globex] {
        let playbook = super::playbook_kit::made(desk, "p").await;
        written(desk, playbook, "x").await;
        for key in [playbook.to_string(), "p".to_owned()] {
            stage.desk().get(version(&key, 1)).await.refused(404, "not_found");
            stage
                .desk()
                .put(version(&key, 1), json!({ "content": "y" }))
                .await
                .refused(404, "not_found");
            stage
                .desk()
                .post(versions(&key), json!({ "content": "y" }))
                .await
                .refused(404, "not_found");
            stage.desk().delete(version(&key, 1)).await.refused(404, "not_found");
        }
        assert_eq!(desk.get(version(playbook, 1)).await.expect(200)["content"], "x");
    }
}
