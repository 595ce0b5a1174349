//! Access tokens: JWTs (RFC 7519, profile RFC 9068) signed with Ed25519 (RFC 8037), or ES256 where
//! the settings say so. A token is verified by the key that it names, with the one algorithm that
//! this key is good for, whatever its header says. Verifying a signature costs more than answering
//! most requests, so verified tokens are remembered by digest until they expire; the session behind
//! them is not.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::claims::Claims;
use super::ring::KeyRing;
use super::signing::{KeySet, SigningKey};
use crate::kernel::config::{AUDIENCE, TokenAlgorithm};
use crate::kernel::crypto::digest;
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
    /// When its holder last showed who they are.
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
    auth_time: i64,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    act: Option<ActingParty>,
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub struct Tokens {
    how: HowTokensAre,
    /// In the order in which they begin.
    keys: Arc<[(SigningKey, DateTime<Utc>)]>,
    verified: Cache<[u8; 32], Claims>,
}

/// What the settings say of tokens.
#[derive(Debug, Clone)]
pub struct HowTokensAre {
    pub issuer: String,
    pub lifetime: Duration,
    pub algorithm: TokenAlgorithm,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("how", &self.how)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    pub fn new(ring: &KeyRing, how: HowTokensAre) -> Result<Self> {
        Ok(Self { how, keys: ring.signing()?.into(), verified: Cache::new(100_000) })
    }

    /// A token for a session, and for how many seconds it is good.
    pub fn issue(&self, signed_in: &SignedIn, now: DateTime<Utc>) -> Result<(String, i64)> {
        let expires_at = signed_in.ends_at.min(now + self.how.lifetime);
        let (acr, amr) = ONE_FACTOR;
        let payload = Payload {
            iss: &self.how.issuer,
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
        let token = self.signed(TYPE, &payload, now)?;
        Ok((token, (expires_at - now).num_seconds()))
    }

    fn signed(&self, kind: &str, payload: &impl Serialize, now: DateTime<Utc>) -> Result<String> {
        let key = self.signing(now).ok_or_else(|| Error::internal("no key signs tokens"))?;
        let header = Header {
            typ: Some(kind.to_owned()),
            kid: Some(key.id().to_owned()),
            ..Header::new(key.jws_algorithm())
        };
        jsonwebtoken::encode(&header, payload, &key.signing).map_err(Error::internal)
    }

    /// The key that signs at that time.
    fn signing(&self, now: DateTime<Utc>) -> Option<&SigningKey> {
        let keys = || self.keys.iter().filter(|(key, _)| key.algorithm == self.how.algorithm);
        // The first of all begins by another node's clock.
        let begun = keys().rfind(|(_, begins_at)| *begins_at <= now).or_else(|| keys().next());
        begun.map(|(key, _)| key)
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
        if header.typ.as_deref() != Some(TYPE) {
            return None;
        }
        let (key, _) = self.keys.iter().find(|(key, _)| header.kid.as_deref() == Some(key.id()))?;
        let mut validation = Validation::new(key.jws_algorithm());
        validation.set_issuer(&[&self.how.issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false; // by the time of the door, on every use
        let told = jsonwebtoken::decode::<Told>(token, &key.verifying, &validation).ok()?.claims;
        let begins = told.nbf.unwrap_or(told.iat).max(told.iat);
        if begins > now.timestamp() + LEEWAY {
            return None;
        }
        let expires_at = DateTime::<Utc>::from_timestamp(told.exp, 0)?;
        let authenticated_at = DateTime::<Utc>::from_timestamp(told.auth_time, 0)?;
        let impersonated_by = told.act.map(|act| act.sub);
        let (user, session) = (told.sub, told.sid);
        Some(Claims { user, session, impersonated_by, authenticated_at, expires_at })
    }

    /// The keys that verify tokens (RFC 7517).
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        KeySet { keys: self.keys.iter().map(|(key, _)| key.public.clone()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::kernel::clock::{Clock, SystemClock};

    fn tokens(secret: u8, issuer: &str) -> Tokens {
        by(TokenAlgorithm::EdDsa, &KeyRing::first(&[secret; 32]).unwrap(), issuer)
    }

    fn by(algorithm: TokenAlgorithm, ring: &KeyRing, issuer: &str) -> Tokens {
        let (issuer, lifetime) = (issuer.to_owned(), Duration::minutes(15));
        Tokens::new(ring, HowTokensAre { issuer, lifetime, algorithm }).unwrap()
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
            "sid": who.session, "auth_time": now, "iat": now, "exp": now + 60 });
        let with = |name: &str, value: Value| {
            let mut payload = payload.clone();
            payload[name] = value;
            ours.verify(&ours.signed(TYPE, &payload, at).unwrap(), at)
        };
        assert!(ours.verify(&ours.signed(TYPE, &payload, at).unwrap(), at).is_some());
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
            ("auth_time", Value::Null),
        ] {
            assert_eq!(with(name, value.clone()), None, "{name}: {value}");
        }
        assert_eq!(ours.verify(&ours.signed("JWT", &payload, at).unwrap(), at), None);
        let header = Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::EdDSA) };
        let key = ours.signing(at).unwrap();
        let no_kid = jsonwebtoken::encode(&header, &payload, &key.signing).unwrap();
        assert_eq!(ours.verify(&no_kid, at), None);
        let hmac = Header {
            kid: Some(key.id().to_owned()),
            typ: Some(TYPE.into()),
            ..Header::new(Algorithm::HS256)
        };
        let secret = EncodingKey::from_secret(key.public.x.as_bytes());
        let forged = jsonwebtoken::encode(&hmac, &payload, &secret).unwrap();
        assert_eq!(ours.verify(&forged, at), None, "the public key is no HMAC secret");
    }
    #[test]
    fn each_key_is_good_for_its_algorithm_alone() {
        let at = SystemClock.now();
        let (who, ring) = (signed_in(at), KeyRing::first(&[1; 32]).unwrap());
        let issued = TokenAlgorithm::ALL.map(|algorithm| {
            let tokens = by(algorithm, &ring, "http://a");
            let (token, _) = tokens.issue(&who, at).unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!(format!("{:?}", header.alg), algorithm.name());
            (tokens, token, header.kid)
        });
        let [(eddsa, ours, kid), (es256, theirs, other_kid)] = issued;
        // Whichever signs, all nodes take both: the setting is changed node by node.
        assert!(eddsa.verify(&theirs, at).is_some() && es256.verify(&ours, at).is_some());
        let key = es256.signing(at).unwrap();
        let header = Header { typ: Some(TYPE.into()), kid, ..Header::new(Algorithm::ES256) };
        let payload = json!({ "iss": "http://a", "aud": "bailiwick", "sub": who.user,
            "sid": who.session, "auth_time": at.timestamp(), "iat": at.timestamp(),
            "exp": at.timestamp() + 60 });
        let crossed = jsonwebtoken::encode(&header, &payload, &key.signing).unwrap();
        assert_eq!(eddsa.verify(&crossed, at), None);
        let right = Header { kid: other_kid, ..header };
        let right = jsonwebtoken::encode(&right, &payload, &key.signing).unwrap();
        assert!(eddsa.verify(&right, at).is_some());
    }
}
