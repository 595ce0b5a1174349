//! What is noted of failed attempts and matters no more.

use chrono::Duration;

use crate::context::Recorded;
use crate::context::jobs::{BATCH, Job, Task, Worked};
use crate::kernel::error::Result;

/// Longer than failures from a network are counted.
const FROM_NETWORKS: Duration = Duration::minutes(20);

/// Forgets it, a batch of each in each transaction.
pub const FORGET_GUESSES: Job = Job {
    name: "forget_guesses",
    every: Some(Duration::minutes(1)),
    work: |task| Box::pin(forget(task)),
};

async fn forget(task: &mut Task) -> Result<Worked> {
    let now = task.context.now();
    let forgotten = sqlx::query_scalar!(
        r#"with names as (
             delete from guesses where key = any (array(
               select key from guesses where forgotten_at <= $1 order by forgotten_at
                 limit $3 for update skip locked)) returning 1),
           places as (
             delete from guesses_from where ctid = any (array(
               select ctid from guesses_from where at <= $2 order by at limit $3)) returning 1),
           networks as (delete from locked_networks where locked_until <= $1)
           select greatest((select count(*) from names),
                           (select count(*) from places)) as "most!""#,
        now,
        now - FROM_NETWORKS,
        i64::from(BATCH),
    )
    .fetch_one(&mut **task)
    .await?;
    Ok(Worked::batch(Recorded::nothing_changed(), usize::try_from(forgotten).unwrap_or(usize::MAX)))
}
