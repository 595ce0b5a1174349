//! Passwords: hashed and verified (Argon2id, RFC 9106) and estimated off the async threads, behind
//! a bounded queue. When the queue is full the answer is 503 at once, never a pile-up; an unknown
//! user costs the same work as a known one.
//!
//! A password is what was typed, whichever bytes a keyboard makes of it: RFC 8265's `OpaqueString`,
//! as far as it maps.

use std::sync::{Arc, OnceLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use icu_normalizer::ComposingNormalizer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::strength;
use crate::kernel::error::{Code, Error, FieldError, Result};

/// Longer input than any password can be is not hashed at all, only pretended to be: 128
/// characters, each of them decomposed.
const MAX_BYTES: usize = 2_048;

/// How many wait for a worker where nobody says otherwise: the last of them waits so many times as
/// long as a hash takes.
const QUEUE_OF_A_WORKER: usize = 12;

/// The shortest password that is set for somebody else, in characters.
const SHORTEST: usize = 12;

/// Whether both are the same password, whichever bytes a keyboard made of them.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    prepared(one) == prepared(other)
}

/// Hashes and verifies passwords, a bounded number at a time.
#[derive(Debug, Clone)]
pub struct Passwords {
    workers: Arc<Semaphore>,
    places: Arc<Semaphore>,
    dummy: Arc<str>,
    shortest_own: usize,
}

/// A place among those whose password is looked at, or waits for it.
#[derive(Debug)]
#[must_use]
pub struct Place {
    held: OwnedSemaphorePermit,
    passwords: Passwords,
}

impl Passwords {
    /// `workers` at a time, and as many more waiting as `queue` says.
    pub fn new(workers: usize, queue: impl Into<Option<usize>>) -> Result<Self> {
        let queue = queue.into().unwrap_or(workers * QUEUE_OF_A_WORKER);
        Ok(Self {
            workers: Arc::new(Semaphore::new(workers)),
            places: Arc::new(Semaphore::new(workers + queue)),
            dummy: nobodys()?,
            shortest_own: SHORTEST,
        })
    }

    /// The same, where a password that somebody chooses for themselves has at least so many
    /// characters.
    #[must_use]
    pub fn own_of_at_least(self, characters: usize) -> Self {
        Self { shortest_own: characters, ..self }
    }

    /// A place among those whose password is looked at, or waits for it; 503 where all are taken.
    /// To be asked for before anything else is done for who may be refused.
    pub fn place(&self) -> Result<Place> {
        let held = self.places.clone().try_acquire_owned().map_err(|_| {
            Error::new(Code::Overloaded, "Too many sign-ins at this moment.").retry_after(1)
        })?;
        Ok(Place { held, passwords: self.clone() })
    }

    /// Whether the password is the one that was hashed. Without a hash: the same work, and no.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.place()?.verify(password, hash).await
    }

    /// The hash to store (PHC string format), unless the password is refused: for its length, or as
    /// easily guessed by whoever knows its owner's names.
    pub async fn new_hash(
        &self,
        pointer: &'static str,
        password: String,
        own_names: &[&str],
    ) -> Result<std::result::Result<String, FieldError>> {
        self.judged((pointer, SHORTEST), password, own_names, hash_now).await
    }

    /// The same of one that its owner chooses.
    pub async fn new_hash_of_own(
        &self,
        pointer: &'static str,
        password: String,
        own_names: &[&str],
    ) -> Result<std::result::Result<String, FieldError>> {
        self.judged((pointer, self.shortest_own), password, own_names, hash_now).await
    }

    /// What the password would be refused for; nothing is hashed.
    pub async fn fault(
        &self,
        pointer: &'static str,
        password: String,
        own_names: &[&str],
    ) -> Result<Option<FieldError>> {
        Ok(self.judged((pointer, SHORTEST), password, own_names, |_| Ok(())).await?.err())
    }

    /// The same of one that its owner chooses.
    pub async fn fault_of_own(
        &self,
        pointer: &'static str,
        password: String,
        own_names: &[&str],
    ) -> Result<Option<FieldError>> {
        let length = (pointer, self.shortest_own);
        Ok(self.judged(length, password, own_names, |_| Ok(())).await?.err())
    }

    /// The hash of a password that nobody chose.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.place()?.work(move || hash_now(&prepared(&password))).await
    }

    /// Length first, which costs nothing; then, on a worker, the estimate and what follows it.
    async fn judged<T: Send + 'static>(
        &self,
        (pointer, shortest): (&'static str, usize),
        password: String,
        own_names: &[&str],
        then: impl FnOnce(&str) -> Result<T> + Send + 'static,
    ) -> Result<std::result::Result<T, FieldError>> {
        // Too long for any form of a password: its length is told without normalising it.
        let password = if password.len() <= MAX_BYTES { prepared(&password) } else { password };
        if let Err(fault) = strength::check_length(pointer, &password, shortest) {
            return Ok(Err(fault));
        }
        let own_names = strength::bounded(own_names);
        let judge = move || match strength::check_estimate(pointer, &password, &own_names) {
            Ok(()) => then(&password).map(Ok),
            Err(fault) => Ok(Err(fault)),
        };
        self.place()?.work(judge).await
    }
}

