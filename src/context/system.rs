//! The platform, as whoever governs it acts.

use chrono::{DateTime, Utc};

use super::actor::{Actor, RequestMeta};
use super::caller::Caller;
use super::services::Services;
use super::transaction::{Reading, Writing};
use crate::kernel::db::{ActAs, Intent};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, SessionId, UserId};

/// The platform itself.
#[derive(Debug, Clone)]
pub struct SystemContext {
    pub(super) caller: Option<Caller>,
    meta: RequestMeta,
    pub(super) services: Services,
}

impl SystemContext {
    /// For commands and jobs: nobody is signed in.
    #[must_use]
    pub fn unattended(services: Services, meta: RequestMeta) -> Self {
        Self { caller: None, meta, services }
    }
    pub(super) fn of(caller: Caller) -> Self {
        Self { meta: caller.meta.clone(), services: caller.services.clone(), caller: Some(caller) }
    }
    /// The SysAdmin, on SysAdmin routes.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }
    /// The session that a SysAdmin asks in, for telling it apart in lists of sessions.
    pub fn session(&self) -> Option<SessionId> {
        self.caller.as_ref().map(|caller| caller.session)
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }
    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(self.services.db.begin(ActAs::System, Intent::Read).await?))
    }
    pub async fn write(&self) -> Result<Writing> {
        Ok(Writing::new(self.services.db.begin(ActAs::System, self.intent()).await?))
    }

    pub(super) fn intent(&self) -> Intent {
        self.caller.as_ref().map_or(Intent::Write, Caller::intent)
    }
}

impl Actor for SystemContext {
    fn actor(&self) -> Option<UserId> {
        self.caller.as_ref().map(Caller::user)
    }
    fn meta(&self) -> &RequestMeta {
        &self.meta
    }
    fn scope(&self) -> Option<MandateId> {
        None
    }
    fn now(&self) -> DateTime<Utc> {
        SystemContext::now(self)
    }
}
