//! Acting as somebody else: a SysAdmin works in a session of theirs, where the admins of a mandate
//! let SysAdmins do so. Guards make the caller of such a session what its user is, never a
//! SysAdmin, and let it in to mandates that allow it and to what a policy opens to it
//! ([`super::policy::Impersonation`]). Whatever is done in it bears both names in the trail; and so
//! that what is only read does, too, every request has an event of its own.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgExecutor};

use super::actor::{Actor, RequestMeta};
use super::audit::{self, Action, Event, ResourceType};
use super::caller::{Caller, SessionContext};
use super::load;
use super::moment::Moment;
use super::proof::Account;
use super::services::Services;
use super::system::SystemContext;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::db::{ActAs, Intent};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, SessionId, UserId};

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
    session: SessionId,
    by: UserId,
    meta: RequestMeta,
    moment: Moment,
    services: Services,
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct AskedFor {
    pub operation: String,
    /// What the path names last.
    pub object: Option<String>,
    /// All that the path names.
    pub path: Value,
    /// What was answered; nothing where whoever asked went away, or it took too long.
    pub status: Option<u16>,
    pub place: Place,
}

/// Where a request turned out to work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// It was refused, and named no mandate, or two.
    #[default]
    Nowhere,
    /// It was refused, and header or path name this mandate: told there, if it lets SysAdmins in.
    At(MandateId),
    /// It was let in, to what is no single mandate's.
    Everywhere,
    /// It was let in there.
    In(MandateId),
}

impl ImpersonatedRequest {
    /// `None`: whose token it is acts as nobody else.
    pub(crate) fn of(
        claims: &Claims,
        meta: impl FnOnce() -> RequestMeta,
        services: &Services,
    ) -> Option<Self> {
        let Claims { user, session, .. } = *claims;
        claims.impersonated_by.map(|by| {
            let (moment, services) = (services.moment(), services.clone());
            Self { user, session, by, meta: meta(), moment, services }
        })
    }

    /// Notes it: in the trail of the mandate that it worked in, or was refused in; where it told
    /// what several know, in those of all that let SysAdmins act as this user; and in the
    /// platform's where it belongs to none of these.
    pub(crate) async fn note(&self, asked: AskedFor) -> Result<()> {
        let mut transaction = self.services.db.begin(ActAs::System, Intent::Write).await?;
        let was_let_in = matches!(asked.place, Place::Everywhere | Place::In(_));
        if !was_let_in && !self.is_alive(&mut transaction).await? {
            // Whoever has a token that is good no more writes nothing into anybody's trail.
            return Ok(());
        }
        let scopes = self.scopes(&mut transaction, asked.place).await?;
        audit::record_in(&mut transaction, self, &scopes, event(asked)).await?;
        transaction.commit().await
    }

    async fn is_alive(&self, connection: &mut PgConnection) -> Result<bool> {
        let found = load::alive(connection, &[(self.session, self.user)], &[]).await?;
        Ok(found.sessions.iter().any(|(_, live)| live.expires_at > self.moment.now()))
    }

    async fn scopes(
        &self,
        connection: &mut PgConnection,
        place: Place,
    ) -> Result<Vec<Option<MandateId>>> {
        Ok(match place {
            Place::In(mandate) => vec![Some(mandate)],
            Place::Nowhere => vec![None],
            Place::Everywhere | Place::At(_) => {
                let open = open_to_impersonation(connection, self.user).await?;
                let concerned = |mandate: &MandateId| {
                    place == Place::Everywhere || place == Place::At(*mandate)
                };
                let scopes: Vec<_> = open.into_iter().filter(concerned).map(Some).collect();
                if scopes.is_empty() { vec![None] } else { scopes }
            }
        })
    }
}

fn event(asked: AskedFor) -> Event {
    let AskedFor { operation, object, path, status, .. } = asked;
    let details = json!({ "operation": operation, "status": status, "path": path });
    let (action, kind) = (Action::ImpersonatedRequest, ResourceType::Request);
    let event = match object {
        Some(object) => Event::new(action, kind, object),
        None => Event::of_nothing(action, kind),
    };
    event.details(details)
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
