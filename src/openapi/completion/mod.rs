//! What the OpenAPI document says of every operation alike. It follows from what the handlers declare, so that no route has to
//! repeat it and none can forget it: who may call it, what it refuses with which codes, the headers of versions and repeats,
//! and an example of every parameter, body and answer.

mod asked;
mod compose;
mod examples;
mod headers;
mod problems;
mod refusals;
mod schemas;
mod texts;
mod words;
mod written;

use std::collections::BTreeSet;
use std::fmt;

use axum::body::Bytes;
use axum::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

use self::asked::Asked;
use self::schemas::body_names;
use crate::context::policy::Policy;
use crate::http::guard::operations;
use crate::kernel::error::Code;

/// Adds what follows from an operation's policy: the headers that choose the context, and the guard's refusals.
pub(crate) fn declare(operation: &mut Operation, method: &Method, policy: &Policy) {
    let asked = Asked::of(operation, method, policy);
    headers::choose_context(operation, &asked);
    refusals::declare(operation, &asked);
}

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

/// The document of the routes, completed.
pub(crate) fn completed(mut document: OpenApi) -> OpenApi {
    let mut versioned = BTreeSet::new();
    if let Some(components) = &mut document.components {
        schemas::name_what_is_held(components);
        schemas::join_closed_parts(components);
        versioned = schemas::with_member("version", components);
    }
    for item in document.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            texts::explain(operation);
            if method != Method::POST && body_names(operation, &versioned) {
                refusals::add(operation, "Changed meanwhile", &[Code::VersionConflict]);
            }
            if operation.responses.responses.contains_key("412") {
                refusals::add(
                    operation,
                    "Names no version, where the service is set to ask for one",
                    &[Code::PreconditionRequired],
                );
            }
            refusals::shape(operation);
            headers::declare(operation);
        }
    }
    written::require_nullable_members(&mut document);
    examples::write(&mut document);
    document
}
