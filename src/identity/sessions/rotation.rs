//! What is done about a refresh token (RFC 9700, 4.14.2: each is good once, and one that is used
//! again was stolen, or what took its place was).
//!
//! An answer may be lost, and two tabs of one browser may refresh at once. So for [`GRACE`] the one
//! before the last is answered with what it was answered before, as long as nobody has refreshed
//! with that.

use chrono::{DateTime, Duration, Utc};

/// How long a token serves once more that was used already.
const GRACE: Duration = Duration::seconds(10);

/// The state of a session that is alive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation {
    /// Of the token that is good now: nobody has refreshed with it.
    pub number: i32,
    /// When it was given.
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its successor is given.
    Renewed,
    /// What was given for it is given again.
    ToldAgain,
    /// Somebody has used it who should not have it: all that came of the sign-in ends.
    Reused,
    /// It was not given by a state that is known.
    Unknown,
}

impl Rotation {
    pub fn judge(self, presented: i32, now: DateTime<Utc>) -> Verdict {
        if presented == self.number {
            Verdict::Renewed
        } else if presented > self.number || presented < 1 {
            Verdict::Unknown
        } else if presented == self.number - 1 && now - self.at <= GRACE {
            Verdict::ToldAgain
        } else {
            Verdict::Reused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_before_serves_for_ten_seconds_and_no_other() {
        let at = DateTime::UNIX_EPOCH;
        let state = Rotation { number: 5, at };
        let judge = |presented, seconds| state.judge(presented, at + Duration::seconds(seconds));
        assert_eq!(judge(5, 0), Verdict::Renewed);
        assert_eq!(judge(5, 10_000), Verdict::Renewed, "how long it may rest is not asked here");
        assert_eq!([judge(4, 0), judge(4, 10)], [Verdict::ToldAgain; 2]);
        assert_eq!([judge(4, 11), judge(3, 0), judge(1, 0)], [Verdict::Reused; 3]);
        assert_eq!([judge(6, 0), judge(0, 0), judge(-1, 0)], [Verdict::Unknown; 3]);
    }
}
