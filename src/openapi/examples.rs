//! An example of every parameter, body and answer, and of every code. One that a handler declares
//! stays. A code's is of the first operation that refuses with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder};
use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr, Required};

use super::compose::{Composer, Part, kind, target};
use super::problems::Refused;
use super::{operations, refusals};

pub(super) fn write(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let composer = Composer::new(json!(components.schemas));
    for (path, item) in &mut document.paths.paths {
        for (_, operation) in operations(item) {
            let values = parameters(operation, &composer);
            fill(operation, &composer);
            let refused = Refused::of(&filled(path, &values), operation, &composer);
            for code in refusals::of(operation) {
                let example = || ExampleBuilder::new().value(Some(refused.example(code))).build();
                components.examples.entry(code.name()).or_insert_with(|| example().into());
            }
        }
    }
    components.schemas.values_mut().for_each(leave_out_the_shown);
}

/// Flags, numbers, times and ids look as their type says, and the examples of bodies show them, as
/// they show whole objects. At each schema once more, the types that clients are made of would be
/// 200 lines longer.
fn leave_out_the_shown(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) if object.properties.is_empty() => {}
        RefOr::T(Schema::Object(object)) => {
            object.example = None;
            object.properties.values_mut().for_each(leave_out_the_plain);
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(leave_out_the_shown),
        _ => {}
    }
}

fn leave_out_the_plain(member: &mut RefOr<Schema>) {
    match member {
        RefOr::T(Schema::Object(leaf)) if is_plain(&json!(leaf)) => leaf.example = None,
        // An id, or null.
        RefOr::T(Schema::OneOf(either)) => either.examples.clear(),
        _ => {}
    }
}

fn is_plain(leaf: &Value) -> bool {
    match kind(leaf) {
        "boolean" | "integer" | "number" => true,
        "string" => leaf["format"] == "date-time" || leaf["format"] == "uuid",
        _ => false,
    }
}

/// Gives what an operation takes and answers its examples.
fn fill(operation: &mut Operation, composer: &Composer) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        let contents = body.content.iter_mut();
        contents.for_each(|(kind, content)| show_content(Part::Sent, kind, content, composer));
    }
    for answer in operation.responses.responses.values_mut() {
        let RefOr::T(answer) = answer else { continue };
        let contents = answer.content.iter_mut();
        contents.for_each(|(kind, content)| show_content(Part::Answered, kind, content, composer));
    }
}

/// Gives every parameter an example, and answers them by name.
fn parameters(operation: &mut Operation, composer: &Composer) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let described = json!(parameter);
        let own = described.get("example").cloned();
        let value = own.unwrap_or_else(|| composer.example(Part::Sent, &described["schema"]));
        show_parameter(parameter, &described["schema"], value.clone(), composer);
        values.insert(parameter.name.clone(), value);
    }
    values
}

/// An example of a parameter that must be sent stands beside it, for callers to type over. One of
/// an optional parameter stands in its schema: the documentation page would send the other kind
/// along unasked.
fn show_parameter(parameter: &mut Parameter, schema: &Value, value: Value, composer: &Composer) {
    if target(schema).is_some() {
        parameter.schema = serde_json::from_value::<Object>(composer.resolved(schema).clone())
            .ok()
            .map(|object| Schema::from(object).into());
    }
    let is_required = matches!(parameter.required, Required::True);
    let in_schema: Vec<Value> = if is_required { Vec::new() } else { vec![value.clone()] };
    match &mut parameter.schema {
        Some(RefOr::T(Schema::Object(object))) => {
            // That of its type; the parameter has one of its own.
            object.description = None;
            object.example = None;
            object.examples = in_schema;
        }
        Some(RefOr::T(Schema::Array(array))) => array.examples = in_schema,
        _ => {}
    }
    *parameter = with_example(parameter, is_required.then_some(value));
}

fn with_example(parameter: &Parameter, value: Option<Value>) -> Parameter {
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
        .example(value)
        .build()
}

/// The path with the examples of its parameters in it.
fn filled(path: &str, values: &BTreeMap<String, Value>) -> String {
    values.iter().fold(path.to_owned(), |path, (name, value)| {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        path.replace(&format!("{{{name}}}"), &shown)
    })
}

fn show_content(part: Part, kind: &str, content: &mut RefOr<Content>, composer: &Composer) {
    let RefOr::T(content) = content else { return };
    if let (true, true, Some(schema)) = (kind.ends_with("json"), has_none(content), &content.schema)
    {
        content.example = Some(composer.example(part, &json!(schema)));
    }
}

fn has_none(content: &Content) -> bool {
    content.example.is_none() && content.examples.is_empty()
}
