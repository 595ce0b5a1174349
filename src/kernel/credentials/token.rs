//! Access tokens: JWTs (RFC 7519, profile RFC 9068) signed with Ed25519 (RFC 8037). Verifying a
//! signature costs more than answering most requests, so verified tokens are remembered by digest
//! until they expire; the session behind them is not.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::claims::Claims;
use crate::kernel::clock::Clock;
use crate::kernel::config::AUDIENCE;
use crate::kernel::crypto::{Keys, base64url, digest};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{SessionId, UserId};

/// `typ` of access tokens (RFC 9068, section 2.1): another kind of token is never taken for one.
const TYPE: &str = "at+jwt";

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// The public keys that verify access tokens (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct KeySet {
    keys: [PublicKey; 1],
}

/// A public key as a JWK (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicKey {
    #[schema(example = "OKP")]
    kty: &'static str,
    #[schema(example = "Ed25519")]
    crv: &'static str,
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    x: String,
    /// The `kid` of the tokens that it verifies.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    purpose: &'static str,
    #[schema(example = "EdDSA")]
    alg: &'static str,
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub struct Tokens {
    issuer: String,
    lifetime: Duration,
    key_id: String,
    public_key: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    verified: Cache<[u8; 32], Claims>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    pub fn new(
        keys: &Keys,
        issuer: String,
        lifetime: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let public_key = base64url(keys.signing().verifying_key().as_bytes());
        let private =
            keys.signing().to_pkcs8_der().map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self {
            issuer,
            lifetime,
            key_id: thumbprint(&public_key),
            signing: EncodingKey::from_ed_der(private.as_bytes()),
            verifying: DecodingKey::from_ed_components(&public_key).map_err(Error::internal)?,
            public_key,
            verified: Cache::new(100_000),
            clock,
        })
    }

    /// The URL under which the service is known.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A token for a session, and for how many seconds it is good.
    pub fn issue(&self, user: UserId, session: SessionId) -> Result<(String, i64)> {
        let now = self.clock.now().timestamp();
        let payload = Payload {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            sid: session,
            iat: now,
            exp: now + self.lifetime.num_seconds(),
            jti: Uuid::new_v4(),
        };
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let token =
            jsonwebtoken::encode(&header, &payload, &self.signing).map_err(Error::internal)?;
        Ok((token, self.lifetime.num_seconds()))
    }

    /// Who the token speaks for; `None` whatever is wrong with it.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let key = digest(token.as_bytes());
        let claims = if let Some(claims) = self.verified.get(&key) {
            claims
        } else {
            let claims = self.check(token)?;
            self.verified.insert(key, claims);
            claims
        };
        (claims.expires_at > self.clock.now()).then_some(claims)
    }

    fn check(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.as_deref() != Some(&self.key_id) || header.typ.as_deref() != Some(TYPE) {
            return None;
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false; // by the injected clock, on every use
        let payload =
            jsonwebtoken::decode::<Payload>(token, &self.verifying, &validation).ok()?.claims;
        let expires_at = DateTime::<Utc>::from_timestamp(payload.exp, 0)?;
        Some(Claims { user: payload.sub, session: payload.sid, expires_at })
    }

    /// The keys that verify tokens (RFC 7517).
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        let (x, kid) = (self.public_key.clone(), self.key_id.clone());
        KeySet {
            keys: [PublicKey { kty: "OKP", crv: "Ed25519", x, kid, purpose: "sig", alg: "EdDSA" }],
        }
    }
}

/// The key's id: its JWK thumbprint (RFC 7638).
fn thumbprint(public_key: &str) -> String {
    base64url(&digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public_key}"}}"#).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::ShiftedClock;

    fn tokens(secret: u8, issuer: &str, clock: &Arc<ShiftedClock>) -> Tokens {
        Tokens::new(
            &Keys::derive(&[secret; 32]),
            issuer.to_owned(),
            Duration::minutes(15),
            clock.clone(),
        )
        .unwrap()
    }

    #[test]
    fn a_token_is_good_until_it_expires_cached_or_not() {
        let clock = ShiftedClock::shared();
        let tokens = tokens(1, "http://a", &clock);
        let (user, session) = (UserId::new(), SessionId::new());
        let (token, seconds) = tokens.issue(user, session).unwrap();
        assert_eq!(seconds, 900);
        assert_eq!(tokens.verify(&token).map(|c| (c.user, c.session)), Some((user, session)));
        clock.advance(Duration::minutes(16));
        assert_eq!(tokens.verify(&token), None);
    }

    #[test]
    fn another_issuer_key_algorithm_type_or_audience_is_refused() {
        let clock = ShiftedClock::shared();
        let ours = tokens(1, "http://a", &clock);
        let (user, session) = (UserId::new(), SessionId::new());
        for stranger in [tokens(1, "http://b", &clock), tokens(2, "http://a", &clock)] {
            assert_eq!(ours.verify(&stranger.issue(user, session).unwrap().0), None);
        }
        let now = clock.now().timestamp();
        let payload = |aud: &str| Payload {
            iss: "http://a".into(),
            aud: aud.into(),
            sub: user,
            sid: session,
            iat: now,
            exp: now + 60,
            jti: Uuid::new_v4(),
        };
        let header = |typ: &str| Header {
            typ: Some(typ.into()),
            kid: Some(ours.key_id.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let sign = |header: &Header, payload: &Payload| {
            jsonwebtoken::encode(header, payload, &ours.signing).unwrap()
        };
        assert!(ours.verify(&sign(&header(TYPE), &payload("bailiwick"))).is_some());
        assert_eq!(ours.verify(&sign(&header(TYPE), &payload("other"))), None);
        assert_eq!(ours.verify(&sign(&header("JWT"), &payload("bailiwick"))), None);
        let no_kid = Header { kid: None, ..header(TYPE) };
        assert_eq!(ours.verify(&sign(&no_kid, &payload("bailiwick"))), None);
        let hmac = Header { alg: Algorithm::HS256, ..header(TYPE) };
        let forged = jsonwebtoken::encode(
            &hmac,
            &payload("bailiwick"),
            &EncodingKey::from_secret(ours.public_key.as_bytes()),
        )
        .unwrap();
        assert_eq!(ours.verify(&forged), None, "the public key is no HMAC secret");
    }
}
