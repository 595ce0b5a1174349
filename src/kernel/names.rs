//! How names are bounded, checked and compared, and how codes are made. Two names are the same when
//! they are after Unicode's `NFKC_Casefold` (UAX #15; UAX #44, `NFKC_CF`), which folds case and
//! width and drops what cannot be seen; the result is stored beside the name as its key. Whatever
//! is computed of a text is computed of a bounded one: a single character can stand for eighteen
//! (U+FDFA).

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::props::{
    DefaultIgnorableCodePoint, GeneralCategory, PrependedConcatenationMark,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_security::confusable_detection::skeleton;

use crate::kernel::error::FieldError;

/// The longest name, label or title, in characters.
pub const MAX_NAME: usize = 200;
/// The longest key of one, in bytes of UTF-8: an index and a cursor have room for it.
pub const MAX_KEY: usize = 600;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 4_000;
/// The most that a character takes in UTF-8, in bytes.
const WIDEST: usize = 4;

/// Whether a text has more characters than that. One that cannot have fewer is not counted.
fn is_longer(text: &str, characters: usize) -> bool {
    text.len() > characters * WIDEST || text.chars().count() > characters
}

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

/// Whether nothing of a text shows on the screen.
fn is_blank(text: &str) -> bool {
    !text.chars().any(is_visible)
}

/// Whether a document has nothing in it but white space and what cannot be seen. (Marks and control
/// characters are something there.)
#[must_use]
pub fn is_empty_document(text: &str) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    text.chars().all(|c| c.is_whitespace() || ignorable.contains(c))
}

/// What a name within bounds is compared by; `None` for a text that no name can be equal to or part
/// of.
#[must_use]
pub fn key(text: &str) -> Option<String> {
    let text = text.trim();
    (!is_longer(text, MAX_NAME)).then(|| folded(text)).filter(|key| key.len() <= MAX_KEY)
}

/// What a name is compared by that was within bounds when it was stored. (Of a longer one, what its
/// first part is.)
#[must_use]
pub fn key_of_stored(name: &str) -> String {
    let end = name.char_indices().nth(MAX_NAME).map_or(name.len(), |(end, _)| end);
    folded(name[..end].trim())
}

/// `NFKC_Casefold`.
fn folded(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let normalizer = ComposingNormalizer::new_nfkc();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    // Each step can undo another: U+0345 folds to a letter, U+3164 normalises to what is dropped,
    // and what is dropped kept its neighbours apart. Three rounds are enough for every character
    // there is; more would not change it.
    let mut key = text.to_owned();
    for _ in 0..3 {
        let seen: String =
            normalizer.normalize(&key).chars().filter(|c| !ignorable.contains(*c)).collect();
        key = CaseMapper::new().fold_string(&seen).into_owned();
    }
    normalizer.normalize(&key).trim().to_owned()
}

/// Whether a character shows on the screen by itself. Spaces do not, nor what Unicode calls
/// ignorable, marks without a letter, what is no character yet; nor some that have a name and no
/// form: Braille, Egyptian and musical blanks.
fn is_visible(character: char) -> bool {
    const EMPTY: [char; 4] = ['\u{2800}', '\u{13441}', '\u{13442}', '\u{1d159}'];
    let shows = match CodePointMapData::<GeneralCategory>::new().get(character) {
        GeneralCategory::Format => {
            CodePointSetData::new::<PrependedConcatenationMark>().contains(character)
        }
        GeneralCategory::NonspacingMark
        | GeneralCategory::EnclosingMark
        | GeneralCategory::Unassigned
        | GeneralCategory::Control => false,
        _ => true,
    };
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character);
    shows && !is_ignorable && !character.is_whitespace() && !EMPTY.contains(&character)
}

/// Refuses what makes a text read otherwise than it is stored: explicit directions (UAX #9, section
/// 2; CVE-2021-42574).
fn check_readable(pointer: &str, text: &str) -> Result<(), FieldError> {
    if text.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) {
        let detail = "must not contain characters that change the direction of the text (U+202A to \
            U+202E, U+2066 to U+2069)";
        return Err(FieldError::new(pointer, "unreadable", detail));
    }
    Ok(())
}

/// The longest text that names an account, in bytes: there is none with a longer username, however
/// its letters are written.
const MAX_ACCOUNT: usize = 64 * WIDEST;

