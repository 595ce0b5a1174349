//! The list of a version's revisions.

use sqlx::PgConnection;

use super::PlaybookVersions;
use super::playbook::Revision;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::PlaybookId;

/// The revisions of a version, without their content.
pub(super) async fn revisions(
    connection: &mut PgConnection,
    grant: &Grant<PlaybookVersions, Read>,
    (playbook, number): (PlaybookId, i32),
    paging: &Paging,
) -> Result<Rows<Revision>> {
    let listing = Listing {
        columns: "revision, author_id, created_at, size, rolled_back_from",
        from: "playbook_revisions",
        beside: "",
        reach: "mandate_id = $1 and instance_id = $2 and playbook_id = $3 and number = $4",
        filter: "true",
        order: Order { key: Key::Number("revision"), id: None },
    };
    let values =
        Values::of(grant.mandate_uuid()).and(grant.instance_uuid()).and(playbook).and(number);
    listing.read(connection, paging, values).await
}
