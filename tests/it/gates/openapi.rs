//! The committed OpenAPI document is the router's: whoever reads the file reads what is served.

use std::collections::BTreeSet;

use axum::http::Method;
use bailiwick::kernel::error::Code;
use serde_json::Value;

use super::operations::{codes, document, operations, resolved};
use crate::harness::TestApp;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");

fn printed() -> String {
    bailiwick::assembly::document_text(&bailiwick::http::app::App::detached().unwrap()).unwrap()
}

#[tokio::test]
async fn the_file_is_the_routers_document() {
    let file = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        file == printed(),
        "openapi/openapi.json is not what the router serves; run `cargo run -- openapi > \
            openapi/openapi.json`"
    );
}

#[tokio::test]
async fn the_document_is_the_same_every_time_and_the_service_answers_it() {
    assert_eq!(printed(), printed());
    let app = TestApp::start().await;
    assert_eq!(bailiwick::assembly::document_text(&app.app).unwrap(), printed());
    let served = app.get("/openapi.json").send().await.expect(200);
    assert_eq!(served, document(), "settings and a database make no difference");
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// Lists are pages, all of them alike: whoever can walk one can walk them all, and none is without
/// end.
#[tokio::test]
async fn lists_are_pages() {
    let document = document();
    let resolved = |value: &Value| match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => value.clone(),
    };
    let mut pages = 0;
    for operation in operations(&document) {
        let answers = operation.value["responses"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(status, _)| status.starts_with('2'));
        for schema in
            answers.filter_map(|(_, answer)| answer.pointer("/content/application~1json/schema"))
        {
            let schema = resolved(schema);
            assert_ne!(schema["type"], "array", "{} answers a bare array", operation.id);
            let properties = &schema["properties"];
            if operation.method != Method::GET
                || properties["items"].is_null()
                || properties["nextCursor"].is_null()
            {
                continue;
            }
            let parameters = operation.value["parameters"].as_array().unwrap();
            for name in ["limit", "cursor", "sort", "count"] {
                assert!(
                    parameters.iter().any(|parameter| parameter["name"] == name),
                    "{} does not know `{name}`",
                    operation.id
                );
            }
            pages += 1;
        }
    }
    assert!(pages > 15, "{pages}");
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn every_path_parameter_is_declared_and_every_body_refuses_unknown_fields() {
    let document = document();
    for operation in operations(&document) {
        let declared: BTreeSet<&str> = operation.value["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        let named: BTreeSet<&str> =
            operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        assert_eq!(declared, named, "{}", operation.id);
        let content = &operation.value["requestBody"]["content"];
        // A file says what is wrong with each of its lines.
        let is_file = content["text/csv"]["schema"]["type"] == "string";
        if operation.has_body() && !is_file {
            let schema = &content["application/json"]["schema"];
            // One that may be left out is either nothing or that.
            let choices =
                schema["oneOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
            let named =
                choices.iter().find_map(|choice| choice["$ref"].as_str()?.strip_prefix('#'));
            let pointer = named.unwrap_or_else(|| panic!("{} has no named body", operation.id));
            assert_eq!(
                document.pointer(pointer).unwrap()["additionalProperties"],
                false,
                "{}'s body",
                operation.id
            );
        }
    }
}

/// What a client's author looks for first.
#[tokio::test]
async fn every_operation_is_described() {
    let document = document();
    let tags: Vec<&Value> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for operation in operations(&document) {
        let (id, value) = (&operation.id, &operation.value);
        let summary = value["summary"].as_str().unwrap_or_default();
        assert!(
            summary.ends_with('.') && summary.len() <= 140 && !summary.contains('\n'),
            "{id}'s summary: {summary}"
        );
        assert!(
            value["description"].as_str().is_some_and(|text| text.contains("Open to")),
            "{id}'s description says who may call it"
        );
        let own = value["tags"].as_array().unwrap();
        assert!(
            own.len() == 1 && tags.contains(&&own[0]),
            "{id} is to have one of the tags of src/assembly.rs, and has {own:?}"
        );
        for parameter in value["parameters"].as_array().into_iter().flatten() {
            assert!(
                parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{id}'s `{}` is not described",
                parameter["name"]
            );
        }
        assert!(
            value["responses"]
                .as_object()
                .unwrap()
                .keys()
                .any(|status| status.starts_with(['2', '3'])),
            "{id} never succeeds"
        );
    }
}

/// A code stands where programs read it, so that no prose can misspell or outlive it.
#[tokio::test]
async fn no_text_of_the_document_names_a_code() {
    let document = document();
    let mut texts = Vec::new();
    collect_texts(&document, "", &mut texts);
    assert!(texts.len() > 500, "only {} texts were found", texts.len());
    for (at, text) in texts {
        let mut words = text.split(|c: char| !c.is_ascii_alphabetic() && c != '_');
        // Some are words of the language too.
        let named = words.find(|word| {
            let is_meant = word.contains('_') || text.contains(&format!("`{word}`"));
            is_meant && Code::from_name(word).is_some()
        });
        assert_eq!(named, None, "{at} says: {text}");
    }
}

fn collect_texts(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let at = format!("{at}/{name}");
                match member.as_str() {
                    Some(text) if ["description", "summary"].contains(&name.as_str()) => {
                        found.push((at, text.to_owned()));
                    }
                    // What stands there is data.
                    _ if ["example", "examples"].contains(&name.as_str()) => {}
                    _ => collect_texts(member, &at, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, at, found)),
        _ => {}
    }
}

/// Every refusal is one of the shared ones, of codes of its status: none is declared in another
/// way.
#[tokio::test]
async fn refusals_are_shared_and_name_codes_of_their_status() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let at = format!("{method} {path} {status}");
                let is_shared = answer["$ref"].is_string();
                assert_eq!(is_shared, status.starts_with(['4', '5']), "{at}: {answer}");
                let answer = resolved(&document, answer);
                let codes = codes(&answer);
                assert_eq!(codes.is_empty(), !is_shared, "{at}");
                for code in codes {
                    let known = Code::from_name(code).unwrap_or_else(|| panic!("{at}: {code}"));
                    assert_eq!(known.status().to_string(), *status, "{at}: {code}");
                }
            }
        }
    }
}

/// 4.4 KB for each of 103 operations.
const MOST_BYTES: u64 = 560_000;

/// It is committed twice, and whoever makes a client has to read what is made of it.
#[test]
fn the_document_stays_small() {
    let size = std::fs::metadata(FILE).unwrap().len();
    assert!(
        size <= MOST_BYTES,
        "openapi/openapi.json has {size} bytes, more than {MOST_BYTES}: say in `components` what \
            operations have in common; where it is new operations that need the room, raise the \
            limit here and in README.md (The OpenAPI document)"
    );
}
