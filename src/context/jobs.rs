//! What a job is, for whoever has one: work without anybody's request, later or again and again.
//! `platform/jobs` runs them.
//!
//! Whoever locks a job's row does the work, in that same transaction: a crash undoes work and
//! bookkeeping alike, and however many nodes there are, what was done is done once. Work that does
//! not fit into one short transaction does a part ([`Worked::in_part`]) and is taken again.
//!
//! What speaks to others, who may take long or be away, is an [`Errand`]: claimed in one
//! transaction, done outside any, and concluded in a second one. While it is done nobody holds a
//! connection. It is done at least once: a node that dies between doing and concluding leaves it to
//! another, which does it again.

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

/// A kind of job that speaks to others. `A` is what it needs of the running service.
pub struct Errand<A> {
    /// As a [`Job`]'s.
    pub name: &'static str,
    /// In the transaction that claims it: what is to be done, by what is there now. `None`: nothing
    /// any more.
    pub prepare: for<'a> fn(&'a A, &'a mut Task) -> Preparing<'a>,
    /// In the transaction that concludes it, once it was done or there was nothing to do.
    pub conclude: for<'a> fn(&'a mut Task) -> Work<'a>,
}

impl<A> fmt::Debug for Errand<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an errand is to do, being found out.
pub type Preparing<'a> = Pin<Box<dyn Future<Output = Result<Option<Conversation>>> + Send + 'a>>;

/// What is done outside any transaction. An error: it is tried again.
pub type Conversation = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What a job works with: a writing transaction of the system, which ends with the work.
#[derive(Debug)]
pub struct Task {
    /// Nobody: the actor of the job's audit events, and its time.
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
