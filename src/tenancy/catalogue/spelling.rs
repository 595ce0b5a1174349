//! How codes, tables, views and icons of features are written.

use std::collections::BTreeSet;

use crate::access::tables::{
    INSTANCE_TABLES, MANDATE_TABLES, MAX_TABLES, MAX_VIEWS, TABLES_TO_COME,
};
use crate::kernel::error::FieldError;
use crate::kernel::names;

/// Segments under `/api/features` that mean something else.
pub(super) const RESERVED: [&str; 3] = ["my", "instances", "templates"];
/// The longest name of a table or view, in bytes (and characters: they are ASCII).
const MAX_TABLE_NAME: usize = 128;

/// A lower-case letter, then letters, digits and hyphens.
fn is_code(code: &str) -> bool {
    code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What applications call their tables and views: `TrusteeContract`, `trustee.home`,
/// `ui:feature:trustee`.
fn is_table_name(name: &str) -> bool {
    name.len() <= MAX_TABLE_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
}

fn checked_names(
    pointer: &str,
    names: &[String],
    most: usize,
    forbidden: &[&str],
) -> std::result::Result<Vec<String>, FieldError> {
    if names.len() > most {
        return Err(FieldError::new(
            pointer,
            "too_many",
            format!("must have at most {most} entries"),
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let at = format!("{pointer}/{index}");
        if !is_table_name(name) {
            return Err(FieldError::new(
                at,
                "invalid_name",
                "must match [A-Za-z][A-Za-z0-9_.:-]{0,127}",
            ));
        }
        if forbidden.contains(&name.as_str()) {
            let detail = "must not be the name of a mandate table (some are still to come), \
                `access` or `instance-roles`";
            return Err(FieldError::new(at, "reserved", detail));
        }
        if !seen.insert(name) {
            return Err(FieldError::new(at, "duplicate", "is named twice"));
        }
    }
    Ok(names.to_vec())
}

pub(super) fn checked_tables(
    tables: &[String],
    before: &[String],
) -> std::result::Result<Vec<String>, FieldError> {
    let to_come = TABLES_TO_COME.iter().filter(|name| !before.iter().any(|had| had == *name));
    let forbidden: Vec<&str> =
        MANDATE_TABLES.iter().chain(&INSTANCE_TABLES).chain(to_come).copied().collect();
    checked_names("/tables", tables, MAX_TABLES, &forbidden)
}

pub(super) fn checked_views(views: &[String]) -> std::result::Result<Vec<String>, FieldError> {
    checked_names("/views", views, MAX_VIEWS, &[])
}

pub(super) fn checked_icon(icon: &str) -> std::result::Result<String, FieldError> {
    let icon = names::checked("/icon", icon)?;
    if icon.chars().count() > 100 {
        Err(FieldError::new("/icon", "too_long", "must have at most 100 characters"))
    } else {
        Ok(icon)
    }
}

pub(super) fn checked_code(code: &str) -> std::result::Result<(), FieldError> {
    if RESERVED.contains(&code) {
        return Err(FieldError::new(
            "/code",
            "reserved",
            "must not be `my`, `instances` or `templates`",
        ));
    }
    if (2..=63).contains(&code.len()) && is_code(code) {
        Ok(())
    } else {
        Err(FieldError::new("/code", "invalid_code", "must match [a-z][a-z0-9-]{1,62}"))
    }
}
