//! Passwords: hashed and verified (Argon2id, RFC 9106) and estimated off the async threads, behind
//! a bounded queue. When the queue is full the answer is 503 at once, never a pile-up; an unknown
//! user costs the same work as a known one.
//!
//! A password is what was typed, whichever bytes a keyboard makes of it: RFC 8265's `OpaqueString`,
//! as far as it maps.

use std::sync::Arc;

use icu_normalizer::ComposingNormalizer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::breaches::{Breaches, Digest};
use super::hashing::{self, Cost};
use super::strength;
use crate::kernel::config::Settings;
use crate::kernel::error::{Code, Error, FieldError, Result};

/// Longer input than any password can be is not hashed at all, only pretended to be: 128
/// characters, each of them decomposed.
const MAX_BYTES: usize = 2_048;

/// How many wait for a worker where nobody says otherwise: the last of them waits so many times as
/// long as a hash takes.
const QUEUE_OF_A_WORKER: usize = 12;

const OURSELVES: &str = "bailiwick";
/// In letters: shorter parts of a host's name are in every other word.
const SHORTEST_WORD: usize = 4;
/// Each makes the estimate longer.
const MOST_WORDS: usize = 4;

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
    rules: Arc<Rules>,
}

/// What passwords have to be, and what becomes of them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// In characters.
    pub shortest: usize,
    pub cost: Cost,
    /// What the service is called: as easily guessed as its owner's names.
    pub words: Vec<String>,
    pub breaches: Breaches,
}

impl Default for Rules {
    fn default() -> Self {
        let words = vec![OURSELVES.to_owned()];
        Self { shortest: 15, cost: Cost::default(), words, breaches: Breaches::unasked() }
    }
}

/// What came of a password that was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    /// It is the one that was hashed.
    Right {
        /// Its hash as it would be made now, where that is another one.
        stronger: Option<String>,
    },
}

/// A password that is the one that was hashed.
struct Right<'a> {
    /// As it is hashed now.
    password: &'a str,
    hash: &'a str,
    /// Whether that is how it was hashed.
    is_as_hashed_now: bool,
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
    pub fn new(workers: usize, queue: impl Into<Option<usize>>, rules: Rules) -> Result<Self> {
        let queue = queue.into().unwrap_or(workers * QUEUE_OF_A_WORKER);
        Ok(Self {
            workers: Arc::new(Semaphore::new(workers)),
            places: Arc::new(Semaphore::new(workers + queue)),
            dummy: hashing::nobodys(rules.cost)?,
            rules: Arc::new(rules),
        })
    }

    /// As the settings have it.
    pub fn of(settings: &Settings) -> Result<Self> {
        let cost =
            Cost { memory_kib: settings.argon2_memory_kib, iterations: settings.argon2_iterations };
        let breaches = Breaches::of(settings)?;
        let words = words(settings.issuer.as_deref());
        let rules = Rules { shortest: settings.password_min, cost, words, breaches };
        Self::new(settings.password_workers, settings.password_queue, rules)
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

    /// The hash to store (PHC string format), unless the password is refused: for its length, as
    /// easily guessed by whoever knows its owner's names, or as one that was stolen elsewhere.
    pub async fn new_hash(
        &self,
        pointer: &'static str,
        password: String,
        own_names: &[&str],
    ) -> Result<std::result::Result<String, FieldError>> {
        let cost = self.rules.cost;
        let hashed = move |password: &str| {
            hashing::hash(password, cost).map(|hash| (hash, Digest::of(password)))
        };
        let (hash, digest) = match self.judged(pointer, password, own_names, hashed).await? {
            Ok(made) => made,
            Err(fault) => return Ok(Err(fault)),
        };
        // While no worker waits.
        Ok(self.rules.breaches.check(pointer, digest).await?.map(|()| hash))
    }

    /// What the password would be refused for, where it is refused anyway: nothing is hashed, and
    /// nobody is asked whether it was stolen.
    pub async fn fault(
        &self,
        pointer: &'static str,
        password: String,
        own_names: &[&str],
    ) -> Result<Option<FieldError>> {
        Ok(self.judged(pointer, password, own_names, |_| Ok(())).await?.err())
    }

    /// The hash of a password that nobody chose.
    pub async fn hash(&self, password: String) -> Result<String> {
        let cost = self.rules.cost;
        self.place()?.work(move || hashing::hash(&prepared(&password), cost)).await
    }

    /// Length first, which costs nothing; then, on a worker, the estimate and what follows it.
    async fn judged<T: Send + 'static>(
        &self,
        pointer: &'static str,
        password: String,
        own_names: &[&str],
        then: impl FnOnce(&str) -> Result<T> + Send + 'static,
    ) -> Result<std::result::Result<T, FieldError>> {
        // Too long for any form of a password: its length is told without normalising it.
        let password = if password.len() <= MAX_BYTES { prepared(&password) } else { password };
        if let Err(fault) = strength::check_length(pointer, &password, self.rules.shortest) {
            return Ok(Err(fault));
        }
        let mut names = strength::bounded(own_names);
        names.extend(self.rules.words.iter().cloned());
        let judge = move || match strength::check_estimate(pointer, &password, &names) {
            Ok(()) => then(&password).map(Ok),
            Err(fault) => Ok(Err(fault)),
        };
        self.place()?.work(judge).await
    }
}

impl Place {
    /// As [`Passwords::verify`].
    pub async fn verify(self, password: String, hash: Option<String>) -> Result<bool> {
        Ok(self.compare(password, hash, |_| Ok(())).await?.is_some())
    }

