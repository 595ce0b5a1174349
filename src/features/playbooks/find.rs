//! A playbook by what a path calls it: its id, or its name. Who may not see it learns nothing; who
//! may see it learns that it was deleted.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Playbooks;
use super::playbook::{Playbook, gone, not_deleted};
use super::store::{playbook_of, playbooks};
use crate::access::tables::Op;
use crate::context::{Grant, Opened, Sealed};
use crate::kernel::error::Result;
use crate::kernel::names;

/// How a path calls a playbook. (No name looks like an id.)
#[derive(Debug, Clone)]
pub(super) enum PlaybookReference {
    Id(Uuid),
    Key(String),
}

impl PlaybookReference {
    pub fn of(text: &str) -> Self {
        // A text that is no name's is the key of none.
        text.parse().map_or_else(|_| Self::Key(names::key(text).unwrap_or_default()), Self::Id)
    }
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Key(_) => None,
        }
    }
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Key(key) => Some(key),
        }
    }
}

/// Where several were called so, the living one comes first, or (for restoring) the one that was
/// deleted last. The inner select runs only for a name. (No `coalesce`: under row-level security
/// PostgreSQL reads no index for what one makes, since it may tell of rows; a `case` may not.)
macro_rules! playbook {
    ($connection:expr, $grant:expr, $named:expr, $living:expr, $now:expr, $lock:tt) => {
        playbooks!(
            "select",
            [r#", case when p.owner_id = $5 then 1::smallint
                       when exists (select 1 from group_peers($1, $5) g
                                    where g.user_id = p.owner_id)
                       then 2::smallint
                       else 3::smallint end as "needed!"
               from playbooks p
               where p.mandate_id = $1 and p.instance_id = $2
                 and p.id = case when $3::uuid is not null then $3
                                 else (select n.id from playbooks n
                                       where n.mandate_id = $1 and n.instance_id = $2
                                         and n.name_key = $4
                                         and n.living = any (array[true, false])
                                       order by n.living = $6 desc, n.deleted_at desc limit 1)
                            end
                 and (p.purge_at is null or p.purge_at > $7) "#
                + $lock],
            $grant.mandate_uuid(),
            $grant.instance_uuid(),
            $named.id(),
            $named.key(),
            $grant.caller_uuid(),
            $living,
            $now,
        )
        .fetch_optional($connection)
        .await?
        .map(|row| $grant.seal(row.needed, playbook_of!(row)))
    };
}

/// The playbook that a path means, living or deleted.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, O>,
    named: &PlaybookReference,
    now: DateTime<Utc>,
) -> Result<Option<Sealed<Playbooks, Playbook>>> {
    Ok(playbook!(connection, grant, named, true, now, ""))
}

async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, O>,
    named: &PlaybookReference,
    living: bool,
    now: DateTime<Utc>,
) -> Result<Option<Sealed<Playbooks, Playbook>>> {
    Ok(playbook!(connection, grant, named, living, now, "for no key update of p"))
}

/// The playbook, where it lives: 404 where the caller may not see it, 410 where it was deleted, 403
/// where they may see it but not do this.
pub(super) fn living<O: Op>(
    grant: &Grant<Playbooks, O>,
    found: Option<Sealed<Playbooks, Playbook>>,
) -> Result<Opened<Playbooks, O, Playbook>> {
    grant.open_unless(found, |playbook| {
        let purge_at = playbook.purge_at?;
        Some(gone(purge_at))
    })
}

/// A living playbook that is about to change, or in which something is; locked until the
/// transaction ends.
pub(super) async fn open_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, O>,
    named: &PlaybookReference,
    now: DateTime<Utc>,
) -> Result<Opened<Playbooks, O, Playbook>> {
    living(grant, find_for_change(connection, grant, named, true, now).await?)
}

/// A deleted playbook that is about to be restored; locked until the transaction ends.
pub(super) async fn deleted_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Playbooks, O>,
    named: &PlaybookReference,
    now: DateTime<Utc>,
) -> Result<Opened<Playbooks, O, Playbook>> {
    let playbook = grant.open(find_for_change(connection, grant, named, false, now).await?)?;
    if playbook.purge_at.is_none() { Err(not_deleted()) } else { Ok(playbook) }
}