/// What the name of an account is compared by, where it can be one.
#[must_use]
pub fn account_key(name: &str) -> Option<String> {
    let name = name.trim();
    (name.len() <= MAX_ACCOUNT).then(|| folded(name)).filter(|key| !key.is_empty())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_the_same_name() {
        for (a, b) in [
            ("Straße", "STRASSE"),
            ("Ａcme", "acme"),
            (" Acme ", "acme"),
            ("\u{1c5}", "\u{1c6}"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(folded(a), folded(b), "{a} and {b}");
        }
        assert_ne!(folded("acme"), folded("acne"));
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
        assert!(
            checked_username("/username", "01900000-0000-7000-8000-00000000A003").is_err(),
            "an id of somebody else"
        );
        assert_eq!(checked_username("/username", "Alice").as_deref().ok(), Some("alice"));
        assert!(checked_code("/code", "-a").is_err());
        assert_eq!(checked_code("/code", "A-1").as_deref().ok(), Some("a-1"));
    }

    fn refused(name: &str) -> String {
        checked("/name", name)
            .map_or_else(|error| error.code.into_owned(), |kept| format!("kept as {kept:?}"))
    }

    #[test]
    fn what_cannot_be_seen_is_no_name() {
        let unseen = [
            "",
            " \t",
            "\u{200b}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{2800}",
            "\u{e0020}\u{e007f}",
            "\u{fe0f}\u{200d}",
            "\u{feff}",
            "\u{fff9}\u{fffb}",
            "\u{13441}",
            "\u{13442}\u{2800}",
            "\u{ffff}",
            "\u{1107f}",
            "\u{301}",
        ];
        for unseen in unseen {
            assert_eq!(refused(unseen), "blank", "{unseen:?}");
        }
        assert_eq!(refused("\u{202e}"), "blank");
        assert!(checked_description("/description", "\u{202e}").is_err());
        for turned in ["abc\u{202e}fed", "\u{2066}abc\u{2069}", "a\u{202a}b\u{202c}"] {
            assert_eq!(refused(turned), "unreadable", "{turned:?}");
            assert!(checked_description("/description", turned).is_err());
        }
        assert_eq!(refused("two\u{2028}lines"), "invalid_characters");
        // Letters that need what is not seen between them keep it: a family, and Persian.
        for kept in ["👨\u{200d}👩\u{200d}👧", "می\u{200c}خواهم", "\u{0600}5"] {
            assert_eq!(checked("/name", kept).ok().as_deref(), Some(kept));
        }
    }

    #[test]
    fn a_name_and_its_key_are_bounded_before_anything_is_computed() {
        assert_eq!(refused(&"a".repeat(201)), "too_long");
        assert_eq!(refused(&"\u{fdfa}".repeat(200)), "too_long");
        assert_eq!(refused(&"\u{fdfa}".repeat(1_000_000)), "too_long");
        assert_eq!(key(&"\u{fdfa}".repeat(200)), None);
        let widest: String = "𝒳".repeat(200);
        let longest = Name::checked("/name", &widest).unwrap();
        assert_eq!((longest.as_str(), longest.key().len()), (widest.as_str(), 200));
        assert!(
            Name::checked("/name", &"漢".repeat(200)).is_ok_and(|name| name.key().len() == MAX_KEY)
        );
        assert!(key_of_stored(&"\u{fdfa}".repeat(10_000)).len() <= 200 * 33);
    }

    #[test]
    fn keys_fold_what_is_not_seen_and_stay_as_they_are() {
        let pairs = [
            ("admin", "ad\u{200b}min"),
            ("admin", "ADMIN\u{fe0f}"),
            ("a", "\u{3164}a"),
            ("é", "e\u{200b}\u{301}"),
            ("ά", "\u{1f71}"),
        ];
        for (plain, hidden) in pairs {
            assert_eq!(folded(plain), folded(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn look_alikes_of_a_label_are_told_from_it_and_from_others() {
        let mistaken =
            |label: &str| Name::checked("/label", label).unwrap().is_mistaken_for("admin");
        for alike in [
            "AD\u{41c}IN",
            "\u{391}D\u{39c}\u{399}\u{39d}",
            "ADMI\u{39d}",
            "ADM|N",
            "\u{a4ee}DMIN",
            "A\u{13a0}MIN",
            "aD\u{41c}in",
            "admin\u{2800}",
            "\u{2800}admin",
            "admin\u{fff9}",
            "admin\u{13441}",
            &format!("admin{}", "\u{2800}".repeat(100)),
            "adm1n",
            "\u{430}dmin",
            "adm\u{456}n",
            "\u{ff41}dm\u{131}n",
            "adrnin",
        ] {
            assert!(mistaken(alike), "{alike:?}");
        }
        for other in [
            "admin",
            "ADMIN",
            "ad\u{200b}min",
            "administrator",
            "admins",
            "admin 2",
            "Adam",
            "MAIN",
            "münze",
            "бухгалтер",
        ] {
            assert!(!mistaken(other), "{other:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_key_is_the_key_of_itself(text in ".{0,40}") {
            let once = folded(&text);
            proptest::prop_assert_eq!(folded(&once), once);
        }
    }
}
