//! A change that changes nothing raises no version and writes no event: every PUT and PATCH is made
//! twice, and after the second time every row of every table is as it was after the first.

use axum::http::Method;

use super::super::cases::{Case, Unlike};
use super::super::operations::Operation;
use super::super::stage::{Ground, call, on_grounds};

#[test]
fn a_change_made_twice_is_made_once() {
    let made: usize = on_grounds(made_twice).into_iter().sum();
    assert!(made >= 25, "only {made} changes were made twice");
}

async fn made_twice(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let replaces = operation.method == Method::PUT || operation.method == Method::PATCH;
    if !replaces || case.is(Unlike::AnotherEachTime) {
        return 0;
    }
    let app = &ground.world.app;
    let names = ground.stage_for(case, &ground.world.acme).await;
    let rightful = ground.rightful(operation, case);
    let first = call(app, operation, case, &names, &rightful).await;
    assert_eq!(first.status.as_u16(), case.status, "{}: {}", case.title(), first.body);
    let before = app.digest().await;
    let second = call(app, operation, case, &names, &rightful).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body), "{}", case.title());
    assert_eq!(second.header("etag"), first.header("etag"), "{}", case.title());
    assert_eq!(app.digest().await, before, "{} changed something the second time", case.title());
    ground.mend().await;
    1
}
