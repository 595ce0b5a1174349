//! An example of every parameter, body and answer, and of every code. One that a handler declares
//! stays. A code's is of the first operation that refuses with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder};
use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr, Required};

use super::compose::{Composer, lower_first, target, written};
use super::problems::Refused;
use super::{operations, refusals, words};

pub(super) fn write(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let composer = Composer::new(json!(components.schemas));
    for (path, item) in &mut document.paths.paths {
        for (_, operation) in operations(item) {
            let values = parameters(operation, &composer);
            contents(operation).for_each(|(kind, content)| fill(kind, content, &composer));
            let refused = Refused::of(&filled(path, &values), operation, &composer);
            for code in refusals::of(operation) {
                let example = || ExampleBuilder::new().value(Some(refused.example(code))).build();
                components.examples.entry(code.name()).or_insert_with(|| example().into());
            }
        }
    }
}

/// What an operation takes and answers, by media type.
fn contents(operation: &mut Operation) -> impl Iterator<Item = (&String, &mut RefOr<Content>)> {
    let body = match &mut operation.request_body {
        Some(RefOr::T(body)) => Some(&mut body.content),
        _ => None,
    };
    let answers = operation.responses.responses.values_mut().filter_map(|answer| match answer {
        RefOr::T(answer) => Some(&mut answer.content),
        RefOr::Ref(_) => None,
    });
    body.into_iter().flatten().chain(answers.flatten())
}

/// Gives every parameter an example, and answers them by name.
fn parameters(operation: &mut Operation, composer: &Composer) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let described = json!(parameter);
        let own = described.get("example").or_else(|| written(&described["schema"]));
        let value =
            own.cloned().unwrap_or_else(|| example_of(parameter, &described["schema"], composer));
        if own.is_none() {
            show(parameter, &described["schema"], value.clone(), composer);
        }
        values.insert(parameter.name.clone(), value);
    }
    values
}

fn example_of(parameter: &Parameter, schema: &Value, composer: &Composer) -> Value {
    match parameter.name.as_str() {
        "X-Mandate-Id" | "X-Instance-Id" => words::id(&member_name(&parameter.name)).into(),
        name => composer.example(&member_name(name), schema),
    }
}

/// `X-Mandate-Id` is `mandateId`.
fn member_name(header: &str) -> String {
    lower_first(&header.trim_start_matches("X-").replace('-', ""))
}

/// An example of a parameter that must be sent stands beside it, for callers to type over. One of
/// an optional parameter stands in its schema: the documentation page would send the other kind
/// along unasked.
fn show(parameter: &mut Parameter, schema: &Value, value: Value, composer: &Composer) {
    if matches!(parameter.required, Required::True) {
        *parameter = with_example(parameter, value);
        return;
    }
    if target(schema).is_some() {
        parameter.schema = serde_json::from_value::<Object>(composer.resolved(schema).clone())
            .ok()
            .map(|object| Schema::from(object).into());
    }
    match &mut parameter.schema {
        Some(RefOr::T(Schema::Object(object))) => object.examples = vec![value],
        Some(RefOr::T(Schema::Array(array))) => array.examples = vec![value],
        _ => *parameter = with_example(parameter, value),
    }
}

fn with_example(parameter: &Parameter, value: Value) -> Parameter {
    ParameterBuilder::new()
        .name(parameter.name.clone())
        .parameter_in(parameter.parameter_in.clone())
        .description(parameter.description.clone())
        .required(parameter.required.clone())
        .deprecated(parameter.deprecated.clone())
        .schema(parameter.schema.clone())
        .style(parameter.style.clone())
        .explode(parameter.explode)
        .allow_reserved(parameter.allow_reserved)
        .extensions(parameter.extensions.clone())
        .example(Some(value))
        .build()
}

/// The path with the examples of its parameters in it.
fn filled(path: &str, values: &BTreeMap<String, Value>) -> String {
    values.iter().fold(path.to_owned(), |path, (name, value)| {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        path.replace(&format!("{{{name}}}"), &shown)
    })
}

fn fill(kind: &str, content: &mut RefOr<Content>, composer: &Composer) {
    let RefOr::T(content) = content else { return };
    if let (true, true, Some(schema)) = (kind.ends_with("json"), has_none(content), &content.schema)
    {
        content.example = Some(composer.example("", &json!(schema)));
    }
}

fn has_none(content: &Content) -> bool {
    content.example.is_none() && content.examples.is_empty()
}
