//! The keys of HMACs. Two sorts: by those of the first root something is looked up or counted, and
//! nobody gains anything who could make one (what they stand for is random, or was typed, and the
//! database is needed to compare with); they never change, so that nothing is lost or counted anew.
//! By the others a holder proves something, a refresh token or a cursor: these are made by the
//! present root, and taken by it and by the earlier ones.

use hmac::Mac;

use super::{derived, mac};

/// What follows from one root.
#[derive(Clone)]
struct Generation {
    cursor: [u8; 32],
    refresh: [u8; 32],
}

/// The HMAC keys of an installation.
#[derive(Clone)]
pub struct Keys {
    idempotency: [u8; 32],
    guesses: [u8; 32],
    mailed: [u8; 32],
    present: Generation,
    earlier: Vec<Generation>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Generation {
    fn of(root: &[u8; 32]) -> Self {
        Self {
            cursor: derived(root, b"list-cursor hmac v1"),
            refresh: derived(root, b"refresh-token hmac v1"),
        }
    }
}

impl Keys {
    /// Those of an installation that has one root.
    #[must_use]
    pub fn derive(root: &[u8; 32]) -> Self {
        Self::of_roots(root, root, &[])
    }

    /// Those of one whose root was changed.
    pub(crate) fn of_roots(first: &[u8; 32], present: &[u8; 32], earlier: &[[u8; 32]]) -> Self {
        Self {
            idempotency: derived(first, b"idempotency hmac v1"),
            guesses: derived(first, b"guesses hmac v1"),
            mailed: derived(first, b"mailed-token hmac v1"),
            present: Generation::of(present),
            earlier: earlier.iter().map(Generation::of).collect(),
        }
    }

    fn good(&self) -> impl Iterator<Item = &Generation> {
        std::iter::once(&self.present).chain(&self.earlier)
    }

    /// Authenticates a list cursor, so that a tampered one is noticed.
    pub(crate) fn cursor_tag(&self, message: &[&[u8]]) -> [u8; 16] {
        let full = mac(&self.present.cursor, message).finalize().into_bytes();
        let mut tag = [0_u8; 16];
        tag.copy_from_slice(&full[..16]);
        tag
    }

    /// Compares in constant time.
    pub(crate) fn cursor_tag_is(&self, message: &[&[u8]], tag: &[u8]) -> bool {
        let is_of = |keys: &Generation| mac(&keys.cursor, message).verify_truncated_left(tag);
        tag.len() == 16 && self.good().any(|keys| is_of(keys).is_ok())
    }

    /// What a request that may be sent again is known by: nobody else can name it, and what it held
    /// cannot be guessed from it.
    pub(crate) fn idempotency_tag(&self, message: &[&[u8]]) -> [u8; 32] {
        mac(&self.idempotency, message).finalize().into_bytes().into()
    }

    /// Under what failed attempts are counted: what was typed cannot be guessed from it.
    pub(crate) fn guesses_tag(&self, message: &[&[u8]]) -> [u8; 32] {
        mac(&self.guesses, message).finalize().into_bytes().into()
    }

    /// What is kept of a token that is mailed, and of an address that mail was asked for.
    pub(crate) fn mailed_tag(&self, message: &[&[u8]]) -> [u8; 32] {
        mac(&self.mailed, message).finalize().into_bytes().into()
    }

    /// Makes a refresh token of what is no secret.
    pub(crate) fn refresh_tag(&self, message: &[&[u8]]) -> [u8; 32] {
        mac(&self.present.refresh, message).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(crate) fn refresh_tag_is(&self, message: &[&[u8]], tag: &[u8]) -> bool {
        self.good().any(|keys| mac(&keys.refresh, message).verify_slice(tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proved_by_an_earlier_root_is_until_that_root_goes() {
        let (first, second) = ([1; 32], [2; 32]);
        let message: &[&[u8]] = &[b"session", b"1"];
        let before = Keys::derive(&first);
        let (refresh, cursor) = (before.refresh_tag(message), before.cursor_tag(message));
        let during = Keys::of_roots(&first, &second, &[first]);
        assert!(during.refresh_tag_is(message, &refresh) && during.cursor_tag_is(message, &cursor));
        assert_ne!(during.refresh_tag(message), refresh);
        assert_ne!(during.cursor_tag(message), cursor);
        let after = Keys::of_roots(&first, &second, &[]);
        assert!(!after.refresh_tag_is(message, &refresh) && !after.cursor_tag_is(message, &cursor));
        assert!(after.refresh_tag_is(message, &during.refresh_tag(message)));
    }

    #[test]
    fn what_is_looked_up_stays_what_it_was() {
        let (before, after) =
            (Keys::derive(&[1; 32]), Keys::of_roots(&[1; 32], &[2; 32], &[[1; 32]]));
        let message: &[&[u8]] = &[b"name", b"alice"];
        assert_eq!(before.guesses_tag(message), after.guesses_tag(message));
        assert_eq!(before.idempotency_tag(message), after.idempotency_tag(message));
        assert_eq!(before.mailed_tag(message), after.mailed_tag(message));
    }
}
