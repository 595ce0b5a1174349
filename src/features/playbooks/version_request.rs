//! A version's content and number, checked.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::kernel::error::FieldError;
use crate::kernel::names;

/// The most that a version holds, in bytes of UTF-8.
const MAX_CONTENT: usize = 1024 * 1024;
/// The body around it: JSON writes some characters with six.
pub(super) const MAX_BODY: usize = 6 * MAX_CONTENT + 64 * 1024;
/// Leaves room for the next ones.
const MAX_NUMBER: i64 = 1_000_000_000;

/// The content of a version, within bounds.
pub(super) fn checked_content(content: &str) -> std::result::Result<(), FieldError> {
    if names::is_empty_document(content) {
        return Err(FieldError::new("/content", "blank", "must not be blank"));
    }
    if content.len() > MAX_CONTENT {
        return Err(FieldError::new(
            "/content",
            "too_long",
            format!("must have at most {MAX_CONTENT} bytes of UTF-8 (1 MiB)"),
        ));
    }
    if content.contains('\0') {
        return Err(FieldError::new(
            "/content",
            "invalid_characters",
            "must not contain the character U+0000",
        ));
    }
    Ok(())
}

/// A new version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePlaybookVersion {
    /// At most 1 MiB of UTF-8, not blank.
    #[schema(example = "1. Say that you are on it.")]
    pub(super) content: String,
    /// Its number; the next one when left out.
    #[schema(example = 4, minimum = 1)]
    version: Option<i64>,
}

impl CreatePlaybookVersion {
    pub(super) fn checked_number(&self) -> std::result::Result<Option<i32>, FieldError> {
        let Some(number) = self.version else { return Ok(None) };
        let within = (1..=MAX_NUMBER).contains(&number);
        let number = i32::try_from(number).ok().filter(|_| within);
        number.map(Some).ok_or_else(|| {
            FieldError::new("/version", "out_of_range", format!("must be from 1 to {MAX_NUMBER}"))
        })
    }
}
