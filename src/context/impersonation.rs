//! Acting as somebody else: a SysAdmin works in a session of theirs, where the admins of a mandate
//! let SysAdmins do so. Guards make the caller of such a session what its user is, never a
//! SysAdmin, and let it in to mandates that allow it and to what a policy opens to it
//! ([`super::policy::Impersonation`]). Whatever is done in it bears both names in the trail; and so
//! that what is only read does, too, every request has an event of its own.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgExecutor;

use super::actor::{Actor, RequestMeta};
use super::audit::{self, Action, Event, ResourceType};
use super::caller::{Caller, SessionContext};
use super::moment::Moment;
use super::proof::Account;
use super::services::Services;
use super::system::SystemContext;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::db::{ActAs, Intent};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// Whoever may end an impersonation.
#[derive(Debug, Clone)]
pub enum Impersonator {
    /// In the session in which they act as somebody else.
    Acting(SessionContext),
    /// In their own.
    Oneself(SystemContext),
}

/// A request that somebody makes as somebody else, as the trails tell of it.
#[derive(Debug, Clone)]
pub struct ImpersonatedRequest {
    user: UserId,
    by: UserId,
    meta: RequestMeta,
    moment: Moment,
    services: Services,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct AskedFor {
    pub operation: String,
    /// The mandate that the header names.
    pub mandate: Option<MandateId>,
    /// What the path names last.
    pub object: Option<String>,
    /// All that the path names.
    pub path: Value,
    /// What was answered; nothing where whoever asked went away, or it took too long.
    pub status: Option<u16>,
}

impl ImpersonatedRequest {
    /// `None`: whose token it is acts as nobody else.
    pub(crate) fn of(claims: &Claims, meta: RequestMeta, services: Services) -> Option<Self> {
        let (user, moment) = (claims.user, services.moment());
        claims.impersonated_by.map(|by| Self { user, by, meta, moment, services })
    }

    /// Notes it in the trail of the mandate that it was for; where it was for none, in those of all
    /// mandates that let SysAdmins act as this user; where none does by now, in the platform's.
    pub(crate) async fn note(&self, asked: AskedFor) -> Result<()> {
        let mut transaction = self.services.db.begin(ActAs::System, Intent::Write).await?;
        let open = open_to_impersonation(&mut *transaction, self.user).await?;
        let named = open.iter().copied().find(|mandate| Some(*mandate) == asked.mandate);
        let mut scopes: Vec<Option<MandateId>> = match named {
            Some(mandate) => vec![Some(mandate)],
            None => open.into_iter().map(Some).collect(),
        };
        if scopes.is_empty() {
            scopes.push(None);
        }
        let AskedFor { operation, object, path, status, .. } = asked;
        let details = json!({ "operation": operation, "status": status, "path": path });
        let event = match object {
            Some(object) => Event::new(Action::ImpersonatedRequest, ResourceType::Request, object),
            None => Event::of_nothing(Action::ImpersonatedRequest, ResourceType::Request),
        };
        let event = event.details(details);
        audit::record_in(&mut transaction, self, &scopes, event).await?;
        transaction.commit().await
    }
}

impl Actor for ImpersonatedRequest {
    fn actor(&self) -> Option<UserId> {
        Some(self.user)
    }
    fn impersonated_by(&self) -> Option<UserId> {
        Some(self.by)
    }
    fn meta(&self) -> &RequestMeta {
        &self.meta
    }
    fn scope(&self) -> Option<MandateId> {
        None
    }
    fn now(&self) -> DateTime<Utc> {
        self.moment.now()
    }
}

/// The mandates in which somebody else may act as this account.
pub async fn mandates_open_to(
    executor: impl PgExecutor<'_>,
    account: Account,
) -> Result<Vec<MandateId>> {
    open_to_impersonation(executor, account.user()).await
}

async fn open_to_impersonation(
    executor: impl PgExecutor<'_>,
    user: UserId,
) -> Result<Vec<MandateId>> {
    let rows = sqlx::query_scalar!(
        "select m.mandate_id from memberships m
         join mandates d on d.id = m.mandate_id and d.enabled and d.deleted_at is null
           and d.allow_impersonation
         where m.user_id = $1 and m.enabled order by m.mandate_id",
        user.uuid(),
    );
    Ok(rows.fetch_all(executor).await?.into_iter().map(MandateId::from).collect())
}

impl Impersonator {
    /// Whoever acts as somebody else there, or could.
    pub(super) fn of(caller: Caller) -> Option<Self> {
        if caller.impersonated_by.is_some() {
            Some(Self::Acting(SessionContext { caller }))
        } else if caller.is_sys_admin {
            Some(Self::Oneself(SystemContext::of(caller)))
        } else {
            None
        }
    }
}
