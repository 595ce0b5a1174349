//! How much a page of a list holds, and how much of a text the trail that is listed.

use serde_json::json;

use super::list_orders::Shelves;
use crate::harness::World;

#[tokio::test]
async fn a_page_has_at_most_a_mebibyte_and_the_next_one_goes_on() {
    let world = World::new().await;
    let shelves = Shelves::new(&world).await;
    shelves
        .sql(
            "insert into groups (id, mandate_id, name, name_key, description, created_at)
             select md5('heavy' || n)::uuid, '$mandate', 'heavy ' || n, 'heavy ' || n,
               repeat(U&'\\+01F3F4', 4000), now() from generate_series(1, 90) n;
             insert into audit_events (id, at, mandate_id, action, resource_type, details)
             select md5('heavy' || n)::uuid, '2999-01-01', '$mandate', 'role_updated', 'role',
               jsonb_build_object('after', repeat('x', 1500000))
             from generate_series(1, 2) n",
        )
        .await;
    let path = world.acme.path("/groups");
    let first = world.admin().get(format!("{path}?limit=200&count=true")).await.expect(200);
    let shown = first["items"].as_array().unwrap().len();
    assert!(
        shown < 91 && first.to_string().len() > 1_000_000,
        "{shown} items in {} bytes",
        first.to_string().len()
    );
    assert_eq!(first["total"], json!(91), "heavy ones and `everyone`");
    // `walk` compares pages of one to three with the pages of 200, which are cut, and `follow`
    // weighs each.
    assert_eq!(shelves.walk(&path, "name").await.len(), 91);
    // An item that is too heavy by itself is a page by itself.
    let heavy = world.admin().get(world.acme.path("/audit?limit=2")).await.expect(200);
    assert_eq!(
        (heavy["items"].as_array().unwrap().len(), heavy["nextCursor"].is_string()),
        (1, true)
    );
}

#[tokio::test]
async fn the_trail_keeps_the_beginning_of_a_text() {
    let world = World::new().await;
    let body = json!({ "name": "Readers", "description": "é".repeat(4_000) });
    world.admin().post(world.acme.path("/groups"), body).await.expect(201);
    let events =
        world.admin().get(world.acme.path("/audit?action=group_created")).await.expect(200);
    let told = events["items"][0]["details"]["after"]["description"].as_str().unwrap().to_owned();
    assert_eq!(told, format!("{}…", "é".repeat(510)));
}
