//! What an operation refuses with. A route declares the codes of its handler; those of the guard
//! follow from its policy, parameters and body. They stand at the operation until the document is
//! completed, which makes answers of them.

use serde_json::Value;
use utoipa::openapi::path::Operation;

use super::facts::Facts;
use crate::kernel::error::Code;

/// Where the names of the codes stand: at an operation meanwhile, and at the answers of the
/// document.
pub(super) const CODES: &str = "x-codes";

/// Adds codes to those that an operation refuses with.
pub(crate) fn add(operation: &mut Operation, codes: &[Code]) {
    let known = of(operation);
    let all = Code::ALL.iter().filter(|code| known.contains(code) || codes.contains(code));
    let names: Vec<String> = all.map(|code| code.name()).collect();
    operation.extensions.get_or_insert_default().insert(CODES.to_owned(), names.into());
}

/// The codes that an operation refuses with, in the order of the closed list.
pub(super) fn of(operation: &Operation) -> Vec<Code> {
    let names = operation.extensions.as_ref().and_then(|extensions| extensions.get(CODES));
    let names = names.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    names.filter_map(Code::from_name).collect()
}

/// The same, taken away from it.
pub(super) fn take(operation: &mut Operation) -> Vec<Code> {
    let codes = of(operation);
    if let Some(extensions) = &mut operation.extensions {
        extensions.remove(CODES);
    }
    codes
}

/// What the guard, and what stands before it, refuses before the handler runs.
pub(super) fn of_the_guard(facts: &Facts) -> Vec<Code> {
    use Code::{
        AnswerErased, DatabaseUnavailable, HeadersTooLarge, IdempotencyInFlight,
        IdempotencyKeyReused, IdempotencyNotSupported, InstanceAccessDenied,
        InstanceContextMissing, Internal, InvalidHeader, InvalidParameter, MalformedJson,
        MandateAccessDenied, MandateContextMissing, NotFound, OperationNotAllowed, Overloaded,
        PasswordChangeRequired, PayloadTooLarge, PermissionDenied, RequestTimeout, StepUpRequired,
        TimedOut, TooManyRequests, Unauthenticated, UnknownField, UnknownParameter,
        UnsupportedMediaType, UriTooLong, ValidationFailed,
    };
    let Facts { guarded, table, feature_table, context, names_mandate, body, remembers, .. } =
        *facts;
    let works = guarded || body;
    // With an `Idempotency-Key` whatever is sent is read, since a repetition has to be the same.
    let reads = body || remembers;
    let always =
        [UnknownParameter, UriTooLong, HeadersTooLarge, TooManyRequests, Internal].as_slice();
    let given: [(bool, &[Code]); 17] = [
        (true, always),
        (works, &[Overloaded, DatabaseUnavailable, TimedOut]),
        (guarded || facts.guests, &[Unauthenticated, InvalidHeader]),
        (facts.wants_own_password, &[PasswordChangeRequired]),
        (facts.wants_oneself, &[OperationNotAllowed]),
        (facts.wants_recent, &[StepUpRequired]),
        (guarded && facts.path, &[NotFound]),
        (facts.parameters, &[InvalidParameter]),
        (reads, &[MalformedJson, RequestTimeout, PayloadTooLarge]),
        (body, &[ValidationFailed, UnknownField]),
        (reads || facts.forgets, &[UnsupportedMediaType]),
        (facts.forgets, &[IdempotencyNotSupported]),
        (remembers, &[IdempotencyKeyReused, IdempotencyInFlight, AnswerErased]),
        (table || context, &[MandateContextMissing]),
        (table || context || names_mandate, &[MandateAccessDenied]),
        (feature_table, &[InstanceContextMissing]),
        (context || feature_table, &[InstanceAccessDenied]),
    ];
    let given = given.into_iter().filter(|(applies, _)| *applies);
    let mut codes: Vec<Code> = given.flat_map(|(_, codes)| codes.iter().copied()).collect();
    if table || facts.principal {
        codes.push(PermissionDenied);
    }
    codes
}
