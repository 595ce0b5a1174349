//! Somebody who is signed in.

use chrono::{DateTime, Utc};

use super::actor::{Actor, RequestMeta};
use super::moment::Moment;
use super::services::Services;
use super::transaction::{Reading, Writing};
use crate::kernel::db::{ActAs, Intent};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, SessionId, UserId};

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) user: UserId,
    /// Not for handlers: what they do must not hang on it, except where [`SessionContext`] says
    /// that it does.
    pub(super) session: SessionId,
    /// The SysAdmin who acts as this user.
    pub(super) impersonated_by: Option<UserId>,
    /// Of who acts as somebody else: never.
    pub(super) is_sys_admin: bool,
    /// Asked with `?dryRun=true`: no transaction of this request commits.
    pub(super) dry_run: bool,
    pub(super) meta: RequestMeta,
    pub(super) moment: Moment,
    pub(super) services: Services,
}

impl Caller {
    pub fn user(&self) -> UserId {
        self.user
    }
    pub fn is_sys_admin(&self) -> bool {
        self.is_sys_admin
    }
    /// The SysAdmin who acts as this user.
    pub fn impersonated_by(&self) -> Option<UserId> {
        self.impersonated_by
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.moment.now()
    }
    /// The same at another time, for what is decided when something that takes long is over.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { moment: self.moment.anew(), ..self.clone() }
    }

    /// A reading transaction over what belongs to the caller as a user of the platform: their
    /// account and sessions.
    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(self.services.db.begin(ActAs::System, Intent::Read).await?))
    }
    /// A writing transaction over the same; 401 where the session is over by now: a password may
    /// have been hashed since the guard asked.
    pub async fn write(&self) -> Result<Writing> {
        let mut transaction = self.services.db.begin(ActAs::System, self.intent()).await?;
        self.alive(&mut transaction, self.now()).await?;
        Ok(Writing::new(transaction))
    }

    /// The same in a dry run too: for events of what was tried.
    pub(crate) async fn write_in_earnest(&self) -> Result<Writing> {
        Ok(Writing::new(self.services.db.begin(ActAs::System, Intent::Write).await?))
    }
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(super) fn intent(&self) -> Intent {
        if self.dry_run { Intent::DryRun } else { Intent::Write }
    }
}

impl Actor for Caller {
    fn actor(&self) -> Option<UserId> {
        Some(self.user)
    }
    fn impersonated_by(&self) -> Option<UserId> {
        self.impersonated_by
    }
    fn meta(&self) -> &RequestMeta {
        &self.meta
    }
    fn scope(&self) -> Option<MandateId> {
        None
    }
    fn now(&self) -> DateTime<Utc> {
        Caller::now(self)
    }
}

/// A caller and the session that they called in, on routes that are about it. On these the session
/// is part of what an `Idempotency-Key` is kept by: another session's repetition is another
/// request.
#[derive(Debug, Clone)]
pub struct SessionContext {
    pub(super) caller: Caller,
}

impl SessionContext {
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
    pub fn session(&self) -> SessionId {
        self.caller.session
    }
}
