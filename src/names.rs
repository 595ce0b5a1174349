//! How names are compared and codes are made. Two names are the same when they are after NFKC normalisation and Unicode case
//! folding (UAX #15, UTS #10's neighbour UAX #31 R4/R5); the result is stored beside the name as its key.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

use crate::error::FieldError;

/// The longest name, label or title, in characters.
pub const MAX_NAME: usize = 200;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 4_000;

/// What a name is compared by.
#[must_use]
pub fn key(name: &str) -> String {
    let normalizer = ComposingNormalizer::new_nfkc();
    let folded = CaseMapper::new().fold_string(&normalizer.normalize(name.trim())).into_owned();
    // Folding can undo the normalisation (U+0345); once more makes the key stable.
    normalizer.normalize(&folded).into_owned()
}

/// The longest text that names an account, in bytes: there is none with a longer username, however its letters are written.
const MAX_ACCOUNT: usize = 64 * 4;

/// What the name of an account is compared by, where it can be one.
#[must_use]
pub fn account_key(name: &str) -> Option<String> {
    let name = name.trim();
    (name.len() <= MAX_ACCOUNT).then(|| key(name)).filter(|key| !key.is_empty())
}

/// Trims a name and refuses a blank, overlong or unprintable one.
pub fn checked(pointer: &str, name: &str) -> Result<String, FieldError> {
    let trimmed = name.trim();
    if trimmed.is_empty() || key(trimmed).is_empty() {
        return Err(FieldError::new(pointer, "blank", "must not be blank"));
    }
    if trimmed.chars().count() > MAX_NAME {
        return Err(FieldError::new(pointer, "too_long", format!("must have at most {MAX_NAME} characters")));
    }
    if trimmed.chars().any(char::is_control) {
        return Err(FieldError::new(pointer, "invalid_characters", "must not contain control characters"));
    }
    Ok(trimmed.to_owned())
}

/// Refuses an overlong description and the character that PostgreSQL cannot store.
pub fn checked_description(pointer: &str, text: &str) -> Result<String, FieldError> {
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(FieldError::new(pointer, "too_long", format!("must have at most {MAX_DESCRIPTION} characters")));
    }
    if text.contains('\0') {
        return Err(FieldError::new(pointer, "invalid_characters", "must not contain the character U+0000"));
    }
    Ok(text.to_owned())
}

/// A language tag as this system takes it: `en`, `de`, `de-ch`.
pub fn checked_language(pointer: &str, tag: &str) -> Result<String, FieldError> {
    let mut parts = tag.split('-');
    let primary = parts.next().is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let rest = parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if primary && rest && tag.len() <= 35 {
        Ok(tag.to_owned())
    } else {
        Err(FieldError::new(pointer, "invalid_language", "must be a language tag such as `en` or `de-CH` (BCP 47)"))
    }
}

/// Usernames: `[a-z0-9._-]{2,64}`. Upper case is folded, so that `Alice` signs in as `alice`.
pub fn checked_username(pointer: &str, username: &str) -> Result<String, FieldError> {
    let folded = key(username);
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    if (2..=64).contains(&folded.len()) && folded.bytes().all(allowed) {
        Ok(folded)
    } else {
        Err(FieldError::new(pointer, "invalid_username", "must be 2 to 64 characters of a-z, 0-9, `.`, `_` and `-`"))
    }
}

/// Codes of mandates: a slug.
pub fn checked_code(pointer: &str, code: &str) -> Result<String, FieldError> {
    let folded = key(code);
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = folded.as_bytes();
    if (1..=64).contains(&bytes.len()) && bytes.iter().copied().all(inner) && edge(bytes.first()) && edge(bytes.last()) {
        Ok(folded)
    } else {
        Err(FieldError::new(pointer, "invalid_code", "must be 1 to 64 characters of a-z, 0-9 and `-`, not beginning or ending with `-`"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_the_same_name() {
        for (a, b) in [("Straße", "STRASSE"), ("Ａcme", "acme"), (" Acme ", "acme"), ("\u{1c5}", "\u{1c6}"), ("İ", "i\u{307}")] {
            assert_eq!(key(a), key(b), "{a} and {b}");
        }
        assert_ne!(key("acme"), key("acne"));
    }

    #[test]
    fn slugs_keep_what_they_can() {
        assert_eq!(slug("Zürich  Versicherung AG!").as_deref(), Some("zurich-versicherung-ag"));
        assert_eq!(slug("日本"), None);
        assert_eq!(slug("--"), None);
    }

    #[test]
    fn usernames_and_codes_refuse_what_their_form_forbids() {
        assert!(checked_username("/username", "a").is_err());
        assert!(checked_username("/username", "a b").is_err());
        assert_eq!(checked_username("/username", "Alice").as_deref().ok(), Some("alice"));
        assert!(checked_code("/code", "-a").is_err());
        assert!(checked_code("/code", "a-1").is_ok());
        assert!(checked("/name", " \u{200b}\t").is_ok() || checked("/name", "  \t").is_err());
    }
}
