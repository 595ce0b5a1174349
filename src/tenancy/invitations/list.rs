//! The list of a mandate's invitations.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Invitation, InvitationStatus};
use crate::access::Level;
use crate::access::tables::{Create, Members};
use crate::context::Grant;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// What is told of an invitation `i`, as it stands at `$2`.
const COLUMNS: &str = "i.id, i.mandate_id, i.email, i.role_ids, i.instances,
    invitation_status(i, $2) as status, i.invited_by, i.created_at, i.expires_at, i.accepted_by,
    i.accepted_at, i.refusal, i.version";

/// What the list is narrowed to.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub status: Option<InvitationStatus>,
    pub text: Option<String>,
}

/// All invitations `i` of the mandate `$1`: none is anybody's.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "i.mandate_id = $1",
        Level::Group | Level::My | Level::None => "false",
    }
}

/// The invitations, as they stand at this time.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    (filter, now): (&Filter, DateTime<Utc>),
    paging: &Paging,
) -> Result<Rows<Invitation>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "invitations i",
        beside: "",
        reach: reach(grant.level()),
        filter: "($2::timestamptz is not null)
            and ($3::text is null or invitation_status(i, $2) = $3)
            and ($4::text is null or strpos(i.email_key, $4) > 0
                 or strpos(lower(i.email), $4) > 0)",
        order: Order::by(Key::Time("i.created_at"), "i.id"),
    };
    let values = Values::of(grant.mandate_uuid())
        .and(now)
        .and(filter.status.map(InvitationStatus::name))
        .and(filter.text.as_deref());
    listing.read(connection, paging, values).await
}
