//! Keys and what is done with them. Where they come from, and how they are changed for others, is
//! told in [`crate::kernel::credentials::ring`].

mod keys;
mod sealing;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

use crate::kernel::error::{Error, Result};

pub use keys::Keys;
pub use sealing::{Sealed, Secrets};

/// A key for one purpose (HKDF-SHA-256, RFC 5869).
pub(crate) fn derived(root: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    let mut key = [0_u8; 32];
    // 32 bytes are within HKDF's limit of 255 hash lengths, the only reason for which it fails.
    if Hkdf::<Sha256>::new(Some(b"bailiwick"), root).expand(purpose, &mut key).is_err() {
        unreachable!("32 bytes are within HKDF's output limit");
    }
    key
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

/// Bytes that nobody can guess, of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
    Ok(bytes)
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
