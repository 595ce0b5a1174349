//! Every refusal that a handler can come to is told by its operation: read from the sources, since
//! what no test draws is not seen by those who look at answers ([`super::contract`]).

mod calls;
mod declared;
mod functions;
mod tokens;

use std::collections::BTreeSet;

use bailiwick::assembly;
use bailiwick::http::app::App;
use bailiwick::kernel::error::Code;
use serde_json::Value;

use self::calls::Calls;
use self::declared::declared;
use super::operations::{Operation, codes, operations};
use super::sources::sources;

const OF_WHO_INVITED: &str = "is noted for whoever invited, and answered `token_gone`";

const OF_A_LINE: &str = "is told of its line, among the `items`";

/// What a handler only seems to come to, since it shares a function with others. May only get
/// longer with a reason.
const NEVER: [(&str, &str, &str); 29] = [
    ("get_my_features", "step_up_required", "reading asks for none"),
    ("accept_invitation", "already_has_access", "nobody was admitted who is no member"),
    ("accept_invitation", "email_taken", "is answered `account_exists`"),
    ("accept_invitation", "grant_exceeds_own_access", OF_WHO_INVITED),
    ("accept_invitation", "mandate_access_denied", OF_WHO_INVITED),
    ("accept_invitation", "not_found", OF_WHO_INVITED),
    ("accept_invitation", "permission_denied", OF_WHO_INVITED),
    ("accept_invitation", "self_escalation", OF_WHO_INVITED),
    ("revoke_invitation", "grant_exceeds_own_access", "is answered `target_exceeds_own_access`"),
    ("revoke_invitation", "self_escalation", "it is judged as what others are given"),
    ("import_invitations", "already_invited", OF_A_LINE),
    ("import_invitations", "already_member", OF_A_LINE),
    ("import_invitations", "grant_exceeds_own_access", OF_A_LINE),
    ("import_invitations", "self_escalation", OF_A_LINE),
    ("import_users", "email_taken", OF_A_LINE),
    ("import_users", "username_taken", OF_A_LINE),
    ("assign_member_role", "last_role", "one more role is never none"),
    ("create_feature_instance", "already_has_access", "nobody was admitted to what is new"),
    ("create_mandate", "already_member", "nobody belongs to what is new"),
    (
        "create_mandate",
        "label_taken",
        "the copies are the first roles, of templates with different labels",
    ),
    (
        "create_playbook",
        "not_found",
        "it is asked whether the other may be named, and the answer taken for a no",
    ),
    ("evaluate_access", "permission_denied", "about themselves everybody may ask"),
    ("evaluate_accesses", "permission_denied", "about themselves everybody may ask"),
    ("get_my_features", "operation_not_allowed", "it is open to whoever acts as somebody else"),
    ("get_readiness", "database_unavailable", "it is one of the `checks` that `unavailable` tells"),
    ("remove_group_member", "grant_exceeds_own_access", "nobody comes near anybody"),
    ("remove_group_member", "self_escalation", "nobody comes near anybody"),
    ("replace_member_roles", "last_role", "the body names at least one"),
    ("revoke_member_role", "grant_exceeds_own_access", "nothing is given"),
];

/// What is refused around a handler, and not in it or what it calls: operations, codes, and where.
/// May only get longer with a reason.
const ELSEWHERE: [(&[&str], &[&str], &str); 4] = [
    (
        &["get_ping", "get_readiness", "get_startup"],
        &["TimedOut"],
        "every request has a time limit",
    ),
    (&["get_ping", "get_startup"], &["Overloaded"], "no connection was to be had in time"),
    (
        &["import_invitations", "import_users"],
        &["TooManyLines"],
        "lines are counted as the body is taken apart",
    ),
    (&["offer_password_reset"], &["ValidationFailed"], "what is wrong with a field says so itself"),
];

fn calls() -> Calls {
    Calls::of(sources("src"))
}

/// The codes that an operation tells.
fn told(operation: &Operation) -> BTreeSet<&str> {
    operation.value["responses"].as_object().unwrap().values().flat_map(codes).collect()
}

/// Codes that handlers come to and their operations do not tell: operation, code, and the way
/// there.
fn untold(calls: &Calls, operations: &[Operation]) -> Vec<(String, String, String)> {
    let (document, mut found) = (served(), Vec::new());
    for operation in operations {
        let told = told(operation);
        for (code, way) in calls.codes(handler(calls, operation)) {
            let code = Code::ALL
                .iter()
                .find(|known| format!("{known:?}") == code)
                .unwrap_or_else(|| panic!("{code} is no code"))
                .name();
            // A version to disagree about comes with a body that names one.
            let impossible =
                code == Code::VersionConflict.name() && !names_version(&document, operation);
            if !told.contains(code.as_str()) && !impossible {
                found.push((operation.id.clone(), code, way));
            }
        }
    }
    found
}

