//! Refusals as answers. Each is a problem document and names the codes that it can have; operations
//! that refuse alike share one, which is called by these codes, so that types made from the
//! document tell them.

use std::collections::BTreeMap;

use utoipa::openapi::example::Example;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response;
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};

use super::refusals::{self, CODES};
use super::{headers, operations};
use crate::kernel::error::Code;

/// The media type of problem documents.
const PROBLEM: &str = "application/problem+json";

/// Makes answers of the codes that operations refuse with.
pub(super) fn write(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            refer(operation, components);
        }
    }
}

/// One answer for each status. What a route says of it by itself stays, beside the reference.
fn refer(operation: &mut Operation, components: &mut Components) {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in refusals::take(operation) {
        by_status.entry(code.status()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let name = name(&codes);
        let mut reference = Ref::from_response_name(&name);
        components.responses.entry(name).or_insert_with(|| answer(status, &codes).into());
        let responses = &mut operation.responses.responses;
        if let Some(RefOr::T(declared)) = responses.get(&status.to_string()) {
            reference.description.clone_from(&declared.description);
        }
        responses.insert(status.to_string(), reference.into());
    }
}

/// `PermissionDenied.MandateAccessDenied`.
fn name(codes: &[Code]) -> String {
    codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join(".")
}

fn answer(status: u16, codes: &[Code]) -> Response {
    let names: Vec<String> = codes.iter().map(|code| code.name()).collect();
    let example = |name: &String| {
        let reference = Ref::new(format!("#/components/examples/{name}"));
        (name.clone(), RefOr::<Example>::Ref(reference))
    };
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(names.iter().map(example))
        .build();
    let mut answer = ResponseBuilder::new()
        .description(meaning(status))
        .content(PROBLEM, content)
        .extensions(Some(Extensions::from_iter([(CODES, names)])))
        .build();
    let brought = headers::of_refusal(status);
    answer.headers.extend(brought.map(|(name, header)| (name.to_owned(), header.into())));
    answer
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "Malformed",
        401 => "Not signed in",
        403 => "Not allowed",
        404 => "Not there, or not to be seen",
        408 => "The body came too slowly",
        409 => "In conflict with what there is, or repeated otherwise or too soon",
        410 => "Deleted, or answered before and the answer erased",
        412 => "Changed meanwhile",
        413 => "Too large",
        414 => "The URL is too long",
        415 => "Not JSON, or encoded",
        422 => "Not valid",
        428 => "Names no version, where the service is set to ask for one",
        429 => "Too many requests",
        431 => "The headers are too large",
        503 => "Not now",
        504 => "Took too long",
        _ => "Our failure",
    }
}
