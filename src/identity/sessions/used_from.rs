//! With what, and from where, a session is used.

use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use crate::context::RequestMeta;
use crate::kernel::error::{Error, Result};

/// The most that is kept of what a device calls itself, in bytes.
const LONGEST: usize = 400;

/// As a request tells it: shown to whom the session belongs, and nothing is decided by it.
#[derive(Debug, Clone)]
pub struct UsedFrom {
    pub device: Option<String>,
    pub address: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for UsedFrom {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // Visible ASCII, or it is no text.
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let address = parts.extensions.get::<RequestMeta>().and_then(|meta| meta.address);
        Ok(Self {
            device: agent.map(|text| text[..text.len().min(LONGEST)].to_owned()),
            address: address.map(|address| address.to_string()),
        })
    }
}
