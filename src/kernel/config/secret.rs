//! Values that must never be printed: they carry their own mask, so that a `{:?}` of whatever holds
//! them stays harmless.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands in place of a secret.
const MASK: &str = "***";

/// A text that only [`Secret::expose`] reveals.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text as a URL with only its secrets masked: an operator wants to see which database is
    /// meant.
    pub(super) fn masked_url(&self) -> String {
        if self.0.contains("://") { mask_url(&self.0) } else { MASK.to_owned() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// The one secret that all of the service's own keys are derived from.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// `None` unless the text is exactly 32 bytes in standard base64, padding included.
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// Masks the password of a URL, wherever it hides. Passwords are pasted unescaped, with `@`, `/` or
/// `?` in them, so this errs to hiding too much: it does not rely on the text being a well-formed
/// URL.
pub(super) fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let rest = match rest.rsplit_once('@') {
        Some((credentials, place)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{place}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let Some((place, query)) = rest.split_once('?') else {
        return format!("{scheme}://{rest}");
    };
    let query: Vec<String> = query.split('&').map(mask_parameter).collect();
    format!("{scheme}://{place}?{}", query.join("&"))
}

/// A database URL may also carry a password, or a client key written out, among its parameters. A
/// name with an escape in it may spell one of these, and nobody writes one for an honest reason.
fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if name.contains("password") || name == "sslkey" || name.contains('%') => {
            format!("{name}={MASK}")
        }
        _ => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_only_where_it_is_asked_for() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.masked_url(), "***");
        assert_eq!(secret.expose(), "hunter2");

        let key = SecretKey::new([7; 32]);
        assert_eq!(format!("{key} {key:?}"), "*** ***");
        assert_eq!(key.expose(), &[7; 32]);
    }

    #[test]
    fn a_key_is_32_bytes_in_standard_base64() {
        let text = SecretKey::new([0xfb; 32]).to_base64();
        assert_eq!(SecretKey::from_base64(&text).map(|key| *key.expose()), Some([0xfb; 32]));
        let unpadded = text.trim_end_matches('=');
        let url_safe = text.replace('+', "-").replace('/', "_");
        for wrong in
            ["", "***", unpadded, &url_safe, &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])]
        {
            assert!(SecretKey::from_base64(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn only_the_password_of_a_url_is_masked() {
        for (url, masked) in [
            ("postgres://db/app", "postgres://db/app"),
            ("postgres://u@db:5432/app", "postgres://u@db:5432/app"),
            ("postgres://u:pw@db:5432/app", "postgres://u:***@db:5432/app"),
            (
                "postgres://db/app?sslmode=require&user=u&password=pw",
                "postgres://db/app?sslmode=require&user=u&password=***",
            ),
            ("postgres:///app?sslkey=-----BEGIN pw", "postgres:///app?sslkey=***"),
            ("postgres://db/app?p%61ssword=pw", "postgres://db/app?p%61ssword=***"),
        ] {
            assert_eq!(mask_url(url), masked);
        }
    }

    #[test]
    fn unescaped_passwords_do_not_slip_through_the_mask() {
        for url in [
            "postgres://u:pw@pw@db/app",
            "postgres://u:pw/pw@db/app",
            "postgres://u:pw?pw@db/app",
            "postgres://u:pw#pw:pw@db/app",
            "postgres://u:pw?password=pw@db/app",
            "postgres://u:pw?x=pw@db/app?password=pw",
            "postgres://db/app?password=pw@pw",
            "postgres://db/app?password=pw:pw@pw",
            "postgres://db/app?password=pw#pw",
            "postgres://:pw@db",
        ] {
            let masked = mask_url(url);
            // What follows the last `@` counts as the place, unless it is in a parameter that is
            // masked anyway.
            assert!(!masked.contains("pw"), "{url} became {masked}");
        }
    }
}
