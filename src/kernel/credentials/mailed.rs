//! Tokens that are mailed: 256 random bits, of which only a hash is kept. Whoever has one reads the
//! mail of an address.

use crate::kernel::crypto::{Keys, base64url, from_base64url, random};
use crate::kernel::error::Result;

/// So that one that leaked is found by whoever searches for it.
const PREFIX: &str = "bwm_";
const BYTES: usize = 32;

/// A token, as its holder has it. It is not printed by accident.
#[derive(Clone)]
pub struct MailedToken([u8; BYTES]);

impl std::fmt::Debug for MailedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailedToken(***)")
    }
}

impl MailedToken {
    /// One that nobody can guess.
    pub fn by_chance() -> Result<Self> {
        random().map(Self)
    }

    /// As it is mailed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", base64url(&self.0))
    }

    /// One that may have been mailed; `None` for what cannot have been.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let encoded = text.trim().strip_prefix(PREFIX).filter(|text| text.len() <= 2 * BYTES)?;
        from_base64url(encoded)?.try_into().ok().map(Self)
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self, keys: &Keys) -> Vec<u8> {
        keys.mailed_tag(&[b"token", &self.0]).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_is_read() {
        let keys = Keys::derive(&[1; 32]);
        let token = MailedToken::by_chance().unwrap();
        let text = token.text();
        assert!(text.starts_with("bwm_") && text.len() == 47, "{text}");
        let read = MailedToken::read(&format!(" {text}\n")).unwrap();
        assert_eq!(read.hash(&keys), token.hash(&keys));
        assert_ne!(MailedToken::by_chance().unwrap().hash(&keys), token.hash(&keys));
        assert_ne!(
            Keys::derive(&[2; 32]).mailed_tag(&[b"token", &token.0]).to_vec(),
            token.hash(&keys)
        );
        assert!(!format!("{token:?}").contains(&text[4..]));
        let longer = "bwm_A".repeat(20_000);
        for other in ["", "bwm_", &text[4..], &text[..46], &format!("{text}A"), &longer] {
            assert!(MailedToken::read(other).is_none(), "{other}");
        }
    }
}
