//! Sessions that are over, taken away: what they knew of device and address goes with them. The
//! audit trail names sessions by their ids, and loses nothing.

use chrono::Duration;

use crate::context::Recorded;
use crate::context::jobs::{BATCH, Job, Task, Worked};
use crate::kernel::error::Result;

/// How long the row of a session stays after it has ended or expired, or was left alone for too
/// long, for whoever asks the database where somebody signed in.
const KEPT: Duration = Duration::days(7);

/// Purges sessions, a batch in each transaction.
pub const PURGE_SESSIONS: Job = Job {
    name: "purge_sessions",
    every: Some(Duration::hours(1)),
    work: |task| Box::pin(sessions(task)),
};

/// Rows that somebody has locked, such as an erasure, come next time. (Those in which somebody acts
/// as somebody else go with the session that they hang on, which they never outlast.)
async fn sessions(task: &mut Task) -> Result<Worked> {
    let over = task.context.now() - KEPT;
    let purged = sqlx::query!(
        "delete from sessions
         where id = any (array(select id from sessions where least(revoked_at, expires_at) <= $1
                               order by least(revoked_at, expires_at)
                                 limit $2 for update skip locked))
           or id = any (array(select s.id from session_refreshes r
                              join sessions s on s.id = r.session_id
                              where r.idle_until <= $1 order by r.idle_until
                                limit $2 for update of s skip locked))",
        over,
        i64::from(BATCH)
    )
    .execute(&mut **task)
    .await?
    .rows_affected();
    if purged > 0 {
        tracing::info!(rows = purged, "purged sessions");
    }
    Ok(Worked::batch(Recorded::nothing_changed(), usize::try_from(purged).unwrap_or(usize::MAX)))
}
