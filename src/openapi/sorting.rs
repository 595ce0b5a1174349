//! What a list's `sort` takes, in words: made of the fields that its query names.

use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::{RefOr, extensions::Extensions};

/// Where the schema of `sort` names the fields, as they are sent; the first when nothing is asked.
pub(crate) const SORT_FIELDS: &str = "x-sort-fields";

/// Describes the parameter.
pub(super) fn explain(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        if let Some(RefOr::T(Schema::Object(Object { extensions: Some(named), .. }))) =
            &parameter.schema
            && let Some(by) = sorted_by(named)
        {
            let meaning = "A field to sort by, with `-` before it for descending.";
            parameter.description = Some(format!("{meaning}\n\n{by}"));
        }
    }
}

fn sorted_by(named: &Extensions) -> Option<String> {
    let fields: Vec<&str> =
        named.get(SORT_FIELDS)?.as_array()?.iter().filter_map(Value::as_str).collect();
    let plain = |field: &&str| format!("`{}`", field.trim_start_matches('-'));
    let (last, others) = fields.split_last()?;
    let listed: Vec<String> = others.iter().map(plain).collect();
    let by = if listed.is_empty() {
        plain(last)
    } else {
        format!("{} or {}", listed.join(", "), plain(last))
    };
    let first = fields.first()?;
    Some(match (first.starts_with('-'), fields.len()) {
        (false, 1) => format!("Sorted by {by}."),
        (false, _) => format!("Sorted by {by}; by {} when it is left out.", plain(first)),
        (true, _) => format!("Sorted by {by}; by {} descending when it is left out.", plain(first)),
    })
}
