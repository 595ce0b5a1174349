//! Every refusal has the one shape (RFC 9457) and says nothing of the inside. What every operation
//! refuses alike is asked of every operation of the document.

use std::collections::BTreeSet;

use axum::http::Method;
use bailiwick::kernel::error::Code;
use serde_json::Value;

use super::cases::{self, Case, Names};
use super::operations::{Operation, document, operations};
use super::stage::{Approach, Ground, call, on_grounds};
use crate::harness::app::Answer;
use crate::harness::{TestApp, World};

/// Asserts that an answer is a problem document of that code.
#[track_caller]
fn is_problem(answer: &Answer, status: u16, code: &str, path: &str) {
    answer.refused(status, code);
    let body = answer.body.as_object().unwrap();
    let names: BTreeSet<&str> = body.keys().map(String::as_str).collect();
    for name in ["type", "title", "status", "detail", "instance", "code", "requestId"] {
        assert!(names.contains(name), "{code} has no `{name}`: {}", answer.body);
    }
    assert_eq!(body["status"], answer.status.as_u16());
    assert_eq!(body["type"], format!("/problems/{code}"));
    assert_eq!(body["instance"], path);
    let known = Code::from_name(code).unwrap_or_else(|| panic!("{code} is not in the list"));
    assert_eq!((body["title"].as_str(), known.status()), (Some(known.title()), status));
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    assert_eq!(body["requestId"], answer.header("x-request-id"));
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("www-authenticate").is_empty(), status != 401);
    assert_eq!(names.contains("errors"), status == 422, "{}", answer.body);
}

#[test]
fn every_operation_refuses_what_is_malformed_alike() {
    let asked: usize = on_grounds(malformed).into_iter().sum();
    assert!(asked >= 350, "only {asked} malformed requests were made");
}

/// One case with everything that can be wrong about its query, path and body; none of it has an
/// effect.
async fn malformed(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let names = ground.stage_for(case, &ground.world.acme).await;
    let rightful = ground.rightful(operation, case);
    let mut asked = 0;
    let mut parameters = operation.value["parameters"].as_array().into_iter().flatten();
    let knows_dry_run = parameters.any(|parameter| parameter["name"] == "dryRun");
    let unknown = ["dryrun=true", "dryRun=true&dryRun=true&x=1"];
    let unknown = unknown.into_iter().take(if knows_dry_run { 1 } else { 2 });
    let mut wrong: Vec<_> = unknown
        .map(|query| Approach { query: Some(query), ..rightful.clone() })
        .map(|approach| (approach, 400, "unknown_parameter"))
        .collect();
    for name in ids_in_path(operation, case) {
        wrong.push((rightful.clone().aiming(name, "not-a-uuid"), 400, "invalid_parameter"));
    }
    if let Some(media) = case.media {
        wrong.extend(wrong_files(media, &rightful));
    } else if let Some(body) = case.body {
        let may_be_left_out =
            |approach: &Approach| approach.is_empty() && !operation.requires_body();
        wrong.extend(
            wrong_bodies(operation, body, &names, &rightful)
                .into_iter()
                .filter(|(approach, ..)| !may_be_left_out(approach)),
        );
    }
    if operation.takes_header("Idempotency-Key") {
        // Read whatever is sent, to know it again: also where the route itself takes no body.
        let much = Some(("application/json", " ".repeat(7 * 1024 * 1024)));
        wrong.push((
            Approach { key: Some("much"), body: much, ..rightful.clone() },
            413,
            "payload_too_large",
        ));
    }
    for (approach, status, code) in wrong {
        let answer = call(&ground.world.app, operation, case, &names, &approach).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{} with {:?} {:?} {:?}: {}",
            case.title(),
            approach.query,
            approach.aims,
            approach.body.as_ref().map(|(kind, text)| (kind, text.get(..80))),
            answer.body
        );
        is_problem(&answer, status, code, &path_of(case, &names, &approach));
        asked += 1;
    }
    if !operation.is_public() {
        let answer = call(&ground.world.app, operation, case, &names, &Approach::nobody()).await;
        is_problem(&answer, 401, "unauthenticated", &path_of(case, &names, &Approach::nobody()));
        asked += 1;
    }
    asked
}

