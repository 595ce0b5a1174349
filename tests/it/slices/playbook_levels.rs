//! Which playbooks the levels m, g and a reach, in every way there is to one.

use serde_json::json;
use uuid::Uuid;

use super::kit::{denied, set};
use super::playbook_kit::{ALL, NONE, Stage, made, path};
use crate::harness::world::Person;

/// Everybody's playbook in every place.
struct Shelf {
    stage: Stage,
    /// In Acme's first instance, from near to far: the caller's, the peer's, the outsider's.
    here: [Uuid; 3],
    /// In the second instance and in Globex.
    elsewhere: Vec<Uuid>,
}

/// The levels, and how many of [`Shelf::here`] each reaches.
const LEVELS: [(&str, usize); 3] = [("m", 1), ("g", 2), ("a", 3)];

fn name(person: &Person) -> String {
    format!("ledger of {}", person.name)
}

impl Shelf {
    async fn set() -> Self {
        let stage = Stage::set().await;
        stage.allow(ALL, ALL).await;
        let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
        for person in [&stage.caller, &stage.peer, &stage.outsider] {
            here.push(made(&stage.at(person), &name(person)).await);
            let (acme, globex) = (&stage.world.acme, &stage.world.globex);
            elsewhere.push(
                made(&stage.world.desk(person, acme).in_instance(stage.elsewhere), &name(person))
                    .await,
            );
            elsewhere.push(made(&stage.world.desk(person, globex), &name(person)).await);
        }
        Self { stage, here: here.try_into().unwrap(), elsewhere }
    }
    fn owners(&self) -> [&Person; 3] {
        [&self.stage.caller, &self.stage.peer, &self.stage.outsider]
    }
}

#[tokio::test]
async fn reading() {
    let shelf = Shelf::set().await;
    let desk = shelf.stage.desk();
    for (level, reach) in LEVELS {
        shelf.stage.allow([level, "n", "n", "n"], NONE).await;
        let reached = set(&shelf.here[..reach]);
        assert_eq!(desk.walk("/api/playbooks", "id").await, reached, "{level}");
        assert_eq!(desk.walk("/api/playbooks?sort=-name", "id").await, reached, "{level}");
        assert_eq!(desk.walk("/api/playbooks?q=LEDGER", "id").await, reached, "search at {level}");
        for (place, (id, owner)) in shelf.here.iter().zip(shelf.owners()).enumerate() {
            let one = set((place < reach).then_some(id));
            assert_eq!(
                desk.walk(&format!("/api/playbooks?ownerId={}", owner.id), "id").await,
                one,
                "filter at {level}"
            );
            assert_eq!(
                desk.walk(&format!("/api/playbooks?q={}", owner.name), "id").await,
                one,
                "search at {level}"
            );
            for key in [id.to_string(), name(owner)] {
                let answer = desk.get(path(&key)).await;
                if place < reach {
                    assert_eq!(answer.id(), *id);
                } else {
                    answer.refused(404, "not_found");
                }
            }
        }
        for id in &shelf.elsewhere {
            desk.get(path(id)).await.refused(404, "not_found");
        }
    }
    // In each other place, that place's only.
    let globex = shelf.stage.world.desk(&shelf.stage.caller, &shelf.stage.world.globex);
    assert_eq!(globex.walk("/api/playbooks", "id").await.len(), 3);
    globex.get(path(shelf.here[0])).await.refused(404, "not_found");
    let second = shelf
        .stage
        .world
        .desk(&shelf.stage.caller, &shelf.stage.world.acme)
        .in_instance(shelf.stage.elsewhere);
    assert_eq!(second.walk("/api/playbooks", "id").await.len(), 3);
    second.get(path(shelf.here[0])).await.refused(404, "not_found");
}

