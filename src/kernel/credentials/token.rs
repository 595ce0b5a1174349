//! Access tokens: JWTs (RFC 7519, profile RFC 9068) signed with Ed25519 (RFC 8037). Verifying a
//! signature costs more than answering most requests, so verified tokens are remembered by digest
//! until they expire; the session behind them is not.

use chrono::{DateTime, Duration, Utc};
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::claims::Claims;
use crate::kernel::config::AUDIENCE;
use crate::kernel::crypto::{Keys, base64url, digest};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{SessionId, UserId};

/// `typ` of access tokens (RFC 9068, section 2.1): another kind of token is never taken for one.
const TYPE: &str = "at+jwt";

/// Who asks for the tokens of `/api/auth`: whoever signs in there (RFC 9068, section 2.2).
const CLIENT: &str = "bailiwick";
/// What a password alone proves (NIST SP 800-63B-4, 2.1), and that it was one (RFC 8176).
const ONE_FACTOR: (&str, [&str; 1]) = ("aal1", ["pwd"]);
/// How far the clock of the node that signed may be ahead, in seconds.
const LEEWAY: i64 = 60;

/// A session, as its access tokens tell of it.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn {
    pub user: UserId,
    pub session: SessionId,
    /// When the password was looked at.
    pub at: DateTime<Utc>,
    /// No token outlasts it.
    pub ends_at: DateTime<Utc>,
    /// The SysAdmin who acts as this user in it.
    pub impersonated_by: Option<UserId>,
}

/// Who acts as the subject (RFC 8693, section 4.1).
#[derive(Debug, Serialize, Deserialize)]
struct ActingParty {
    sub: UserId,
}

/// What a token says (RFC 9068, section 2.2).
#[derive(Debug, Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    client_id: &'a str,
    sub: UserId,
    sid: SessionId,
    auth_time: i64,
    acr: &'a str,
    amr: [&'a str; 1],
    iat: i64,
    exp: i64,
    jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<ActingParty>,
}

