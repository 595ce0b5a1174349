//! The operations of the OpenAPI document, as gates look at them.

use axum::http::Method;
use bailiwick::assembly;
use bailiwick::http::app::App;
use serde_json::Value;

/// Questions with a body. May only get longer with a reason: whoever is here leaves no event in the
/// audit trail.
const WITHOUT_EFFECT: [&str; 4] =
    ["check_access", "explain_access", "evaluate_access", "evaluate_accesses"];

/// An operation of the document.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With parameters in braces.
    pub path: String,
    /// All that the document says.
    pub value: Value,
}

/// Every operation of the router's own document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, value)| (path, method, value))
    });
    all.filter_map(|(path, method, value)| {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
        let id = value["operationId"].as_str().unwrap_or_default().to_owned();
        value.is_object().then(|| Operation {
            id,
            method,
            path: path.clone(),
            value: whole(document, value),
        })
    })
    .collect()
}

/// A part of the document behind a reference; what stands beside the reference is said instead of
/// the part's own.
pub fn resolved(document: &Value, part: &Value) -> Value {
    let Some(reference) = part["$ref"].as_str() else { return part.clone() };
    let target = document.pointer(reference.trim_start_matches('#'));
    let mut found = target.unwrap_or_else(|| panic!("{reference} leads nowhere")).clone();
    for (name, said) in part.as_object().unwrap().iter().filter(|(name, _)| *name != "$ref") {
        found[name] = said.clone();
    }
    found
}

/// An operation with its parameters, answers, headers and examples in place of references to them.
/// Schemas stay behind theirs, which are their names.
fn whole(document: &Value, operation: &Value) -> Value {
    let resolve = |part: &mut Value| *part = resolved(document, part);
    let mut whole = operation.clone();
    whole
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .for_each(resolve);
    for answer in members(&mut whole, "responses") {
        resolve(answer);
        members(answer, "headers").for_each(resolve);
        for content in members(answer, "content") {
            members(content, "examples").for_each(resolve);
        }
    }
    whole
}

fn members<'a>(holder: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    let held = holder.get_mut(name).and_then(Value::as_object_mut);
    held.into_iter().flat_map(|held| held.values_mut())
}

/// The codes that an answer of the document names.
pub fn codes(answer: &Value) -> Vec<&str> {
    answer["x-codes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The document of the router under test, as JSON.
pub fn document() -> Value {
    let app = App::detached().unwrap();
    serde_json::to_value(assembly::document(&app, crate::features::served())).unwrap()
}

impl Operation {
    pub fn access(&self) -> &Value {
        &self.value["x-access"]
    }
    /// Whether anybody may call it, and whoever is signed in is asked who they are.
    pub fn is_for_guests(&self) -> bool {
        self.is_public() && self.value["security"].as_array().is_some_and(|all| all.len() > 1)
    }
    pub fn is_public(&self) -> bool {
        self.access()["access"] == "public"
    }
    /// Whether somebody may come in for being this: `user`, `sysAdmin`, `oneself`.
    pub fn admits(&self, principal: &str) -> bool {
        self.clauses().any(|clause| clause["principal"] == principal)
    }
    fn clauses(&self) -> impl Iterator<Item = &Value> {
        self.access()["anyOf"].as_array().into_iter().flatten()
    }
    /// The tables, with the operation on each, that open the route.
    pub fn tables(&self) -> Vec<(&str, &str)> {
        self.clauses()
            .filter_map(|clause| Some((clause["table"].as_str()?, clause["operation"].as_str()?)))
            .collect()
    }
    /// Whether SysAdmins come in for nothing but templates.
    pub fn admits_for_templates_only(&self) -> bool {
        self.clauses().any(|clause| clause["only"] == "templates")
    }
    /// Whether only SysAdmins (and, for an account, its owner) come in.
    pub fn is_for_sys_admins(&self) -> bool {
        self.tables().is_empty() && self.admits("sysAdmin")
    }
    pub fn is_mutation(&self) -> bool {
        self.method != Method::GET
    }
    /// Whether a success may change something. Questions are POSTs only because they have a body.
    pub fn has_effect(&self) -> bool {
        self.is_mutation() && !WITHOUT_EFFECT.contains(&self.id.as_str())
    }
    /// Whether it takes a header.
    pub fn takes_header(&self, name: &str) -> bool {
        let parameters = self.value["parameters"].as_array().into_iter().flatten();
        parameters
            .into_iter()
            .any(|parameter| parameter["in"] == "header" && parameter["name"] == name)
    }
    pub fn has_body(&self) -> bool {
        self.value["requestBody"].is_object()
    }
    pub fn requires_body(&self) -> bool {
        self.value["requestBody"]["required"] == true
    }
}
