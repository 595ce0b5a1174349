//! What a job is, for whoever has one: work without anybody's request, later or again and again.
//! `platform/jobs` runs them.
//!
//! Whoever locks a job's row does the work, in that same transaction: a crash undoes work and
//! bookkeeping alike, and however many nodes there are, what was done is done once. Work that does
//! not fit into one short transaction does a part ([`Worked::in_part`]) and is taken again.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use super::audit::recorded::Recorded;
use super::proof::System;
use super::system::SystemContext;
use super::transaction::Writing;
use crate::kernel::error::Result;

/// Rows that one transaction takes away, so that it locks little and not for long.
pub const BATCH: i32 = 500;

/// A kind of job.
#[derive(Clone, Copy)]
pub struct Job {
    /// Its name in the table, in the log and in the metrics.
    pub name: &'static str,
    /// How often it comes round by itself; `None` for one that is [asked](ask) for, subject by
    /// subject.
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

impl Task {
    pub(crate) fn new(context: SystemContext, subject: String, writing: Writing) -> Self {
        Self { context, subject, writing }
    }
    /// For whoever runs jobs, when the work is done: a job has its task lent only.
    pub(crate) fn into_parts(self) -> (SystemContext, Writing) {
        (self.context, self.writing)
    }
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

    pub(crate) fn is_in_part(&self) -> bool {
        self.in_part
    }
    pub(crate) fn into_recorded(self) -> Recorded {
        self.recorded
    }
}

/// Asks for a job about each of these subjects; one that is asked for already stays as it is.
pub async fn ask(
    connection: &mut PgConnection,
    _: System,
    name: &str,
    subjects: &[String],
    due_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into jobs (name, subject, due_at) select $1, subject, $3
           from unnest($2::text[]) subject on conflict do nothing",
        name,
        subjects,
        due_at
    )
    .execute(connection)
    .await?;
    Ok(())
}