impl Place {
    /// As [`Passwords::verify`].
    pub async fn verify(self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some() && password.len() <= MAX_BYTES;
        let hash = if known { hash.unwrap_or_default() } else { self.passwords.dummy.to_string() };
        let candidate = if password.len() <= MAX_BYTES { password } else { String::new() };
        let matches = self
            .work(move || {
                let parsed =
                    PasswordHash::new(&hash).map_err(|error| Error::internal(error.to_string()))?;
                let is_it = |form: &str| {
                    Argon2::default().verify_password(form.as_bytes(), &parsed).is_ok()
                };
                let prepared = prepared(&candidate);
                // As it was typed, too: hashes of before were made of that. Whether it is another
                // form is the candidate's affair alone.
                Ok(is_it(&prepared) || (prepared != candidate && is_it(&candidate)))
            })
            .await?;
        Ok(matches && known)
    }

    async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let worker = self.passwords.workers.clone().acquire_owned().await;
        let worker = worker.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: a client that goes away does not free a worker
            // that is still busy.
            let _held = (self.held, worker);
            work()
        })
        .await
        .map_err(Error::internal)?
    }
}

/// The same for every way to type it: spaces of other scripts are spaces, and letters composed
/// (NFC).
fn prepared(password: &str) -> String {
    let spaces: String =
        password.chars().map(|c| if is_other_space(c) { ' ' } else { c }).collect();
    ComposingNormalizer::new_nfc().normalize(&spaces).into_owned()
}

/// Unicode's category Zs but the space itself.
fn is_other_space(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Nobody's password, one a process: verifying against it costs what verifying against a real one
/// does.
fn nobodys() -> Result<Arc<str>> {
    static HASH: OnceLock<Arc<str>> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash.clone());
    }
    let hash = hash_now(&uuid::Uuid::new_v4().to_string())?;
    Ok(HASH.get_or_init(|| hash.into()).clone())
}

fn hash_now(prepared: &str) -> Result<String> {
    let hash = Argon2::default()
        .hash_password(prepared.as_bytes())
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_verifies() {
        let passwords = Passwords::new(1, 4).unwrap();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            passwords.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap()
        );
        assert!(
            !passwords.verify("correct horse batterz".into(), Some(hash.clone())).await.unwrap()
        );
        assert!(!passwords.verify("correct horse battery".into(), None).await.unwrap());
        assert!(!passwords.verify("x".repeat(5_000), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once_whatever_is_asked() {
        let passwords = Passwords::new(1, 0).unwrap();
        let good = || "plum-Kettle-94-orbit".to_owned();
        let place = passwords.places.clone().acquire_owned().await.unwrap();
        let refused = [
            passwords.verify("x".into(), None).await.map(drop),
            passwords.hash(good()).await.map(drop),
            passwords.new_hash("/password", good(), &[]).await.map(drop),
            passwords.fault("/password", good(), &[]).await.map(drop),
        ];
        assert!(refused.into_iter().all(|outcome| outcome.unwrap_err().code() == Code::Overloaded));
        let too_long =
            passwords.new_hash("/password", "x".repeat(129), &[]).await.unwrap().unwrap_err();
        assert_eq!(too_long.code, "password_length", "before anything waits or is computed");
        drop(place);
        assert!(passwords.verify("x".into(), None).await.is_ok());
    }

    #[tokio::test]
    async fn a_password_is_what_was_typed_however_it_was_typed() {
        let passwords = Passwords::new(1, 4).unwrap();
        let (composed, decomposed) =
            ("Z\u{fc}rich-Gr\u{fc}\u{df}e-94", "Zu\u{308}rich-Gru\u{308}\u{df}e-94");
        for (set, typed) in [
            (composed, decomposed),
            (decomposed, composed),
            ("plum Kettle 94 orbit", "plum\u{a0}Kettle\u{3000}94 orbit"),
        ] {
            let hash = passwords.new_hash("/password", set.to_owned(), &[]).await.unwrap().unwrap();
            assert!(
                passwords.verify(typed.to_owned(), Some(hash)).await.unwrap(),
                "{set} typed as {typed}"
            );
        }
        // One that was made of the bytes as they were typed, before they were prepared.
        let older = hash_now(decomposed).unwrap();
        assert!(passwords.verify(decomposed.to_owned(), Some(older.clone())).await.unwrap());
        assert!(!passwords.verify(composed.to_owned(), Some(older)).await.unwrap());
        let hash = passwords.hash("Zurich-Grusse-94".to_owned()).await.unwrap();
        assert!(
            !passwords.verify(composed.to_owned(), Some(hash)).await.unwrap(),
            "letters are not made plainer"
        );
    }

    #[test]
    fn spaces_and_composition_are_all_that_is_changed() {
        assert_eq!(prepared("e\u{301}\u{a0}\u{2003}\u{3000}x"), "\u{e9}   x");
        for kept in ["plum-Kettle-94-orbit", " \t Aa ", "\u{fb01}\u{212b}\u{200b}"] {
            assert_eq!(prepared(kept).chars().count(), kept.chars().count(), "{kept:?}");
        }
        assert_ne!(prepared("\u{fb01}sh"), "fish", "not made plainer (NFKC)");
    }

    #[tokio::test]
    async fn a_length_counts_what_was_typed() {
        let passwords = Passwords::new(1, 4).unwrap();
        let longest = "a\u{308}".repeat(128);
        let fault = passwords.fault("/password", longest, &[]).await.unwrap().unwrap();
        assert_eq!(fault.code, "password_too_weak", "128 characters once composed");
        let fault =
            passwords.fault("/password", "a\u{308}".repeat(129), &[]).await.unwrap().unwrap();
        assert_eq!(fault.code, "password_length");
        let fault =
            passwords.fault("/password", "a\u{308}".repeat(700_000), &[]).await.unwrap().unwrap();
        assert_eq!(fault.code, "password_length");
    }
}
