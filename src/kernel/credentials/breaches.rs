//! Whether a password is in a list of those that were stolen elsewhere (NIST SP 800-63B-4,
//! 3.1.1.2), asked for by a range: five letters of its SHA-1 leave the service, and the hundreds of
//! passwords that share them come back. The format is that of Pwned Passwords
//! (<https://haveibeenpwned.com/API/v3#PwnedPasswords>), which others serve too.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha1::{Digest as _, Sha1};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::Instrument;
use url::Url;

use crate::kernel::config::{Fails, Settings};
use crate::kernel::error::{Code, Error, FieldError, Reason, Result};
use crate::kernel::tls::Authorities;

/// For the whole answer: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// So long a question holds its place, though nobody waits.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// As many are asked at a time; whoever finds no place waits no longer than for an answer.
const PLACES: usize = 32;
/// The longest answer, in bytes; padded ones have about 40 KiB.
const LONGEST: usize = 1 << 20;
/// How many letters of the digest are told.
const TOLD: usize = 5;
/// Whom it is asked by.
const AGENT: &str = concat!("bailiwick/", env!("CARGO_PKG_VERSION"));
/// In seconds, until a password is worth trying again.
const RETRY_AFTER: u64 = 10;

/// The list that is asked, if any.
#[derive(Debug, Clone)]
pub struct Breaches(Option<List>);

#[derive(Debug, Clone)]
struct List {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    places: Arc<Semaphore>,
    /// Ends with a slash.
    ranges: Url,
    fails: Fails,
}

/// The SHA-1 of a password in capital letters: no secret is hidden by it, so it is not printed.
pub(super) struct Digest(String);

impl Digest {
    pub(super) fn of(password: &str) -> Self {
        let mut text = String::with_capacity(40);
        for byte in Sha1::digest(password.as_bytes()) {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02X}");
        }
        Self(text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(…)")
    }
}

/// Why the list told nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it answered {0}")]
    Answered(StatusCode),
    #[error("it took longer than {} s", PATIENCE.as_secs())]
    Silent,
    #[error("its answer breaks off, or is longer than {LONGEST} bytes")]
    Broken,
    #[error("its answer is no list of passwords")]
    Unreadable,
}

impl Trouble {
    /// With what lies beneath: the error itself says no more than that it could not connect.
    fn unreachable(error: impl std::error::Error) -> Self {
        let deepest = std::iter::successors(error.source(), |error| error.source()).last();
        Self::Unreachable(deepest.map_or_else(|| error.to_string(), ToString::to_string))
    }
}

impl Breaches {
    pub(super) fn unasked() -> Self {
        Self(None)
    }

    pub(super) fn of(settings: &Settings) -> Result<Self> {
        let Some(ranges) = settings.breach_ranges_url.clone() else { return Ok(Self::unasked()) };
        let authorities = Authorities::of_file(settings.ca_file.as_deref())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(authorities.client()?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let places = Arc::new(Semaphore::new(PLACES));
        Ok(Self(Some(List { client, places, ranges, fails: settings.breach_check_fails })))
    }

    /// Refuses a password that is known. What cannot be asked is taken or refused as the settings
    /// say.
    pub(super) async fn check(
        &self,
        pointer: &str,
        digest: Digest,
    ) -> Result<std::result::Result<(), FieldError>> {
        let Some(list) = &self.0 else { return Ok(Ok(())) };
        let asked = timeout(PATIENCE, list.clone().ask(digest)).await;
        let trouble = match asked.unwrap_or(Err(Trouble::Silent)) {
            Ok(false) => return Ok(Ok(())),
            Ok(true) => return Ok(Err(stolen(pointer))),
            Err(trouble) => trouble,
        };
        match list.fails {
            Fails::Open => {
                tracing::warn!(
                    %trouble, fails = "open",
                    "the list of stolen passwords tells nothing: a password is taken unchecked"
                );
                Ok(Ok(()))
            }
            Fails::Closed => {
                tracing::warn!(
                    %trouble, fails = "closed",
                    "the list of stolen passwords tells nothing: a password is refused unchecked"
                );
                let detail = "Whether the password was stolen elsewhere cannot be looked up now.";
                Err(Error::new(Code::Unavailable, detail).retry_after(RETRY_AFTER))
            }
        }
    }
}

fn stolen(pointer: &str) -> FieldError {
    FieldError::new(pointer, "password_breached", "is known from a breach elsewhere").because(vec![
        Reason::new(
            "password_breached",
            "It was stolen from another service, and is among the first that are tried.",
        ),
    ])
}

impl List {
    /// With a place that is held for as long as it goes on, also when nobody waits any more: a name
    /// server that says nothing holds a thread, of which the passwords' work has to find some.
    async fn ask(self, digest: Digest) -> std::result::Result<bool, Trouble> {
        let place = self.places.clone().acquire_owned().await;
        let asking = async move {
            let _held = place;
            timeout(GIVEN_UP, self.knows(&digest)).await.unwrap_or(Err(Trouble::Silent))
        };
        tokio::spawn(asking.in_current_span()).await.unwrap_or(Err(Trouble::Silent))
    }

