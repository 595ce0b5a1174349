//! Somebody who is not signed in, on the routes by which one signs in.

use chrono::{DateTime, Utc};

use super::actor::{Actor, RequestMeta};
use super::services::Services;
use super::system::SystemContext;
use super::transaction::{Reading, Writing};
use crate::kernel::db::{ActAs, Intent};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// Nobody yet. It works as the system, and is no proof that the platform acts: what it reaches is
/// what takes a `Visitor`.
#[derive(Debug, Clone)]
pub struct Visitor {
    system: SystemContext,
}

impl Visitor {
    pub(crate) fn new(services: Services, meta: RequestMeta) -> Self {
        Self { system: SystemContext::unattended(services, meta) }
    }
    /// The same at another time, for what is decided when something that takes long is over.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { system: self.system.anew() }
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.system.now()
    }
    pub(super) fn services(&self) -> &Services {
        &self.system.services
    }
    pub async fn read(&self) -> Result<Reading> {
        self.system.read().await
    }
    pub async fn write(&self) -> Result<Writing> {
        let services = &self.system.services;
        Ok(Writing::new(services.db.begin(ActAs::System, Intent::Write).await?))
    }
}

impl Actor for Visitor {
    fn actor(&self) -> Option<UserId> {
        None
    }
    fn impersonated_by(&self) -> Option<UserId> {
        None
    }
    fn meta(&self) -> &RequestMeta {
        self.system.meta()
    }
    fn scope(&self) -> Option<MandateId> {
        None
    }
    fn now(&self) -> DateTime<Utc> {
        Visitor::now(self)
    }
}
