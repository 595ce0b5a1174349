//! What every operation with a body does with what can be wrong in any body. The fields come from
//! the document's examples, which have all of them, so that a new field is tried by itself.

mod texts;
mod twice;
mod unchanged;

use serde_json::Value;
use uuid::Uuid;

use super::cases::{Case, Names, fill};
use super::operations::Operation;

/// The example of a body, which has every field that it can have.
fn example(operation: &Operation) -> Option<Value> {
    operation.value["requestBody"]["content"]["application/json"].get("example").cloned()
}

/// The case's body, with the field of an example in it that a JSON pointer leads to.
fn with_field(case: &Case, names: &Names, example: &Value, pointer: &str) -> Value {
    let mut body: Value = serde_json::from_str(&fill(case.body.unwrap_or("{}"), names)).unwrap();
    if body.pointer(pointer).is_none() {
        let first = pointer.split('/').nth(1).unwrap();
        body[first] = example[first].clone();
    }
    body
}

/// JSON pointers to all texts in an example: whatever is a string there and no id.
fn text_pointers(example: &Value) -> Vec<String> {
    let mut found = Vec::new();
    leaves(example, String::new(), &mut |pointer, leaf| {
        if leaf.as_str().is_some_and(|text| text.parse::<Uuid>().is_err()) {
            found.push(pointer.to_owned());
        }
    });
    found
}

fn leaves(value: &Value, pointer: String, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(
                    member,
                    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                    visit,
                );
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().take(1) {
                leaves(item, format!("{pointer}/{index}"), visit);
            }
        }
        leaf => visit(&pointer, leaf),
    }
}
