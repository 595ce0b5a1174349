//! What was taken from a budget.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::payer::Payer;
use crate::context::policy::Class;
use crate::kernel::error::{Code, Error, Result};

/// What a request was charged for one class.
#[derive(Debug, Clone)]
pub struct Charged {
    pub class: Class,
    pub payer: Payer,
    /// Requests a minute, of all nodes together.
    pub quota: NonZeroU32,
    /// What this node gives of it.
    pub share: NonZeroU32,
    /// What was taken, or in how many seconds there is something again.
    pub outcome: Result<Ticket, u64>,
}

impl Charged {
    pub fn allowed(&self) -> Result<(), Error> {
        self.outcome.as_ref().map(|_| ()).map_err(|wait| too_many(*wait))
    }
}

/// One request's worth of a budget.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// What was left after it was taken.
    pub remaining: u32,
    /// When the bucket would be full again, had nothing else been taken: what was given back is
    /// worth nothing from then on.
    pub full_at: Instant,
}

impl Ticket {
    pub fn of(share: NonZeroU32, remaining: u32) -> Self {
        let missing = share.get().saturating_sub(remaining);
        Self { remaining, full_at: Instant::now() + MINUTE / share.get() * missing }
    }
}

pub const MINUTE: Duration = Duration::from_mins(1);

fn too_many(seconds: u64) -> Error {
    Error::new(
        Code::TooManyRequests,
        format!("The limit of this class of routes is used up; try again in {seconds} s."),
    )
    .retry_after(seconds)
}
