//! What routes declare, as the document keeps it until it is completed.

use std::fmt;

use axum::body::Bytes;
use axum::http::Method;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, RefOr, Schema};

use super::facts::Facts;
use super::schemas::body_has;
use super::{completed, headers, refusals};
use crate::context::path::Origins;
use crate::context::policy::{About, Class, Terms};
use crate::kernel::error::Code;

/// The document as the routes declare it, to be completed when it is asked for.
pub(crate) struct Declared(OpenApi);

impl Declared {
    pub(crate) fn new(document: OpenApi) -> Self {
        Self(document)
    }
    /// The completed document, as it is served.
    pub(crate) fn served(&self) -> Bytes {
        serde_json::to_vec(&completed(self.0.clone())).unwrap_or_default().into()
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared").finish_non_exhaustive()
    }
}

/// Adds what follows from an operation's policy: who may call it, the headers that choose the
/// context, and the guard's refusals.
pub(crate) fn declare(
    operation: &mut Operation,
    method: &Method,
    terms: &Terms,
    origins: &Origins,
    class: Class,
) {
    let extension = Extensions::builder().add("x-access", terms.describe(method, class)).build();
    operation.extensions.get_or_insert_default().merge(extension);
    let signed_in = SecurityRequirement::new("bearer", Vec::<String>::new());
    operation.security = Some(match (terms.is_public(), terms.about) {
        (true, About::Guests) => vec![SecurityRequirement::default(), signed_in],
        (true, _) => Vec::new(),
        (false, _) => vec![signed_in],
    });
    without_null(operation);
    let facts = Facts::of(operation, method, terms, origins);
    headers::choose_context(operation, &facts);
    refusals::add(operation, &refusals::of_the_guard(&facts));
}

/// A body that may be left out is not one that may be null: utoipa says both of an `Option`.
fn without_null(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        let Some(schema) = &mut content.schema else { continue };
        let named = match schema {
            RefOr::T(Schema::OneOf(either)) => {
                either.items.iter().find(|item| matches!(item, RefOr::Ref(_))).cloned()
            }
            _ => None,
        };
        if let Some(named) = named {
            *schema = named;
        }
    }
}

/// Adds what a change of a version brings: the headers that name it, or the body's `version`, and
/// how these are refused.
pub(crate) fn declare_versions(operation: &mut Operation, schemas: &[(String, RefOr<Schema>)]) {
    headers::name_versions(operation);
    refusals::add(operation, &[Code::PreconditionFailed, Code::PreconditionRequired]);
    if body_has(operation, "version", &schemas.iter().cloned().collect()) {
        refusals::add(operation, &[Code::VersionConflict]);
    }
}
