//! How names are bounded, checked and compared, and how codes are made. Two names are the same when
//! they are after Unicode's `NFKC_Casefold` (UAX #15; UAX #44, `NFKC_CF`), which folds case and
//! width and drops what cannot be seen; the result is stored beside the name as its key. Whatever
//! is computed of a text is computed of a bounded one: a single character can stand for eighteen
//! (U+FDFA).

mod bounds;
mod codes;
mod folding;
mod name;
#[cfg(test)]
mod tests;
mod texts;
mod visible;

pub use bounds::{MAX_DESCRIPTION, MAX_KEY, MAX_NAME};
pub use codes::{checked_code, checked_username, slug};
pub use folding::{account_key, address_key, key, key_of_stored, sign_in_key};
pub use name::Name;
pub use texts::{checked, checked_description, checked_language, checked_reason};
pub use visible::is_empty_document;
