//! Whatever is wrong with a token, of whichever kind, is answered alike, and leaves the right one
//! good.

use std::collections::BTreeSet;

use bailiwick::kernel::config::TokenAlgorithm;
use bailiwick::kernel::credentials::signing;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::refresh::signed_in;
use crate::harness::TestApp;
use crate::harness::app::{Answer, PASSWORD, SECRET};

const CHOSEN: &str = "quay-Lantrn-71x-moss";
const CHALLENGE: &str = r#"Bearer realm="bailiwick", error="invalid_token""#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Refresh,
    Registration,
    Reset,
}

const KINDS: [Kind; 4] = [Kind::Access, Kind::Refresh, Kind::Registration, Kind::Reset];

impl Kind {
    async fn send(self, app: &TestApp, token: &str) -> Answer {
        let (path, body) = match self {
            Self::Access => return app.get("/api/auth/me").bearer(token).send().await,
            Self::Refresh => ("/api/auth/refresh", json!({ "refreshToken": token })),
            Self::Registration => {
                ("/api/auth/verify", json!({ "token": token, "password": PASSWORD }))
            }
            Self::Reset => {
                ("/api/auth/password/reset", json!({ "token": token, "password": CHOSEN }))
            }
        };
        app.post(path).json(body).send().await
    }

    fn refusal(self) -> (u16, &'static str) {
        match self {
            Self::Access => (401, "unauthenticated"),
            Self::Refresh => (401, "session_revoked"),
            Self::Registration | Self::Reset => (410, "token_gone"),
        }
    }

    fn challenge(self) -> &'static str {
        match self {
            Self::Access => CHALLENGE,
            Self::Refresh => r#"Bearer realm="bailiwick""#,
            Self::Registration | Self::Reset => "",
        }
    }
}

/// A token of each kind, in the order of [`KINDS`].
async fn tokens(app: &TestApp, name: &str) -> [String; 4] {
    let user = app.account(name, false).await;
    let pair = signed_in(app, name).await;
    let registration = app.registration_token(&format!("{name}-new")).await;
    [pair.access, pair.refresh, registration, app.reset_token(user).await]
}

/// With its last letter another one, of which not every bit may count.
fn altered(token: &str) -> String {
    let (head, last) = token.split_at(token.len() - 1);
    format!("{head}{}", if last == "A" { "B" } else { "A" })
}

fn spoilt(token: &str) -> Vec<(&'static str, String)> {
    let half = token.len() / 2;
    vec![
        ("nothing", String::new()),
        ("no token", "nonsense".to_owned()),
        ("cut off", token[..token.len() - 1].to_owned()),
        ("its second half", token[half..].to_owned()),
        ("longer", format!("{token}A")),
        ("altered at its end", altered(token)),
        ("altered in the middle", format!("{}{}", altered(&token[..half]), &token[half..])),
        ("in other letters", token.to_uppercase()),
        ("twice", format!("{token}{token}")),
        ("padded", format!("{token}=")),
        ("quoted", format!("\"{token}\"")),
        ("oversized", "A".repeat(8_000)),
        ("oversized, and of its form", format!("{token}{}", "A".repeat(8_000))),
    ]
}

/// What of an answer may tell one reason from another.
fn shape(mut answer: Answer) -> String {
    answer.body.as_object_mut().unwrap().remove("requestId");
    let mut headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    headers.sort_unstable();
    format!("{} {headers:?}", answer.body)
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_answered_alike() {
    let (app, stranger) = (TestApp::start().await, TestApp::start().await);
    let (own, theirs) = (tokens(&app, "alice").await, tokens(&stranger, "alice").await);
    let used = tokens(&app, "bob").await;
    app.post("/api/auth/logout").bearer(&used[0]).send().await.expect(204);
    for (kind, token) in KINDS.iter().zip(&used).skip(2) {
        kind.send(&app, token).await.expect(204);
    }
    for (place, kind) in KINDS.into_iter().enumerate() {
        let mut wrong = spoilt(&own[place]);
        wrong.push(("another deployment's", theirs[place].clone()));
        wrong.push(("used, or of a session that ended", used[place].clone()));
        let others = own.iter().enumerate().filter(|(other, _)| *other != place);
        wrong.extend(others.map(|(_, token)| ("of another kind", token.clone())));
        let mut shapes = BTreeSet::new();
        for (what, token) in wrong {
            let answer = kind.send(&app, &token).await;
            let refusal = (answer.status.as_u16(), answer.code());
            assert_eq!(refusal, kind.refusal(), "{kind:?}, {what}: {}", answer.body);
            // Nothing is no token (RFC 6750, 3.1).
            let due = kind.challenge();
            let due = if token.is_empty() { due.split(", error").next().unwrap() } else { due };
            assert_eq!(answer.header("www-authenticate"), due, "{kind:?}, {what}");
            shapes.insert(shape(answer));
        }
        assert_eq!(shapes.len(), 1, "{kind:?}: {shapes:?}");
    }
    for (kind, token) in KINDS.iter().zip(&own) {
        assert!(kind.send(&app, token).await.status.is_success(), "{kind:?} is good still");
    }
}

/// Signs tokens with the service's own key, as nobody else can: all that is wrong with these is
/// what they say.
struct Forge {
    key: SigningKey,
    header: Value,
    claims: Value,
}

impl Forge {
    fn of(token: &str) -> Self {
        let mut key = [0; 32];
        let derived = Hkdf::<Sha256>::new(Some(b"bailiwick"), &SECRET);
        derived.expand(b"access-token ed25519 v1", &mut key).unwrap();
        let part = |index: usize| {
            let part = token.split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        Self { key: SigningKey::from_bytes(&key), header: part(0), claims: part(1) }
    }

    fn said(header: &Value, claims: &Value) -> String {
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}", encoded(header), encoded(claims))
    }

    fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
        let said = Self::said(header, claims);
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(key.sign(said.as_bytes()).to_bytes()))
    }

    fn claiming(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        Self::signed(&self.key, &self.header, &claims)
    }

    fn headed(&self, name: &str, value: Value) -> String {
        Self::signed(&self.key, &self.header_with(name, value), &self.claims)
    }

    /// Signed with another key, which the header says is the one.
    fn strange(&self, name: &str, key: Value) -> String {
        Self::signed(&strangers_key(), &self.header_with(name, key), &self.claims)
    }

    fn header_with(&self, name: &str, value: Value) -> Value {
        let mut header = self.header.clone();
        header[name] = value;
        header
    }

    /// The public key, which everybody has, as a secret.
    fn authenticated_by_the_public_key(&self) -> String {
        let said = Self::said(&self.header_with("alg", json!("HS256")), &self.claims);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.verifying_key().as_bytes()).unwrap();
        mac.update(said.as_bytes());
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Signed with this one, which is good for its own algorithm only.
    fn as_of_the_other_key(&self) -> String {
        let mut header = self.header_with("kid", json!(other_kid()));
        header["alg"] = json!("ES256");
        Self::signed(&self.key, &header, &self.claims)
    }

    fn unsigned(&self) -> String {
        format!("{}.", Self::said(&self.header_with("alg", json!("none")), &self.claims))
    }
}

