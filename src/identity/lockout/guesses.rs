//! How often somebody may guess, as a function of what was noted and the time. It knows neither a
//! database nor a clock.
//!
//! Five failures within a quarter of an hour lock for 30 seconds; each one after that twice as
//! long, up to an hour. A day without a failure forgets it, and so does a success. Whoever tries is
//! noted before the password is looked at: of many at once no more than could fail are let try.

use chrono::{DateTime, Duration, Utc};

/// How many failures lock that come within [`WINDOW`].
const THRESHOLD: usize = 5;
const WINDOW: Duration = Duration::minutes(15);
const FIRST_LOCK: Duration = Duration::seconds(30);
const LONGEST_LOCK: Duration = Duration::hours(1);
/// After so long without a failure the next lock is the first again.
const FORGOTTEN_AFTER: Duration = Duration::hours(24);
/// Whoever tries and is not heard of again by then has failed: longer than a request may take.
const PATIENCE: Duration = Duration::minutes(2);

/// What is noted of those who try with a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Guesses {
    /// When the last ones failed, the latest last; no more than matter.
    pub failed_at: Vec<DateTime<Utc>>,
    /// Since when those try whose password is being looked at.
    pub trying_since: Vec<DateTime<Utc>>,
    pub locks: i32,
    pub locked_until: Option<DateTime<Utc>>,
}

/// Whether somebody may try, and what is noted from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    Allowed(Guesses),
    /// Nothing is noted: who tries meanwhile does not prolong it.
    LockedUntil(DateTime<Utc>),
    /// So many are being looked at that one more failure would be one too many.
    OthersFirst,
}

impl Guesses {
    pub fn attempt(&self, now: DateTime<Utc>) -> Attempt {
        if let Some(until) = self.locked_until.filter(|until| *until > now) {
            return Attempt::LockedUntil(until);
        }
        let mut noted = self.as_of(now);
        if let Some(until) = noted.locked_until.filter(|until| *until > now) {
            return Attempt::LockedUntil(until);
        }
        let room = if noted.locks > 0 { 1 } else { THRESHOLD - noted.failed_at.len() };
        if noted.trying_since.len() >= room {
            return Attempt::OthersFirst;
        }
        noted.trying_since.push(now);
        Attempt::Allowed(noted)
    }

    /// Of somebody who was let try then.
    pub fn failed(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let mut noted = self.withdrawn(since, now);
        // Whoever was not heard of for so long has failed already.
        if now - since < PATIENCE {
            noted.fail(now);
        }
        noted
    }

    /// Without somebody who was let try then: whether they would have failed is not known.
    pub fn withdrawn(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let mut noted = self.as_of(now);
        if let Some(place) = noted.trying_since.iter().position(|tried| *tried == since) {
            noted.trying_since.remove(place);
        }
        noted
    }

    /// Without what matters no more, and with those as failures who were not heard of again.
    fn as_of(&self, now: DateTime<Utc>) -> Self {
        let last = self.failed_at.iter().chain(&self.trying_since).max();
        if last.is_none_or(|last| now - *last >= FORGOTTEN_AFTER) {
            return Self::default();
        }
        let (unheard, trying_since): (Vec<_>, Vec<_>) =
            self.trying_since.iter().partition(|since| now - **since >= PATIENCE);
        let mut noted = Self { trying_since, ..self.clone() };
        for since in unheard {
            noted.fail(since);
        }
        noted.failed_at.retain(|at| now - *at < WINDOW);
        noted
    }

    fn fail(&mut self, at: DateTime<Utc>) {
        self.failed_at.retain(|before| at - *before < WINDOW);
        self.failed_at.push(at);
        if self.locks > 0 || self.failed_at.len() >= THRESHOLD {
            self.locks = self.locks.saturating_add(1);
            self.locked_until = Some(at + lock(self.locks));
            self.failed_at = vec![at];
        }
    }

    /// When nothing of it matters any more.
    pub fn forgotten_at(&self) -> Option<DateTime<Utc>> {
        // Of those who try, enough may be lost to lock the name.
        let may_lock = self.locks > 0 || !self.trying_since.is_empty();
        let after = if may_lock { FORGOTTEN_AFTER } else { WINDOW };
        let last = self.failed_at.iter().chain(&self.trying_since).max()?;
        Some(*last + after)
    }
}

