//! Which epochs have risen since a moment.

use sqlx::PgExecutor;

use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{MandateId, UserId};

/// A moment of the database: which transactions it had seen the end of, by their ids. All of those
/// from `next` on it had not, though some of them had begun; of those before it all but `running`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    next: String,
    running: Vec<String>,
}

impl Snapshot {
    /// Before which everything is: nothing has changed since.
    pub fn never() -> Self {
        Self { next: u64::MAX.to_string(), running: Vec::new() }
    }

    /// From `xmin:xmax:xip_list`, the text of a `pg_snapshot`.
    fn of(text: &str) -> Option<Self> {
        let mut parts = text.split(':').skip(1);
        let (next, running) = (parts.next()?.to_owned(), parts.next()?);
        let running = running.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        Some(Self { next, running })
    }
}

/// What has risen, and the moment at which that is so.
#[derive(Debug)]
pub struct Changes {
    pub at: Snapshot,
    pub catalogue: i64,
    pub users: Vec<(UserId, i64)>,
    pub mandates: Vec<(MandateId, i64)>,
}

/// Which server answers.
#[derive(Debug)]
pub struct Server {
    /// It repeats what another one does. It tells no running transactions, and may not have yet
    /// what was committed.
    pub is_following: bool,
    /// Of servers with the same one, none has lost what was seen on another. `None` where commits
    /// are seen before they are written.
    pub history: Option<String>,
}

pub async fn server(executor: impl PgExecutor<'_>) -> Result<Server> {
    let found = sqlx::query_as!(
        Server,
        r#"select pg_is_in_recovery() as "is_following!",
                  case when current_setting('synchronous_commit') <> 'off'
                       then pg_postmaster_start_time()::text end as history"#,
    );
    Ok(found.fetch_one(executor).await?)
}

/// So many changes at most are told; where there are more, one more than that.
pub async fn changes_since(
    executor: impl PgExecutor<'_>,
    snapshot: &Snapshot,
    most: usize,
) -> Result<Changes> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    // A dump that was put into another cluster brought ids that are ahead of all that it has given
    // out: until it gets there they tell nothing.
    let rows = sqlx::query!(
        r#"select pg_current_snapshot()::text as "snapshot!",
                  (select epoch from catalogue_epoch) as "catalogue!",
                  c.is_user as "is_user?", c.id as "id?", c.epoch as "epoch?"
           from (select) here left join (
             select true as is_user, user_id as id, epoch from user_epochs
             where changed_in >= $1::text::xid8
               and changed_in < pg_snapshot_xmax(pg_current_snapshot())
             union all
             select false, mandate_id, epoch from mandate_epochs
             where changed_in >= $1::text::xid8
               and changed_in < pg_snapshot_xmax(pg_current_snapshot())
             union all
             select true, user_id, epoch from user_epochs
             where changed_in = any ($2::text[]::xid8[])
             union all
             select false, mandate_id, epoch from mandate_epochs
             where changed_in = any ($2::text[]::xid8[])
             limit $3) c on true"#,
        snapshot.next,
        &snapshot.running,
        limit,
    )
    .fetch_all(executor)
    .await?;
    let first = rows.first().ok_or_else(|| Error::internal("a moment has no row"))?;
    let at = Snapshot::of(&first.snapshot);
    let at = at.ok_or_else(|| Error::internal("a snapshot cannot be read"))?;
    let catalogue = first.catalogue;
    let (mut users, mut mandates) = (Vec::new(), Vec::new());
    for row in rows {
        match (row.is_user, row.id, row.epoch) {
            (Some(true), Some(id), Some(epoch)) => users.push((id.into(), epoch)),
            (Some(false), Some(id), Some(epoch)) => mandates.push((id.into(), epoch)),
            _ => {}
        }
    }
    Ok(Changes { at, catalogue, users, mandates })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read() {
        let moment = |next: &str, running: &[&str]| Snapshot {
            next: next.to_owned(),
            running: running.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert_eq!(Snapshot::of("795:799:795,797"), Some(moment("799", &["795", "797"])));
        assert_eq!(Snapshot::of("10:10:"), Some(moment("10", &[])));
        assert_eq!(Snapshot::of(""), None);
        assert_eq!(Snapshot::of("10:10"), None);
    }
}
