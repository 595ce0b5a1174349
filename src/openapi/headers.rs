//! Headers: those that choose the context follow from the policy, those of versions from the route,
//! the others from the answers that are declared: 304 is for an `If-None-Match`, 201 says where the
//! new thing is, and 429 and 503 when to come again.

use serde_json::json;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required};

use super::facts::Facts;

/// Adds the headers that choose the context.
pub(super) fn choose_context(operation: &mut Operation, facts: &Facts) {
    let Facts { table, feature_table, sys, context, names_mandate, remembers, .. } = *facts;
    let mut wanted = Vec::new();
    if table || context || names_mandate {
        let required = if table && !sys { Required::True } else { Required::False };
        let acme = id("01900000-0000-7000-8000-00000000b001");
        wanted.push(header("X-Mandate-Id", "The mandate to work in", acme, required));
    }
    if feature_table || context {
        wanted.push(header(
            "X-Instance-Id",
            "The feature instance to work in",
            id("01900000-0000-7000-8000-00000000c002"),
            Required::False,
        ));
    }
    if remembers {
        let meaning = "Makes it safe to send the request again: the same key and request have one \
                       effect and get the same answer, with `Idempotency-Replayed: true`, for 24 \
                       hours";
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .examples(["01900000-0000-7000-8000-000054da5dd1"])
            .build();
        wanted.push(header("Idempotency-Key", meaning, key, Required::False));
    }
    add(operation, wanted);
}

/// Adds the headers by which a change names the version that it is meant for.
pub(super) fn name_versions(operation: &mut Operation) {
    let if_match =
        "The `ETag` that the resource is believed to have; 412 when it has another by now";
    let if_none_match = "The `ETag` that the resource must not have (`*`: any); 412 when it has it";
    add(
        operation,
        vec![of_a_version("If-Match", if_match), of_a_version("If-None-Match", if_none_match)],
    );
}

/// Adds what the declared answers bring with them.
pub(super) fn declare(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    if let Some(RefOr::T(made)) = responses.get_mut("201") {
        made.headers.entry("Location".to_owned()).or_insert_with(|| location().into());
    }
    if responses.contains_key("304") {
        let meaning =
            "The `ETag` of the answer that the caller has; 304 while it is still the same";
        add(operation, vec![of_a_version("If-None-Match", meaning)]);
    }
}

/// What a refusal brings with it that may be over soon.
pub(super) fn of_refusal(status: u16) -> Option<(&'static str, Header)> {
    matches!(status, 429 | 503).then(|| ("Retry-After", seconds()))
}

fn add(operation: &mut Operation, headers: Vec<Parameter>) {
    if !headers.is_empty() {
        operation.parameters.get_or_insert_default().extend(headers.into_iter().map(RefOr::T));
    }
}

fn of_a_version(name: &str, description: &str) -> Parameter {
    let version = ObjectBuilder::new().schema_type(Type::String).examples(["\"1\""]).build();
    header(name, description, version, Required::False)
}

fn header(name: &str, description: &str, schema: Object, required: Required) -> Parameter {
    let header = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description));
    header.required(required).schema(Some(schema)).build()
}

/// An id as a header has it. By its form instead of `format: uuid`: of that `openapi-python-client`
/// makes a UUID object also where only text can be sent.
fn id(example: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .examples([example])
        .pattern(Some("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))
        .build()
}

fn location() -> Header {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom("uri-reference".to_owned())))
        .build();
    HeaderBuilder::new().schema(Some(schema)).description(Some("The path of what was made")).build()
}

fn seconds() -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some("In how many seconds to try again"))
        .example(Some(json!(2)))
        .build()
}
