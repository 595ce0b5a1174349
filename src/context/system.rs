//! The platform, as whoever governs it acts.

use chrono::{DateTime, Utc};

use super::actor::{Actor, RequestMeta};
use super::caller::Caller;
use super::moment::Moment;
use super::refusals::for_sys_admins;
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
    moment: Moment,
    pub(super) services: Services,
}

impl SystemContext {
    /// For commands and jobs: nobody is signed in. Whoever runs for long makes one for each thing
    /// that they do: it has one time.
    #[must_use]
    pub fn unattended(services: Services, meta: RequestMeta) -> Self {
        Self { caller: None, meta, moment: services.moment(), services }
    }
    pub(super) fn of(caller: Caller) -> Self {
        let (meta, moment) = (caller.meta.clone(), caller.moment.clone());
        Self { meta, moment, services: caller.services.clone(), caller: Some(caller) }
    }
    /// The same at another time, for what is decided when something that takes long is over.
    #[must_use]
    pub fn anew(&self) -> Self {
        match &self.caller {
            Some(caller) => Self::of(caller.anew()),
            None => Self { moment: self.moment.anew(), ..self.clone() },
        }
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
        self.moment.now()
    }
    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(self.services.db.begin(ActAs::System, Intent::Read).await?))
    }
    /// 401 or 403 where a SysAdmin's session is over, or they are none, by now.
    pub async fn write(&self) -> Result<Writing> {
        let mut transaction = self.services.db.begin(ActAs::System, self.intent()).await?;
        if let Some(caller) = &self.caller
            && !caller.alive(&mut transaction, self.now()).await?.is_sys_admin
        {
            return Err(for_sys_admins());
        }
        Ok(Writing::new(transaction))
    }

    pub(super) fn intent(&self) -> Intent {
        self.caller.as_ref().map_or(Intent::Write, Caller::intent)
    }
}

impl Actor for SystemContext {
    fn actor(&self) -> Option<UserId> {
        self.caller.as_ref().map(Caller::user)
    }
    fn impersonated_by(&self) -> Option<UserId> {
        None
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
