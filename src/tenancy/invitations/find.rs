//! Finding one invitation.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{Invitation, InvitationStatus, InvitedInstance};
use crate::access::Level;
use crate::access::tables::{Create, Members};
use crate::context::{Grant, Sealed};
use crate::kernel::error::Result;
use crate::kernel::ids::{InvitationId, RoleId};

/// An invitation of the grant's mandate, as it stands at this time. Whoever may invite reaches all
/// of them: none is anybody's.
pub(super) async fn find(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    invitation: InvitationId,
    now: DateTime<Utc>,
) -> Result<Option<Sealed<Members, Invitation>>> {
    let found = sqlx::query_as!(
        Invitation,
        r#"select i.id, i.mandate_id, i.email, i.role_ids as "role_ids!: Vec<RoleId>",
             i.instances as "instances!: Json<Vec<InvitedInstance>>",
             invitation_status(i, $3) as "status!: InvitationStatus", i.invited_by, i.created_at,
             i.expires_at, i.accepted_by as "accepted_by: _", i.accepted_at,
             i.refusal, i.version
           from invitations i where i.mandate_id = $1 and i.id = $2"#,
        grant.mandate_uuid(),
        invitation.uuid(),
        now,
    );
    Ok(found.fetch_optional(connection).await?.map(|row| grant.seal(Level::All.number(), row)))
}

/// The same, locked until the transaction ends, before its token is: as whoever mails or uses the
/// token locks them, so that nobody waits for the other and no token is overlooked.
pub(super) async fn find_for_change(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    invitation: InvitationId,
    now: DateTime<Utc>,
) -> Result<Option<Sealed<Members, Invitation>>> {
    sqlx::query!(
        "select id from invitations where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        invitation.uuid(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    find(connection, grant, invitation, now).await
}

/// One of this address that waits to be accepted.
pub(super) async fn pending(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    (email_key, now): (&str, DateTime<Utc>),
) -> Result<Option<InvitationId>> {
    let found = sqlx::query_scalar!(
        r#"select i.id as "id: InvitationId" from invitations i
           where i.mandate_id = $1 and i.email_key = $2 and invitation_status(i, $3) = 'pending'
           limit 1"#,
        grant.mandate_uuid(),
        email_key,
        now,
    );
    Ok(found.fetch_optional(connection).await?)
}

/// How often an invitation was sent again, and where to.
#[derive(Debug)]
pub(super) struct Sent {
    pub again: i32,
    pub email_key: String,
}

pub(super) async fn sent(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    invitation: InvitationId,
) -> Result<Sent> {
    let sent = sqlx::query_as!(
        Sent,
        "select resent as again, email_key from invitations where mandate_id = $1 and id = $2",
        grant.mandate_uuid(),
        invitation.uuid(),
    );
    Ok(sent.fetch_one(connection).await?)
}