/// The function that answers an operation.
fn handler(calls: &Calls, operation: &Operation) -> usize {
    let is_handler = |name: &str, file: &str| name == operation.id && file.ends_with("routes.rs");
    let handlers: Vec<usize> = (0..calls.functions.len())
        .filter(|id| is_handler(&calls.functions[*id].name, &calls.functions[*id].file))
        .collect();
    let [handler] = handlers[..] else {
        panic!("{} has {} handlers", operation.id, handlers.len())
    };
    handler
}

/// Whether its body has a member `version`.
fn names_version(document: &Value, operation: &Operation) -> bool {
    let named =
        operation.value["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
    named
        .and_then(|name| document.pointer(name.trim_start_matches('#')))
        .is_some_and(|schema| schema["properties"]["version"].is_object())
}

/// The document of the service as it is built, without the tests' own feature.
pub fn served() -> Value {
    serde_json::to_value(assembly::document(&App::detached().unwrap(), assembly::FEATURES)).unwrap()
}

#[tokio::test]
async fn every_refusal_that_a_handler_comes_to_is_told() {
    let is_excused = |operation: &str, code: &str| {
        NEVER.iter().any(|(known, never, _)| *known == operation && *never == code)
    };
    let found = untold(&calls(), &operations(&served()));
    let wrong: Vec<_> =
        found.iter().filter(|(operation, code, _)| !is_excused(operation, code)).collect();
    assert!(
        wrong.is_empty(),
        "these are missing where the routes say what they refuse (`.refuses`): {wrong:#?}"
    );
    for (operation, code, _) in NEVER {
        let needed = found.iter().any(|(known, missing, _)| known == operation && missing == code);
        assert!(
            needed,
            "`{code}` is told by {operation} or not come to any more: take it off the list"
        );
    }
}

/// Nothing is declared that was true once: a code that no handler comes to, or versions that are
/// never compared.
#[tokio::test]
async fn every_refusal_that_a_route_declares_is_come_to() {
    let (calls, declared) = (calls(), declared());
    let mut found = BTreeSet::new();
    for operation in operations(&served()) {
        let come_to = calls.codes(handler(&calls, &operation));
        let codes = declared.get(&operation.id).into_iter().flatten();
        found.extend(
            codes
                .filter(|code| !come_to.contains_key(*code))
                .map(|code| (operation.id.clone(), code.clone())),
        );
    }
    let elsewhere = ELSEWHERE.iter().flat_map(|(operations, codes, _)| {
        operations.iter().flat_map(|operation| {
            codes.iter().map(|code| ((*operation).to_owned(), (*code).to_owned()))
        })
    });
    assert_eq!(found, elsewhere.collect(), "declared, and where the refusal is not made");
}

/// That nothing is found means something only where all would be found.
#[tokio::test]
async fn a_refusal_that_is_no_longer_told_is_missed() {
    let (calls, all) = (calls(), operations(&served()));
    let own = [
        ("lookup_user", "not_found"),
        ("erase_user", "invalid_credentials"),
        ("check_access", "instance_context_missing"),
        ("login", "invalid_credentials"),
        ("accept_booking", "own_request"),
        ("reject_booking", "already_decided"),
        ("create_user", "email_taken"),
        ("delete_role", "role_in_use"),
        ("add_member", "already_member"),
        ("update_feature_instance", "label_taken"),
        ("replace_instance_user_roles", "target_exceeds_own_access"),
        ("restore_mandate", "not_deleted"),
        ("create_playbook_version", "version_exists"),
        ("get_playbook", "gone"),
        ("update_group", "precondition_failed"),
        ("update_member", "version_conflict"),
        ("list_users", "invalid_parameter"),
        ("get_readiness", "unavailable"),
    ];
    for (id, code) in own {
        let mut silent = all.iter().find(|operation| operation.id == id).unwrap().clone();
        let status = Code::from_name(code).unwrap().status().to_string();
        silent.value["responses"][status]["x-codes"] = Value::Null;
        let missed = untold(&calls, &[silent]);
        assert!(
            missed.iter().any(|(_, missing, _)| missing == code),
            "{id} would not be found to hide `{code}`, only {missed:?}"
        );
    }
}
