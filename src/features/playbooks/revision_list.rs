//! The list of a version's revisions.

use sqlx::PgConnection;
use uuid::Uuid;

use super::PlaybookVersions;
use super::playbook::Revision;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::PlaybookId;

/// The revisions of a version, without their content.
pub(super) async fn revisions(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Read>,
    (playbook, number): (PlaybookId, i32),
    paging: &Paging,
) -> Result<Rows<Revision>> {
    macro_rules! revisions {
        ($compare:tt, $order:tt) => {
            sqlx::query_as!(
                Revision,
                "select revision, author_id, created_at, size, rolled_back_from
                   from playbook_revisions
                 where mandate_id = $1 and instance_id = $2 and playbook_id = $3 and number = $4
                   and revision "
                    + $compare
                    + " $5 order by revision"
                    + $order
                    + " limit $6",
                grant.mandate_uuid(),
                grant.instance_uuid(),
                playbook.uuid(),
                number,
                paging.bound_number(),
                paging.fetch(),
            )
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        revisions!("<", " desc").await?
    } else {
        revisions!(">", "").await?
    };
    let total = if paging.count {
        Some(count_revisions(connection, grant, (playbook, number)).await?)
    } else {
        None
    };
    Ok(paging.cut(rows, total, |revision: Revision| {
        let position = Position::new(revision.revision, Uuid::nil());
        (revision, position)
    }))
}

async fn count_revisions(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Read>,
    (playbook, number): (PlaybookId, i32),
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from playbook_revisions
           where mandate_id = $1 and instance_id = $2 and playbook_id = $3 and number = $4"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        playbook.uuid(),
        number,
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
