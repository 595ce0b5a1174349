//! Passwords: Argon2id (RFC 9106) off the async threads, behind a bounded queue. When the queue is full the answer is 503 at
//! once, never a pile-up; an unknown user costs the same work as a known one.

use std::sync::{Arc, OnceLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::error::{Code, Error, FieldError, Result};

/// Shortest and longest password, in characters (NIST SP 800-63B allows more than 64; a cap bounds the work).
const LENGTH: std::ops::RangeInclusive<usize> = 12..=128;
/// Longer input than any password can be is not hashed at all, only pretended to be.
const MAX_BYTES: usize = 1_024;

/// Hashes and verifies passwords, a bounded number at a time.
#[derive(Debug, Clone)]
pub struct Passwords {
    workers: Arc<Semaphore>,
    places: Arc<Semaphore>,
    dummy: Arc<str>,
}

impl Passwords {
    /// `workers` at a time, and as many more waiting as `queue` says.
    pub fn new(workers: usize, queue: usize) -> Result<Self> {
        Ok(Self { workers: Arc::new(Semaphore::new(workers)), places: Arc::new(Semaphore::new(workers + queue)), dummy: nobodys()? })
    }

    /// Whether the password is the one that was hashed. Without a hash: the same work, and no.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some() && password.len() <= MAX_BYTES;
        let hash = if known { hash.unwrap_or_default() } else { self.dummy.to_string() };
        let candidate = if password.len() <= MAX_BYTES { password } else { String::new() };
        let matches = self
            .work(move || {
                let parsed = PasswordHash::new(&hash).map_err(|error| Error::internal(error.to_string()))?;
                Ok(Argon2::default().verify_password(candidate.as_bytes(), &parsed).is_ok())
            })
            .await?;
        Ok(matches && known)
    }

    /// The hash to store (PHC string format).
    pub async fn hash(&self, password: String) -> Result<String> {
        self.work(move || hash_now(&password)).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let busy = || Error::new(Code::Overloaded, "Too many sign-ins at this moment.").retry_after(1);
        let place = self.places.clone().try_acquire_owned().map_err(|_| busy())?;
        let worker = self.workers.clone().acquire_owned().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: a client that goes away does not free a worker that is still busy.
            let _held = (place, worker);
            work()
        })
        .await
        .map_err(Error::internal)?
    }
}

/// Nobody's password, one a process: verifying against it costs what verifying against a real one does.
fn nobodys() -> Result<Arc<str>> {
    static HASH: OnceLock<Arc<str>> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash.clone());
    }
    let hash = hash_now(&uuid::Uuid::new_v4().to_string())?;
    Ok(HASH.get_or_init(|| hash.into()).clone())
}

fn hash_now(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| Error::internal(error.to_string()))?;
    Ok(hash.to_string())
}

/// Refuses weak passwords: length, and how easily it is guessed (zxcvbn, Wheeler 2016) given the user's own names.
pub fn check_strength(pointer: &str, password: &str, own_names: &[&str]) -> std::result::Result<(), FieldError> {
    let length = password.chars().count();
    if !LENGTH.contains(&length) {
        let detail = format!("must have {} to {} characters", LENGTH.start(), LENGTH.end());
        return Err(FieldError::new(pointer, "password_length", detail.clone()).because(vec![format!("It {detail}.")]));
    }
    let estimate = zxcvbn::zxcvbn(password, own_names);
    if u8::from(estimate.score()) >= 3 {
        return Ok(());
    }
    let mut reasons = Vec::new();
    if let Some(feedback) = estimate.feedback() {
        reasons.extend(feedback.warning().map(|warning| warning.to_string()));
        reasons.extend(feedback.suggestions().iter().map(ToString::to_string));
    }
    if reasons.is_empty() {
        reasons.push("It is too easy to guess.".to_owned());
    }
    Err(FieldError::new(pointer, "password_too_weak", format!("is too easy to guess. {}", reasons.join(" "))).because(reasons))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_verifies() {
        let passwords = Passwords::new(1, 4).unwrap();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse batterz".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse battery".into(), None).await.unwrap());
        assert!(!passwords.verify("x".repeat(5_000), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once() {
        let passwords = Passwords::new(1, 0).unwrap();
        let place = passwords.places.clone().acquire_owned().await.unwrap();
        let refused = passwords.verify("x".into(), None).await.unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        drop(place);
        assert!(passwords.verify("x".into(), None).await.is_ok());
    }

    #[test]
    fn weak_passwords_are_refused_and_good_ones_are_not() {
        assert!(check_strength("/password", "short", &[]).is_err());
        assert!(check_strength("/password", "password1234", &[]).is_err());
        assert!(check_strength("/password", "annemariehuber", &["annemarie", "huber"]).is_err());
        assert!(check_strength("/password", "plum-Kettle-94-orbit", &[]).is_ok());
    }
}
