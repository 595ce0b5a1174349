//! How long texts may be.

/// The longest name, label or title, in characters.
pub const MAX_NAME: usize = 200;
/// The longest key of one, in bytes of UTF-8: an index and a cursor have room for it.
pub const MAX_KEY: usize = 600;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 4_000;
/// The longest reason, in characters.
pub(super) const MAX_REASON: usize = 500;
/// The most that a character takes in UTF-8, in bytes.
pub(super) const WIDEST: usize = 4;

/// Whether a text has more characters than that. One that cannot have fewer is not counted.
pub(super) fn is_longer(text: &str, characters: usize) -> bool {
    text.len() > characters * WIDEST || text.chars().count() > characters
}
