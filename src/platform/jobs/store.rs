//! Jobs in the database.

use chrono::{DateTime, Utc};
use sqlx::{Executor, PgConnection};
use uuid::Uuid;

use crate::context::System;
use crate::kernel::error::Result;

/// A job that is due, its row locked.
#[derive(Debug)]
pub(super) struct Due {
    pub name: String,
    pub subject: String,
    pub failures: i32,
}

/// Sees to it that the jobs that come round by themselves are there.
pub(super) async fn stand(
    connection: &mut PgConnection,
    _: System,
    names: &[String],
    due_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into jobs (name, subject, due_at) select name, '', $2 from unnest($1::text[]) name
           on conflict do nothing",
        names,
        due_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes what has been due longest and nobody else has taken. Only of these names: another
/// version's jobs wait for it.
pub(super) async fn take(
    connection: &mut PgConnection,
    _: System,
    names: &[String],
    now: DateTime<Utc>,
) -> Result<Option<Due>> {
    let due = sqlx::query_as!(
        Due,
        "select name, subject, failures from jobs where due_at <= $2 and name = any($1)
           order by due_at limit 1 for update skip locked",
        names,
        now
    )
    .fetch_optional(connection)
    .await?;
    Ok(due)
}

/// Claims the errand that has been due longest and nobody else has claimed: it is due again when
/// the claim runs out. One whose claim ran out has failed once more.
pub(super) async fn claim(
    connection: &mut PgConnection,
    _: System,
    names: &[String],
    (claim, now, until): (Uuid, DateTime<Utc>, DateTime<Utc>),
) -> Result<Option<Due>> {
    let due = sqlx::query_as!(
        Due,
        "with due as (
           select name, subject from jobs where due_at <= $2 and name = any($1)
           order by due_at limit 1 for update skip locked)
         update jobs j
         set due_at = $4, claim = $3, failures = j.failures + (j.claim is not null)::integer,
             last_error = case when j.claim is null then j.last_error
                               else 'whoever did it was not heard of again' end
         from due where j.name = due.name and j.subject = due.subject
         returning j.name, j.subject, j.failures",
        names,
        now,
        claim,
        until,
    )
    .fetch_optional(connection)
    .await?;
    Ok(due)
}

/// Whether an errand is still claimed by whoever did it. Nobody else concludes it meanwhile.
pub(super) async fn is_claimed(
    connection: &mut PgConnection,
    _: System,
    job: &Due,
    claim: Uuid,
) -> Result<bool> {
    let held = sqlx::query_scalar!(
        "select 1 from jobs where name = $1 and subject = $2 and claim = $3 for update",
        job.name,
        job.subject,
        claim
    )
    .fetch_optional(connection)
    .await?;
    Ok(held.is_some())
}

/// When the next job falls due. Those that are due already are in somebody's hands.
pub(super) async fn next_due(
    connection: &mut PgConnection,
    _: System,
    names: &[String],
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>> {
    let next = sqlx::query_scalar!(
        "select min(due_at) from jobs where due_at > $2 and name = any($1)",
        names,
        now
    );
    Ok(next.fetch_one(connection).await?)
}

/// From here, work can be undone without letting go of the job.
pub(super) async fn begin_work(connection: &mut PgConnection, _: System) -> Result<()> {
    connection.execute("savepoint work").await?;
    Ok(())
}

/// Runs the deferred checks while the work can still be undone.
pub(super) async fn check_work(connection: &mut PgConnection, _: System) -> Result<()> {
    connection.execute("set constraints all immediate").await?;
    Ok(())
}

pub(super) async fn undo_work(connection: &mut PgConnection, _: System) -> Result<()> {
    connection.execute("rollback to savepoint work").await?;
    Ok(())
}

/// The job is done for now, and due again then.
pub(super) async fn done_until(
    connection: &mut PgConnection,
    _: System,
    job: &Due,
    due_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update jobs set due_at = $3, failures = 0, last_error = null
         where name = $1 and subject = $2",
        job.name,
        job.subject,
        due_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The job is over.
pub(super) async fn over(connection: &mut PgConnection, _: System, job: &Due) -> Result<()> {
    sqlx::query!("delete from jobs where name = $1 and subject = $2", job.name, job.subject)
        .execute(connection)
        .await?;
    Ok(())
}

/// The job has failed, and is tried again then.
pub(super) async fn postpone(
    connection: &mut PgConnection,
    _: System,
    job: &Due,
    due_at: DateTime<Utc>,
    why: &str,
) -> Result<()> {
    sqlx::query!(
        "update jobs set due_at = $3, failures = failures + 1, last_error = $4, claim = null
         where name = $1 and subject = $2",
        job.name,
        job.subject,
        due_at,
        why
    )
    .execute(connection)
    .await?;
    Ok(())
}
