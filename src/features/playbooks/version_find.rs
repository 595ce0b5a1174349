//! Finding one version of a playbook, to change it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::PlaybookVersions;
use super::playbook::{PlaybookVersion, gone};
use super::version_store::version_of;
use crate::access::tables::Op;
use crate::context::{Grant, Opened, Sealed};
use crate::kernel::error::Result;
use crate::kernel::ids::PlaybookId;

/// A version, deleted or not.
#[derive(Debug)]
pub(super) struct FoundVersion {
    pub version: PlaybookVersion,
    pub purge_at: Option<DateTime<Utc>>,
}

/// The version, where it lives: 404 where the caller may not see it, 410 where it was deleted, 403
/// where they may see it but not do this.
pub(super) fn living<O: Op>(
    grant: &Grant<PlaybookVersions, O>,
    found: Option<Sealed<PlaybookVersions, FoundVersion>>,
) -> Result<OpenVersion<O>> {
    grant.open_unless(found, |version| {
        let purge_at = version.purge_at?;
        Some(gone(purge_at))
    })
}

/// A version that the grant reaches.
pub(super) type OpenVersion<O> = Opened<PlaybookVersions, O, FoundVersion>;

/// A version of a playbook that is open and locked; none that is past its purge.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, O>,
    playbook: PlaybookId,
    number: i32,
    now: DateTime<Utc>,
) -> Result<Option<Sealed<PlaybookVersions, FoundVersion>>> {
    let row = sqlx::query!(
        r#"select v.number, v.owner_id, v.created_at, v.updated_at, v.revision, v.size, v.purge_at,
                  case when v.owner_id = $5 then 1::smallint
                       when exists (select 1 from group_peers($1, $5) g
                                    where g.user_id = v.owner_id)
                         then 2::smallint
                       else 3::smallint end as "needed!"
           from playbook_versions v
           where v.mandate_id = $1 and v.instance_id = $2 and v.playbook_id = $3 and v.number = $4
             and (v.purge_at is null or v.purge_at > $6)"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        number,
        grant.caller_uuid(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let purge_at = row.purge_at;
        grant.seal(row.needed, FoundVersion { version: version_of!(row), purge_at })
    }))
}
