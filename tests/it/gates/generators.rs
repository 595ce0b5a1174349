//! The OpenAPI document is what clients are generated from: it says things so that the types that
//! generators make fit.

use std::collections::BTreeSet;

use serde_json::Value;

use super::operations::{document, operations};

/// The schemas that a part of the document is made of.
fn collect(part: &Value, schemas: &Value, names: &mut BTreeSet<String>) {
    if let Some(name) =
        part["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/components/schemas/"))
        && names.insert(name.to_owned())
    {
        collect(&schemas[name], schemas, names);
    }
    children(part).for_each(|child| collect(child, schemas, names));
}

fn children(part: &Value) -> impl Iterator<Item = &Value> {
    part.as_object()
        .into_iter()
        .flat_map(|members| members.values())
        .chain(part.as_array().into_iter().flatten())
}

fn is_nullable(schema: &Value) -> bool {
    schema["type"] == "null"
        || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&"null".into()))
        || schema["oneOf"].as_array().is_some_and(|choices| choices.iter().any(is_nullable))
}

/// So that readers ask one question of a member: is it there, or is it null.
#[tokio::test]
async fn members_of_answers_are_missing_or_null_but_never_either() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let (mut read, mut written) = (BTreeSet::new(), BTreeSet::new());
    for operation in operations(&document) {
        collect(&operation.value["requestBody"], schemas, &mut read);
        collect(&operation.value["responses"], schemas, &mut written);
    }
    let mut nullable = 0;
    for name in written.difference(&read) {
        let parts = schemas[name]["allOf"]
            .as_array()
            .map_or(std::slice::from_ref(&schemas[name]), Vec::as_slice);
        for part in parts {
            let required = |member: &str| {
                part["required"].as_array().is_some_and(|names| names.contains(&member.into()))
            };
            for (member, schema) in part["properties"].as_object().into_iter().flatten() {
                assert!(
                    !is_nullable(schema) || required(member),
                    "{name}.{member} may be null, and may be missing"
                );
                nullable += usize::from(is_nullable(schema));
            }
        }
    }
    assert!(nullable >= 40, "only {nullable} members were looked at");
}

/// So that one thing is one type.
#[tokio::test]
async fn a_schema_with_a_name_is_referred_to_by_it() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let named = |inline: &Value| {
        schemas.iter().find(|(_, schema)| schema["properties"] == inline["properties"])
    };
    for (holder, schema) in schemas {
        let mut open: Vec<&Value> = children(schema).collect();
        while let Some(part) = open.pop() {
            if part["type"] == "object" && part["properties"].is_object() {
                assert!(
                    named(part).is_none(),
                    "{holder} holds {} instead of referring to it",
                    named(part).unwrap().0
                );
            }
            open.extend(children(part));
        }
    }
}

/// Of `format: uuid`, openapi-python-client makes an object that cannot be sent as a header.
#[tokio::test]
async fn ids_in_headers_are_text_of_a_form() {
    let document = document();
    let operations = operations(&document);
    let headers = operations
        .iter()
        .flat_map(|operation| operation.value["parameters"].as_array().into_iter().flatten());
    let ids: Vec<_> = headers
        .filter(|parameter| {
            parameter["in"] == "header" && parameter["name"].as_str().unwrap().ends_with("-Id")
        })
        .collect();
    assert!(ids.len() >= 90, "{} were found", ids.len());
    assert!(
        ids.iter()
            .all(|id| id["schema"]["format"].is_null() && id["schema"]["pattern"].is_string()),
        "{ids:#?}"
    );
}
