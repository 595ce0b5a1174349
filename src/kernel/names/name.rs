//! A name that was checked.

use icu_normalizer::ComposingNormalizer;
use unicode_security::confusable_detection::skeleton;

use super::bounds::{MAX_KEY, MAX_NAME, is_longer};
use super::folding::{folded, key_of_stored};
use super::visible::{check_readable, is_blank, is_visible};
use crate::kernel::error::FieldError;

/// A name within bounds, with what it is compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    text: String,
    key: String,
}

impl Name {
    /// Trims a name and refuses an overlong, blank or unreadable one.
    pub fn checked(pointer: &str, text: &str) -> Result<Self, FieldError> {
        let refused =
            |code: &'static str, detail: String| Err(FieldError::new(pointer, code, detail));
        let trimmed = text.trim();
        if is_longer(trimmed, MAX_NAME) {
            return refused("too_long", format!("must have at most {MAX_NAME} characters"));
        }
        let key = folded(trimmed);
        if key.len() > MAX_KEY {
            let detail = format!(
                "is too long: with its letters in their simplest form it has {} bytes, and \
                    {MAX_KEY} at most",
                key.len()
            );
            return refused("too_long", detail);
        }
        if is_blank(&key) {
            return refused("blank", "must not be blank: nothing of it would be seen".to_owned());
        }
        if trimmed.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return refused(
                "invalid_characters",
                "must not contain control characters or line breaks".to_owned(),
            );
        }
        check_readable(pointer, trimmed)?;
        Ok(Self { text: trimmed.to_owned(), key })
    }

    /// One that was checked when it was stored, or that comes with the service.
    #[must_use]
    pub fn of_stored(text: &str) -> Self {
        Self { text: text.to_owned(), key: key_of_stored(text) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// What it is compared by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// Whether people would take it for another name that it is not (UTS #39, section 4: both have
    /// one skeleton), in whatever case its letters are written: capitals look like other letters
    /// than small ones do. `other` is a short word of small letters.
    #[must_use]
    pub fn is_mistaken_for(&self, other: &str) -> bool {
        if self.key == other {
            return false;
        }
        let seen: String = ComposingNormalizer::new_nfkc()
            .normalize(&self.text)
            .chars()
            .filter(|c| is_visible(*c))
            .collect();
        let is_alike = |spelling: &str| skeleton(&seen).eq(skeleton(spelling));
        skeleton(&self.key).eq(skeleton(other))
            || spellings(other).any(|spelling| is_alike(&spelling))
    }
}

/// A word in every mixture of small and capital letters.
fn spellings(word: &str) -> impl Iterator<Item = String> {
    let capital = |(index, letter): (usize, char), mixture: usize| {
        if mixture >> index & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    (0..1_usize << word.len()).map(move |mixture| {
        word.chars().enumerate().map(|letter| capital(letter, mixture)).collect()
    })
}
