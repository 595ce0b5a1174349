//! Kept answers that nobody may ask for any more.

use chrono::Duration;

use crate::context::Recorded;
use crate::context::jobs::{BATCH, Job, Task, Worked};
use crate::kernel::error::Result;

/// Forgets them, a batch in each transaction.
pub const FORGET_ANSWERS: Job = Job {
    name: "forget_answers",
    every: Some(Duration::minutes(1)),
    work: |task| Box::pin(forget(task)),
};

async fn forget(task: &mut Task) -> Result<Worked> {
    let now = task.context.now();
    let forgotten = sqlx::query!(
        "delete from idempotent_answers
         where id = any (array(select id from idempotent_answers where expires_at <= $1
             order by expires_at limit $2))",
        now,
        i64::from(BATCH)
    )
    .execute(&mut **task)
    .await?
    .rows_affected();
    Ok(Worked::batch(Recorded::nothing_changed(), usize::try_from(forgotten).unwrap_or(usize::MAX)))
}
