//! Moments at which a debug build can be told to die, as by `kill -9`, to show that a crash loses
//! nothing that was answered and has no effect twice: `DIE_AT=before_commit` in the environment, or
//! another of [`Moment`]. Only a request with an `Idempotency-Key` dies there, and one that accepts
//! an invitation. A release build has none of it.

/// In the order in which such a request comes to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    BeforeBegin,
    /// The key is this transaction's, or the token is used up by it.
    AfterClaim,
    /// The handler has done its work and not yet written its event.
    AfterEffect,
    AfterAuditRow,
    /// The handler has committed, which only holds the transaction.
    AfterHandler,
    /// The answer is kept, in the same transaction.
    BeforeCommit,
    BeforeAnswer,
}

#[cfg(all(unix, any(test, debug_assertions)))]
mod dying {
    use std::sync::LazyLock;

    use nix::sys::signal::{Signal, raise};

    use crate::kernel::db::failpoint::Moment;

    #[expect(
        clippy::disallowed_methods,
        reason = "not a setting: no service that is meant to live has it"
    )]
    static DIE_AT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("DIE_AT").ok());

    pub(crate) fn reach(moment: Moment) {
        let Some(name) = DIE_AT.as_deref() else { return };
        if name.replace('_', "") == format!("{moment:?}").to_lowercase() {
            let _ = raise(Signal::SIGKILL);
        }
    }
}
#[cfg(all(unix, any(test, debug_assertions)))]
pub(crate) use dying::reach;

#[cfg(not(all(unix, any(test, debug_assertions))))]
pub(crate) fn reach(_: Moment) {}
