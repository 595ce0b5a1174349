//! The parameters of a request, and those that a route knows.

use std::collections::{BTreeSet, HashMap};

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};

use crate::kernel::error::{Code, Error, Result};

/// Those of the path, decoded.
pub(super) async fn of_path(parts: &mut Parts) -> Result<HashMap<String, String>> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await;
    let parameters = parameters.map_err(|_| {
        Error::new(Code::InvalidParameter, "The path is not valid UTF-8 once decoded.")
    })?;
    Ok(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// A parameter that the route does not know might have been meant to change what it does
/// (`dryRun`): refused before anything happens.
pub(super) fn only_known(query: Option<&str>, known: &BTreeSet<String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (name, _) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !known.contains(name.as_ref()) {
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
            };
            let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(Error::new(
                Code::UnknownParameter,
                format!("`{shown}` is not a query parameter of this route; known: {known}."),
            ));
        }
        if !seen.insert(name.to_string()) {
            return Err(Error::new(Code::InvalidParameter, format!("`{name}` is given twice.")));
        }
    }
    Ok(())
}

/// Those of the query that an operation declares.
pub(super) fn declared(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
                Some(parameter.name.clone())
            }
            _ => None,
        })
        .collect()
}
