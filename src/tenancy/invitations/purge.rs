//! Invitations that are over, and told of long enough.

use chrono::Duration;

use crate::context::Recorded;
use crate::context::jobs::{BATCH, Job, Task, Worked};
use crate::kernel::error::Result;

/// How long they are told of after their time has passed. They hold an address of somebody who may
/// never have come.
const KEPT_FOR: Duration = Duration::days(30);

/// Forgets them, a batch in each transaction.
pub const FORGET_INVITATIONS: Job = Job {
    name: "forget_invitations",
    every: Some(Duration::hours(1)),
    work: |task| Box::pin(forget(task)),
};

async fn forget(task: &mut Task) -> Result<Worked> {
    let ended_before = task.context.now() - KEPT_FOR;
    let forgotten = sqlx::query!(
        "delete from invitations where id = any (array(
           select id from invitations where expires_at <= $1 order by expires_at
             limit $2 for update skip locked))",
        ended_before,
        i64::from(BATCH),
    )
    .execute(&mut **task)
    .await?;
    let forgotten = usize::try_from(forgotten.rows_affected()).unwrap_or(usize::MAX);
    Ok(Worked::batch(Recorded::nothing_changed(), forgotten))
}
