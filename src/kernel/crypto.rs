//! Keys, all derived from the one secret of the installation (HKDF-SHA-256, RFC 5869), so that
//! every node has the same and an operator keeps one. Changing the secret changes them all: every
//! access token, every refresh token and every list cursor becomes invalid.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The keys of an installation.
#[derive(Clone)]
pub struct Keys {
    signing: SigningKey,
    cursor: [u8; 32],
    idempotency: [u8; 32],
    refresh: [u8; 32],
    guesses: [u8; 32],
    mailed: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Keys {
    /// Derives the keys from `BAILIWICK_SECRET_KEY`'s 32 bytes.
    #[must_use]
    pub fn derive(secret: &[u8; 32]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(b"bailiwick"), secret);
        let derive = |purpose: &[u8]| {
            let mut key = [0_u8; 32];
            // 32 bytes are within HKDF's limit of 255 hash lengths, the only reason for which it
            // fails.
            if hkdf.expand(purpose, &mut key).is_err() {
                unreachable!("32 bytes are within HKDF's output limit");
            }
            key
        };
        Self {
            signing: SigningKey::from_bytes(&derive(b"access-token ed25519 v1")),
            cursor: derive(b"list-cursor hmac v1"),
            idempotency: derive(b"idempotency hmac v1"),
            refresh: derive(b"refresh-token hmac v1"),
            guesses: derive(b"guesses hmac v1"),
            mailed: derive(b"mailed-token hmac v1"),
        }
    }

    /// The Ed25519 key that signs access tokens.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Authenticates a list cursor, so that a tampered one is noticed.
    pub(crate) fn cursor_tag(&self, message: &[&[u8]]) -> [u8; 16] {
        let full = mac(&self.cursor, message).finalize().into_bytes();
        let mut tag = [0_u8; 16];
        tag.copy_from_slice(&full[..16]);
        tag
    }

    /// Compares in constant time.
    pub(crate) fn cursor_tag_is(&self, message: &[&[u8]], tag: &[u8]) -> bool {
        tag.len() == 16 && mac(&self.cursor, message).verify_truncated_left(tag).is_ok()
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
        mac(&self.refresh, message).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(crate) fn refresh_tag_is(&self, message: &[&[u8]], tag: &[u8]) -> bool {
        mac(&self.refresh, message).verify_slice(tag).is_ok()
    }
}

fn mac(key: &[u8; 32], message: &[&[u8]]) -> Hmac<Sha256> {
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length");
    };
    for part in message {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

/// SHA-256, for keys of caches that must not hold the secret itself.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// URL-safe base64 without padding (RFC 4648, section 5).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes behind [`base64url`]; `None` for anything else.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
