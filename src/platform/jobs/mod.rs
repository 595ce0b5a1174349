//! What is done without anybody's request, later or again and again. One scheduler runs on every node; a job is a row of the
//! table `jobs` and a [`Job`] in [`crate::assembly::JOBS`].
//!
//! Whoever locks the row does the work, in that same transaction: a crash undoes work and bookkeeping alike, and however many
//! nodes there are, what was done is done once. Work that does not fit into one short transaction does a part
//! ([`Worked::in_part`]) and is taken again.

pub mod answers;
mod scheduler;
mod store;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use chrono::Duration;
use sqlx::PgConnection;

use crate::context::{Recorded, SystemContext, Writing};
use crate::kernel::error::Result;

pub use scheduler::{Scheduler, Step};
pub use store::ask;

/// Rows that one transaction takes away, so that it locks little and not for long.
pub const BATCH: i32 = 500;

/// A kind of job.
#[derive(Clone, Copy)]
pub struct Job {
    /// Its name in the table, in the log and in the metrics.
    pub name: &'static str,
    /// How often it comes round by itself; `None` for one that is [asked](ask) for, subject by subject.
    pub every: Option<Duration>,
    pub work: for<'a> fn(&'a mut Task) -> Work<'a>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// The work of a job.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<Worked>> + Send + 'a>>;

/// What a job works with: a writing transaction of the system, which ends with the work.
#[derive(Debug)]
pub struct Task {
    /// Nobody: the actor of the job's audit events, and its clock.
    pub context: SystemContext,
    /// What the job is about; empty for one that comes round by itself.
    pub subject: String,
    writing: Writing,
}

impl Deref for Task {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.writing
    }
}
impl DerefMut for Task {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.writing
    }
}

/// Work that was done, with its trace in the audit trail.
#[derive(Debug)]
pub struct Worked {
    recorded: Recorded,
    in_part: bool,
}

impl Worked {
    /// Everything; the job comes round in its turn, or is over.
    pub fn whole(recorded: Recorded) -> Self {
        Self { recorded, in_part: false }
    }
    /// A part; the job is due again at once, behind others that are due.
    pub fn in_part(recorded: Recorded) -> Self {
        Self { recorded, in_part: true }
    }
    /// What batches of rows come to: a full one may have left some.
    pub fn batch(recorded: Recorded, rows: usize) -> Self {
        Self { recorded, in_part: i32::try_from(rows).is_ok_and(|rows| rows >= BATCH) }
    }
}
