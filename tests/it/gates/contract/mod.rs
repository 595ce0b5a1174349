//! The OpenAPI document as a contract: whether a value is what its schema says, by JSON Schema 2020-12 with formats, and whether
//! an answer is one that its operation documents. Every call that gates make ([`super::stage::call`]) is looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use bailiwick::error::Code;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::operations::{Operation, document};
use crate::harness::app::Answer;

/// The document with its schemas closed, so that a member which it does not mention is an error.
pub struct Contract {
    components: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The router's own. To be asked for within a runtime.
pub fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        let mut components = document()["components"].take();
        for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
            close_parts(schema);
        }
        Contract { components, validators: Mutex::default() }
    })
}

impl Contract {
    /// What a value has that its schema does not allow, or lacks.
    pub fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        self.validator(schema).iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let key = schema.to_string();
        if let Some(known) = self.validators.lock().unwrap().get(&key) {
            return known.clone();
        }
        let mut whole = schema.clone();
        close(&mut whole);
        whole["components"] = self.components.clone();
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let made = Arc::new(options.build(&whole).unwrap_or_else(|error| panic!("{schema} is no schema: {error}")));
        self.validators.lock().unwrap().insert(key, made.clone());
        made
    }

    /// Asserts that an answer is one that the operation documents: its status, its form, and a refusal's code by name.
    #[track_caller]
    pub fn check(&self, operation: &Operation, answer: &Answer) {
        let (id, status) = (&operation.id, answer.status.as_u16());
        let documented = &operation.value["responses"][status.to_string()];
        assert!(documented.is_object(), "{id} answers {status}, which it does not document: {}", answer.body);
        let kind = answer.header("content-type").split(';').next().unwrap();
        if kind.is_empty() {
            assert!(documented["content"].is_null(), "{id} documents a body of {status} and answers none");
            return;
        }
        let content = &documented["content"][kind];
        assert!(content.is_object(), "{id} answers {status} as {kind}, which it does not document");
        if kind.ends_with("json") {
            let errors = self.errors(&content["schema"], &answer.body);
            assert!(errors.is_empty(), "{id} answers {status} otherwise than documented: {errors:#?}\n{}", answer.body);
        }
        if kind == "application/problem+json" {
            let named = words(&documented["description"]).any(|word| word == answer.code());
            assert!(named, "{id} does not document `{}` for {status}, but {}", answer.code(), documented["description"]);
        }
        for header in documented["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
            assert!(!answer.header(header).is_empty(), "{id} answers {status} without the documented {header}");
        }
    }
}

/// The codes of a status that a description names.
pub fn codes(description: &Value, status: u16) -> Vec<String> {
    words(description).filter(|word| Code::from_name(word).is_some_and(|code| code.status() == status)).map(str::to_owned).collect()
}

fn words(description: &Value) -> impl Iterator<Item = &str> {
    description.as_str().unwrap_or_default().split(|c: char| !c.is_ascii_lowercase() && c != '_')
}

/// Closes an object wherever one may stand. Not the parts of an `allOf`: each would refuse what the others mention; nor what is
/// referred to, since it may be such a part elsewhere.
fn close(schema: &mut Value) {
    close_parts(schema);
    let closes = ["properties", "$ref", "allOf"].iter().any(|keyword| schema.get(keyword).is_some());
    if closes && schema.get("additionalProperties").is_none() {
        schema["unevaluatedProperties"] = json!(false);
    }
}

fn close_parts(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    for (keyword, part) in schema {
        match keyword.as_str() {
            "items" | "additionalProperties" => close(part),
            "properties" => part.as_object_mut().into_iter().flat_map(|members| members.values_mut()).for_each(close),
            "oneOf" | "anyOf" => part.as_array_mut().into_iter().flatten().for_each(close),
            "allOf" => part.as_array_mut().into_iter().flatten().for_each(close_parts),
            _ => {}
        }
    }
}
