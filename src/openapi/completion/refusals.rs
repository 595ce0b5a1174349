//! What an operation refuses. The guard's own refusals follow from its policy, parameters and body; those of the handler are
//! declared there. Every description names its codes, the handler's first, and every refusal is a problem document.

use std::collections::HashMap;
use std::sync::LazyLock;

use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::asked::Asked;
use crate::kernel::error::Code;

/// The media type of problem documents.
pub(super) const PROBLEM: &str = "application/problem+json";

static CODES: LazyLock<HashMap<String, Code>> =
    LazyLock::new(|| Code::ALL.iter().map(|code| (code.name(), *code)).collect());

/// The codes of a status that a description names, in its order.
pub(super) fn named(description: &str, status: &str) -> Vec<Code> {
    let words = description.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    words
        .filter_map(|word| CODES.get(word).copied())
        .filter(|code| code.status().to_string() == status)
        .collect()
}

/// Adds what the guard refuses before the handler runs.
pub(super) fn declare(operation: &mut Operation, asked: &Asked) {
    for (prose, codes) in of_the_guard(asked) {
        add(operation, prose, &codes);
    }
}

/// Adds codes of one status: to the description that is declared, else to `prose`.
pub(super) fn add(operation: &mut Operation, prose: &str, codes: &[Code]) {
    let Some(first) = codes.first() else { return };
    let status = first.status().to_string();
    match operation.responses.responses.get_mut(&status) {
        Some(RefOr::T(declared)) => {
            declared.description = naming(&declared.description, &status, codes);
        }
        Some(RefOr::Ref(_)) => {}
        None => {
            let response =
                ResponseBuilder::new().description(naming(prose, &status, codes)).build();
            operation.responses.responses.insert(status, response.into());
        }
    }
}

use Code::{
    AnswerErased, DatabaseUnavailable, HeadersTooLarge, IdempotencyInFlight, IdempotencyKeyReused,
    IdempotencyNotSupported, InstanceAccessDenied, InstanceContextMissing, Internal, InvalidHeader,
    InvalidParameter, MalformedJson, MandateAccessDenied, MandateContextMissing, NotFound,
    Overloaded, PayloadTooLarge, PermissionDenied, RequestTimeout, TimedOut, TooManyRequests,
    Unauthenticated, UnknownField, UnknownParameter, UnsupportedMediaType, UriTooLong,
    ValidationFailed,
};

type Refusal = (&'static str, Vec<Code>);

fn of_the_guard(asked: &Asked) -> Vec<Refusal> {
    let Asked {
        guarded,
        table,
        feature_table,
        principal,
        context,
        names_mandate,
        path,
        parameters,
        body,
        remembers,
        forgets,
        ..
    } = *asked;
    let works = guarded || body;
    // With an `Idempotency-Key` whatever is sent is read, since a repetition has to be the same.
    let reads = body || remembers;
    vec![
        (
            "Malformed",
            chosen(&[
                (MalformedJson, reads),
                (InvalidParameter, parameters),
                (MandateContextMissing, table || context),
                (InstanceContextMissing, feature_table),
                (InvalidHeader, guarded),
                (UnknownParameter, true),
                (IdempotencyNotSupported, forgets),
            ]),
        ),
        ("Not signed in", chosen(&[(Unauthenticated, guarded)])),
        (
            "Not allowed",
            chosen(&[
                (PermissionDenied, table || principal),
                (MandateAccessDenied, table || context || names_mandate),
                (InstanceAccessDenied, context || feature_table),
            ]),
        ),
        ("Not there, or not to be seen", chosen(&[(NotFound, guarded && path)])),
        (
            "Repeated otherwise, or too soon",
            chosen(&[(IdempotencyKeyReused, remembers), (IdempotencyInFlight, remembers)]),
        ),
        ("Answered before, and the answer erased", chosen(&[(AnswerErased, remembers)])),
        ("The body came too slowly", chosen(&[(RequestTimeout, reads)])),
        ("Too large", chosen(&[(PayloadTooLarge, reads)])),
        ("The URL is too long", chosen(&[(UriTooLong, true)])),
        ("The headers are too large", chosen(&[(HeadersTooLarge, true)])),
        ("Not JSON, or encoded", chosen(&[(UnsupportedMediaType, reads || forgets)])),
        ("Not valid", chosen(&[(ValidationFailed, body), (UnknownField, body)])),
        ("Too many requests", chosen(&[(TooManyRequests, true)])),
        ("Our failure", chosen(&[(Internal, true)])),
        ("Not now", chosen(&[(Overloaded, works), (DatabaseUnavailable, works)])),
        ("Took too long", chosen(&[(TimedOut, works)])),
    ]
}

fn chosen(codes: &[(Code, bool)]) -> Vec<Code> {
    codes.iter().filter(|(_, applies)| *applies).map(|(code, _)| *code).collect()
}

/// The description with the codes that it does not name yet.
fn naming(description: &str, status: &str, codes: &[Code]) -> String {
    let already = named(description, status);
    let missing: Vec<String> =
        codes.iter().filter(|code| !already.contains(code)).map(|code| code.name()).collect();
    let missing = missing.join(", ");
    match (missing.is_empty(), already.is_empty()) {
        (true, _) => description.to_owned(),
        (false, true) => format!("{description}: {missing}"),
        (false, false) => format!("{description}; also {missing}"),
    }
}

/// Makes every refusal a problem document with a code.
pub(super) fn shape(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let (true, RefOr::T(response)) = (is_refusal(status), response) else { continue };
        if response.content.is_empty() {
            let content =
                ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            response.content.insert(PROBLEM.to_owned(), content.into());
        }
        name_one(response, status);
    }
}

/// A description that names no code means the first one of its status.
fn name_one(response: &mut Response, status: &str) {
    let first = Code::ALL.iter().copied().find(|code| code.status().to_string() == status);
    if let (true, Some(code)) = (named(&response.description, status).is_empty(), first) {
        response.description = naming(&response.description, status, &[code]);
    }
}

pub(super) fn is_refusal(status: &str) -> bool {
    status.starts_with(['4', '5'])
}
