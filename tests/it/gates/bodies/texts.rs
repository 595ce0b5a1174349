//! The worst texts there are, in every text field of every operation: at the longest length that a
//! name has, and far beyond. None is our failure, what is refused changes nothing and is told in a
//! few words, and what is taken is answered within bounds.

use serde_json::Value;

use super::super::cases::{Case, Names};
use super::super::operations::Operation;
use super::super::stage::{Approach, Ground, call, on_grounds};
use super::{example, text_pointers, with_field};

/// How much longer than the body an answer may be that repeats what was taken.
const BESIDE: usize = 4 * 1024;

/// Characters that become eighteen, that take four bytes, that pile up, that cannot be seen, that
/// turn the line around.
fn worst() -> Vec<(&'static str, String)> {
    let repeated = |text: &str, times: usize| text.repeat(times);
    vec![
        ("expanding, as long as a name", repeated("\u{fdfa}", 200)),
        ("expanding, as long as a key", repeated("\u{fdfa}", 18)),
        ("expanding, as long as a description", repeated("\u{fdfa}", 4_000)),
        ("expanding, as long as a body", repeated("\u{fdfa}", 20_000)),
        ("wide, as long as a name", repeated("\u{1d4b3}", 200)),
        ("wide, one more", repeated("\u{1d4b3}", 201)),
        ("combining", format!("e{}", repeated("\u{301}", 199))),
        ("combining, as long as a body", format!("e{}", repeated("\u{1e7ca}\u{315}", 9_000))),
        ("nothing to be seen", repeated("\u{200b}\u{3164}", 100)),
        ("turned around", "abc\u{202e}fed".to_owned()),
        ("not to be stored", "a\u{0}b".to_owned()),
        ("more than a body", repeated("\u{fdfa}", 100_000)),
    ]
}

#[test]
fn no_text_in_any_field_of_any_operation_is_our_failure() {
    let tried: usize = on_grounds(tried).into_iter().sum();
    assert!(tried >= 700, "only {tried} texts were tried");
}

async fn tried(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let Some(example) = example(operation) else { return 0 };
    let mut names = ground.stage_for(case, &ground.world.acme).await;
    let mut tried = 0;
    for pointer in text_pointers(&example) {
        for (what, text) in worst() {
            let was_taken =
                try_one(ground, operation, case, &names, (&example, &pointer), (what, &text)).await;
            tried += 1;
            if was_taken {
                ground.mend().await;
                names = ground.stage_for(case, &ground.world.acme).await;
            }
        }
    }
    tried
}

/// Whether it was taken.
async fn try_one(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    names: &Names,
    (example, pointer): (&Value, &str),
    (what, text): (&str, &str),
) -> bool {
    let mut body = with_field(case, names, example, pointer);
    *body.pointer_mut(pointer).unwrap() = text.into();
    let body = body.to_string();
    let approach = Approach {
        body: Some(("application/json", body.clone())),
        ..ground.rightful(operation, case)
    };
    let answer = call(&ground.world.app, operation, case, names, &approach).await;
    let title = format!("{} with {pointer} {what}", case.title());
    assert!(!answer.status.is_server_error(), "{title}: {}", answer.body);
    let length = answer.body.to_string().len();
    assert!(length <= body.len() + BESIDE, "{title}: {length} bytes");
    if answer.status.as_u16() == 422 {
        let errors = answer.body["errors"].as_array().unwrap();
        assert!(
            errors.iter().all(|error| error["detail"].as_str().unwrap().len() <= 20_000),
            "{title}: {}",
            answer.body
        );
    }
    answer.status.is_success()
}

/// Many members, each of them wrong, in every map and every array: what is told of them is bounded.
#[test]
fn no_refusal_grows_with_what_is_wrong() {
    let tried: usize = on_grounds(many).into_iter().sum();
    assert!(tried >= 15, "only {tried} maps and arrays were tried");
}

async fn many(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    const MANY: usize = 3_000;
    const MAX_REFUSAL: usize = 64 * 1024;
    let Some(example) = example(operation) else { return 0 };
    let names = ground.stage_for(case, &ground.world.acme).await;
    let mut tried = 0;
    for (field, member) in example.as_object().into_iter().flatten() {
        let filled: Value = match member {
            Value::Object(map) => {
                let value =
                    map.values().find(|value| !value.is_null()).cloned().unwrap_or(true.into());
                (0..MANY)
                    .map(|n| (format!("none{n}"), value.clone()))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }
            Value::Array(_) => (0..MANY).map(|n| Value::from(format!("none {n}"))).collect(),
            _ => continue,
        };
        let mut body = with_field(case, &names, &example, &format!("/{field}"));
        body[field] = filled;
        let approach = Approach {
            body: Some(("application/json", body.to_string())),
            ..ground.rightful(operation, case)
        };
        let answer = call(&ground.world.app, operation, case, &names, &approach).await;
        let length = answer.body.to_string().len();
        assert!(
            !answer.status.is_server_error() && length <= MAX_REFUSAL,
            "{} with {field}: {} {length}",
            case.title(),
            answer.status
        );
        tried += 1;
    }
    tried
}

/// The names of members of maps are texts too.
#[test]
fn no_name_of_a_member_of_any_map_is_our_failure() {
    let tried: usize = on_grounds(tried_members).into_iter().sum();
    assert!(tried >= 60, "only {tried} names were tried");
}

async fn tried_members(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let Some(example) = example(operation) else { return 0 };
    let names = ground.stage_for(case, &ground.world.acme).await;
    let mut tried = 0;
    let maps = example.as_object().into_iter().flatten().filter(|(_, member)| member.is_object());
    for (field, map) in maps {
        let value = map
            .as_object()
            .unwrap()
            .values()
            .find(|value| !value.is_null())
            .cloned()
            .unwrap_or(true.into());
        for (what, text) in worst() {
            let mut body = with_field(case, &names, &example, &format!("/{field}"));
            body[field] = serde_json::json!({ text: value });
            let approach = Approach {
                body: Some(("application/json", body.to_string())),
                ..ground.rightful(operation, case)
            };
            let answer = call(&ground.world.app, operation, case, &names, &approach).await;
            // AuthZEN's contexts may hold more than is looked at.
            let fits = if operation.has_effect() {
                answer.status.is_client_error()
            } else {
                !answer.status.is_server_error()
            };
            assert!(fits, "{} with a member of {field} {what}: {}", case.title(), answer.body);
            tried += 1;
        }
    }
    tried
}
