//! What is asked.

use crate::kernel::ids::{MandateId, SessionId, UserId};

/// Whether this session is alive, and at which epochs its user and the mandate are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub session: SessionId,
    pub user: UserId,
    pub mandate: Option<MandateId>,
}