/// How long the first lock lasts, the second and so on.
fn lock(number: i32) -> Duration {
    let doublings = u32::try_from(number - 1).unwrap_or_default().min(16);
    (FIRST_LOCK * 2_i32.pow(doublings)).min(LONGEST_LOCK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    /// Whether somebody is let try at each of these seconds, all of whom fail at once.
    fn allowed(seconds: &[i64]) -> Vec<bool> {
        let mut guesses = Guesses::default();
        seconds
            .iter()
            .map(|second| match guesses.attempt(at(*second)) {
                Attempt::Allowed(noted) => {
                    guesses = noted.failed(at(*second), at(*second));
                    true
                }
                Attempt::LockedUntil(_) | Attempt::OthersFirst => false,
            })
            .collect()
    }

    #[test]
    fn five_within_a_quarter_of_an_hour_lock_for_half_a_minute() {
        let due = [true, true, true, true, true, false, false, true, false];
        assert_eq!(allowed(&[0, 1, 2, 3, 4, 5, 33, 34, 35]), due);
        assert_eq!(allowed(&[0, 225, 450, 675, 899, 900]), [true, true, true, true, true, false]);
        assert_eq!(allowed(&[0, 225, 450, 675, 900, 901]), [true; 6]);
        let slow: Vec<i64> = (0..40).map(|number| number * 240).collect();
        assert!(allowed(&slow).iter().all(|allowed| *allowed), "four in each quarter of an hour");
    }

    #[test]
    fn each_failure_after_a_lock_locks_twice_as_long_up_to_an_hour() {
        let (mut guesses, mut now, mut locks) = (Guesses::default(), at(0), Vec::new());
        while locks.len() < 9 {
            let Attempt::Allowed(noted) = guesses.attempt(now) else { panic!("{guesses:?}") };
            guesses = noted.failed(now, now);
            if let Some(until) = guesses.locked_until.filter(|until| *until > now) {
                locks.push((until - now).num_seconds());
                let meanwhile = guesses.attempt(now + Duration::seconds(1));
                assert_eq!(meanwhile, Attempt::LockedUntil(until), "and it is not prolonged");
                now = until;
            }
        }
        assert_eq!(locks, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    }

    #[test]
    fn a_day_without_a_failure_forgets_all() {
        let day = 24 * 3_600;
        let due = [true, true, true, true, true, false, true, true, true, true, true, false];
        let times = [0, 1, 2, 3, 4, 5, day + 4, day + 5, day + 6, day + 7, day + 8, day + 9];
        assert_eq!(allowed(&times), due);
        let sooner = [0, 1, 2, 3, 4, day, day + 1];
        assert_eq!(allowed(&sooner), [true, true, true, true, true, true, false]);
    }

    /// As many as could fail are let try at once, and who succeeds costs the others nothing.
    #[test]
    fn of_many_at_once_five_are_let_try_and_after_a_lock_one() {
        let mut guesses = Guesses::default();
        let (mut let_try, now) = (0, at(0));
        for _ in 0..50 {
            match guesses.attempt(now) {
                Attempt::Allowed(noted) => (guesses, let_try) = (noted, let_try + 1),
                other => assert_eq!(other, Attempt::OthersFirst),
            }
        }
        assert_eq!(let_try, 5);
        assert_eq!(guesses.locked_until, None, "nobody has failed yet");
        for _ in 0..5 {
            guesses = guesses.failed(now, now);
        }
        assert_eq!((guesses.locks, &guesses.trying_since[..]), (1, &[][..]));
        let later = at(31);
        let Attempt::Allowed(noted) = guesses.attempt(later) else { panic!("{guesses:?}") };
        assert_eq!(noted.attempt(later), Attempt::OthersFirst);
    }

    #[test]
    fn who_is_not_heard_of_again_has_failed() {
        let mut guesses = Guesses::default();
        for second in 0..5 {
            let Attempt::Allowed(noted) = guesses.attempt(at(second)) else {
                panic!("{guesses:?}")
            };
            guesses = noted;
        }
        assert_eq!(guesses.attempt(at(100)), Attempt::OthersFirst);
        // The last of them failed in the end, 124 seconds after the beginning.
        let Attempt::Allowed(noted) = guesses.attempt(at(200)) else { panic!("{guesses:?}") };
        assert_eq!((noted.locks, noted.trying_since.len()), (1, 1));
    }

    /// It costs nobody anything that we could not say whether they were right.
    #[test]
    fn who_is_withdrawn_has_not_tried() {
        let Attempt::Allowed(trying) = Guesses::default().attempt(at(0)) else { panic!("refused") };
        assert_eq!(trying.withdrawn(at(0), at(1)), Guesses::default());
        let booked = trying.attempt(at(200));
        let Attempt::Allowed(booked) = booked else { panic!("{booked:?}") };
        assert_eq!(booked.failed_at.len(), 1, "not heard of for long enough");
        assert_eq!(booked.failed(at(0), at(201)).failed_at.len(), 1, "and not twice");
    }

    proptest! {
        /// However one spreads them: within a quarter of an hour nine at most.
        #[test]
        fn nobody_guesses_more_often(waits in proptest::collection::vec(0_i64..600, 1..300)) {
            let times: Vec<i64> = waits.iter().scan(0, |now, wait| { *now += wait; Some(*now) })
                .collect();
            let tried: Vec<i64> = allowed(&times).into_iter().zip(&times)
                .filter(|(allowed, _)| *allowed).map(|(_, time)| *time).collect();
            for (index, first) in tried.iter().enumerate() {
                let within = |seconds| {
                    tried[index..].iter().filter(|time| **time - first < seconds).count()
                };
                prop_assert!(within(900) <= 9, "{} in a quarter of an hour", within(900));
            }
        }
    }
}
