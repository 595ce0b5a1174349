//! The released document is a promise: what it says a client may send is taken, and what it says is
//! answered comes. A change that breaks it fails here, by name and place. The README tells how a
//! release moves `openapi/released.json`.

mod mutations;
mod schemas;
mod shape;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::operations::{Operation, operations};
use schemas::{Comparison, Direction};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi");

/// What a client of the old document can stumble over in the new one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// Its method and path.
    pub operation: String,
    /// Where in it: `answer 200/items/[]/email`.
    pub at: String,
    pub what: String,
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.operation, self.at, self.what)
    }
}

/// A document of `openapi/`.
fn read(name: &str) -> Value {
    let path = format!("{FILES}/{name}");
    serde_json::from_str(
        &std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")),
    )
    .unwrap()
}

#[test]
fn nothing_that_was_released_is_broken() {
    let found = breaks(&read("released.json"), &read("openapi.json"));
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        found.is_empty(),
        "clients of the released document would break (README, The OpenAPI document):\n{}",
        told.join("\n")
    );
}

/// Every break between two documents.
pub fn breaks(old: &Value, new: &Value) -> Vec<Break> {
    let present: BTreeMap<String, Operation> =
        operations(new).into_iter().map(|operation| (title(&operation), operation)).collect();
    let mut found = changed_schemes(old, new);
    for operation in operations(old) {
        let title = title(&operation);
        let mut against = Against { documents: (old, new), operation: &title, found: &mut found };
        match present.get(&title) {
            Some(other) => against.operation(&operation.value, &other.value),
            None => against.tell("it", "is gone"),
        }
    }
    found.sort();
    found.dedup();
    found
}

/// How one shows who one is.
fn changed_schemes(old: &Value, new: &Value) -> Vec<Break> {
    let schemes = |document: &'_ Value| document["components"]["securitySchemes"].clone();
    let (old, new) = (schemes(old), schemes(new));
    let differs = |name: &str, part: &str| old[name][part] != new[name][part];
    let changed = members(&old).filter(|(name, _)| {
        ["type", "scheme", "in", "name"].iter().any(|part| differs(name, part))
    });
    let told = changed.map(|(name, was)| Break {
        operation: "every operation".to_owned(),
        at: format!("security scheme {name}"),
        what: format!("was {was} and is {}", new[name]),
    });
    told.collect()
}

fn title(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.path)
}

/// One operation of the old document against the same of the new one.
struct Against<'a> {
    documents: (&'a Value, &'a Value),
    operation: &'a str,
    found: &'a mut Vec<Break>,
}

impl Against<'_> {
    fn tell(&mut self, at: &str, what: impl Into<String>) {
        self.found.push(Break {
            operation: self.operation.to_owned(),
            at: at.to_owned(),
            what: what.into(),
        });
    }

    fn operation(&mut self, old: &Value, new: &Value) {
        if old["operationId"] != new["operationId"] {
            self.tell(
                "operationId",
                format!(
                    "was {} and is {}: generated clients call it by that",
                    old["operationId"], new["operationId"]
                ),
            );
        }
        if old["security"] != new["security"] {
            self.tell("security", format!("was {} and is {}", old["security"], new["security"]));
        }
        self.access(&old["x-access"], &new["x-access"]);
        self.parameters(old, new);
        self.body(&old["requestBody"], &new["requestBody"]);
        self.answers(&old["responses"], &new["responses"]);
    }

    /// Whoever might call it may still.
    fn access(&mut self, old: &Value, new: &Value) {
        let open = |access: &Value| access["anyOf"].as_array().cloned().unwrap_or_default();
        // Whoever any clause lets in is a user.
        let to_all =
            new["access"] == "public" || open(new).contains(&json!({ "principal": "user" }));
        for clause in open(old).iter().filter(|clause| !open(new).contains(clause) && !to_all) {
            self.tell("x-access", format!("no longer has {clause}"));
        }
    }

    fn parameters(&mut self, old: &Value, new: &Value) {
        let (old, new) = (named_parameters(old), named_parameters(new));
        for (name, parameter) in &old {
            match new.get(name) {
                // One that is not known is refused.
                None => self.tell(name, "is gone"),
                Some(other) => {
                    self.schemas(Direction::Sent, name, &parameter["schema"], &other["schema"]);
                }
            }
        }
        for (name, parameter) in &new {
            let was_required = old.get(name).is_some_and(|parameter| parameter["required"] == true);
            if parameter["required"] == true && !was_required {
                self.tell(name, "is required now");
            }
        }
    }

    fn body(&mut self, old: &Value, new: &Value) {
        if new["required"] == true && old["required"] != true {
            self.tell("body", "is required now");
        }
        self.contents(Direction::Sent, "body", &old["content"], &new["content"]);
    }

    fn answers(&mut self, old: &Value, new: &Value) {
        for (status, answer) in members(old) {
            let (at, other) = (format!("answer {status}"), &new[status]);
            if other.is_null() {
                self.tell(&at, "is gone");
                continue;
            }
            let direction = if status.starts_with(['4', '5']) {
                Direction::Refused
            } else {
                Direction::Answered
            };
            self.headers(direction, &at, &answer["headers"], &other["headers"]);
            self.contents(direction, &at, &answer["content"], &other["content"]);
        }
    }

    fn headers(&mut self, direction: Direction, at: &str, old: &Value, new: &Value) {
        for (name, header) in members(old) {
            match &new[name] {
                Value::Null => self.tell(at, format!("has no header {name} any more")),
                other => self.schemas(
                    direction,
                    &format!("{at}, header {name}"),
                    &header["schema"],
                    &other["schema"],
                ),
            }
        }
    }

    fn contents(&mut self, direction: Direction, at: &str, old: &Value, new: &Value) {
        for (kind, content) in members(old) {
            match &new[kind] {
                Value::Null => self.tell(at, format!("is no longer {kind}")),
                other => self.schemas(direction, at, &content["schema"], &other["schema"]),
            }
        }
    }

    fn schemas(&mut self, direction: Direction, at: &str, old: &Value, new: &Value) {
        for (at, what) in Comparison::new(self.documents, direction).run(at, old, new) {
            self.tell(&at, what);
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// By place and name: `query parameter limit`.
fn named_parameters(operation: &Value) -> BTreeMap<String, &Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|parameter| {
        (format!("{} parameter {}", text(&parameter["in"]), text(&parameter["name"])), parameter)
    })
    .collect()
}
