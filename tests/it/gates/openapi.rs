//! The committed OpenAPI document is the router's: whoever reads the file reads what is served.

use std::collections::BTreeSet;

use serde_json::Value;

use super::operations::{document, operations};
use crate::harness::TestApp;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");

fn printed() -> String {
    bailiwick::http::document_text(&bailiwick::app::App::detached().unwrap()).unwrap()
}

#[tokio::test]
async fn the_file_is_the_routers_document() {
    let file = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(file == printed(), "openapi/openapi.json is not what the router serves; run `cargo run -- openapi > openapi/openapi.json`");
}

#[tokio::test]
async fn the_document_is_the_same_every_time_and_the_service_answers_it() {
    assert_eq!(printed(), printed());
    let app = TestApp::start().await;
    let text = bailiwick::http::document_text(&app.app).unwrap();
    let served = app.get("/openapi.json").send().await.expect(200);
    assert_eq!(served, serde_json::from_str::<Value>(&text).unwrap());
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
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
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
        let named: BTreeSet<&str> = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        assert_eq!(declared, named, "{}", operation.id);
        if operation.has_body() {
            let schema = &operation.value["requestBody"]["content"]["application/json"]["schema"];
            // One that may be left out is either nothing or that.
            let choices = schema["oneOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
            let named = choices.iter().find_map(|choice| choice["$ref"].as_str()?.strip_prefix('#'));
            let pointer = named.unwrap_or_else(|| panic!("{} has no named body", operation.id));
            assert_eq!(document.pointer(pointer).unwrap()["additionalProperties"], false, "{}'s body", operation.id);
        }
    }
}

/// Examples are what people paste: each has the type that its schema says, and one of its values where those are listed.
#[tokio::test]
async fn examples_fit_their_schemas() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut checked = 0;
    for (name, schema) in schemas {
        checked += check(&document, name, schema);
    }
    assert!(checked >= 20, "only {checked} examples were found");
}

fn check(document: &Value, at: &str, schema: &Value) -> usize {
    let mut checked = 0;
    for example in schema.get("example").into_iter().chain(schema["examples"].as_array().into_iter().flatten()) {
        assert!(fits(document, schema, example), "{at}: the example {example} does not fit {schema}");
        checked += 1;
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        checked += check(document, &format!("{at}.{name}"), property);
    }
    checked
}

fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(document, document.pointer(&reference[1..]).unwrap(), value);
    }
    let listed = schema["enum"].as_array().is_none_or(|values| values.contains(value));
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return listed,
    };
    let of_type = types.iter().any(|kind| match *kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.as_array().is_some_and(|items| items.iter().all(|item| fits(document, &schema["items"], item))),
        "object" => value.as_object().is_some_and(|members| {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required.into_iter().all(|name| members.contains_key(name))
        }),
        "null" => value.is_null(),
        _ => false,
    });
    listed && of_type
}
