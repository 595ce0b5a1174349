//! The keys that sign tokens, and how the world is told of them: a JWK set (RFC 7517). Each key has
//! an id, which is its thumbprint (RFC 7638), and is good for one algorithm.

use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::config::TokenAlgorithm;
use crate::kernel::crypto::{base64url, derived, digest};
use crate::kernel::error::{Error, Result};

/// A public key as a JWK (RFC 7518, 6.2; RFC 8037).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublicKey {
    /// `OKP` of an Ed25519 key, `EC` of a P-256 key.
    #[schema(example = "OKP")]
    kty: &'static str,
    #[schema(example = "Ed25519")]
    crv: &'static str,
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    pub(super) x: String,
    /// Of P-256 keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM")]
    y: Option<String>,
    /// The `kid` of the tokens that it verifies.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    purpose: &'static str,
    #[schema(example = "EdDSA")]
    alg: &'static str,
}

/// The public keys that verify access tokens (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct KeySet {
    pub(super) keys: Vec<PublicKey>,
}

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    pub(super) algorithm: TokenAlgorithm,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    pub(super) public: PublicKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The key that has this private half: 32 bytes, of either sort of key.
    pub fn of(algorithm: TokenAlgorithm, private: &[u8; 32]) -> Result<Self> {
        match algorithm {
            TokenAlgorithm::EdDsa => Self::ed25519(private),
            TokenAlgorithm::Es256 => Self::p256(private),
        }
    }

    /// The first private half of an installation, which follows from its secret.
    pub fn first_private(algorithm: TokenAlgorithm, secret: &[u8; 32]) -> Result<[u8; 32]> {
        let name: &[u8] = match algorithm {
            TokenAlgorithm::EdDsa => return Ok(derived(secret, b"access-token ed25519 v1")),
            TokenAlgorithm::Es256 => b"access-token p256 v1 ",
        };
        // One in four thousand millions is no scalar of that curve: the next one, then.
        let mut tried = (1..=u8::MAX).map(|number| derived(secret, &[name, &[number]].concat()));
        let found = tried.find(|private| p256::SecretKey::from_slice(private).is_ok());
        found.ok_or_else(|| Error::internal("no key follows from the secret"))
    }

    fn ed25519(private: &[u8; 32]) -> Result<Self> {
        let key = ed25519_dalek::SigningKey::from_bytes(private);
        let x = base64url(key.verifying_key().as_bytes());
        let kid = thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Ok(Self {
            algorithm: TokenAlgorithm::EdDsa,
            signing: EncodingKey::from_ed_der(key.to_pkcs8_der().map_err(broken)?.as_bytes()),
            verifying: DecodingKey::from_ed_components(&x).map_err(Error::internal)?,
            public: public(TokenAlgorithm::EdDsa, kid, x, None),
        })
    }

    fn p256(private: &[u8; 32]) -> Result<Self> {
        use p256::elliptic_curve::sec1::ToEncodedPoint as _;
        let key = p256::SecretKey::from_slice(private).map_err(broken)?;
        let point = key.public_key().to_encoded_point(false);
        let (Some(x), Some(y)) = (point.x(), point.y()) else {
            return Err(Error::internal("a public key has both coordinates"));
        };
        let (x, y) = (base64url(x), base64url(y));
        let kid = thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        Ok(Self {
            algorithm: TokenAlgorithm::Es256,
            signing: EncodingKey::from_ec_der(key.to_pkcs8_der().map_err(broken)?.as_bytes()),
            verifying: DecodingKey::from_ec_components(&x, &y).map_err(Error::internal)?,
            public: public(TokenAlgorithm::Es256, kid, x, Some(y)),
        })
    }

    /// The `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.public.kid
    }

    pub(super) fn jws_algorithm(&self) -> Algorithm {
        match self.algorithm {
            TokenAlgorithm::EdDsa => Algorithm::EdDSA,
            TokenAlgorithm::Es256 => Algorithm::ES256,
        }
    }
}

fn public(algorithm: TokenAlgorithm, kid: String, x: String, y: Option<String>) -> PublicKey {
    let (kty, crv) = match algorithm {
        TokenAlgorithm::EdDsa => ("OKP", "Ed25519"),
        TokenAlgorithm::Es256 => ("EC", "P-256"),
    };
    PublicKey { kty, crv, x, y, kid, purpose: "sig", alg: algorithm.name() }
}

fn thumbprint(members: &str) -> String {
    base64url(&digest(members.as_bytes()))
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn broken(error: impl ToString) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8037, appendix A.
    #[test]
    fn a_key_is_told_of_as_the_rfc_does() {
        let private: [u8; 32] =
            crate::kernel::crypto::from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
                .unwrap()
                .try_into()
                .unwrap();
        let key = SigningKey::of(TokenAlgorithm::EdDsa, &private).unwrap();
        assert_eq!(key.public.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// The example of RFC 7517, appendix A.2.
    #[test]
    fn a_key_of_the_other_sort_too() {
        let private: [u8; 32] =
            crate::kernel::crypto::from_base64url("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE")
                .unwrap()
                .try_into()
                .unwrap();
        let key = SigningKey::of(TokenAlgorithm::Es256, &private).unwrap();
        assert_eq!(key.public.x, "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4");
        assert_eq!(key.public.y.as_deref(), Some("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"));
    }

    #[test]
    fn the_first_keys_follow_from_the_secret() {
        for algorithm in TokenAlgorithm::ALL {
            let key = |secret| {
                let private = SigningKey::first_private(algorithm, &[secret; 32]).unwrap();
                SigningKey::of(algorithm, &private).unwrap()
            };
            assert_eq!(key(1).id(), key(1).id());
            assert_ne!(key(1).id(), key(2).id());
        }
    }
}
