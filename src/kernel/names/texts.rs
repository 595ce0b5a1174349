//! Texts that are checked and kept as they are.

use super::bounds::{MAX_DESCRIPTION, MAX_REASON, is_longer};
use super::name::Name;
use super::visible::{check_readable, is_blank};
use crate::kernel::error::FieldError;

/// The text of a [`Name`], where nothing is compared.
pub fn checked(pointer: &str, name: &str) -> Result<String, FieldError> {
    Name::checked(pointer, name).map(Name::into_text)
}

/// Refuses an overlong or unreadable description and the character that PostgreSQL cannot store.
pub fn checked_description(pointer: &str, text: &str) -> Result<String, FieldError> {
    if is_longer(text, MAX_DESCRIPTION) {
        return Err(FieldError::new(
            pointer,
            "too_long",
            format!("must have at most {MAX_DESCRIPTION} characters"),
        ));
    }
    if text.contains('\0') {
        return Err(FieldError::new(
            pointer,
            "invalid_characters",
            "must not contain the character U+0000",
        ));
    }
    check_readable(pointer, text)?;
    Ok(text.to_owned())
}

/// Why somebody does something: a sentence or two, of which something can be seen.
pub fn checked_reason(pointer: &str, text: &str) -> Result<String, FieldError> {
    let text = text.trim();
    if is_blank(text) {
        return Err(FieldError::new(pointer, "blank", "must not be blank"));
    }
    if is_longer(text, MAX_REASON) {
        let detail = format!("must have at most {MAX_REASON} characters");
        return Err(FieldError::new(pointer, "too_long", detail));
    }
    checked_description(pointer, text)
}

/// A language tag as this system takes it: `en`, `de`, `de-ch`.
pub fn checked_language(pointer: &str, tag: &str) -> Result<String, FieldError> {
    let mut parts = tag.split('-');
    let primary = parts
        .next()
        .is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let rest =
        parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if primary && rest && tag.len() <= 35 {
        Ok(tag.to_owned())
    } else {
        Err(FieldError::new(
            pointer,
            "invalid_language",
            "must be a language tag such as `en` or `de-CH` (BCP 47)",
        ))
    }
}
