//! How much is done in a run.

use std::time::Duration;

use serde::Serialize;

/// How often and how long.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Effort {
    /// How often each side has its turn.
    pub rounds: u32,
    pub turn: Turn,
    /// How often the service starts again.
    pub starts: u32,
    pub sign_ins: SignInEffort,
    /// How often each of those asks who see to it that every connection has met the statements.
    pub warm_ups: usize,
    /// How many people ask in turn where many do.
    pub callers: usize,
    /// What `seed load` is told of its size.
    #[serde(skip)]
    pub load: &'static [&'static str],
}

/// How long a side is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    Seconds(u64),
    /// Long enough to see whether it answers.
    Moment,
}

impl Turn {
    pub const fn how_long(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::Moment => Duration::from_millis(100),
        }
    }
}

/// For how many seconds people sign in, and how long the service is left alone then.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SignInEffort {
    pub seconds: u64,
    pub rest: u64,
}

impl SignInEffort {
    /// The rest is long enough for what gives memory back to have done so.
    pub const fn measuring(seconds: u64) -> Self {
        Self { seconds, rest: 15 }
    }
}

impl Effort {
    /// For figures.
    pub const fn measuring(rounds: u32, seconds: u64) -> Self {
        let (turn, sign_ins) = (Turn::Seconds(seconds), SignInEffort::measuring(10));
        Self { rounds, turn, starts: 5, sign_ins, warm_ups: 32, callers: 500, load: &[] }
    }

    /// To see that everything works, on the smallest load that has all that is asked for.
    pub const fn trying() -> Self {
        let load = &[
            "--mandates=20",
            "--users=100",
            "--memberships=300",
            "--instances=160",
            "--accesses=600",
        ];
        let sign_ins = SignInEffort { seconds: 1, rest: 0 };
        Self { rounds: 1, turn: Turn::Moment, starts: 1, sign_ins, warm_ups: 8, callers: 10, load }
    }

    /// Whether its figures say something.
    pub fn measures(self) -> bool {
        self.turn != Turn::Moment
    }
}
