//! What a sign-in answers, and a refresh.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::kernel::credentials::refresh::RefreshToken;
use crate::kernel::credentials::token::SignedIn;
use crate::kernel::error::Result;

/// A token to send as `Authorization: Bearer <accessToken>`, and the one that gets the next pair.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAnswer {
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl")]
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    expires_in: i64,
    /// Good once, at `POST /api/auth/refresh`.
    #[schema(
        example = "bwr_AZAAAAAAcACAAAAAviWjWgAAAAFq0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA"
    )]
    refresh_token: String,
    /// Seconds until the session is over, unless it is refreshed before.
    #[schema(example = 604_800)]
    refresh_expires_in: i64,
}

/// Never the tokens.
impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// A token to send as `Authorization: Bearer <accessToken>`. There is none to renew it with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BearerToken {
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl")]
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until it expires, 15 minutes at most.
    #[schema(example = 900)]
    expires_in: i64,
}

/// Never the token.
impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl BearerToken {
    /// For a session that is alive.
    pub fn of(app: &App, signed_in: &SignedIn, now: DateTime<Utc>) -> Result<Self> {
        let (access_token, expires_in) = app.tokens().issue(signed_in, now)?;
        Ok(Self { access_token, token_type: "Bearer", expires_in })
    }
}

impl TokenAnswer {
    /// A pair for a session that is alive; `number` is that of the refresh token that is good now.
    pub fn of(app: &App, signed_in: &SignedIn, number: i32, now: DateTime<Utc>) -> Result<Self> {
        let (access_token, expires_in) = app.tokens().issue(signed_in, now)?;
        let refresh = RefreshToken { session: signed_in.session, number };
        Ok(Self {
            access_token,
            token_type: "Bearer",
            expires_in,
            refresh_token: refresh.text(&app.keys()),
            refresh_expires_in: (signed_in.ends_at - now).num_seconds(),
        })
    }
}
