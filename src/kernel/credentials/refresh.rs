//! Refresh tokens: the session that one renews, the how-manieth of that session it is, and a tag
//! that nobody makes without the installation's key. So one can be told again, and none is kept,
//! not even hashed; and one that somebody made up is told apart before anything is looked up.

use uuid::Uuid;

use crate::kernel::crypto::{Keys, base64url, from_base64url};
use crate::kernel::ids::SessionId;

/// So that one that leaked is found by whoever searches for it (GitHub and others scan for such).
const PREFIX: &str = "bwr_";
const BYTES: usize = 16 + 4 + 32;

/// A refresh token that was read, or is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    pub session: SessionId,
    /// The first is 1.
    pub number: i32,
}

impl RefreshToken {
    /// As its holder keeps it.
    #[must_use]
    pub fn text(self, keys: &Keys) -> String {
        let (session, number) = self.parts();
        let tag = keys.refresh_tag(&[&session, &number]);
        format!("{PREFIX}{}", base64url(&[&session[..], &number, &tag].concat()))
    }

    /// One that [`Self::text`] gave; `None` for anything else.
    #[must_use]
    pub fn read(text: &str, keys: &Keys) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() <= 2 * BYTES)?;
        let bytes = from_base64url(encoded).filter(|bytes| bytes.len() == BYTES)?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (number, tag) = rest.split_first_chunk::<4>()?;
        let token = Self {
            session: Uuid::from_bytes(*session).into(),
            number: i32::from_be_bytes(*number),
        };
        keys.refresh_tag_is(&[session, number], tag).then_some(token)
    }

    fn parts(self) -> ([u8; 16], [u8; 4]) {
        (self.session.uuid().into_bytes(), self.number.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_with_the_same_key_is_read() {
        let (keys, others) = (Keys::derive(&[1; 32]), Keys::derive(&[2; 32]));
        let token = RefreshToken { session: SessionId::new(), number: 7 };
        let text = token.text(&keys);
        assert!(text.starts_with("bwr_") && text.len() == 74, "{text}");
        assert_eq!(RefreshToken::read(&text, &keys), Some(token));
        assert_eq!(RefreshToken::read(&text, &others), None);
        let next = RefreshToken { number: 8, ..token }.text(&keys);
        assert_ne!(text, next);
        let of_another = RefreshToken { session: SessionId::new(), ..token }.text(&keys);
        for (index, _) in text.char_indices() {
            let changed = format!("{}{}{}", &text[..index], '~', &text[index + 1..]);
            assert_eq!(RefreshToken::read(&changed, &keys), None, "{changed}");
            let spliced = format!("{}{}", &text[..index], &of_another[index..]);
            let whole = spliced == text || spliced == of_another;
            assert!(whole || RefreshToken::read(&spliced, &keys).is_none(), "{spliced}");
        }
        for other in ["", "bwr_", &text[4..], &format!("{text}="), &"bwr_A".repeat(20_000)] {
            assert_eq!(RefreshToken::read(other, &keys), None);
        }
    }
}
