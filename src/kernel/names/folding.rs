//! What names are compared by.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use url::Host;

use super::bounds::{MAX_KEY, MAX_NAME, WIDEST, is_longer};

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
pub(super) fn folded(text: &str) -> String {
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

/// The longest text that names an account, in bytes: there is none with a longer username, however
/// its letters are written.
const MAX_ACCOUNT: usize = 64 * WIDEST;

/// What the name of an account is compared by, where it can be one.
#[must_use]
pub fn account_key(name: &str) -> Option<String> {
    let name = name.trim();
    (name.len() <= MAX_ACCOUNT).then(|| folded(name)).filter(|key| !key.is_empty())
}

/// What an e-mail address is compared by: its domain is in ASCII form (RFC 5891), so that however a
/// domain is written it is the same; `None` for a text that is no address.
#[must_use]
pub fn address_key(address: &str) -> Option<String> {
    let address = address.trim();
    let (person, domain) = address.rsplit_once('@').filter(|_| address.len() <= MAX_ACCOUNT)?;
    // As it was typed: folded first, `ß` would be `ss`, which is another domain.
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(domain)) => domain,
        _ => folded(domain),
    };
    let person = folded(person);
    let key = format!("{person}@{domain}");
    (!person.is_empty() && !domain.is_empty() && key.len() <= MAX_KEY).then_some(key)
}

/// What somebody signs in with is compared by: a username has no `@`, an address has.
#[must_use]
pub fn sign_in_key(name: &str) -> Option<String> {
    if name.contains('@') { address_key(name) } else { account_key(name) }
}