/// What the path's parameters are called in the case that take nothing but ids.
fn ids_in_path(operation: &Operation, case: &Case) -> impl Iterator<Item = &'static str> {
    let parameters = operation.value["parameters"].as_array().into_iter().flatten();
    let is_id =
        |parameter: &&Value| parameter["in"] == "path" && parameter["schema"]["format"] == "uuid";
    let ids: Vec<&str> = parameters.filter(is_id).filter_map(|id| id["name"].as_str()).collect();
    let path = case.uri.split('?').next().unwrap();
    let pairs = operation.path.split('/').zip(path.split('/'));
    let named = pairs.filter(|(known, _)| ids.contains(&known.trim_matches(['{', '}'])));
    named.filter_map(|(_, own)| own.strip_prefix('$')).collect::<Vec<_>>().into_iter()
}

fn path_of(case: &Case, names: &Names, approach: &Approach) -> String {
    let mut names = names.clone();
    names.extend(approach.aims.clone());
    cases::fill(case.uri.split('?').next().unwrap(), &names)
}

/// What is wrong with a line is told of that line.
fn wrong_files(media: &'static str, rightful: &Approach) -> [(Approach, u16, &'static str); 3] {
    let much = " ".repeat(7 * 1024 * 1024);
    [
        (media, much, 413, "payload_too_large"),
        ("application/json", "{}".to_owned(), 415, "unsupported_media_type"),
        ("text/plain", "{}".to_owned(), 415, "unsupported_media_type"),
    ]
    .map(|(kind, text, status, code)| {
        (Approach { body: Some((kind, text)), ..rightful.clone() }, status, code)
    })
}

fn wrong_bodies(
    operation: &Operation,
    body: &str,
    names: &Names,
    rightful: &Approach,
) -> Vec<(Approach, u16, &'static str)> {
    let body = cases::fill(body, names);
    let mut unknown: Value = serde_json::from_str(&body).unwrap();
    unknown["isSysAdmins"] = true.into();
    let mut foreign: Value = serde_json::from_str(&body).unwrap();
    // Whom a row belongs to is no body's business, except where the question is about it.
    let field = if operation.id == "explain_access" { "actorId" } else { "ownerId" };
    foreign[field] = names["target"].clone().into();
    let json = "application/json";
    let wrong = [
        (json, body[..body.len() - 1].to_owned(), 400, "malformed_json"),
        (json, format!("{body} {body}"), 400, "malformed_json"),
        (json, String::new(), 400, "malformed_json"),
        (json, format!("{{\"x\": {}{}}}", "[".repeat(64), "]".repeat(64)), 400, "malformed_json"),
        (json, unknown.to_string(), 422, "unknown_field"),
        (json, foreign.to_string(), 422, "unknown_field"),
        (json, "[]".to_owned(), 422, "validation_failed"),
        (json, "\"text\"".to_owned(), 422, "validation_failed"),
        (json, format!("{body}{}", " ".repeat(7 * 1024 * 1024)), 413, "payload_too_large"),
        ("text/plain", body.clone(), 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", body.clone(), 415, "unsupported_media_type"),
    ];
    wrong
        .into_iter()
        .map(|(kind, text, status, code)| {
            (Approach { body: Some((kind, text)), ..rightful.clone() }, status, code)
        })
        .collect()
}

#[tokio::test]
async fn a_refused_field_is_pointed_to() {
    let world = World::new().await;
    let call = |body: Value| {
        world.app.post("/api/mandates").bearer(&world.sys_admin.token).json(body).send()
    };
    let unknown = call(serde_json::json!({ "name": "Initech", "is/Admin": true })).await;
    assert_eq!(unknown.body["errors"][0]["pointer"], "/is~1Admin");
    assert_eq!(unknown.body["errors"][0]["code"], "unknown_field");
    let blank = call(serde_json::json!({ "name": "  ", "code": "no code" })).await;
    blank.refused(422, "validation_failed");
    let pointers: Vec<&str> = blank.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["/name", "/code"], "everything that is wrong at once");
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_told_apart() {
    let world = World::new().await;
    let app = &world.app;
    for path in [
        "/api",
        "/api/nothing",
        "/api/mandates/x/y/z/w",
        "/nothing",
        "/api/features/instances/a/b/c/d/e",
    ] {
        is_problem(&app.get(path).send().await, 404, "route_not_found", path);
        is_problem(
            &app.delete(path).bearer(&world.sys_admin.token).send().await,
            404,
            "route_not_found",
            path,
        );
    }
    let document = document();
    let all = operations(&document);
    for path in all.iter().map(|operation| operation.path.as_str()).collect::<BTreeSet<_>>() {
        let known: BTreeSet<String> = all
            .iter()
            .filter(|operation| operation.path == path)
            .map(|operation| operation.method.to_string())
            .collect();
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            // A code and `instances` are the same to a pattern: the other route may know the
            // method.
            if known.contains(method.as_str()) {
                continue;
            }
            let answer = app.call(method.clone(), path).send().await;
            is_problem(&answer, 405, "method_not_allowed", path);
            let allowed: BTreeSet<String> = answer
                .header("allow")
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| name != "HEAD")
                .collect();
            assert_eq!(allowed, known, "Allow of {path}");
        }
    }
}

