//! Names that programs use: usernames, codes, and slugs of which codes are made.

use icu_normalizer::DecomposingNormalizer;

use super::folding::account_key;
use crate::kernel::error::FieldError;

/// Usernames: `[a-z0-9._-]{2,64}`. Upper case is folded, so that `Alice` signs in as `alice`.
pub fn checked_username(pointer: &str, username: &str) -> Result<String, FieldError> {
    let folded = account_key(username).unwrap_or_default();
    if uuid::Uuid::try_parse(&folded).is_ok() {
        // Where people are named by id or username, it would be somebody else.
        return Err(FieldError::new(pointer, "invalid_username", "must not look like an id"));
    }
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    if (2..=64).contains(&folded.len()) && folded.bytes().all(allowed) {
        Ok(folded)
    } else {
        Err(FieldError::new(
            pointer,
            "invalid_username",
            "must be 2 to 64 characters of a-z, 0-9, `.`, `_` and `-`",
        ))
    }
}

/// Codes of mandates: a slug.
pub fn checked_code(pointer: &str, code: &str) -> Result<String, FieldError> {
    let folded = account_key(code).unwrap_or_default();
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = folded.as_bytes();
    if (1..=64).contains(&bytes.len())
        && bytes.iter().copied().all(inner)
        && edge(bytes.first())
        && edge(bytes.last())
    {
        Ok(folded)
    } else {
        Err(FieldError::new(
            pointer,
            "invalid_code",
            "must be 1 to 64 characters of a-z, 0-9 and `-`, not beginning or ending with `-`",
        ))
    }
}

/// The slug of a name; `None` when the name has no letter or digit that a slug can carry.
#[must_use]
pub fn slug(name: &str) -> Option<String> {
    let decomposed = DecomposingNormalizer::new_nfkd().normalize(name).to_lowercase();
    let mut slug = String::new();
    for character in decomposed.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if character == 'ß' {
            slug.push_str("ss");
        } else if is_separator(character) && !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(56); // leaves room for a `-2` …
    let slug = slug.trim_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || character.is_ascii_punctuation()
}
