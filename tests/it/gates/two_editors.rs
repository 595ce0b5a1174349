//! Two editors who read the same version and change it at the same time: one change is made, the
//! other is refused. For every operation that changes something; a new one has to take `If-Match`,
//! or say in its case why not.
//!
//! Both come to where they would lock or write, and wait there for the test, so that each has read
//! what it reads without a lock.

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::{Value, json};

use super::cases::{self, Case, Names, Unlike, fill};
use super::operations::{Operation, document, operations};
use super::stage::{Approach, Ground, call, on_grounds};
use crate::harness::held::Held;
use crate::harness::{Answer, TestApp};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

fn is_conditional(operation: &Operation) -> bool {
    operation.takes_header("If-Match")
}

/// Whether the body may name the version instead.
fn takes_version(operation: &Operation) -> bool {
    let schema = &operation.value["requestBody"]["content"]["application/json"]["schema"];
    let name = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next())
        .unwrap_or_default();
    DOCUMENT["components"]["schemas"][name]["properties"]["version"].is_object()
}

#[tokio::test]
async fn every_change_can_be_bound_to_a_version() {
    let free = operations(&DOCUMENT)
        .into_iter()
        .filter(|operation| operation.method != Method::POST && operation.is_mutation());
    for operation in free {
        let said = cases::is(&operation.id, Unlike::NoVersion);
        assert_eq!(is_conditional(&operation), !said, "{} takes If-Match", operation.id);
    }
}

#[test]
fn of_two_editors_one_wins_and_the_other_is_told() {
    let raced: usize = on_grounds(raced).into_iter().sum();
    assert!(raced >= 60, "only {raced} pairs raced");
}

async fn raced(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    if !is_conditional(operation) {
        return 0;
    }
    race(ground, operation, case, &bound_by_header).await;
    if !takes_version(operation) {
        return 1;
    }
    race(ground, operation, case, &bound_by_body).await;
    2
}

fn bound_by_header(mut approach: Approach, _: &Case, _: &Names, version: i64) -> Approach {
    approach.if_match = Some(format!("\"{version}\""));
    approach
}

fn bound_by_body(mut approach: Approach, case: &Case, names: &Names, version: i64) -> Approach {
    let mut body: Value = case
        .body
        .map_or_else(|| json!({}), |body| serde_json::from_str(&fill(body, names)).unwrap());
    body["version"] = json!(version);
    approach.body = Some(("application/json", body.to_string()));
    approach
}

type Bind = dyn Fn(Approach, &Case, &Names, i64) -> Approach + Sync;

async fn race(ground: &Ground, operation: &Operation, case: &Case, bind: &Bind) {
    let app = &ground.world.app;
    let names = ground.stage_for(case, &ground.world.acme).await;
    let rightful = ground.rightful(operation, case);
    let version = version_told_to_stale(app, operation, case, &names, &rightful).await;
    let approach = bind(rightful, case, &names, version);
    let send = || call(app, operation, case, &names, &approach);
    let both = at_the_same_time(app, send(), send()).await;
    let (won, lost): (Vec<Answer>, Vec<Answer>) =
        both.into_iter().partition(|answer| answer.status.as_u16() == case.status);
    assert_eq!((won.len(), lost.len()), (1, 1), "{}: {won:?} {lost:?}", case.title());
    for late in [&lost[0], &send().await] {
        // Whoever signed out or erased themselves by the first change is nobody afterwards.
        let told = [
            "precondition_failed",
            "version_conflict",
            "not_found",
            "gone",
            "unauthenticated",
            "already_decided",
        ];
        assert!(told.contains(&late.code()), "{}: {} {}", case.title(), late.status, late.body);
    }
    ground.mend().await;
}

/// The present version, from the refusal of one that never was: such a change is refused whoever
/// asks for it, and changes nothing.
async fn version_told_to_stale(
    app: &TestApp,
    operation: &Operation,
    case: &Case,
    names: &Names,
    rightful: &Approach,
) -> i64 {
    let before = app.digest().await;
    let stale = call(
        app,
        operation,
        case,
        names,
        &Approach { if_match: Some("\"0\"".to_owned()), ..rightful.clone() },
    )
    .await;
    assert_eq!(
        (stale.status.as_u16(), stale.code()),
        (412, "precondition_failed"),
        "{}: {}",
        case.title(),
        stale.body
    );
    assert_eq!(
        app.digest().await,
        before,
        "{} changed something although it was refused",
        case.title()
    );
    stale.body["detail"].as_str().unwrap().split('"').nth(1).unwrap().parse().unwrap()
}

/// Runs both up to where they lock or write rows that have versions, then lets them go.
async fn at_the_same_time(
    app: &TestApp,
    first: impl Future<Output = Answer>,
    second: impl Future<Output = Answer>,
) -> [Answer; 2] {
    let tables: Vec<String> = sqlx::query_scalar(
        "select distinct attrelid::regclass::text from pg_attribute
           join pg_class on pg_class.oid = attrelid
         where relnamespace = 'bailiwick'::regnamespace and relkind = 'r'
           and attname in ('version', 'revision')",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    assert!(tables.len() >= 10, "{tables:?}");
    let held = Held::tables(app, &tables).await;
    let both_come = async {
        held.waited_for_by(2).await;
        held.release().await;
    };
    let (first, second, ()) = tokio::join!(first, second, both_come);
    [first, second]
}

#[test]
fn a_service_that_is_set_so_asks_for_a_version() {
    let asked: usize = on_grounds(asked).into_iter().sum();
    assert!(asked >= 35, "only {asked} operations were asked");
}

async fn asked(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    if !is_conditional(operation) {
        return 0;
    }
    let strict = ground.world.app.another_node_with("BAILIWICK_REQUIRE_IF_MATCH", "on");
    let names = ground.stage_for(case, &ground.world.acme).await;
    let before = strict.digest().await;
    let rightful = ground.rightful(operation, case);
    let refused = call(&strict, operation, case, &names, &rightful).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (428, "precondition_required"),
        "{}: {}",
        case.title(),
        refused.body
    );
    assert_eq!(
        strict.digest().await,
        before,
        "{} changed something although it was refused",
        case.title()
    );
    let answered = call(
        &strict,
        operation,
        case,
        &names,
        &Approach { if_match: Some("*".to_owned()), ..rightful },
    )
    .await;
    assert_eq!(answered.status.as_u16(), case.status, "{}: {}", case.title(), answered.body);
    ground.mend().await;
    1
}
