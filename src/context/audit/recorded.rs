//! What a writing transaction asks for before it commits.

/// Proof that the audit trail has the event; made by the functions of this folder only.
#[derive(Debug)]
pub struct Recorded(pub(super) ());

impl Recorded {
    /// For what changes nothing that a trail would tell: an idempotent repetition, a session that
    /// goes on.
    pub fn nothing_changed() -> Self {
        Self(())
    }
}