    /// The same for who signs in: a hash that costs less than it should is made anew, since now the
    /// password is known.
    pub async fn judge(self, password: String, hash: Option<String>) -> Result<Verdict> {
        let cost = self.passwords.rules.cost;
        let renewed = move |right: &Right<'_>| {
            let is_weak = !right.is_as_hashed_now || hashing::is_weaker(right.hash, cost)?;
            is_weak.then(|| hashing::hash(right.password, cost)).transpose()
        };
        let right = self.compare(password, hash, renewed).await?;
        Ok(right.map_or(Verdict::Wrong, |stronger| Verdict::Right { stronger }))
    }

    /// What is made of the password, as it is hashed now, and of its hash, where it is the right
    /// one.
    async fn compare<T: Send + 'static>(
        self,
        password: String,
        hash: Option<String>,
        then: impl FnOnce(&Right<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let known = hash.is_some() && password.len() <= MAX_BYTES;
        let hash = if known { hash.unwrap_or_default() } else { self.passwords.dummy.to_string() };
        let candidate = if password.len() <= MAX_BYTES { password } else { String::new() };
        self.work(move || {
            let prepared = prepared(&candidate);
            // As it was typed, too: hashes of before were made of that. Whether it is another form
            // is the candidate's affair alone.
            let is_as_hashed_now = hashing::is_of(&prepared, &hash)?;
            let is_it =
                is_as_hashed_now || (prepared != candidate && hashing::is_of(&candidate, &hash)?);
            let right = Right { password: &prepared, hash: &hash, is_as_hashed_now };
            if is_it && known { then(&right).map(Some) } else { Ok(None) }
        })
        .await
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

/// What a service is called: by its makers, and by the parts of its host's name.
fn words(issuer: Option<&str>) -> Vec<String> {
    let host = issuer.and_then(|issuer| Url::parse(issuer).ok());
    let host = host.as_ref().and_then(Url::domain).unwrap_or_default();
    let parts = host.split('.').filter(|part| part.len() >= SHORTEST_WORD).take(MOST_WORDS);
    std::iter::once(OURSELVES).chain(parts).map(str::to_owned).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_verifies() {
        let passwords = Passwords::new(1, 4, Rules::default()).unwrap();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            passwords.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap()
        );
        assert!(
            !passwords.verify("correct horse batterz".into(), Some(hash.clone())).await.unwrap()
        );
        assert!(!passwords.verify("correct horse battery".into(), None).await.unwrap());
        let another_case = passwords.verify("Correct horse battery".into(), Some(hash.clone()));
        assert!(!another_case.await.unwrap());
        let long = |end: &str| format!("{}{end}", "quay-Lantern-".repeat(9));
        let hash_of_long = passwords.hash(long("71")).await.unwrap();
        assert!(!passwords.verify(long("72"), Some(hash_of_long)).await.unwrap());
        assert!(!passwords.verify("x".repeat(5_000), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once_whatever_is_asked() {
        let passwords = Passwords::new(1, 0, Rules::default()).unwrap();
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
        let passwords = Passwords::new(1, 4, Rules::default()).unwrap();
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
        let older = hashing::hash(decomposed, Cost::default()).unwrap();
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
        let passwords = Passwords::new(1, 4, Rules::default()).unwrap();
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

    #[tokio::test]
    async fn what_the_service_is_called_makes_no_password() {
        assert_eq!(words(None), ["bailiwick"]);
        let words = words(Some("https://id.harbourside.example:8443/eu"));
        assert_eq!(words, ["bailiwick", "harbourside", "example"]);
        let passwords = Passwords::new(1, 4, Rules { words, ..Rules::default() }).unwrap();
        for (password, is_refused) in [
            ("bailiwickharbourside", true),
            ("Harboursidebailiwick", true),
            ("harbourside-quay-Lantern-58", false),
        ] {
            let fault = passwords.fault("/password", password.to_owned(), &[]).await.unwrap();
            assert_eq!(fault.is_some(), is_refused, "{password}: {fault:?}");
        }
    }

    #[tokio::test]
    async fn a_hash_that_costs_too_little_is_made_anew_for_who_knows_the_password() {
        let cost = Cost { memory_kib: 64, iterations: 2 };
        let passwords = Passwords::new(1, 4, Rules { cost, ..Rules::default() }).unwrap();
        let judge = async |password: &str, hash: &str| {
            let place = passwords.place().unwrap();
            place.judge(password.to_owned(), Some(hash.to_owned())).await.unwrap()
        };
        let right = "plum-Kettle-94-orbit";
        for weaker in [
            Cost { memory_kib: 32, ..cost },
            Cost { iterations: 1, ..cost },
            Cost { memory_kib: 128, iterations: 1 },
        ] {
            let weak = hashing::hash(right, weaker).unwrap();
            let Verdict::Right { stronger: Some(made) } = judge(right, &weak).await else {
                panic!("{weaker:?} is enough")
            };
            assert!(made.contains("$m=64,t=2,p=1$"), "{made}");
            assert_eq!(judge(right, &made).await, Verdict::Right { stronger: None });
            assert_eq!(judge("plum-Kettle-94-orbis", &weak).await, Verdict::Wrong);
        }
        let strong = hashing::hash(right, Cost { memory_kib: 128, iterations: 3 }).unwrap();
        assert_eq!(judge(right, &strong).await, Verdict::Right { stronger: None }, "kept");
        // One of the letters as they were typed, before passwords were composed.
        let (typed, composed) = ("Zu\u{308}rich-94", "Z\u{fc}rich-94");
        let older = hashing::hash(typed, cost).unwrap();
        let Verdict::Right { stronger: Some(made) } = judge(typed, &older).await else {
            panic!("is not made anew")
        };
        assert_eq!(judge(composed, &made).await, Verdict::Right { stronger: None });
    }
}
