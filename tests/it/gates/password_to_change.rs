//! Every operation is closed to whoever has to change their password first, but those that lead to
//! that; and the document says so.

use axum::http::Method;
use serde_json::json;
use uuid::Uuid;

use super::operations::{Operation, codes, document, operations};
use crate::harness::TestApp;

/// With the contract: what such a session reaches, and what changing the password may ask for.
/// (`POST /api/auth/refresh` asks for no session.)
const OPEN: [&str; 4] = ["change_password", "get_me", "logout", "step_up"];

const CODE: &str = "password_change_required";

/// The path with something in every place of it.
fn somewhere(operation: &Operation) -> String {
    let parts = operation.path.split('/').map(|part| match part {
        "{number}" => "1".to_owned(),
        part if part.starts_with('{') && part.ends_with("Code}") => "bookings".to_owned(),
        part if part.starts_with('{') => Uuid::now_v7().to_string(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn is_declared(operation: &Operation) -> bool {
    codes(&operation.value["responses"]["403"]).contains(&CODE)
}

#[tokio::test]
async fn every_operation_but_those_that_lead_to_another_password_is_closed() {
    let app = TestApp::start().await;
    let erin = app.account("erin", true).await;
    let statement = "update users set must_change_password = true where id = $1";
    sqlx::query(statement).bind(erin).execute(&app.sql).await.unwrap();
    let token = app.sign_in("erin").await;
    let is_open = |operation: &Operation| operation.is_public() && !operation.is_for_guests();
    let guarded = operations(&document()).into_iter().filter(|operation| !is_open(operation));
    let mut closed = 0;
    for operation in guarded.filter(|operation| !OPEN.contains(&operation.id.as_str())) {
        let call = app.call(operation.method.clone(), somewhere(&operation)).bearer(&token);
        let call = call.mandate(Uuid::now_v7()).instance(Uuid::now_v7());
        let call = if operation.method == Method::GET { call } else { call.json(json!({})) };
        let answer = call.send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code(), is_declared(&operation)),
            (403, CODE, true),
            "{}: {}",
            operation.id,
            answer.body
        );
        closed += 1;
    }
    assert!(closed > 80, "{closed}");
    for operation in operations(&document())
        .iter()
        .filter(|operation| is_open(operation) || OPEN.contains(&operation.id.as_str()))
    {
        assert!(!is_declared(operation), "{}", operation.id);
    }
    app.get("/api/auth/me").bearer(&token).send().await.expect(200);
}
