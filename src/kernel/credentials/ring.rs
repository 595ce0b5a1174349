//! The service's own keys: two that sign tokens, one for each algorithm, and a root that the keys
//! of its HMACs follow from. The first ones follow from the secret of the installation (HKDF with
//! SHA-256, RFC 5869), so that every node has them without asking anybody; later ones are random.
//! All are kept in the database, sealed under the secret, which can so be changed for another
//! without any key being changed, and keys without the secret being.
//!
//! A key is *next* until it begins, so that whoever verifies has it before anything is signed with
//! it; *signing* until a later one of its purpose begins; then *verifying*, so that what it signed
//! stays good; and nothing any more once it is *retired*.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use super::signing::SigningKey;
use crate::kernel::config::TokenAlgorithm;
use crate::kernel::crypto::{Keys, base64url, derived, random};
use crate::kernel::error::Result;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signs tokens by that algorithm.
    Tokens(TokenAlgorithm),
    /// HMACs: refresh tokens, cursors, what is looked up by a keyed hash.
    Hashes,
}

impl Purpose {
    pub const ALL: [Self; 3] =
        [Self::Tokens(TokenAlgorithm::EdDsa), Self::Tokens(TokenAlgorithm::Es256), Self::Hashes];

    /// As it is stored; of those that sign, as `alg` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens(algorithm) => algorithm.name(),
            Self::Hashes => "hashes",
        }
    }

    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Under what one is kept: its `kid`, where it has one.
    pub fn key_id(self, private: &[u8; 32]) -> Result<String> {
        match self {
            Self::Tokens(algorithm) => Ok(SigningKey::of(algorithm, private)?.id().to_owned()),
            Self::Hashes => Ok(base64url(&derived(private, b"name of a root v1"))),
        }
    }

    /// The first one of an installation with that secret.
    pub fn first(self, secret: &[u8; 32]) -> Result<[u8; 32]> {
        match self {
            Self::Tokens(algorithm) => SigningKey::first_private(algorithm, secret),
            Self::Hashes => Ok(*secret),
        }
    }
}

/// What is to be known of a key to say what it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    pub purpose: Purpose,
    pub created_at: DateTime<Utc>,
    /// When it is signed with, by the clocks of all nodes.
    pub begins_at: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Next,
    Signing,
    Verifying,
    Retired,
}

impl State {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Verifying => "verifying",
            Self::Retired => "retired",
        }
    }
}

impl Life {
    /// What it is good for among all, and since when.
    #[must_use]
    pub fn state<'a>(
        &self,
        all: impl IntoIterator<Item = &'a Self>,
        now: DateTime<Utc>,
    ) -> (State, DateTime<Utc>) {
        if let Some(retired_at) = self.retired_at {
            return (State::Retired, retired_at);
        }
        let place = |life: &Self| (life.begins_at, life.created_at);
        let is_other = |other: &&Self| {
            other.purpose == self.purpose && other.retired_at.is_none() && *other != self
        };
        let others: Vec<&Self> = all.into_iter().filter(is_other).collect();
        if self.begins_at > now {
            // The first of all signs before it begins, by a clock that is behind.
            let is_first = others.iter().all(|other| place(other) > place(self));
            return (if is_first { State::Signing } else { State::Next }, self.created_at);
        }
        let is_later = |other: &&&Self| place(other) > place(self) && other.begins_at <= now;
        let followed_at = others.iter().filter(is_later).map(|other| other.begins_at).min();
        followed_at.map_or((State::Signing, self.begins_at), |at| (State::Verifying, at))
    }
}

/// A key that was opened.
#[derive(Clone)]
pub struct OpenKey {
    /// Its `kid`, where it has one.
    pub id: String,
    pub life: Life,
    pub private: [u8; 32],
}

impl std::fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys of an installation, in the order in which they begin. Those that were retired are not
/// among them, but for the very first root.
#[derive(Debug, Clone)]
pub struct KeyRing(Vec<OpenKey>);

/// By what two rings are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(BTreeSet<String>);

impl KeyRing {
    #[must_use]
    pub fn new(mut keys: Vec<OpenKey>) -> Self {
        keys.sort_by_key(|key| (key.life.begins_at, key.life.created_at));
        Self(keys)
    }

    /// That of an installation whose keys follow from its secret.
    pub fn first(secret: &[u8; 32]) -> Result<Self> {
        let always = DateTime::<Utc>::UNIX_EPOCH;
        let key = |purpose: Purpose| {
            let private = purpose.first(secret)?;
            Ok(OpenKey {
                id: purpose.key_id(&private)?,
                life: Life { purpose, created_at: always, begins_at: always, retired_at: None },
                private,
            })
        };
        Ok(Self::new(Purpose::ALL.into_iter().map(key).collect::<Result<_>>()?))
    }

    /// Its keys.
    pub fn into_keys(self) -> Vec<OpenKey> {
        self.0
    }

    fn of(&self, purpose: Purpose) -> impl DoubleEndedIterator<Item = &OpenKey> {
        self.0.iter().filter(move |key| key.life.purpose == purpose)
    }

    /// Those that sign and verify, with when each begins.
    pub fn signing(&self) -> Result<Vec<(SigningKey, DateTime<Utc>)>> {
        let mut keys = Vec::new();
        for algorithm in TokenAlgorithm::ALL {
            for key in self.of(Purpose::Tokens(algorithm)) {
                keys.push((SigningKey::of(algorithm, &key.private)?, key.life.begins_at));
            }
        }
        Ok(keys)
    }

