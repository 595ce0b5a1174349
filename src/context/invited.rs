//! Invitations, where they are accepted. Whoever accepts gives themselves nothing: what an
//! invitation promises is given by whoever invited them, at that moment, so that it is judged as if
//! they gave it now. A token that was mailed is the only way to act in their name, and it is used
//! up by it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::actor::{Actor, RequestMeta};
use super::caller::Caller;
use super::change::Change;
use super::guest::Guest;
use super::load;
use super::locks::Locks;
use super::mailed::{self, Purpose, Redemption, token_gone};
use super::mandate::{Authority, MandateContext};
use crate::kernel::db::Intent;
use crate::kernel::db::failpoint::{self, reach};
use crate::kernel::error::Result;
use crate::kernel::ids::{InvitationId, MandateId, SessionId, UserId};

/// An invitation whose token somebody has.
#[derive(Debug, Clone)]
pub struct Invited {
    invitation: InvitationId,
    mandate: MandateId,
    email: String,
    email_key: String,
}

impl Invited {
    pub fn invitation(&self) -> InvitationId {
        self.invitation
    }
    pub fn mandate(&self) -> MandateId {
        self.mandate
    }
    /// The address that the token was mailed to.
    pub fn email(&self) -> &str {
        &self.email
    }
    /// The same, as addresses are compared.
    pub fn email_key(&self) -> &str {
        &self.email_key
    }
}

/// Who accepts, as the trails name them: what they are given is given by somebody else.
#[derive(Debug, Clone)]
pub struct Accepting {
    user: UserId,
    mandate: MandateId,
    meta: RequestMeta,
    now: DateTime<Utc>,
}

impl Actor for Accepting {
    fn actor(&self) -> Option<UserId> {
        Some(self.user)
    }
    fn impersonated_by(&self) -> Option<UserId> {
        None
    }
    fn meta(&self) -> &RequestMeta {
        &self.meta
    }
    fn scope(&self) -> Option<MandateId> {
        Some(self.mandate)
    }
    fn now(&self) -> DateTime<Utc> {
        self.now
    }
}

/// An invitation that is being accepted: a change in the name of whoever invites.
#[derive(Debug)]
pub struct Acceptance {
    pub change: Change<MandateContext>,
    pub redemption: Redemption,
}

impl Accepting {
    /// Whoever accepts what this change gives, for its trails: it is their deed.
    pub fn of(change: &Change<MandateContext>, user: UserId) -> Self {
        let MandateContext { caller, mandate, .. } = &change.context;
        Self { user, mandate: *mandate, meta: caller.meta.clone(), now: caller.now() }
    }
}

impl Guest {
    /// The invitation of this token, where it may still be accepted; 410 for any other token.
    pub async fn invited(&self, token: &[u8]) -> Result<Invited> {
        let mut reading = self.read().await?;
        let (purpose, subject) = mailed::look(&mut reading, &self.visitor, token).await?;
        if purpose != Purpose::Invitation {
            return Err(token_gone());
        }
        let found = sqlx::query!(
            "select i.id, i.mandate_id, i.email, i.email_key from invitations i
             join mandates m on m.id = i.mandate_id and m.enabled and m.deleted_at is null
             where i.id = $1 and invitation_status(i, $2) = 'pending'",
            subject,
            self.now(),
        )
        .fetch_optional(&mut *reading)
        .await?;
        reading.finish().await?;
        let row = found.ok_or_else(token_gone)?;
        Ok(Invited {
            invitation: row.id.into(),
            mandate: row.mandate_id.into(),
            email: row.email,
            email_key: row.email_key,
        })
    }

    /// Begins to accept it: uses up the token, and goes on in the name of whoever invited. 410
    /// where it is good no more by then, 401 where the caller's session is over, and 403 where
    /// whoever invited may do nothing in the mandate.
    pub async fn accept(&self, invited: &Invited, token: &[u8]) -> Result<Acceptance> {
        let services = self.visitor.services();
        let locks = self
            .caller
            .as_ref()
            .map_or_else(Locks::mandate_only, |caller| Locks::newcomer(caller.user));
        let locks = locks.and_mandate(invited.mandate);
        let turn = Some(invited.mandate);
        let mut transaction = locks.begin(services, Intent::Write, turn).await?;
        let moment = services.moment();
        let (giver, redemption) = redeem(&mut transaction, (invited, token), moment.now()).await?;
        reach(failpoint::Moment::AfterClaim);
        if let Some(caller) = &self.caller {
            caller.alive(&mut transaction, moment.now()).await?;
        }
        let is_sys_admin = load::is_sys_admin(&mut *transaction, giver).await?;
        let caller = Caller {
            user: giver,
            // Of none: nothing else is done in their name.
            session: SessionId::NONE,
            impersonated_by: None,
            is_sys_admin,
            dry_run: false,
            meta: self.visitor.meta().clone(),
            moment,
            services: services.clone(),
        };
        let authority = if is_sys_admin {
            Authority::SysAdmin
        } else {
            let loaded = load::mandate_access(&mut *transaction, giver, invited.mandate).await?;
            let access = loaded.and_then(|loaded| loaded.access).map(Arc::new);
            Authority::of_member(&caller, access)?
        };
        let context = MandateContext { caller, mandate: invited.mandate, authority };
        Ok(Acceptance { change: Change { transaction, context }, redemption })
    }
}

/// Uses up the token, under the lock of the mandate; by whom it is.
async fn redeem(
    connection: &mut PgConnection,
    (invited, token): (&Invited, &[u8]),
    now: DateTime<Utc>,
) -> Result<(UserId, Redemption)> {
    // Before the token, as who mails it does: then nobody waits for the other.
    let giver = sqlx::query_scalar!(
        "select i.invited_by from invitations i
         join mandates m on m.id = i.mandate_id and m.enabled and m.deleted_at is null
         where i.mandate_id = $1 and i.id = $2 and invitation_status(i, $3) = 'pending'
         for no key update of i",
        invited.mandate.uuid(),
        invited.invitation.uuid(),
        now,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(token_gone)?;
    Ok((giver.into(), mailed::use_up(connection, (invited.invitation, token), now).await?))
}
