//! Several who decide the same booking at the same moment, over two nodes of the service.

use axum::http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::bookings::{LIST, member, request, row, world};
use super::kit::Desk;
use crate::harness::app::Answer;
use crate::harness::world::Person;
use crate::harness::{TestApp, World};

const ROUNDS: usize = 60;

/// Two nodes, and four people who may do everything, two at each.
struct Arena {
    world: World,
    nodes: [TestApp; 2],
    people: Vec<Person>,
}

impl Arena {
    async fn new() -> Self {
        let world = world().await;
        let mut people = Vec::new();
        for name in ["ada", "bea", "cid", "dan"] {
            people.push(member(&world, name, "bookings-admin").await);
        }
        let nodes = [world.app.clone(), world.app.another_node()];
        Self { world, nodes, people }
    }

    async fn booking(&self) -> Uuid {
        let desk = Desk::at(&self.nodes[0], &self.people[0], &self.world.acme)
            .in_instance(self.world.acme.instance);
        desk.post(LIST, request(json!({}))).await.id()
    }

    /// Everybody calls at once; the answers in the order of the calls.
    async fn at_once(&self, calls: [(Method, String); 4]) -> Vec<Answer> {
        let mut racing = JoinSet::new();
        for (index, (method, path)) in calls.into_iter().enumerate() {
            let (node, person, acme) = (
                self.nodes[index % 2].clone(),
                self.people[index].clone(),
                self.world.acme.clone(),
            );
            racing.spawn(async move {
                let desk = Desk::at(&node, &person, &acme).in_instance(acme.instance);
                (index, desk.ask(method, path).send().await)
            });
        }
        let mut answers = racing.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_who_decide_at_once_one_does() {
    let arena = Arena::new().await;
    let mut won = [0; 2];
    for round in 0..ROUNDS {
        let id = arena.booking().await;
        let call = |verb: &str| (Method::POST, format!("{}/{verb}", row(id)));
        let answers =
            arena.at_once([call("accept"), call("reject"), call("reject"), call("accept")]).await;
        let winners: Vec<usize> =
            (0..4).filter(|index| answers[*index].status.is_success()).collect();
        let [winner] = winners[..] else { panic!("round {round}: {answers:?}") };
        for (_, loser) in answers.iter().enumerate().filter(|(index, _)| *index != winner) {
            loser.refused(409, "already_decided");
        }
        let now = arena
            .world
            .desk(&arena.people[0], &arena.world.acme)
            .in_instance(arena.world.acme.instance)
            .get(row(id))
            .await
            .expect(200);
        assert_eq!(now, answers[winner].body, "round {round}");
        assert_eq!(now["decidedBy"], json!(arena.people[winner].id), "round {round}");
        assert_eq!(
            now["status"],
            if winner % 3 == 0 { "accepted" } else { "rejected" },
            "round {round}"
        );
        won[usize::from(winner % 3 == 0)] += 1;
    }
    let decisions = "select count(*) from audit_events
                       where action in ('booking_accepted', 'booking_rejected')";
    assert_eq!(arena.world.app.count(decisions).await, i64::try_from(ROUNDS).unwrap(), "{won:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_booking_is_decided_before_it_is_deleted_or_not_at_all() {
    let arena = Arena::new().await;
    for round in 0..ROUNDS {
        let id = arena.booking().await;
        let decide = || (Method::POST, format!("{}/accept", row(id)));
        let delete = || (Method::DELETE, row(id));
        let answers = arena.at_once([decide(), delete(), delete(), decide()]).await;
        let deleted: Vec<_> =
            answers[1..3].iter().filter(|answer| answer.status.is_success()).collect();
        let decided: Vec<_> = [&answers[0], &answers[3]]
            .into_iter()
            .filter(|answer| answer.status.is_success())
            .collect();
        assert!(deleted.len() == 1 && decided.len() <= 1, "round {round}: {answers:?}");
        let status = if decided.is_empty() { "pending" } else { "accepted" };
        assert_eq!(deleted[0].body["status"], status, "round {round}: {answers:?}");
        for answer in answers.iter().filter(|answer| !answer.status.is_success()) {
            let refusal = (answer.status.as_u16(), answer.code());
            assert!(
                [(404, "not_found"), (409, "already_decided")].contains(&refusal),
                "round {round}: {answer:?}"
            );
        }
    }
    assert_eq!(arena.world.app.count("select count(*) from bookings").await, 0);
}
