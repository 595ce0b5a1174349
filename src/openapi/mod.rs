//! The OpenAPI document. `bailiwick openapi` prints it, `openapi/openapi.json` keeps it, and a gate
//! compares the two.
//!
//! What it says of every operation alike follows from what routes declare, so that no route has to
//! repeat it and none can forget it: who may call it, what it refuses with which codes, the headers
//! of versions and repeats, and an example of every parameter, body and answer.

mod compose;
mod declared;
mod examples;
mod facts;
mod headers;
mod layout;
mod nullable;
mod problems;
pub(crate) mod refusals;
mod responses;
mod schemas;
mod shared;
mod sorting;
mod summaries;

use axum::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::{Modify, OpenApi};

pub(crate) use self::declared::{Declared, declare, declare_versions};
pub(crate) use self::sorting::SORT_FIELDS;
use crate::kernel::error::{Error, Result};
use crate::kernel::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bailiwick",
        description = include_str!("openapi.md"),
        contact(name = "Whoever runs this service"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/")),
    modifiers(&Bearer),
    components(schemas(Problem)),
)]
pub(super) struct Document;

/// Adds what operations can stand under.
pub(super) fn add_tag(document: &mut utoipa::openapi::OpenApi, name: &str, description: &str) {
    let tag = TagBuilder::new().name(name).description(Some(description)).build();
    document.tags.get_or_insert_default().push(tag);
}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token from POST /api/auth/login"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document of the routes, completed.
pub(crate) fn completed(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    if let Some(components) = &mut document.components {
        schemas::name_what_is_held(components);
        schemas::join_closed_parts(components);
    }
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            summaries::explain(operation);
            headers::declare(operation);
            sorting::explain(operation);
        }
    }
    nullable::require_nullable_members(&mut document);
    examples::write(&mut document);
    responses::write(&mut document);
    shared::write(&mut document);
    document
}

/// A document as text, for people and their tools.
pub(crate) fn text(document: &utoipa::openapi::OpenApi) -> Result<String> {
    serde_json::to_string(document).map(|text| layout::laid_out(&text)).map_err(Error::internal)
}

/// The operations of a path.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::PATCH, &mut item.patch),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}
