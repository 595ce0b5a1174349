//! A name that any object of a body has twice, and a body that is sent encoded, are refused by
//! every operation and change nothing.

use serde_json::Value;

use super::super::cases::Case;
use super::super::operations::Operation;
use super::super::stage::{Approach, Ground, call, on_grounds};
use super::{example, with_field};

#[test]
fn a_name_given_twice_is_refused_in_every_object_of_every_body() {
    let tried: usize = on_grounds(doubled).into_iter().sum();
    assert!(tried >= 100, "only {tried} objects were tried");
}

async fn doubled(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let Some(example) = example(operation) else { return 0 };
    let names = ground.stage_for(case, &ground.world.acme).await;
    let before = ground.world.app.digest().await;
    let mut bodies = Vec::new();
    for field in example.as_object().into_iter().flatten().map(|(field, _)| field) {
        let mut body = with_field(case, &names, &example, &format!("/{field}"));
        if body[field].as_object().is_some_and(serde_json::Map::is_empty) {
            // A map with nothing in it in the example: any name would do.
            body[field] = serde_json::json!({ "any": true });
        }
        bodies.extend(with_a_name_twice(&body));
    }
    let tried = bodies.len();
    for (text, pointer) in bodies {
        let approach = Approach {
            body: Some(("application/json", text.clone())),
            ..ground.rightful(operation, case)
        };
        let answer = call(&ground.world.app, operation, case, &names, &approach).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "validation_failed"),
            "{} with {text}: {}",
            case.title(),
            answer.body
        );
        let told = &answer.body["errors"][0];
        assert_eq!(
            (told["code"].as_str(), told["pointer"].as_str()),
            (Some("duplicate_field"), Some(pointer.as_str())),
            "{text}"
        );
    }
    assert_eq!(
        ground.world.app.digest().await,
        before,
        "{} changed something although it was refused",
        case.title()
    );
    tried
}

/// The text of a body once for each object in it, whose first member is there twice; and the
/// pointer to that member.
fn with_a_name_twice(body: &Value) -> Vec<(String, String)> {
    let mut pointers = Vec::new();
    objects(body, String::new(), &mut pointers);
    let twice = |pointer: String| {
        let mut marked = body.clone();
        let object = marked.pointer_mut(&pointer).and_then(Value::as_object_mut)?;
        let (name, value) =
            object.iter().next().map(|(name, value)| (name.clone(), value.clone()))?;
        object.insert("twice".to_owned(), Value::Null);
        let text = marked.to_string().replacen(
            "\"twice\":null",
            &format!("{}:{value}", Value::from(name.as_str())),
            1,
        );
        Some((text, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))))
    };
    pointers.into_iter().filter_map(twice).collect()
}

fn objects(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(pointer.clone());
            for (name, member) in members {
                objects(
                    member,
                    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| objects(item, format!("{pointer}/{index}"), found)),
        _ => {}
    }
}

#[test]
fn an_encoded_body_is_refused_by_every_operation_that_may_have_one() {
    let tried: usize = on_grounds(encoded).into_iter().sum();
    assert!(tried >= 100, "only {tried} were tried");
}

async fn encoded(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    if !operation.is_mutation() {
        return 0;
    }
    let names = ground.stage_for(case, &ground.world.acme).await;
    let before = ground.world.app.digest().await;
    let refused = ["gzip", "br", "identity, gzip", "deflate", "x"];
    for encoding in refused {
        let approach = Approach { encoding: Some(encoding), ..ground.rightful(operation, case) };
        let answer = call(&ground.world.app, operation, case, &names, &approach).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (415, "unsupported_media_type"),
            "{}: {}",
            case.title(),
            answer.body
        );
    }
    assert_eq!(
        ground.world.app.digest().await,
        before,
        "{} changed something although it was refused",
        case.title()
    );
    let plain = Approach { encoding: Some("Identity"), ..ground.rightful(operation, case) };
    let answer = call(&ground.world.app, operation, case, &names, &plain).await;
    assert_eq!(answer.status.as_u16(), case.status, "{}: {}", case.title(), answer.body);
    ground.mend().await;
    refused.len()
}
