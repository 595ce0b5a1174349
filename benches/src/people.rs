//! Those who ask: users of the load, signed in.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bailiwick::kernel::clock::{Clock, SystemClock};
use bailiwick::kernel::config::TokenAlgorithm;
use bailiwick::kernel::credentials::ring::KeyRing;
use bailiwick::kernel::credentials::token::{HowTokensAre, SignedIn, Tokens};
use chrono::Duration;
use serde_json::json;
use uuid::Uuid;

use crate::client;
use crate::plan::Headers;
use crate::scene::{ISSUER, SECRET};

/// `load-0`, `load-1` and so on.
pub struct People(Vec<Person>);

#[derive(Debug, Clone)]
pub struct Person {
    pub id: Uuid,
    pub headers: Headers,
}

impl People {
    /// Signs those of these numbers in, each with a token that outlives the run: that a token is
    /// renewed moves nothing in the database, and is not what is measured.
    pub async fn sign_in(
        service: SocketAddr,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Result<Self> {
        let tokens = tokens(&SECRET, ISSUER.to_owned(), Duration::days(1))?;
        let mut people = Vec::new();
        for number in numbers {
            let token = sign_in(service, &format!("load-{number}"), "bailiwick-demo").await?;
            let now = SystemClock.now();
            let claims = tokens.verify(&token, now);
            let claims = claims.context("a token that the bare handlers would refuse")?;
            let (user, session) = (claims.user, claims.session);
            let ends_at = now + Duration::days(1);
            let impersonated_by = None;
            let signed_in = SignedIn { user, session, at: now, ends_at, impersonated_by };
            let (lasting, _) =
                tokens.issue(&signed_in, now).map_err(|error| anyhow::anyhow!("{error:?}"))?;
            people.push(Person { id: claims.user.uuid(), headers: bearer(&lasting) });
        }
        Ok(Self(people))
    }

    /// Everywhere `load-0`: in five mandates with four instances each, and admin of the first,
    /// which has 80 members.
    pub fn first(&self) -> &Person {
        &self.0[0]
    }

    pub fn all(&self) -> &[Person] {
        &self.0
    }
}

/// Signed with the first key of a service with that secret.
pub fn tokens(secret: &[u8; 32], issuer: String, lifetime: Duration) -> Result<Tokens> {
    let how = HowTokensAre { issuer, lifetime, algorithm: TokenAlgorithm::EdDsa };
    KeyRing::first(secret)
        .and_then(|ring| Tokens::new(&ring, how))
        .map_err(|error| anyhow::anyhow!("{error:?}"))
}

pub fn bearer(token: &str) -> Headers {
    vec![("Authorization".to_owned(), format!("Bearer {token}"))]
}

/// An access token.
pub async fn sign_in(service: SocketAddr, name: &str, password: &str) -> Result<String> {
    let body = json!({ "username": name, "password": password });
    let answer = client::call(service, ("POST", "/api/auth/login"), &[], &body).await?.json()?;
    Ok(answer["accessToken"].as_str().context("no token")?.to_owned())
}
