//! The language that somebody who is not signed in would rather read.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;

use crate::kernel::names;

/// What is taken of who wishes for nothing that is a language.
const OTHERWISE: &str = "en";

/// The first language of `Accept-Language` (RFC 9110, 12.5.4): browsers send the one first that
/// they weigh most.
#[derive(Debug, Clone)]
pub struct PreferredLanguage(pub String);

impl PreferredLanguage {
    fn of(header: &str) -> Self {
        let first = header.split([',', ';']).next().unwrap_or_default().trim();
        let language = names::checked_language("", first);
        Self(language.unwrap_or_else(|_| OTHERWISE.to_owned()))
    }
}

impl<S: Sync> FromRequestParts<S> for PreferredLanguage {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self::of(header.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_is_taken_where_it_is_one() {
        for (header, due) in [
            ("de-CH, de;q=0.9, en;q=0.8", "de-CH"),
            ("fr;q=0.5", "fr"),
            ("*", "en"),
            ("", "en"),
            ("<script>", "en"),
        ] {
            assert_eq!(PreferredLanguage::of(header).0, due, "{header}");
        }
    }
}
