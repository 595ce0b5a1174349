//! Texts in several languages: what features and roles are called and described by. A map of them
//! is bounded as a whole, and a patch of one is merged into it (RFC 7396): a language that is not
//! named stays, null takes one away. Languages are the same whatever the case of their letters (RFC
//! 5646, section 2.1.1), and stay written as they were written first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::kernel::error::{FieldError, pointer_to};
use crate::kernel::names;

/// Texts by language.
pub type Texts = BTreeMap<String, String>;

/// The most languages that one thing is described in.
const MAX_LANGUAGES: usize = 20;
/// The most that all of them take together, in bytes of UTF-8.
const MAX_BYTES: usize = 16 * 1024;

/// What the texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names: not blank, one line; and there is always one at least.
    Labels,
    /// Of any length up to a description's, or none.
    Descriptions,
}

impl Kind {
    fn checked(self, pointer: &str, text: &str) -> Result<String, FieldError> {
        match self {
            Self::Labels => names::checked(pointer, text),
            Self::Descriptions => names::checked_description(pointer, text),
        }
    }

    /// More than that may stay of what was there before, as long as it becomes less.
    fn bounded(self, pointer: &str, before: &Texts, texts: Texts) -> Result<Texts, FieldError> {
        if texts.len() > MAX_LANGUAGES && texts.len() >= before.len() {
            return Err(FieldError::new(
                pointer,
                "too_many",
                format!("must have at most {MAX_LANGUAGES} languages"),
            ));
        }
        let weight = |texts: &Texts| {
            texts.iter().map(|(language, text)| language.len() + text.len()).sum::<usize>()
        };
        if weight(&texts) > MAX_BYTES && weight(&texts) >= weight(before) {
            return Err(FieldError::new(
                pointer,
                "too_long",
                format!("must have at most {MAX_BYTES} bytes (16 KiB) in all languages together"),
            ));
        }
        if self == Self::Labels && texts.is_empty() {
            return Err(FieldError::new(
                pointer,
                "required",
                "must have a text in at least one language",
            ));
        }
        Ok(texts)
    }
}

/// All texts of a thing, within bounds.
pub fn checked(pointer: &str, texts: Texts, kind: Kind) -> Result<Texts, FieldError> {
    let patch =
        TextsPatch(texts.into_iter().map(|(language, text)| (language, Some(text))).collect());
    patch.checked(pointer, kind)?.applied_to(pointer, &Texts::new(), kind)
}

/// Some texts of a thing, by language; null takes one away.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TextsPatch(BTreeMap<String, Option<String>>);

impl TextsPatch {
    /// Whatever the thing is called so far: each language well-formed and named once, each text
    /// within its bounds.
    pub fn checked(mut self, pointer: &str, kind: Kind) -> Result<Self, FieldError> {
        if self.0.len() > 2 * MAX_LANGUAGES {
            return Err(FieldError::new(
                pointer,
                "too_many",
                format!("must not name more than {} languages", 2 * MAX_LANGUAGES),
            ));
        }
        let mut seen = BTreeSet::new();
        for (language, text) in &mut self.0 {
            let at = pointer_to(pointer, language);
            names::checked_language(&at, language)?;
            if !seen.insert(language.to_ascii_lowercase()) {
                return Err(FieldError::new(
                    at,
                    "duplicate_field",
                    "is given twice: languages are the same whatever the case of their letters",
                ));
            }
            if let Some(text) = text {
                *text = kind.checked(&at, text)?;
            }
        }
        Ok(self)
    }

    /// What the texts are then.
    pub fn applied_to(
        &self,
        pointer: &str,
        before: &Texts,
        kind: Kind,
    ) -> Result<Texts, FieldError> {
        let mut after = before.clone();
        for (language, text) in &self.0 {
            let known = after
                .keys()
                .find(|known| known.eq_ignore_ascii_case(language))
                .unwrap_or(language)
                .clone();
            match text {
                Some(text) => after.insert(known, text.clone()),
                None => after.remove(&known),
            };
        }
        kind.bounded(pointer, before, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned())).collect()
    }

    fn patched(before: &[(&str, &str)], patch: &str, kind: Kind) -> Result<Texts, String> {
        let patch: TextsPatch = serde_json::from_str(patch).unwrap();
        let patch = patch.checked("/label", kind).map_err(|error| error.code.into_owned())?;
        patch.applied_to("/label", &texts(before), kind).map_err(|error| error.code.into_owned())
    }

    #[test]
    fn a_patch_is_merged_language_by_language() {
        let before = [("de", "Treuhand"), ("en", "Trustee")];
        let after = patched(
            &before,
            r#"{"fr": "Fiducie", "DE": "Stiftung", "en": null, "it": null}"#,
            Kind::Labels,
        );
        assert_eq!(after.unwrap(), texts(&[("de", "Stiftung"), ("fr", "Fiducie")]));
        assert_eq!(patched(&before, "{}", Kind::Labels).unwrap(), texts(&before));
    }

    #[test]
    fn a_label_keeps_a_language_and_a_description_need_not() {
        let before = [("en", "Trustee")];
        assert_eq!(patched(&before, r#"{"EN": null}"#, Kind::Labels), Err("required".to_owned()));
        assert_eq!(patched(&before, r#"{"en": null}"#, Kind::Descriptions), Ok(Texts::new()));
    }

    #[test]
    fn a_map_is_bounded_as_a_whole() {
        let many: Vec<String> =
            (b'a'..=b'z').map(|letter| format!("x{}", char::from(letter))).collect();
        let all = |length: usize, languages: usize| {
            many[..languages].iter().map(|tag| (tag.clone(), "x".repeat(length))).collect()
        };
        let refused = |texts| {
            checked("/d", texts, Kind::Descriptions)
                .map(|_| ())
                .map_err(|error| error.code.into_owned())
        };
        assert_eq!(refused(all(1, 20)), Ok(()));
        assert_eq!(refused(all(1, 21)), Err("too_many".to_owned()));
        assert_eq!(refused(all(4_000, 4)), Ok(()));
        assert_eq!(refused(all(4_000, 5)), Err("too_long".to_owned()));
        // Each patch is small; what they come to is not.
        let four: Texts = all(4_000, 4);
        let patch: TextsPatch =
            serde_json::from_value(serde_json::json!({"de": "x".repeat(4_000)})).unwrap();
        assert_eq!(patch.applied_to("/d", &four, Kind::Descriptions).unwrap_err().code, "too_long");
        assert_eq!(refused(texts(&[("en", "a"), ("EN", "b")])), Err("duplicate_field".to_owned()));
        // What was too much before may become less.
        let less: TextsPatch = serde_json::from_value(serde_json::json!({"xa": null})).unwrap();
        assert_eq!(less.applied_to("/d", &all(4_000, 26), Kind::Descriptions).unwrap().len(), 25);
    }
}
