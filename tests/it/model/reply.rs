//! What the model says that a call is answered, and whether an answer agrees with it.

use serde_json::{Map, Value, json};

use super::pages::Page;
use super::world::access::{OPERATIONS, letter};
use crate::harness::Answer;

/// An answer with a success.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// What must be in the body; fields that are not named here may be there too.
    pub body: Value,
    /// Where the body is a page of a list.
    pub page: Option<Page>,
}

/// An answer with a problem.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    /// Other members of the problem; null: must not be there.
    pub with: Value,
}

pub type Outcome = Result<Reply, Refusal>;

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body, page: None }
    }
    pub fn created(body: Value) -> Self {
        Self { status: 201, body, page: None }
    }
    pub fn nothing() -> Self {
        Self { status: 204, body: Value::Null, page: None }
    }
}

impl Refusal {
    pub fn of(status: u16, code: &'static str) -> Self {
        Self { status, code, with: json!({}) }
    }
    pub fn not_found() -> Self {
        Self { with: json!({ "errors": null }), ..Self::of(404, "not_found") }
    }
    /// 404 that points to the places in the body that name what is not there.
    pub fn unknown(code: &str, pointers: &[String]) -> Self {
        let errors: Vec<Value> =
            pointers.iter().map(|pointer| json!({ "pointer": pointer, "code": code })).collect();
        Self { with: json!({ "errors": errors }), ..Self::not_found() }
    }
    /// The same where one place does.
    pub fn unknown_at(code: &str, pointer: &str) -> Self {
        Self::unknown(code, &[pointer.to_owned()])
    }
    pub fn gone() -> Self {
        Self::of(410, "gone")
    }
    pub fn invalid() -> Self {
        Self::of(422, "validation_failed")
    }
    /// 403, naming table, operation and the level that would do.
    pub fn denied(table: &str, operation: usize, needed: u8) -> Self {
        let with =
            json!({ "table": table, "operation": OPERATIONS[operation], "needed": letter(needed) });
        Self { with, ..Self::of(403, "permission_denied") }
    }
    pub fn for_sys_admins() -> Self {
        Self { with: json!({ "needed": "sysAdmin" }), ..Self::of(403, "permission_denied") }
    }
    pub fn for_oneself() -> Self {
        Self { with: json!({ "needed": "oneself" }), ..Self::of(403, "permission_denied") }
    }
}

/// What differs between what the model said and what the service answered; nothing where they
/// agree.
pub fn difference(expected: &Outcome, answer: &Answer) -> Option<String> {
    let (status, code) = match expected {
        Ok(reply) => (reply.status, ""),
        Err(refusal) => (refusal.status, refusal.code),
    };
    // A success may have a field of that name that is not a problem's code.
    let got = if answer.status.is_success() { "" } else { answer.code() };
    if (answer.status.as_u16(), got) != (status, code) {
        return Some(format!("expected {status} {code}, got {} {got}", answer.status.as_u16()));
    }
    match expected {
        Ok(Reply { page: Some(page), .. }) => page.difference(&answer.body),
        Ok(Reply { status: 204, .. }) => None,
        Ok(reply) => unlike("", &reply.body, &answer.body),
        Err(refusal) => unlike("", &refusal.with, &answer.body),
    }
}

/// Maps from names to things: here what is not expected must not be there.
const MAPS: [&str; 5] = ["/tables", "/views", "/label", "/description", "/fields"];

/// Where `got` is not what is expected: the fields that `expected` names, `null` also where the
/// field is missing; lists whole and in order. A text that begins with `~` stands for any that goes
/// on like it.
pub fn unlike(at: &str, expected: &Value, got: &Value) -> Option<String> {
    let differs = || Some(format!("{at}: expected {expected}, got {got}"));
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => unlike_objects(at, expected, got),
        (Value::Array(expected), Value::Array(items)) => {
            if expected.len() != items.len() {
                return Some(format!(
                    "{at}: expected {} items, got {}\n  expected {expected:?}\n  got {got}",
                    expected.len(),
                    items.len()
                ));
            }
            expected
                .iter()
                .zip(items)
                .enumerate()
                .find_map(|(index, (one, other))| unlike(&format!("{at}/{index}"), one, other))
        }
        (Value::String(expected), Value::String(got)) => match expected.strip_prefix('~') {
            Some(start) if got.starts_with(start) => None,
            _ if expected == got => None,
            _ => differs(),
        },
        _ if expected == got => None,
        _ => differs(),
    }
}

fn unlike_objects(
    at: &str,
    expected: &Map<String, Value>,
    got: &Map<String, Value>,
) -> Option<String> {
    if MAPS.iter().any(|map| at.ends_with(map))
        && let Some(more) = got.keys().find(|name| !expected.contains_key(*name))
    {
        return Some(format!("{at}/{more} should not be there"));
    }
    expected.iter().find_map(|(name, value)| {
        unlike(&format!("{at}/{name}"), value, got.get(name).unwrap_or(&Value::Null))
    })
}