/// What is read of one. Issuer and audience are compared by whoever verifies its signature.
#[derive(Debug, Deserialize)]
struct Told {
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    act: Option<ActingParty>,
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
    pub fn new(keys: &Keys, issuer: String, lifetime: Duration) -> Result<Self> {
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
        })
    }

    /// The URL under which the service is known.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A token for a session, and for how many seconds it is good.
    pub fn issue(&self, signed_in: &SignedIn, now: DateTime<Utc>) -> Result<(String, i64)> {
        let expires_at = signed_in.ends_at.min(now + self.lifetime);
        let (acr, amr) = ONE_FACTOR;
        let payload = Payload {
            iss: &self.issuer,
            aud: AUDIENCE,
            client_id: CLIENT,
            sub: signed_in.user,
            sid: signed_in.session,
            auth_time: signed_in.at.timestamp(),
            acr,
            amr,
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            jti: Uuid::new_v4(),
            act: signed_in.impersonated_by.map(|sub| ActingParty { sub }),
        };
        let token = self.signed(TYPE, &payload)?;
        Ok((token, (expires_at - now).num_seconds()))
    }

    fn signed(&self, kind: &str, payload: &impl Serialize) -> Result<String> {
        let header = Header {
            typ: Some(kind.to_owned()),
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, payload, &self.signing).map_err(Error::internal)
    }

    /// Who the token speaks for at that time; `None` whatever is wrong with it.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        let key = digest(token.as_bytes());
        let claims = if let Some(claims) = self.verified.get(&key) {
            claims
        } else {
            let claims = self.check(token, now)?;
            self.verified.insert(key, claims);
            claims
        };
        (claims.expires_at > now).then_some(claims)
    }

    fn check(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.as_deref() != Some(&self.key_id) || header.typ.as_deref() != Some(TYPE) {
            return None;
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false; // by the time of the door, on every use
        let told = jsonwebtoken::decode::<Told>(token, &self.verifying, &validation).ok()?.claims;
        let begins = told.nbf.unwrap_or(told.iat).max(told.iat);
        if begins > now.timestamp() + LEEWAY {
            return None;
        }
        let expires_at = DateTime::<Utc>::from_timestamp(told.exp, 0)?;
        let impersonated_by = told.act.map(|act| act.sub);
        Some(Claims { user: told.sub, session: told.sid, impersonated_by, expires_at })
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
    use serde_json::{Value, json};

    use super::*;
    use crate::kernel::clock::{Clock, SystemClock};

    fn tokens(secret: u8, issuer: &str) -> Tokens {
        let keys = Keys::derive(&[secret; 32]);
        Tokens::new(&keys, issuer.to_owned(), Duration::minutes(15)).unwrap()
    }

    fn signed_in(at: DateTime<Utc>) -> SignedIn {
        let (user, session) = (UserId::new(), SessionId::new());
        SignedIn { user, session, at, ends_at: at + Duration::days(7), impersonated_by: None }
    }

    #[test]
    fn a_token_is_good_until_it_expires_cached_or_not() {
        let (tokens, now) = (tokens(1, "http://a"), SystemClock.now());
        let who = signed_in(now);
        let (token, seconds) = tokens.issue(&who, now).unwrap();
        assert_eq!(seconds, 900);
        let told = tokens.verify(&token, now).map(|c| (c.user, c.session));
        assert_eq!(told, Some((who.user, who.session)));
        assert_eq!(tokens.verify(&token, now + Duration::minutes(15)), None);
    }

    #[test]
    fn a_token_ends_with_its_session() {
        let (tokens, now) = (tokens(1, "http://a"), SystemClock.now());
        let who = SignedIn { ends_at: now + Duration::seconds(90), ..signed_in(now) };
        let (token, seconds) = tokens.issue(&who, now).unwrap();
        assert!((89..=90).contains(&seconds), "{seconds}");
        assert_eq!(tokens.verify(&token, now + Duration::seconds(90)), None);
    }

    #[test]
    fn another_issuer_key_algorithm_type_or_audience_is_refused() {
        let (ours, at) = (tokens(1, "http://a"), SystemClock.now());
        let who = signed_in(at);
        for stranger in [tokens(1, "http://b"), tokens(2, "http://a")] {
            assert_eq!(ours.verify(&stranger.issue(&who, at).unwrap().0, at), None);
        }
        let now = at.timestamp();
        let payload = json!({ "iss": "http://a", "aud": "bailiwick", "sub": who.user,
            "sid": who.session, "iat": now, "exp": now + 60 });
        let with = |name: &str, value: Value| {
            let mut payload = payload.clone();
            payload[name] = value;
            ours.verify(&ours.signed(TYPE, &payload).unwrap(), at)
        };
        assert!(ours.verify(&ours.signed(TYPE, &payload).unwrap(), at).is_some());
        assert!(with("nbf", json!(now + 30)).is_some(), "clocks of nodes may differ a little");
        for (name, value) in [
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("iss", json!("http://a/")),
            ("exp", json!(now - 1)),
            ("exp", json!("tomorrow")),
            ("exp", Value::Null),
            ("iat", json!(now + 3_600)),
            ("nbf", json!(now + 3_600)),
            ("sub", json!("alice")),
            ("sid", Value::Null),
        ] {
            assert_eq!(with(name, value.clone()), None, "{name}: {value}");
        }
        assert_eq!(ours.verify(&ours.signed("JWT", &payload).unwrap(), at), None);
        let header = Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::EdDSA) };
        let no_kid = jsonwebtoken::encode(&header, &payload, &ours.signing).unwrap();
        assert_eq!(ours.verify(&no_kid, at), None);
        let hmac = Header {
            kid: Some(ours.key_id.clone()),
            typ: Some(TYPE.into()),
            ..Header::new(Algorithm::HS256)
        };
        let secret = EncodingKey::from_secret(ours.public_key.as_bytes());
        let forged = jsonwebtoken::encode(&hmac, &payload, &secret).unwrap();
        assert_eq!(ours.verify(&forged, at), None, "the public key is no HMAC secret");
    }
}
