//! Registrations that nobody confirmed, and what is noted of mail and matters no more.

use crate::context::Recorded;
use crate::context::jobs::{BATCH, Job, Task, Worked};
use crate::kernel::error::Result;

/// Forgets them, a batch of each in each transaction.
pub const FORGET_MAILED: Job = Job {
    name: "forget_mailed",
    every: Some(chrono::Duration::minutes(1)),
    work: |task| Box::pin(forget(task)),
};

async fn forget(task: &mut Task) -> Result<Worked> {
    let now = task.context.now();
    let forgotten = sqlx::query_scalar!(
        r#"with registered as (
             delete from registrations where id = any (array(
               select id from registrations where expires_at <= $1 order by expires_at
                 limit $2 for update skip locked)) returning 1),
           mailed as (
             delete from mailed_tokens where hash = any (array(
               select hash from mailed_tokens where expires_at <= $1 order by expires_at
                 limit $2 for update skip locked)) returning 1),
           wanted as (
             delete from address_changes where user_id = any (array(
               select user_id from address_changes where expires_at <= $1 order by expires_at
                 limit $2 for update skip locked)) returning 1),
           moved as (
             delete from earlier_addresses where ctid = any (array(
               select ctid from earlier_addresses where kept_until <= $1 order by kept_until
                 limit $2 for update skip locked)) returning 1),
           asked as (
             delete from mail_budgets where key = any (array(
               select key from mail_budgets where forgotten_at <= $1 order by forgotten_at
                 limit $2 for update skip locked)) returning 1)
           select greatest((select count(*) from registered), (select count(*) from mailed),
                           (select count(*) from wanted), (select count(*) from moved),
                           (select count(*) from asked)) as "most!""#,
        now,
        i64::from(BATCH),
    )
    .fetch_one(&mut **task)
    .await?;
    Ok(Worked::batch(Recorded::nothing_changed(), usize::try_from(forgotten).unwrap_or(usize::MAX)))
}
