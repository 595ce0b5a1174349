//! What is kept where others may read it, a database and its backups: sealed under the secret of
//! the installation (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03, with a nonce by chance).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::{base64url, derived, random};
use crate::kernel::config::SecretKey;
use crate::kernel::error::{Error, Result};

const NONCE: usize = 24;

/// The secret of the installation; and the one before, while it is being changed.
#[derive(Debug, Clone)]
pub struct Secrets {
    present: SecretKey,
    before: Option<SecretKey>,
}

/// A key, as it is kept.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub bytes: Vec<u8>,
    /// The name of the secret that it is sealed under, which tells nothing of the secret itself.
    pub under: String,
}

impl Secrets {
    #[must_use]
    pub fn new(present: SecretKey, before: Option<SecretKey>) -> Self {
        Self { present, before }
    }

    /// The name of the present one.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.present)
    }

    /// The secret that all nodes have: the one before, while it is being changed.
    #[must_use]
    pub fn known_to_all(&self) -> &[u8; 32] {
        self.of_all().expose()
    }

    fn of_all(&self) -> &SecretKey {
        self.before.as_ref().unwrap_or(&self.present)
    }

    /// Seals under the present one, for that place alone: moved elsewhere, it cannot be opened.
    pub fn seal(&self, key: &[u8; 32], place: &str) -> Result<Sealed> {
        Self::seal_under(&self.present, key, place)
    }

    /// The same under the one of that name, where it is the one before: what others can open, they
    /// shall go on to.
    pub fn seal_under_name(&self, name_of: &str, key: &[u8; 32], place: &str) -> Result<Sealed> {
        let before = self.before.as_ref().filter(|secret| name(secret) == name_of);
        Self::seal_under(before.unwrap_or(&self.present), key, place)
    }

    /// The same under the secret that all nodes have.
    pub fn seal_for_all(&self, key: &[u8; 32], place: &str) -> Result<Sealed> {
        Self::seal_under(self.of_all(), key, place)
    }

    fn seal_under(secret: &SecretKey, key: &[u8; 32], place: &str) -> Result<Sealed> {
        let nonce = random::<NONCE>()?;
        let message = Payload { msg: key, aad: place.as_bytes() };
        let sealed = cipher(secret)
            .encrypt(&XNonce::from(nonce), message)
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(Sealed { bytes: [&nonce[..], &sealed].concat(), under: name(secret) })
    }

    /// `None` where neither secret opens it there.
    #[must_use]
    pub fn open(&self, sealed: &[u8], place: &str) -> Option<[u8; 32]> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let message = || Payload { msg: sealed, aad: place.as_bytes() };
        std::iter::once(&self.present)
            .chain(&self.before)
            .find_map(|secret| cipher(secret).decrypt(&XNonce::from(*nonce), message()).ok())?
            .try_into()
            .ok()
    }
}

impl From<&[u8; 32]> for Secrets {
    fn from(present: &[u8; 32]) -> Self {
        Self::new(SecretKey::new(*present), None)
    }
}

fn cipher(secret: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&derived(secret.expose(), b"sealed keys v1").into())
}

fn name(secret: &SecretKey) -> String {
    base64url(&derived(secret.expose(), b"name v1")[..9])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(present: u8, before: Option<u8>) -> Secrets {
        let secret = |byte| SecretKey::new([byte; 32]);
        Secrets::new(secret(present), before.map(secret))
    }

    #[test]
    fn only_its_secret_opens_it_and_only_where_it_was_sealed() {
        let (old, both, new) = (secrets(1, None), secrets(2, Some(1)), secrets(2, None));
        let sealed = old.seal(&[7; 32], "here").unwrap();
        assert_eq!(sealed.under, old.name());
        assert_eq!(old.open(&sealed.bytes, "here"), Some([7; 32]));
        assert_eq!(both.open(&sealed.bytes, "here"), Some([7; 32]));
        assert_eq!(new.open(&sealed.bytes, "here"), None);
        assert_eq!(old.open(&sealed.bytes, "there"), None);
        for place in 0..sealed.bytes.len() {
            let mut changed = sealed.bytes.clone();
            changed[place] ^= 1;
            assert_eq!(old.open(&changed, "here"), None, "{place}");
        }
        assert_eq!(old.open(&sealed.bytes[..20], "here"), None);
        assert_eq!(both.seal(&[7; 32], "here").unwrap().under, new.name());
        assert_eq!(both.seal_for_all(&[7; 32], "here").unwrap().under, old.name());
        for (named, under) in [(old.name(), old.name()), (new.name(), new.name())] {
            assert_eq!(both.seal_under_name(&named, &[7; 32], "here").unwrap().under, under);
        }
        assert_ne!(old.seal(&[7; 32], "here").unwrap().bytes, sealed.bytes);
    }
}