#[tokio::test]
async fn none_refuses_before_any_lookup() {
    let shelf = Shelf::set().await;
    let desk = shelf.stage.desk();
    shelf.stage.allow(NONE, ALL).await;
    denied(&desk.get("/api/playbooks").await, "playbooks", "read", "m");
    denied(
        &desk.post("/api/playbooks", json!({ "name": "x", "title": "x" })).await,
        "playbooks",
        "create",
        "m",
    );
    for key in [shelf.here[0], shelf.here[2], shelf.elsewhere[0], Uuid::now_v7()] {
        denied(&desk.get(path(key)).await, "playbooks", "read", "m");
        denied(&desk.patch(path(key), json!({ "title": "x" })).await, "playbooks", "update", "m");
        denied(&desk.delete(path(key)).await, "playbooks", "delete", "m");
        denied(
            &desk.post(format!("{}/restore", path(key)), json!({})).await,
            "playbooks",
            "delete",
            "m",
        );
    }
}

#[tokio::test]
async fn making_takes_any_level_and_makes_ones_own() {
    let shelf = Shelf::set().await;
    for (level, _) in LEVELS {
        shelf.stage.allow(["m", level, "n", "n"], NONE).await;
        let made = shelf
            .stage
            .desk()
            .post("/api/playbooks", json!({ "name": level, "title": "x" }))
            .await
            .expect(201);
        assert_eq!(made["ownerId"], json!(shelf.stage.caller.id));
    }
}

/// The levels that a caller would need for each of [`Shelf::here`].
const NEEDED: [&str; 3] = ["m", "g", "a"];

#[tokio::test]
async fn changing() {
    let shelf = Shelf::set().await;
    let desk = shelf.stage.desk();
    for (read, seen) in LEVELS {
        for (level, reach) in LEVELS.into_iter().filter(|(_, reach)| *reach <= seen) {
            shelf.stage.allow([read, "n", level, "n"], NONE).await;
            for (place, id) in shelf.here.iter().enumerate() {
                let answer =
                    desk.patch(path(id), json!({ "title": format!("{read}{level}") })).await;
                if place < reach {
                    assert_eq!(
                        answer.expect(200)["ownerId"],
                        json!(shelf.owners()[place].id),
                        "the owner stays"
                    );
                } else if place < seen {
                    denied(&answer, "playbooks", "update", NEEDED[place]);
                } else {
                    answer.refused(404, "not_found");
                }
            }
            for id in &shelf.elsewhere {
                desk.patch(path(id), json!({ "title": "x" })).await.refused(404, "not_found");
            }
        }
    }
    assert_untouched(&shelf).await;
}

#[tokio::test]
async fn deleting_and_restoring() {
    let shelf = Shelf::set().await;
    let desk = shelf.stage.desk();
    for (read, seen) in LEVELS {
        for (level, reach) in LEVELS.into_iter().filter(|(_, reach)| *reach <= seen) {
            shelf.stage.allow([read, "n", "n", level], NONE).await;
            for (place, id) in shelf.here.iter().enumerate() {
                let answer = desk.delete(path(id)).await;
                let restore = format!("{}/restore", path(id));
                if place < reach {
                    answer.expect(200);
                    desk.post(restore, json!({})).await.expect(200);
                } else if place < seen {
                    denied(&answer, "playbooks", "delete", NEEDED[place]);
                    denied(
                        &desk.post(restore, json!({})).await,
                        "playbooks",
                        "delete",
                        NEEDED[place],
                    );
                } else {
                    answer.refused(404, "not_found");
                    desk.post(restore, json!({})).await.refused(404, "not_found");
                }
            }
            for id in &shelf.elsewhere {
                desk.delete(path(id)).await.refused(404, "not_found");
            }
        }
    }
    assert_untouched(&shelf).await;
}

/// What lies elsewhere is as it was made.
async fn assert_untouched(shelf: &Shelf) {
    let query =
        "select count(*) from playbooks where id = any($1) and deleted_at is null and version = 1";
    let count: i64 = sqlx::query_scalar(query)
        .bind(&shelf.elsewhere)
        .fetch_one(&shelf.stage.world.app.sql)
        .await
        .unwrap();
    assert_eq!(count, 6);
}