/// That of the key which signs by ES256 where the settings say so.
fn other_kid() -> String {
    let algorithm = TokenAlgorithm::Es256;
    let private = signing::SigningKey::first_private(algorithm, &SECRET).unwrap();
    signing::SigningKey::of(algorithm, &private).unwrap().id().to_owned()
}

fn strangers_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// What is wrong with each.
fn wrong(forge: &Forge, somebody_else: uuid::Uuid) -> Vec<(&'static str, String)> {
    let now = forge.claims["iat"].as_i64().unwrap();
    let public = URL_SAFE_NO_PAD.encode(strangers_key().verifying_key());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": public });
    let link = "https://evil.example/jwks.json";
    vec![
        ("no algorithm", forge.unsigned()),
        ("the public key as a secret", forge.authenticated_by_the_public_key()),
        ("another algorithm", forge.headed("alg", json!("ES256"))),
        ("an algorithm of nobody's", forge.headed("alg", json!("EdDSA EdDSA"))),
        ("no kid", forge.headed("kid", Value::Null)),
        ("the kid of our other key", forge.headed("kid", json!(other_kid()))),
        ("our other key's kid and algorithm", forge.as_of_the_other_key()),
        ("another kid", forge.headed("kid", json!("../../dev/null"))),
        ("another type", forge.headed("typ", json!("JWT"))),
        ("no type", forge.headed("typ", Value::Null)),
        ("its own key", forge.strange("jwk", jwk)),
        ("where its key is", forge.strange("jku", json!(link))),
        ("where its certificate is", forge.strange("x5u", json!(link))),
        ("another's key under our name", forge.strange("kid", forge.header["kid"].clone())),
        ("another audience", forge.claiming("aud", json!("helpdesk"))),
        ("other audiences", forge.claiming("aud", json!(["helpdesk"]))),
        ("no audience", forge.claiming("aud", Value::Null)),
        ("another issuer", forge.claiming("iss", json!("http://evil.example"))),
        ("almost the issuer", forge.claiming("iss", json!("http://test/"))),
        ("expired", forge.claiming("exp", json!(now - 1))),
        ("never expiring", forge.claiming("exp", Value::Null)),
        ("expiring in words", forge.claiming("exp", json!("tomorrow"))),
        ("not yet valid", forge.claiming("nbf", json!(now + 3_600))),
        ("from the future", forge.claiming("iat", json!(now + 3_600))),
        ("somebody else", forge.claiming("sub", json!(somebody_else))),
        ("nobody", forge.claiming("sub", json!("alice"))),
        ("another session", forge.claiming("sid", json!(uuid::Uuid::now_v7()))),
        ("no session", forge.claiming("sid", Value::Null)),
        ("no time of signing in", forge.claiming("auth_time", Value::Null)),
    ]
}

/// RFC 8725; RFC 9068, section 4; RFC 6750, section 3.
#[tokio::test]
async fn a_signed_token_is_refused_for_whatever_it_says_wrong() {
    let app = TestApp::start().await;
    let root = app.account("root", true).await;
    app.account("alice", false).await;
    let token = app.sign_in("alice").await;
    let forge = Forge::of(&token);
    // What is made here is good, where nothing is wrong with it.
    let made = forge.claiming("jti", json!(uuid::Uuid::new_v4()));
    app.get("/api/auth/me").bearer(&made).send().await.expect(200);
    let mut shapes = BTreeSet::new();
    for (what, token) in wrong(&forge, root) {
        let answer = app.get("/api/auth/me").bearer(&token).send().await;
        let refusal = (answer.status.as_u16(), answer.code());
        assert_eq!(refusal, (401, "unauthenticated"), "{what}: {}", answer.body);
        assert_eq!(answer.header("www-authenticate"), CHALLENGE, "{what}");
        shapes.insert(shape(answer));
    }
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    // Two are none, though the right one is among them.
    let twice = app.get("/api/auth/me").bearer(&token).bearer("nonsense").send().await;
    twice.refused(401, "unauthenticated");
    app.get("/api/auth/me").bearer(&token).send().await.expect(200);
}