    /// The keys of HMACs at that time. What a root made is good for as long as a session lasts
    /// after the next one began.
    pub fn keys(&self, now: DateTime<Utc>, longest_session: Duration) -> Result<Keys> {
        let good: Vec<&OpenKey> =
            self.of(Purpose::Hashes).filter(|key| key.life.retired_at.is_none()).collect();
        let present = good.iter().rposition(|key| key.life.begins_at <= now).unwrap_or_default();
        let is_over = |place: usize| {
            let next = good.get(place + 1).filter(|_| place < present);
            next.is_some_and(|next| next.life.begins_at + longest_session <= now)
        };
        let others = good.iter().enumerate().filter(|(place, _)| *place != present);
        let others: Vec<[u8; 32]> =
            others.filter(|(place, _)| !is_over(*place)).map(|(_, key)| key.private).collect();
        // Without any, nothing that anybody could know is taken.
        let present = good.get(present).map_or_else(random, |key| Ok(key.private))?;
        let first = self.of(Purpose::Hashes).next().map_or(present, |key| key.private);
        Ok(Keys::of_roots(&first, &present, &others))
    }

    /// Of its keys the one with that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&OpenKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// What is another one where any key came, went, began, or followed another one for so long.
    #[must_use]
    pub fn mark(&self, now: DateTime<Utc>, longest_session: Duration) -> Mark {
        let told = self.0.iter().map(|key| {
            let (begun, retired) = (key.life.begins_at <= now, key.life.retired_at.is_some());
            let is_long_ago = key.life.begins_at + longest_session <= now;
            format!("{} {begun} {retired} {is_long_ago}", key.id)
        });
        Mark(told.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::{Clock, SystemClock};

    #[test]
    fn a_key_signs_from_when_it_begins_until_the_next_one_does() {
        let now = SystemClock.now();
        let life = |hours: i64| Life {
            purpose: Purpose::Tokens(TokenAlgorithm::EdDsa),
            created_at: now - Duration::hours(10),
            begins_at: now - Duration::hours(hours),
            retired_at: None,
        };
        let other = Life { purpose: Purpose::Hashes, ..life(0) };
        let retired = Life { retired_at: Some(now), ..life(1) };
        let all = [life(3), life(2), life(-1), other, retired];
        let states: Vec<_> = all.iter().map(|life| life.state(&all, now)).collect();
        assert_eq!(
            states,
            [
                (State::Verifying, all[1].begins_at),
                (State::Signing, all[1].begins_at),
                (State::Next, now - Duration::hours(10)),
                (State::Signing, now),
                (State::Retired, now),
            ]
        );
    }

    #[test]
    fn a_root_is_taken_until_it_is_retired_and_looked_up_by_for_good() {
        let now = SystemClock.now();
        let key = |number: u8, begins_at, retired_at| OpenKey {
            life: Life { purpose: Purpose::Hashes, created_at: now, begins_at, retired_at },
            id: number.to_string(),
            private: [number; 32],
        };
        let (hour, tag): (_, &[&[u8]]) = (Duration::hours(1), &[b"x"]);
        let first = key(1, now - hour * 2, None);
        let ring = KeyRing::new(vec![key(2, now + hour, None), first.clone()]);
        let (day, of) = (Duration::days(1), |ring: &KeyRing, at| ring.keys(at, Duration::days(1)));
        let before = of(&ring, now).unwrap();
        assert_eq!(before.refresh_tag(tag), Keys::derive(&[1; 32]).refresh_tag(tag));
        // A node whose clock is ahead makes them already.
        assert!(before.refresh_tag_is(tag, &Keys::derive(&[2; 32]).refresh_tag(tag)));
        let after = of(&ring, now + hour).unwrap();
        assert_eq!(after.refresh_tag(tag), Keys::derive(&[2; 32]).refresh_tag(tag));
        assert!(after.refresh_tag_is(tag, &before.refresh_tag(tag)));
        let over = of(&ring, now + hour + day).unwrap();
        assert!(!over.refresh_tag_is(tag, &before.refresh_tag(tag)), "for as long as a session");
        assert_eq!(over.guesses_tag(tag), before.guesses_tag(tag));
        let marks = [now, now + hour, now + hour + day].map(|at| ring.mark(at, day));
        assert!(marks[0] != marks[1] && marks[1] != marks[2]);

        let retired = OpenKey { life: Life { retired_at: Some(now), ..first.life }, ..first };
        let replaced = KeyRing::new(vec![retired.clone(), key(2, now, None)]);
        let alone = of(&replaced, now).unwrap();
        assert!(!alone.refresh_tag_is(tag, &before.refresh_tag(tag)));
        assert_eq!(alone.guesses_tag(tag), before.guesses_tag(tag));
        // Not by a clock that is behind either; and nothing is good where there is none.
        for ring in [replaced, KeyRing::new(vec![retired]), KeyRing::new(Vec::new())] {
            let behind = of(&ring, now - hour).unwrap();
            assert!(!behind.refresh_tag_is(tag, &before.refresh_tag(tag)));
            let zero = Keys::derive(&[0; 32]).refresh_tag(tag);
            assert!(!behind.refresh_tag_is(tag, &zero));
        }
    }

    #[test]
    fn the_first_key_signs_by_a_clock_that_is_behind() {
        let now = SystemClock.now();
        let life = |minutes: i64| Life {
            purpose: Purpose::Tokens(TokenAlgorithm::Es256),
            created_at: now,
            begins_at: now + Duration::minutes(minutes),
            retired_at: None,
        };
        let all = [life(5), life(60)];
        let states = all.each_ref().map(|life| life.state(&all, now).0);
        assert_eq!(states, [State::Signing, State::Next]);
    }
}
