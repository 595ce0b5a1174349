//! A mandate with limits of its own is to whoever is no member the same as none: twins knock in
//! step, one naming the mandate and one naming nothing that is there, and every answer and its
//! headers are the same.

use std::collections::BTreeMap;

use axum::http::Method;
use bailiwick::tenancy::limits::beat;
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::operations::{Operation, document, operations};
use crate::harness::app::Answer;
use crate::harness::world::Person;
use crate::harness::{TestApp, World};

/// What every class has by the settings of the node that is knocked at.
const ORDINARY: u32 = 3;
const KNOCKS: u32 = ORDINARY + 3;

/// Limits of the mandate: fewer than everybody has, and more.
const OWN: [u32; 2] = [1, 1000];

const CLASSES: [&str; 8] =
    ["read", "list-mandates", "member-write", "write", "auth", "check", "work", "default"];

/// Somebody who is no member, and their double.
struct Twins {
    who: &'static str,
    tokens: [Option<String>; 2],
    addresses: [&'static str; 2],
    /// Whether they may know which mandates there are, so that only their limits are compared.
    knows_mandates: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mandates_own_limits_are_nobody_elses_business() {
    let world = World::new().await;
    let mut compared = BTreeMap::new();
    for (round, own) in OWN.into_iter().enumerate() {
        let limits =
            json!(CLASSES.map(|class| (class, own)).into_iter().collect::<BTreeMap<_, _>>());
        let statement =
            format!("update mandates set limits = '{limits}' where id = '{}'", world.acme.id);
        sqlx::query(AssertSqlSafe(statement)).execute(&world.app.sql).await.unwrap();
        let all = twins(&world, round).await;
        for operation in one_of_each_kind() {
            let node = knocked_at(&world).await;
            for twins in &all {
                knock(&node, &world, twins, &operation, own).await;
                *compared
                    .entry(operation.access()["class"].as_str().unwrap().to_owned())
                    .or_insert(0) += 1;
            }
        }
    }
    for class in CLASSES.into_iter().filter(|class| *class != "default") {
        assert!(
            compared.contains_key(class),
            "no operation of the class `{class}` was knocked at: {compared:?}"
        );
    }
}

/// Another node of the service, whose budgets are small.
async fn knocked_at(world: &World) -> TestApp {
    let names = [
        "READ",
        "LIST_MANDATES",
        "MEMBER_WRITE",
        "WRITE",
        "AUTH",
        "AUTH_ADDRESS",
        "CHECK",
        "WORK",
        "PUBLIC",
        "DEFAULT",
    ];
    let settings = names.map(|name| (format!("BAILIWICK_RATE_LIMIT_{name}"), ORDINARY.to_string()));
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let node = world.app.another_limited_node(&settings);
    beat(&node.app).await.unwrap();
    node
}

async fn twins(world: &World, round: usize) -> Vec<Twins> {
    let app = &world.app;
    let mut pairs = Vec::new();
    for (who, sys_admin) in [("stranger", false), ("root", true)] {
        let mut pair = Vec::new();
        for nth in ["a", "b"] {
            let name = format!("{who}-{nth}{round}");
            app.account(&name, sys_admin).await;
            pair.push(Some(app.sign_in(&name).await));
        }
        pairs.push((who, [pair[0].clone(), pair[1].clone()], sys_admin));
    }
    let bad = Some("not.a.token".to_owned());
    pairs.extend([("nobody", [None, None], false), ("bad token", [bad.clone(), bad], false)]);
    let addresses = [
        ["192.0.2.1", "192.0.2.2"],
        ["192.0.2.3", "192.0.2.4"],
        ["192.0.2.5", "192.0.2.6"],
        ["192.0.2.7", "192.0.2.8"],
    ];
    let with_addresses = pairs.into_iter().zip(addresses);
    with_addresses
        .map(|((who, tokens, knows_mandates), addresses)| Twins {
            who,
            tokens,
            addresses,
            knows_mandates,
        })
        .collect()
}

/// By class, and by whether the path names the mandate: the first operation.
fn one_of_each_kind() -> Vec<Operation> {
    let mut kinds = BTreeMap::new();
    for operation in operations(&document()) {
        let class = operation.access()["class"].as_str().unwrap().to_owned();
        let kind = (class, operation.path.contains("{mandateId}"), operation.tables().is_empty());
        kinds.entry(kind).or_insert(operation);
    }
    kinds.into_values().collect()
}

async fn knock(node: &TestApp, world: &World, twins: &Twins, operation: &Operation, own: u32) {
    let aims = [world.acme.id, Uuid::now_v7()];
    for nth in 1..=KNOCKS {
        let mut answers = Vec::new();
        for ((aim, token), address) in aims.iter().zip(&twins.tokens).zip(twins.addresses) {
            answers.push(once(node, operation, *aim, token.as_deref(), address).await);
        }
        let what = format!(
            "{} {} ({}; own limit {own}), knock {nth}",
            operation.method, operation.path, twins.who
        );
        let [of_mandate, of_nothing] =
            [&answers[0], &answers[1]].map(|answer| seen(answer, twins.knows_mandates));
        assert_eq!(of_mandate, of_nothing, "{what}");
    }
}

async fn once(
    node: &TestApp,
    operation: &Operation,
    mandate: Uuid,
    token: Option<&str>,
    address: &str,
) -> Answer {
    let id = "01900000-0000-7000-8000-000000000001";
    let path = operation.path.replace("{mandateId}", &mandate.to_string());
    let path = path
        .split('/')
        .map(|part| if part.starts_with('{') { id } else { part })
        .collect::<Vec<_>>()
        .join("/");
    let mut call = node.call(operation.method.clone(), path).mandate(mandate).coming_from(address);
    if let Some(token) = token {
        call = call.bearer(token);
    }
    if operation.has_body() && operation.method != Method::GET {
        call = call.json(json!({}));
    }
    call.send().await
}

/// What an answer shows: without what is never the same twice, and times without their seconds,
/// which pass.
fn seen(answer: &Answer, only_limits: bool) -> BTreeMap<String, String> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &answer.headers {
        let value = value.to_str().unwrap();
        let value = match name.as_str() {
            "x-request-id" => continue,
            "retry-after" => String::new(),
            "ratelimit" => value.split(";t=").next().unwrap().to_owned(),
            _ => value.to_owned(),
        };
        if !only_limits || name.as_str().starts_with("ratelimit") {
            seen.insert(name.to_string(), value);
        }
    }
    seen.insert("limited".into(), (answer.status.as_u16() == 429).to_string());
    if !only_limits {
        seen.insert("status".into(), answer.status.to_string());
        seen.insert("code".into(), answer.code().to_owned());
    }
    seen
}

/// The same of a member, so that the gate above is not one that nothing passes through.
#[tokio::test]
async fn members_pay_by_it() {
    let world = World::new().await;
    let acme = &world.acme;
    let Person { token, .. } = &acme.admin;
    world
        .root()
        .put(acme.path("/limits"), json!({ "classes": { "read": 1000 } }))
        .await
        .expect(200);
    let node = knocked_at(&world).await;
    for _ in 0..=KNOCKS {
        let answer = node.get(acme.path("/users")).bearer(token).mandate(acme.id).send().await;
        assert!(answer.header("ratelimit-policy").contains("q=1000"), "{:?}", answer.headers);
        answer.expect(200);
    }
}
