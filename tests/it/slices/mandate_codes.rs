//! Codes of mandates that are made from names: however many want one at once, each gets its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::World;

const PATH: &str = "/api/mandates";

fn code(mandate: &Value) -> String {
    mandate["code"].as_str().unwrap().to_owned()
}

/// The codes of mandates with one name, made all at once at two nodes.
async fn codes_at_once(world: &World, name: &str, count: usize) -> Vec<String> {
    let nodes = [world.app.clone(), world.app.another_node()];
    let mut calls = JoinSet::new();
    for number in 0..count {
        let (node, token, body) =
            (nodes[number % 2].clone(), world.sys_admin.token.clone(), json!({ "name": name }));
        calls.spawn(async move {
            code(&node.post(PATH).bearer(&token).json(body).send().await.expect(201))
        });
    }
    calls.join_all().await
}

#[tokio::test]
async fn however_many_take_one_name_at_once_each_gets_a_code() {
    let world = World::new().await;
    let long = "n".repeat(200);
    for (name, base) in [("Umbrella", "umbrella"), (long.as_str(), &long[..56])] {
        let codes = codes_at_once(&world, name, 50).await;
        let numbered: BTreeSet<_> = std::iter::once(base.to_owned())
            .chain((2..=50).map(|n| format!("{base}-{n}")))
            .collect();
        assert_eq!(codes.into_iter().collect::<BTreeSet<_>>(), numbered);
    }
    // While somebody takes numbers by hand.
    let mut by_hand = JoinSet::new();
    for number in 2..=11 {
        let (node, token) = (world.app.clone(), world.sys_admin.token.clone());
        let body = json!({ "name": "By hand", "code": format!("hand-{number}") });
        by_hand.spawn(async move { node.post(PATH).bearer(&token).json(body).send().await });
    }
    let (by_hand, mut codes) = tokio::join!(by_hand.join_all(), codes_at_once(&world, "Hand", 20));
    for answer in by_hand {
        match answer.status.as_u16() {
            201 => codes.push(code(&answer.body)),
            _ => answer.refused(409, "code_taken"),
        }
    }
    let different: BTreeSet<_> = codes.iter().collect();
    assert_eq!(different.len(), codes.len(), "{codes:?}");
}

#[tokio::test]
async fn a_name_whose_numbers_are_used_up_gets_a_code_of_chance() {
    let world = World::new().await;
    let base = "o".repeat(56);
    sqlx::query(
        "insert into mandates (id, name, name_key, code, code_key, created_at, updated_at)
         select gen_random_uuid(), 'o', 'o', code, code, now(), now()
         from generate_series(1, 10000) n cross
           join lateral (select $1 || case when n = 1 then '' else '-' || n end as code) c",
    )
    .bind(&base)
    .execute(&world.app.sql)
    .await
    .unwrap();
    let codes = codes_at_once(&world, &base, 8).await;
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), 8, "{codes:?}");
    for code in &codes {
        assert!(code.len() <= 64 && code.starts_with(&base[..48]), "{code}");
        // One that could have been given by hand.
        let again = world.root().post(PATH, json!({ "name": "x", "code": code })).await;
        again.refused(409, "code_taken");
    }
    // What a deleted mandate frees is a number again.
    sqlx::query(
        "update mandates set deleted_at = now(), purge_at = now() + interval '1 day'
                   where code = $1 || '-77'",
    )
    .bind(&base)
    .execute(&world.app.sql)
    .await
    .unwrap();
    assert_eq!(codes_at_once(&world, &base, 1).await, [format!("{base}-77")]);
}
