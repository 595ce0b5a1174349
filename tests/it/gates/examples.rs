//! Examples are what people paste: there is one of every parameter, body and answer, each is what
//! its schema says, and the service takes those of bodies.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick::kernel::error::Code;
use serde_json::{Value, json};

use super::contract::contract;
use super::operations::{Operation, codes, document, operations};
use super::stage::{Approach, call, on_grounds};

const PROBLEM: &str = "application/problem+json";

/// Asserts that there is an example, and that it is what the schema says.
#[track_caller]
fn is_valid(at: &str, schema: &Value, example: Option<&Value>) {
    let example = example.unwrap_or_else(|| panic!("{at} has no example"));
    let errors = contract().errors(schema, example);
    assert!(
        errors.is_empty(),
        "the example of {at} is not what its schema says: {errors:#?}\n{example:#}"
    );
}

/// Media types with their schemas and examples, of a body or an answer.
fn contents(holder: &Value) -> impl Iterator<Item = (&String, &Value, Option<&Value>)> {
    let contents = holder["content"].as_object().into_iter().flatten();
    contents
        .filter(|(kind, _)| kind.ends_with("json"))
        .map(|(kind, content)| (kind, &content["schema"], content.get("example")))
}

#[tokio::test]
async fn every_parameter_has_a_valid_example() {
    let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations(&document()) {
        for parameter in operation.value["parameters"].as_array().into_iter().flatten() {
            let at =
                format!("{}'s {} parameter `{}`", operation.id, parameter["in"], parameter["name"]);
            let example =
                parameter.get("example").or_else(|| parameter["schema"]["examples"].get(0));
            is_valid(&at, &parameter["schema"], example);
            if parameter["schema"]["format"] == "uuid" {
                by_name
                    .entry(parameter["name"].to_string())
                    .or_default()
                    .insert(example.unwrap().to_string());
            }
        }
    }
    assert!(by_name.len() >= 8, "{by_name:?}");
    assert!(by_name.values().all(|ids| ids.len() == 1), "one name, one id: {by_name:?}");
}

#[tokio::test]
async fn every_body_has_a_valid_example() {
    let mut bodies = 0;
    for operation in operations(&document()).iter().filter(|operation| operation.has_body()) {
        for (_, schema, example) in contents(&operation.value["requestBody"]) {
            is_valid(&format!("{}'s body", operation.id), schema, example);
            bodies += 1;
        }
    }
    assert!(bodies >= 25, "only {bodies} bodies were found");
}

#[tokio::test]
async fn every_answer_has_a_valid_example() {
    let (document, mut answers) = (document(), 0);
    let operations = operations(&document);
    for operation in &operations {
        for (status, answer) in operation.value["responses"].as_object().unwrap() {
            for (kind, schema, example) in contents(answer) {
                let at = format!("{}'s {status}", operation.id);
                if kind == PROBLEM {
                    has_problems(&at, status.parse().unwrap(), answer, &operations);
                } else {
                    is_valid(&at, schema, example);
                }
                answers += 1;
            }
        }
    }
    assert!(answers >= 500, "only {answers} answers were found");
}

/// A refusal has an example of each code that it names.
fn has_problems(at: &str, status: u16, answer: &Value, operations: &[Operation]) {
    let content = &answer["content"][PROBLEM];
    let examples = content["examples"].as_object();
    let examples = examples.unwrap_or_else(|| panic!("{at} has no examples"));
    let named: BTreeSet<&str> = codes(answer).into_iter().collect();
    assert!(!named.is_empty(), "{at} names no code");
    assert_eq!(examples.keys().map(String::as_str).collect::<BTreeSet<_>>(), named, "{at}");
    for (code, example) in examples {
        is_valid(&format!("{at} {code}"), &content["schema"], example.get("value"));
        is_a_problem_of(code, status, &example["value"], operations);
    }
}

/// A code's example is of its status, and of the path of an operation that refuses with it.
fn is_a_problem_of(code: &str, status: u16, example: &Value, operations: &[Operation]) {
    let at = format!("{code} {status}: {example}");
    let known = Code::from_name(code).unwrap();
    assert_eq!(known.status(), status, "{at}");
    assert_eq!(
        (&example["status"], &example["code"]),
        (&Value::from(status), &Value::from(code)),
        "{at}"
    );
    assert_eq!(example["title"], known.title(), "{at}");
    assert_eq!(example["errors"].is_array(), status == 422, "{at}");
    let path = example["instance"].as_str().unwrap();
    let is_at = |operation: &&Operation| {
        let (known, own) = (operation.path.split('/'), path.split('/'));
        let fits = |(known, own): (&str, &str)| known == own || known.starts_with('{');
        known.clone().count() == own.clone().count() && known.zip(own).all(fits)
    };
    let refuses = |operation: &Operation| {
        codes(&operation.value["responses"][status.to_string()]).contains(&code)
    };
    assert!(!path.contains('{') && operations.iter().filter(is_at).any(refuses), "{at}");
}

/// Examples of single fields are shown too, and others are made of them.
#[tokio::test]
async fn every_example_in_a_schema_is_valid() {
    let document = document();
    let mut found = 0;
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        found += valid_within(name, schema);
    }
    assert!(found >= 60, "only {found} examples were found");
}

fn valid_within(at: &str, schema: &Value) -> usize {
    let written = schema
        .get("example")
        .into_iter()
        .chain(schema["examples"].as_array().into_iter().flatten());
    let mut found = written.map(|example| is_valid(at, schema, Some(example))).count();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found += valid_within(&format!("{at}.{name}"), property);
    }
    for part in
        ["allOf", "oneOf", "anyOf"].iter().filter_map(|parts| schema[parts].as_array()).flatten()
    {
        found += valid_within(at, part);
    }
    found
}

