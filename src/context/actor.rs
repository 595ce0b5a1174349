//! Who acts. Contexts alone are actors: an event of the trail is somebody's who was let in.

use chrono::{DateTime, Utc};

use super::{Caller, InstanceContext, MandateContext, RequestMeta, SystemContext};
use crate::kernel::ids::{MandateId, UserId};

/// Who did something, for the audit trail.
pub trait Actor: Sync {
    fn actor(&self) -> Option<UserId>;
    fn meta(&self) -> &RequestMeta;
    /// The mandate whose trail it belongs to; `None` for the platform's.
    fn scope(&self) -> Option<MandateId>;
    fn now(&self) -> DateTime<Utc>;
}

impl Actor for Caller {
    fn actor(&self) -> Option<UserId> {
        Some(self.user)
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

impl Actor for MandateContext {
    fn actor(&self) -> Option<UserId> {
        Some(self.caller.user)
    }
    fn meta(&self) -> &RequestMeta {
        &self.caller.meta
    }
    fn scope(&self) -> Option<MandateId> {
        Some(self.mandate)
    }
    fn now(&self) -> DateTime<Utc> {
        self.caller.now()
    }
}

impl Actor for InstanceContext {
    fn actor(&self) -> Option<UserId> {
        self.mandate.actor()
    }
    fn meta(&self) -> &RequestMeta {
        self.mandate.meta()
    }
    fn scope(&self) -> Option<MandateId> {
        self.mandate.scope()
    }
    fn now(&self) -> DateTime<Utc> {
        self.mandate.now()
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