/// With a slash behind the path every operation answers as without.
#[test]
fn a_trailing_slash_is_accepted() {
    on_grounds(async |ground, operation, case| {
        let names = ground.stage_for(case, &ground.world.acme).await;
        let slashed = Case { uri: Box::leak(with_slash(case.uri).into_boxed_str()), ..*case };
        if operation.path == "/" {
            return;
        }
        let answer =
            call(&ground.world.app, operation, &slashed, &names, &ground.rightful(operation, case))
                .await;
        assert_eq!(answer.status.as_u16(), case.status, "{}: {}", slashed.uri, answer.body);
        ground.mend().await;
    });
}

fn with_slash(uri: &str) -> String {
    match uri.split_once('?') {
        Some((path, query)) => format!("{path}/?{query}"),
        None => format!("{uri}/"),
    }
}

#[tokio::test]
async fn every_code_has_a_page_and_a_status_of_the_contract() {
    let app = TestApp::start().await;
    let statuses = [
        400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 415, 422, 428, 429, 431, 500, 503,
        504,
    ];
    for code in Code::ALL {
        let page = app.get(format!("/problems/{}", code.name())).send().await;
        assert_eq!(page.status, 200, "{}", code.name());
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.body.as_str().is_some_and(|page| page.contains(&code.name())));
        assert!(statuses.contains(&code.status()), "{}", code.name());
    }
    is_problem(
        &app.get("/problems/no_such_code").send().await,
        404,
        "not_found",
        "/problems/no_such_code",
    );
}

/// What the database says when it fails is nobody's business.
#[tokio::test]
async fn a_failure_of_ours_tells_nothing_of_the_inside() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    sqlx::raw_sql(
        "revoke all on features, feature_instances, roles from bailiwick_system, bailiwick_tenant",
    )
    .execute(&app.sql)
    .await
    .unwrap();
    let list = format!("/api/mandates/{}/roles", acme.id);
    let calls = [
        ("/api/features", app.get("/api/features").bearer(&acme.admin.token)),
        ("/api/features/my", app.get("/api/features/my").bearer(&acme.admin.token)),
        (list.as_str(), app.get(&list).bearer(&world.sys_admin.token)),
    ];
    for (path, call) in calls {
        let answer = call.header("x-request-id", "told-to-the-operator").send().await;
        is_problem(&answer, 500, "internal", path);
        assert_eq!(answer.body["requestId"], "told-to-the-operator");
        let text = answer.body["detail"].to_string() + &answer.body["title"].to_string();
        for inner in [
            "permission",
            "denied",
            "table",
            "features",
            "roles",
            "bailiwick",
            "sql",
            "42501",
            "select",
            "role",
        ] {
            assert!(!text.to_lowercase().contains(inner), "{path} tells `{inner}`: {text}");
        }
        assert_eq!(answer.body.as_object().unwrap().len(), 7, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_request_keeps_its_own_id_where_it_is_a_sane_one() {
    let app = TestApp::start().await;
    let long = "a".repeat(129);
    for (sent, kept) in [
        ("my-id_1.2:3", true),
        ("", false),
        ("two words", false),
        ("<script>", false),
        (long.as_str(), false),
    ] {
        let answer = app.get("/healthz").header("x-request-id", sent).send().await;
        assert_eq!(answer.header("x-request-id") == sent, kept, "{sent}");
        assert!(!answer.header("x-request-id").is_empty());
    }
}
