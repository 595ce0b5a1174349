//! Somebody with a token that was mailed, who may be signed in.

use chrono::{DateTime, Utc};

use super::actor::{Actor, RequestMeta};
use super::caller::Caller;
use super::transaction::{Reading, Writing};
use super::visitor::Visitor;
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// Whoever has come, and who they are where they are signed in. What it reaches is what takes a
/// `Guest`, as with a [`Visitor`].
#[derive(Debug, Clone)]
pub struct Guest {
    pub(super) visitor: Visitor,
    pub(super) caller: Option<Caller>,
}

impl Guest {
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }
    /// The same, as who is not signed in.
    #[must_use]
    pub fn as_nobody(&self) -> Self {
        Self { visitor: self.visitor.clone(), caller: None }
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.visitor.now()
    }
    /// The same at another time, for what is decided when something that takes long is over.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { visitor: self.visitor.anew(), caller: self.caller.as_ref().map(Caller::anew) }
    }
    pub async fn read(&self) -> Result<Reading> {
        self.visitor.read().await
    }
    pub async fn write(&self) -> Result<Writing> {
        self.visitor.write().await
    }
}

impl Actor for Guest {
    fn actor(&self) -> Option<UserId> {
        self.caller.as_ref().map(Caller::user)
    }
    fn impersonated_by(&self) -> Option<UserId> {
        self.caller.as_ref().and_then(Caller::impersonated_by)
    }
    fn meta(&self) -> &RequestMeta {
        self.visitor.meta()
    }
    fn scope(&self) -> Option<MandateId> {
        None
    }
    fn now(&self) -> DateTime<Utc> {
        Guest::now(self)
    }
}
