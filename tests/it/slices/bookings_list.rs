//! The list of bookings: orders, filters, pages.

use serde_json::{Value, json};

use super::bookings::{LIST, desk, member, request, row, world};
use super::kit::{Desk, values};
use crate::harness::World;
use crate::harness::world::Person;

/// Bookings in the order in which they were made, at these times; every second one is accepted.
const TIMES: [&str; 5] = [
    "2999-03-01T12:00:00Z",
    "2999-01-01T12:00:00Z",
    "2999-03-01T12:00:00Z",
    "2999-02-01T12:00:00+02:00",
    "2999-04-01T12:00:00.000001Z",
];

/// What the list shows, as the places that the bookings have in [`TIMES`].
struct Shelf<'a> {
    world: &'a World,
    desk: Desk<'a>,
    ids: Vec<String>,
}

impl<'a> Shelf<'a> {
    async fn fill(world: &'a World, person: &Person) -> Self {
        let desk = desk(world, person);
        let mut ids = Vec::new();
        for (place, time) in TIMES.into_iter().enumerate() {
            let id = desk.post(LIST, request(json!({ "eventTime": time }))).await.id();
            if place % 2 == 1 {
                desk.post(format!("{}/accept", row(id)), json!({})).await.expect(200);
            }
            ids.push(id.to_string());
        }
        Self { world, desk, ids }
    }

    fn places(&self, page: &Value) -> Vec<usize> {
        values(page, "id")
            .iter()
            .map(|id| self.ids.iter().position(|known| known == id).unwrap())
            .collect()
    }

    /// The whole list at once; and page by page it must be the same, with the same total.
    async fn shows(&self, query: &str) -> Vec<usize> {
        let whole = self.desk.get(format!("{LIST}?limit=200&count=true&{query}")).await.expect(200);
        let whole = (whole["total"].as_u64().unwrap(), self.places(&whole));
        assert_eq!(whole.0, whole.1.len() as u64, "{query}");
        for limit in [1, 2] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = self
                    .desk
                    .get(format!("{LIST}?limit={limit}&{query}{cursor}"))
                    .await
                    .expect(200);
                found.extend(self.places(&page));
                match page["nextCursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(found, whole.1, "{query}, {limit} to a page");
        }
        whole.1
    }
}

/// Level `a`, `g` and `m` read from texts of their own, which must show the same where all rows are
/// the caller's.
async fn at_each_level(look: impl AsyncFn(&Shelf<'_>)) {
    let world = world().await;
    let person = member(&world, "rita", "bookings-admin").await;
    let shelf = Shelf::fill(&world, &person).await;
    for level in ["a", "g", "m"] {
        let rule =
            json!({ "view": true, "read": level, "create": "n", "update": "n", "delete": "n" });
        let path = format!("/api/roles/{}/permissions", world.acme.instance_role("bookings-admin"));
        shelf.world.admin().put(path, json!({ "tables": { "bookings": rule } })).await.expect(200);
        look(&shelf).await;
    }
}

#[tokio::test]
async fn bookings_are_listed_by_when_they_take_place_or_were_made() {
    at_each_level(async |shelf| {
        assert_eq!(shelf.shows("").await, [1, 3, 0, 2, 4]);
        assert_eq!(shelf.shows("sort=eventTime").await, [1, 3, 0, 2, 4]);
        assert_eq!(shelf.shows("sort=-eventTime").await, [4, 2, 0, 3, 1]);
        assert_eq!(shelf.shows("sort=createdAt").await, [0, 1, 2, 3, 4]);
        assert_eq!(shelf.shows("sort=-createdAt").await, [4, 3, 2, 1, 0]);
    })
    .await;
}

#[tokio::test]
async fn the_list_is_narrowed_by_status_and_by_time() {
    at_each_level(async |shelf| {
        assert_eq!(shelf.shows("status=pending").await, [0, 2, 4]);
        assert_eq!(shelf.shows("status=accepted").await, [1, 3]);
        assert_eq!(shelf.shows("status=rejected").await, [0; 0]);
        assert_eq!(shelf.shows("status=pending&sort=-createdAt").await, [4, 2, 0]);
        // From that time on, until before that time.
        assert_eq!(shelf.shows("from=2999-03-01T12:00:00Z").await, [0, 2, 4]);
        assert_eq!(shelf.shows("from=2999-03-01T12:00:00.000001Z").await, [4]);
        assert_eq!(shelf.shows("to=2999-03-01T12:00:00Z").await, [1, 3]);
        assert_eq!(
            shelf.shows("to=2999-04-01T12:00:00.000001Z&sort=-eventTime").await,
            [2, 0, 3, 1]
        );
        assert_eq!(
            shelf.shows("from=2999-02-01T10:00:00Z&to=2999-03-02T00:00:00Z&sort=createdAt").await,
            [0, 2, 3]
        );
        assert_eq!(
            shelf
                .shows("from=2999-02-01T11:00:00%2B01:00&to=2999-03-01T00:00:00Z&status=accepted")
                .await,
            [3]
        );
        assert_eq!(
            shelf.shows("from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999Z").await,
            [1, 3, 0, 2, 4]
        );
        assert_eq!(shelf.shows("from=2999-03-01T00:00:00Z&to=2999-02-01T00:00:00Z").await, [0; 0]);
    })
    .await;
}

#[tokio::test]
async fn rows_that_come_and_go_neither_repeat_nor_hide_others() {
    let world = world().await;
    let person = member(&world, "rita", "bookings-admin").await;
    let shelf = Shelf::fill(&world, &person).await;
    let first = shelf.desk.get(format!("{LIST}?limit=2")).await.expect(200);
    assert_eq!(shelf.places(&first), [1, 3]);
    // The row at which the page ended goes, another changes its status, and one comes before.
    shelf.desk.delete(row(&shelf.ids[3])).await.expect(200);
    shelf.desk.post(format!("{}/reject", row(&shelf.ids[0])), json!({})).await.expect(200);
    shelf
        .desk
        .post(LIST, request(json!({ "eventTime": "2998-01-01T00:00:00Z" })))
        .await
        .expect(201);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = shelf.desk.get(format!("{LIST}?limit=200&cursor={cursor}")).await.expect(200);
    assert_eq!((shelf.places(&second), &second["nextCursor"]), (vec![0, 2, 4], &Value::Null));
}

#[tokio::test]
async fn what_the_list_does_not_know_is_refused() {
    let world = world().await;
    let person = member(&world, "rita", "bookings-admin").await;
    let shelf = Shelf::fill(&world, &person).await;
    let cursor = shelf.desk.get(format!("{LIST}?limit=1")).await.expect(200)["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    for wrong in [
        "status=done",
        "status=Pending",
        "status=",
        "from=yesterday",
        "from=2999-01-01",
        "to=2999-01-01T00:00:00",
        "sort=topic",
        "limit=0",
        "limit=201",
        "cursor=x",
        &format!("cursor={cursor}&status=pending"),
        &format!("cursor={cursor}&sort=createdAt"),
        &format!("cursor={cursor}&from=2999-01-01T00:00:00Z"),
    ] {
        let answer = shelf.desk.get(format!("{LIST}?{wrong}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_parameter"),
            "{wrong}: {}",
            answer.body
        );
    }
    shelf.desk.get(format!("{LIST}?q=x")).await.refused(400, "unknown_parameter");
}
