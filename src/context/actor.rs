//! Who acts. Contexts alone are actors: an event of the trail is somebody's who was let in.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::kernel::ids::{MandateId, UserId};

/// What the audit trail notes of a request.
#[derive(Debug, Clone, Default)]
pub struct RequestMeta {
    pub request_id: Option<Arc<str>>,
    pub address: Option<IpAddr>,
}

/// Who did something, for the audit trail.
pub trait Actor: Sync {
    fn actor(&self) -> Option<UserId>;
    /// The SysAdmin who acts as the actor.
    fn impersonated_by(&self) -> Option<UserId>;
    fn meta(&self) -> &RequestMeta;
    /// The mandate whose trail it belongs to; `None` for the platform's.
    fn scope(&self) -> Option<MandateId>;
    fn now(&self) -> DateTime<Utc>;
}
