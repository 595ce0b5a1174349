//! Whoever acts as somebody else: what is open to them the document says, and it is nothing that
//! changes who may do what. Every request of theirs is told once, with both names, and so is
//! everything that it does. A new operation that gives something is closed to them by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cases::Case;
use super::operations::{Operation, codes, document, operations};
use super::stage::{Approach, Ground, call, on_grounds};
use crate::features;

/// Effects that are open to them, those of features apart: they give and take nobody any access.
const OPEN: [&str; 3] = ["end_impersonation", "put_mandate", "update_mandate"];
const CODE: &str = "operation_not_allowed";

fn is_open(operation: &Operation) -> bool {
    operation.access()["whileImpersonating"] == true
}

fn is_declared(operation: &Operation) -> bool {
    codes(&operation.value["responses"]["403"]).contains(&CODE)
}

/// Whether it matters to it who is signed in.
fn looks_at_tokens(operation: &Operation) -> bool {
    !operation.is_public() || operation.is_for_guests()
}

#[tokio::test]
async fn only_what_gives_nothing_is_open_to_whoever_acts_as_somebody_else() {
    let of_features: BTreeSet<&str> = features::ALL
        .iter()
        .flat_map(|staged| staged.cases.iter().map(|case| case.id))
        .collect();
    let (mut open, mut closed) = (0, 0);
    for operation in operations(&document()).iter().filter(|one| looks_at_tokens(one)) {
        let id = operation.id.as_str();
        if operation.has_effect() {
            let gives_nothing = OPEN.contains(&id) || of_features.contains(id);
            assert_eq!(is_open(operation), gives_nothing, "{id}");
        }
        // Of those that are open the mandate's has a part that is not.
        assert!(is_declared(operation) || is_open(operation), "{id} does not say so");
        if is_open(operation) { open += 1 } else { closed += 1 };
    }
    assert!(open > 40 && closed > 60, "{open} open, {closed} closed");
}

/// The events that came, but for those of the request; of these mandate, operation and status.
async fn told(ground: &Ground, before: i64) -> (Vec<Value>, Vec<Value>) {
    let query = "select to_jsonb(e) from audit_events e order by e.id offset $1";
    let told: Vec<Value> =
        sqlx::query_scalar(query).bind(before).fetch_all(&ground.world.app.sql).await.unwrap();
    let (root, admin) = (ground.world.sys_admin.id, ground.world.acme.admin.id);
    for event in &told {
        let both = (&event["actor_id"], &event["impersonated_by"]);
        assert_eq!(both, (&json!(admin), &json!(root)), "{event}");
    }
    let (requests, others): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|event| event["action"] == "impersonated_request");
    let of = |event: Value| {
        let details = &event["details"];
        json!([event["mandate_id"], details["operation"], details["status"]])
    };
    (others, requests.into_iter().map(of).collect())
}

async fn events(ground: &Ground) -> i64 {
    ground.world.app.count("select count(*) from audit_events").await
}

/// Where it is for, and where it is not: how often it was told of.
async fn acted(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    if !looks_at_tokens(operation) {
        return 0;
    }
    let (acme, other) = (ground.world.acme.id, ground.other);
    for mandate in [acme, other] {
        let names = ground.stage_for(case, &ground.world.acme).await;
        let before = events(ground).await;
        let approach = Approach::acting(ground).in_mandate(mandate);
        let answer = call(&ground.world.app, operation, case, &names, &approach).await;
        let (title, status) = (case.title(), answer.status.as_u16());
        let (others, requests) = told(ground, before).await;
        // Acme does not hear of what is tried elsewhere; of what is no mandate's it does.
        let hears = mandate == acme || answer.status.is_success();
        let expected = json!([hears.then_some(acme), operation.id, status]);
        assert_eq!(requests, [expected], "{title}: {}", answer.body);
        if !is_open(operation) {
            answer.refused(403, CODE);
        }
        if !answer.status.is_success() {
            assert_eq!(others, Vec::<Value>::new(), "{title}");
        }
        if mandate == other && !operation.tables().is_empty() {
            let code = if is_open(operation) { "mandate_access_denied" } else { CODE };
            answer.refused(403, code);
        }
        ground.mend().await;
    }
    2
}

#[test]
fn every_request_of_whoever_acts_as_somebody_else_is_told_once_with_both_names() {
    let told: usize = on_grounds(acted).into_iter().sum();
    assert!(told > 200, "{told}");
}
