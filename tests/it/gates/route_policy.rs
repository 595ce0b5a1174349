//! Every operation says who may call it, exactly once, and nothing is served that the document does
//! not know.

use std::collections::BTreeSet;

use super::operations::{document, operations};
use super::sources::sources;
use crate::core::tables;
use crate::features;

#[tokio::test]
async fn every_operation_is_guarded_or_public_and_never_both() {
    let operations = operations(&document());
    assert!(operations.len() >= 60, "the document lost its operations: {}", operations.len());
    for operation in &operations {
        let access = operation.access();
        let guarded = access["access"] == "guarded"
            && access["anyOf"].as_array().is_some_and(|any| !any.is_empty());
        let public = access["access"] == "public" && access["anyOf"].is_null();
        assert!(
            guarded != public,
            "{} needs a policy: `.guard(app, Policy::…)`; its x-access is {access}",
            operation.id
        );
        assert!(access["class"].is_string(), "{} has no rate-limit class", operation.id);
    }
}

fn is_of_core(table: &str) -> bool {
    tables::all().any(|known| known.name == table)
}

#[tokio::test]
async fn every_clause_names_a_principal_or_a_known_table() {
    for operation in operations(&document()) {
        for clause in operation.access()["anyOf"].as_array().into_iter().flatten() {
            let principal = clause["principal"]
                .as_str()
                .is_some_and(|who| ["user", "sysAdmin", "oneself", "impersonator"].contains(&who));
            let table =
                clause["table"].as_str().is_some_and(|table| match features::of_table(table) {
                    Some(staged) => clause["feature"] == staged.feature.code,
                    None => is_of_core(table) && clause["feature"].is_null(),
                }) && clause["operation"].is_string();
            assert!(principal != table, "{}: {clause}", operation.id);
        }
    }
}

#[tokio::test]
async fn the_security_agrees_with_the_policy() {
    for operation in operations(&document()) {
        let security = &operation.value["security"];
        let wanted = if operation.is_for_guests() {
            serde_json::json!([{}, { "bearer": [] }])
        } else if operation.is_public() {
            serde_json::json!([])
        } else {
            serde_json::json!([{ "bearer": [] }])
        };
        assert_eq!(*security, wanted, "{}", operation.id);
        let says_401 = !operation.value["responses"]["401"].is_null();
        assert!(says_401 || operation.is_public(), "{} documents 401", operation.id);
    }
}

#[tokio::test]
async fn operation_ids_are_unique_and_read_verb_first() {
    let mut seen = BTreeSet::new();
    for operation in operations(&document()) {
        let words = operation.id.split('_').count();
        let known_single = ["login", "logout"].contains(&operation.id.as_str());
        assert!(words >= 2 || known_single, "`{}` is not <verb>_<resource>", operation.id);
        assert!(seen.insert(operation.id.clone()), "`{}` names two operations", operation.id);
    }
}

/// The document is made from the same declarations as the router, so what could escape it is a
/// route that was hung on plainly.
#[test]
fn no_route_is_declared_without_a_policy() {
    for (path, text) in sources("src") {
        if path.starts_with("http/") {
            continue;
        }
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            !flat.contains(".route("),
            "{path} hangs a route on plainly; declare it with `.routes(routes!(…).guard(app, \
                Policy::…))`"
        );
        assert!(
            !flat.contains(".nest_service(") && !flat.contains(".route_service("),
            "{path} serves something without a policy"
        );
        for declared in flat.split("routes!(").skip(1) {
            let after = declared.split_once(')').map_or("", |(_, rest)| rest);
            assert!(
                after_refusals(after).starts_with(".guard("),
                "{path}: `routes!({}` has no `.guard(app, Policy::…)`",
                &declared[..declared.len().min(40)]
            );
        }
    }
}

/// What follows behind that which a route says of its refusals.
fn after_refusals(declared: &str) -> &str {
    let declared = declared.trim_start();
    let refuses = declared.strip_prefix(".refuses(&[").and_then(|rest| rest.split_once("])"));
    match refuses.map(|(_, rest)| rest).or_else(|| declared.strip_prefix(".versioned()")) {
        Some(rest) => after_refusals(rest),
        None => declared,
    }
}

/// Two handlers declared in one `routes!` would share one policy, and a GET would then have the
/// guard of its DELETE.
#[test]
fn each_operation_declares_a_policy_of_its_own() {
    let all = sources("src").into_iter().chain(sources("tests/it/features"));
    let declared: usize = all.map(|(_, text)| text.matches("routes!(").count()).sum();
    assert_eq!(
        declared,
        operations(&document_blocking()).len(),
        "one `routes!(handler).guard(…)` for each operation"
    );
}

fn document_blocking() -> serde_json::Value {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { document() })
}
