//! Names that were stored when keys still held what cannot be seen.

use serde_json::json;
use sqlx::AssertSqlSafe;

use super::kit::values;
use crate::harness::World;

const REKEY: &str = include_str!("../../../migrations/0022_keys_without_the_unseen.sql");

#[tokio::test]
async fn names_from_before_are_found_by_what_is_seen_of_them() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    for name in ["board", "clerks", "clerks two", "cashiers"] {
        admin.post(acme.path("/groups"), json!({ "name": name })).await.expect(201);
    }
    let older = |name: &str, key: &str| {
        format!("update groups set name = '{key}', name_key = '{key}' where name = '{name}';")
    };
    let before = [
        older("board", "bo\u{200b}ard\u{e0001}"),
        older("clerks two", "cle\u{3164}rks"),
        older("cashiers", "cashiers \u{200b}"),
    ]
    .concat();
    let path = "set local search_path = bailiwick;";
    sqlx::raw_sql(AssertSqlSafe(format!("begin; {path} {before} {REKEY} commit")))
        .execute(&world.app.sql)
        .await
        .unwrap();
    admin.post(acme.path("/groups"), json!({ "name": "Board" })).await.refused(409, "name_taken");
    admin
        .post(acme.path("/groups"), json!({ "name": "cashiers" }))
        .await
        .refused(409, "name_taken");
    // These two have become one: both stay, and either can be renamed.
    let found = admin.get(format!("{}?q=clerks", acme.path("/groups"))).await.expect(200);
    assert_eq!(values(&found, "name"), ["clerks"]);
    let all = admin.get(acme.path("/groups")).await.expect(200);
    let id = |name: &str| {
        all["items"].as_array().unwrap().iter().find(|group| group["name"] == name).unwrap()["id"]
            .clone()
    };
    let hidden = id("cle\u{3164}rks");
    let path = acme.path(&format!("/groups/{}", hidden.as_str().unwrap()));
    admin.patch(path.clone(), json!({ "name": "clerks" })).await.refused(409, "name_taken");
    admin.patch(path, json!({ "name": "clerks of the second floor" })).await.expect(200);
}
