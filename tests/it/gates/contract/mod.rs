//! The OpenAPI document as a contract: whether a value is what its schema says, by JSON Schema
//! 2020-12 with formats, and whether an answer is one that its operation documents. Every answer
//! that any test gets in process is looked at ([`crate::harness::TestApp::send`]), so that a
//! refusal which no document tells is found by whichever test meets it.

mod routes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::http::Method;
use bailiwick::kernel::error::Code;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use self::routes::{Place, Routes};
use super::operations::{Operation, codes, document, operations};
use crate::harness::app::Answer;

/// The media type of refusals.
const PROBLEM: &str = "application/problem+json";

/// The document with its schemas closed, so that a member which it does not mention is an error.
pub struct Contract {
    components: Value,
    routes: Routes,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The router's own. To be asked for within a runtime.
pub fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        let mut document = document();
        let routes = Routes::of(operations(&document));
        let mut components = document["components"].take();
        for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
            close_parts(schema);
        }
        Contract { components, routes, validators: Mutex::default() }
    })
}

impl Contract {
    /// What a value has that its schema does not allow, or lacks.
    pub fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        let validator = self.validator(schema);
        if validator.is_valid(value) {
            return Vec::new();
        }
        validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let key = schema.to_string();
        if let Some(known) = self.validators.lock().unwrap().get(&key) {
            return known.clone();
        }
        let mut whole = schema.clone();
        close(&mut whole);
        whole["components"]["schemas"] = self.needed_by(schema).into();
        let options =
            jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let made = Arc::new(
            options.build(&whole).unwrap_or_else(|error| panic!("{schema} is no schema: {error}")),
        );
        self.validators.lock().unwrap().insert(key, made.clone());
        made
    }

    /// The schemas that one refers to, over others too: all of them would take a hundred times as
    /// long to read.
    fn needed_by(&self, schema: &Value) -> Map<String, Value> {
        let (mut found, mut open) = (Map::new(), vec![schema]);
        while let Some(value) = open.pop() {
            match value {
                Value::Object(members) => open.extend(members.values()),
                Value::Array(items) => open.extend(items),
                Value::String(text) => {
                    let Some(name) = text.strip_prefix("#/components/schemas/") else { continue };
                    let target = &self.components["schemas"][name];
                    if found.insert(name.to_owned(), target.clone()).is_none() {
                        open.push(target);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Asserts that an answer is one that the document tells: of the operation that was called, or,
    /// where none was, of the shape that all refusals have.
    pub fn hold(&self, method: &Method, path: &str, answer: &Answer) {
        match self.routes.find(method, path) {
            Place::OtherMethod | Place::Nowhere if is_preflight(method, answer) => {}
            Place::Operation(operation) => self.check(operation, method, answer),
            Place::OtherMethod => self.check_shape(method, path, answer, &[Code::MethodNotAllowed]),
            Place::Page if answer.header("content-type") == PROBLEM => {
                self.check_shape(method, path, answer, &[]);
            }
            Place::Page => {}
            Place::Nowhere => self.check_shape(method, path, answer, &[Code::RouteNotFound]),
        }
    }

    /// A problem of one of these codes, or of those that are refused before any route is looked
    /// for.
    fn check_shape(&self, method: &Method, path: &str, answer: &Answer, codes: &[Code]) {
        let before = [Code::UriTooLong, Code::HeadersTooLarge, Code::TooManyRequests];
        let code = Code::from_name(answer.code())
            .filter(|code| codes.contains(code) || before.contains(code));
        let told = || format!("{method} {path} answers {} {}", answer.status, answer.body);
        assert_eq!(code.map(Code::status), Some(answer.status.as_u16()), "{}", told());
        assert_eq!(answer.header("content-type"), PROBLEM, "{}", told());
        let errors = self.errors(&json!({ "$ref": "#/components/schemas/Problem" }), &answer.body);
        assert!(errors.is_empty(), "{}: {errors:#?}", told());
    }

    /// Asserts that an answer is one that the operation documents: its status, its form, and a
    /// refusal's code by name.
    fn check(&self, operation: &Operation, method: &Method, answer: &Answer) {
        let (id, status) = (&operation.id, answer.status.as_u16());
        let documented = &operation.value["responses"][status.to_string()];
        assert!(
            documented.is_object(),
            "{id} answers {status}, which it does not document: {}",
            answer.body
        );
        if *method == Method::HEAD {
            return;
        }
        let kind = answer.header("content-type").split(';').next().unwrap();
        if kind.is_empty() {
            assert!(
                documented["content"].is_null(),
                "{id} documents a body of {status} and answers none"
            );
            return;
        }
        let content = &documented["content"][kind];
        assert!(content.is_object(), "{id} answers {status} as {kind}, which it does not document");
        if kind.ends_with("json") {
            let errors = self.errors(&content["schema"], &answer.body);
            assert!(
                errors.is_empty(),
                "{id} answers {status} otherwise than documented: {errors:#?}\n{}",
                answer.body
            );
        }
        if kind == PROBLEM {
            let named = codes(documented);
            assert!(
                named.contains(&answer.code()),
                "{id} does not document `{}` for {status}, but {named:?}",
                answer.code()
            );
        }
        for header in
            documented["headers"].as_object().into_iter().flat_map(|headers| headers.keys())
        {
            assert!(
                !answer.header(header).is_empty(),
                "{id} answers {status} without the documented {header}"
            );
        }
    }
}

/// The answer to a browser's question before it sends the request (CORS): no operation's.
fn is_preflight(method: &Method, answer: &Answer) -> bool {
    method == Method::OPTIONS && answer.status.is_success()
}

/// Closes an object wherever one may stand. Not the parts of an `allOf`: each would refuse what the
/// others mention; nor what is referred to, since it may be such a part elsewhere.
fn close(schema: &mut Value) {
    close_parts(schema);
    let closes =
        ["properties", "$ref", "allOf"].iter().any(|keyword| schema.get(keyword).is_some());
    if closes && schema.get("additionalProperties").is_none() {
        schema["unevaluatedProperties"] = json!(false);
    }
}

fn close_parts(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    for (keyword, part) in schema {
        match keyword.as_str() {
            "items" | "additionalProperties" => close(part),
            "properties" => part
                .as_object_mut()
                .into_iter()
                .flat_map(|members| members.values_mut())
                .for_each(close),
            "oneOf" | "anyOf" => part.as_array_mut().into_iter().flatten().for_each(close),
            "allOf" => part.as_array_mut().into_iter().flatten().for_each(close_parts),
            _ => {}
        }
    }
}
