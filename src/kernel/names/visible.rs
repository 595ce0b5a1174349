//! What of a text is seen, and whether it reads as it is stored.

use icu_properties::props::{
    DefaultIgnorableCodePoint, GeneralCategory, PrependedConcatenationMark,
};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::kernel::error::FieldError;

/// Whether nothing of a text shows on the screen.
pub(super) fn is_blank(text: &str) -> bool {
    !text.chars().any(is_visible)
}

/// Whether a document has nothing in it but white space and what cannot be seen. (Marks and control
/// characters are something there.)
#[must_use]
pub fn is_empty_document(text: &str) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    text.chars().all(|c| c.is_whitespace() || ignorable.contains(c))
}

/// Whether a character shows on the screen by itself. Spaces do not, nor what Unicode calls
/// ignorable, marks without a letter, what is no character yet; nor some that have a name and no
/// form: Braille, Egyptian and musical blanks.
pub(super) fn is_visible(character: char) -> bool {
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
pub(super) fn check_readable(pointer: &str, text: &str) -> Result<(), FieldError> {
    if text.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) {
        let detail = "must not contain characters that change the direction of the text (U+202A to \
            U+202E, U+2066 to U+2069)";
        return Err(FieldError::new(pointer, "unreadable", detail));
    }
    Ok(())
}
