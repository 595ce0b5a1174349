//! Invitations in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::promise::Promise;
use super::{Invitation, InvitationRefusal, find};
use crate::access::tables::{Create, Members};
use crate::context::{Grant, Guest, Invited, Opened};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InvitationId, UserId, uuids};

/// An invitation that is to be kept.
#[derive(Debug)]
pub(super) struct NewInvitation<'a> {
    pub id: InvitationId,
    pub email: &'a str,
    pub email_key: &'a str,
    pub promise: &'a Promise,
    pub now: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Keeps it, in the name of whose leave it is.
pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    new: &NewInvitation<'_>,
) -> Result<Invitation> {
    sqlx::query!(
        "insert into invitations
           (id, mandate_id, email, email_key, role_ids, instances, invited_by, created_at,
            expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id.uuid(),
        grant.mandate_uuid(),
        new.email,
        new.email_key,
        &uuids(new.promise.roles.ids()),
        Json(new.promise.in_instances()) as _,
        grant.caller_uuid(),
        new.now,
        new.expires_at,
    )
    .execute(&mut *connection)
    .await?;
    changed(connection, grant, (new.id, new.now)).await
}

async fn changed(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    (invitation, now): (InvitationId, DateTime<Utc>),
) -> Result<Invitation> {
    let found = find::find(connection, grant, invitation, now).await?;
    Ok(grant.open(found)?.into_row())
}

/// From now on it is in the name of whoever sends it again.
pub(super) async fn note_resent(
    connection: &mut PgConnection,
    invitation: &Opened<Members, Create, Invitation>,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Invitation> {
    let grant = invitation.grant();
    sqlx::query!(
        "update invitations set resent = resent + 1, invited_by = $3, expires_at = $4,
           refusal = null, version = version + 1
         where mandate_id = $1 and id = $2",
        grant.mandate_uuid(),
        invitation.id.uuid(),
        grant.caller_uuid(),
        expires_at,
    )
    .execute(&mut *connection)
    .await?;
    changed(connection, grant, (invitation.id, now)).await
}

pub(super) async fn revoke(
    connection: &mut PgConnection,
    invitation: &Opened<Members, Create, Invitation>,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update invitations set revoked_at = $3, version = version + 1
         where mandate_id = $1 and id = $2",
        invitation.grant().mandate_uuid(),
        invitation.id.uuid(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whoever has the token that was mailed has it in vain.
pub(super) async fn end_token(
    connection: &mut PgConnection,
    invitation: &Opened<Members, Create, Invitation>,
) -> Result<()> {
    sqlx::query!("delete from mailed_tokens where subject = $1", invitation.id.uuid())
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes who accepted it.
pub(super) async fn note_accepted(
    connection: &mut PgConnection,
    invitation: &Opened<Members, Create, Invitation>,
    (user, now): (UserId, DateTime<Utc>),
) -> Result<()> {
    sqlx::query!(
        "update invitations set accepted_at = $3, accepted_by = $4, refusal = null,
           version = version + 1
         where mandate_id = $1 and id = $2",
        invitation.grant().mandate_uuid(),
        invitation.id.uuid(),
        now,
        user.uuid(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes why it could not be accepted, for whoever invited.
pub(super) async fn note_refusal(
    connection: &mut PgConnection,
    guest: &Guest,
    invited: &Invited,
    refusal: &Error,
) -> Result<()> {
    let (code, detail) = (refusal.code().name(), refusal.detail().to_owned());
    sqlx::query!(
        "update invitations set refusal = $3 where mandate_id = $1 and id = $2
           and accepted_at is null and revoked_at is null",
        invited.mandate().uuid(),
        invited.invitation().uuid(),
        Json(InvitationRefusal { code, detail, at: guest.now() }) as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}