    async fn knows(&self, digest: &Digest) -> std::result::Result<bool, Trouble> {
        let (told, kept) = digest.0.split_at(TOLD);
        let url = self.ranges.join(told).map_err(|_| Trouble::Unreadable)?;
        // Padded, so that nobody tells by its length which range was asked for.
        let request = Request::get(url.as_str())
            .header("add-padding", "true")
            .header(header::USER_AGENT, AGENT)
            .body(Empty::new())
            .map_err(|_| Trouble::Unreadable)?;
        // Where it says that somebody else knows, nobody else is asked.
        let answer = self.client.request(request).await.map_err(Trouble::unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(Trouble::Answered(answer.status()));
        }
        let text = Limited::new(answer.into_body(), LONGEST).collect().await;
        let text = text.map_err(|_| Trouble::Broken)?.to_bytes();
        holds(&text, kept)
    }
}

/// Lines of the rest of a digest, a colon and how often it was seen; 0 is padding.
fn holds(text: &[u8], kept: &str) -> std::result::Result<bool, Trouble> {
    let text = std::str::from_utf8(text).map_err(|_| Trouble::Unreadable)?;
    if text.is_empty() {
        // No range of a list is: something else has answered.
        return Err(Trouble::Unreadable);
    }
    let mut is_known = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (rest, times) = line.split_once(':').ok_or(Trouble::Unreadable)?;
        let times: u64 = times.trim().parse().map_err(|_| Trouble::Unreadable)?;
        if rest.len() != kept.len() || !rest.bytes().all(|letter| letter.is_ascii_hexdigit()) {
            return Err(Trouble::Unreadable);
        }
        is_known |= times > 0 && rest.eq_ignore_ascii_case(kept);
    }
    Ok(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";

    #[test]
    fn a_digest_is_that_of_the_public_lists() {
        assert_eq!(Digest::of("password").0, format!("5BAA6{KEPT}"));
    }

    #[test]
    fn a_range_is_read_and_padding_is_none_of_it() {
        let other = KEPT.replace('1', "2");
        let read = |text: &str| holds(text.as_bytes(), KEPT).map_err(|trouble| trouble.to_string());
        assert_eq!(read(&format!("{other}:3\r\n{KEPT}:9\r\n")), Ok(true));
        assert_eq!(read(&format!("{}:9\n", KEPT.to_lowercase())), Ok(true));
        assert_eq!(read(&format!("{other}:3\r\n{KEPT}:0\r\n")), Ok(false));
        for wrong in
            ["", "<html>", "0018A45C4D1DEF81644B54AB7F969B88D65", "AB:1", &format!("{KEPT}:x")]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(holds(&[0xff, 0xfe], KEPT).is_err());
    }
}
