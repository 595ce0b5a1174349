//! The OpenAPI document. `bailiwick openapi` prints it, `openapi/openapi.json` keeps it, and a gate compares the two.

pub(crate) mod completion;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::{Modify, OpenApi};

use crate::http::problem::Problem;

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
    tags(
        (name = "Sign-in", description = "Sessions, tokens and the keys that verify them"),
        (name = "Mandates", description = "Tenants, as SysAdmins govern them and admins manage them"),
        (name = "Members", description = "Who belongs to a mandate, with which roles"),
        (name = "Groups", description = "Named sets of members: what level `g` reaches"),
        (name = "Roles", description = "Roles and their permissions"),
        (name = "Features", description = "What instances are made of"),
        (name = "Instances", description = "Feature instances: their roles and who is admitted"),
        (name = "Navigation", description = "What applications draw for a user"),
        (name = "Access", description = "What the caller may do"),
        (name = "Users", description = "Accounts of the platform"),
        (name = "Audit", description = "Who did what"),
        (name = "Operations", description = "For operators"),
    )
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