/// Whoever pastes an example into a service with the demo finds Acme, its accounting, Bob and
/// Alice.
#[tokio::test]
async fn ids_in_examples_are_the_demos() {
    let demo = include_str!("../../../seeds/demo.toml");
    let (document, mut seen) = (document(), BTreeSet::new());
    let mut is_the_demos = |name: &str, id: &str| {
        let thing = match name {
            "userId" | "bob's id" => "bob",
            "actorId" => "alice",
            "mandateId" | "X-Mandate-Id" => "Acme",
            "instanceId" | "X-Instance-Id" => "trustee",
            _ => return,
        };
        let after = demo.split(id).nth(1).unwrap_or_else(|| panic!("the demo has no {name} {id}"));
        let next = after.lines().nth(1).unwrap();
        assert!(next.contains(&format!("\"{thing}\"")), "{name} {id} is {next}");
        seen.insert(thing);
    };
    for operation in operations(&document) {
        for parameter in operation.value["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let in_schema = parameter["schema"]["examples"].get(0);
            // One that events are looked for by is as good as another.
            let example = parameter.get("example").or(in_schema).and_then(Value::as_str);
            if let Some(id) = example.filter(|_| name != "actorId") {
                is_the_demos(name, id);
            }
        }
        for answer in operation.value["responses"].as_object().unwrap().values() {
            for (_, _, example) in contents(answer) {
                members(example.unwrap_or(&Value::Null), &mut is_the_demos);
            }
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

fn members(value: &Value, look: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(object) => {
            if let (Some("bob"), Some(id)) = (value["username"].as_str(), value["id"].as_str()) {
                look("bob's id", id);
            }
            for (name, member) in object {
                match member.as_str() {
                    Some(text) => look(name, text),
                    None => members(member, look),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, look)),
        _ => {}
    }
}

/// What a text may look like nobody can tell from its type, and what a map's keys are called
/// neither.
#[tokio::test]
async fn every_text_and_every_map_has_an_example_of_its_own() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let found: Vec<String> =
        schemas.iter().flat_map(|(name, schema)| lacking(name, schema)).collect();
    assert!(found.is_empty(), "say `#[schema(example = …)]` at {found:#?}");
    let texts = json!({ "properties": { "name": { "type": ["string", "null"] }, "roles":
        { "type": "array", "items": { "type": "string" } }, "views":
        { "type": "object", "additionalProperties": { "type": "boolean" } } } });
    assert_eq!(lacking("It", &texts), ["It.name", "It.roles", "It.views"]);
}

/// Whether the format says what it looks like.
fn is_plain(schema: &Value) -> bool {
    schema["format"] == "date-time" || schema["format"] == "uuid"
}

fn lacking(at: &str, schema: &Value) -> Vec<String> {
    let told = ["example", "examples", "default", "const", "enum", "$ref"];
    if told.iter().any(|word| schema.get(word).is_some()) || is_plain(schema) {
        return Vec::new();
    }
    let has_type = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind,
    };
    // One that takes anything may be empty.
    let of_map =
        schema["additionalProperties"].as_object().is_some_and(|of_map| !of_map.is_empty());
    let is_map = schema["properties"].is_null() && of_map;
    if has_type("string") || is_map {
        return vec![at.to_owned()];
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    let parts = ["allOf", "oneOf", "anyOf"].iter().filter_map(|parts| schema[parts].as_array());
    properties
        .flat_map(|(name, property)| lacking(&format!("{at}.{name}"), property))
        .chain(parts.flatten().chain(schema.get("items")).flat_map(|part| lacking(at, part)))
        .collect()
}

/// Sent as it stands in a suitable place, no example is refused as malformed, and for each
/// operation there is a place where it is not refused as invalid either. (That it names people who
/// are not there is another matter.)
#[test]
fn the_service_takes_the_examples_of_bodies() {
    let outcomes = on_grounds(async |ground, operation, case| {
        let example =
            operation.value["requestBody"]["content"]["application/json"].get("example")?;
        let names = ground.stage_for(case, &ground.world.acme).await;
        let approach = Approach {
            body: Some(("application/json", example.to_string())),
            ..ground.rightful(operation, case)
        };
        let answer = call(&ground.world.app, operation, case, &names, &approach).await;
        ground.mend().await;
        let refused =
            [400, 415].contains(&answer.status.as_u16()) || answer.code() == "unknown_field";
        assert!(!refused, "{}'s example is refused: {example}\n{}", case.title(), answer.body);
        Some((operation.id.clone(), answer))
    });
    let mut by_operation: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (id, answer) in outcomes.into_iter().flatten() {
        by_operation.entry(id).or_default().push(answer);
    }
    for (id, answers) in by_operation {
        let taken = answers.iter().any(|answer| answer.status != 422);
        assert!(
            taken,
            "{id}'s example is valid nowhere: {:#?}",
            answers.iter().map(|answer| &answer.body).collect::<Vec<_>>()
        );
    }
}

/// [`call`] compares every answer with the document; here are those of whom each route is for, and
/// of somebody without a token.
#[test]
fn every_operation_answers_as_documented() {
    on_grounds(async |ground, operation, case| {
        let names = ground.stage_for(case, &ground.world.acme).await;
        call(&ground.world.app, operation, case, &names, &Approach::nobody()).await;
        let names = ground.stage_for(case, &ground.world.acme).await;
        let answer =
            call(&ground.world.app, operation, case, &names, &ground.rightful(operation, case))
                .await;
        assert_eq!(answer.status.as_u16(), case.status, "{}: {}", case.title(), answer.body);
        ground.mend().await;
    });
}
