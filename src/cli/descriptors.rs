//! Open files: each connection takes one, of callers as of the database. Where callers could take
//! the last one, the service could not reach its database any more.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than any setting of the service makes use of.
const ENOUGH: u64 = 1 << 16;
/// For the database, listeners, logs and libraries.
const OWN: u64 = 256;

/// Raises the soft limit to what the system allows, and warns where that is too little for the
/// connections that may come.
pub(super) fn raise(connections: usize) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = hard.min(ENOUGH);
    let limit = if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() {
        wanted
    } else {
        soft
    };
    let needed = OWN + u64::try_from(connections).unwrap_or(u64::MAX - OWN);
    if limit < needed {
        let advice = "raise the limit of open files (ulimit -Hn, LimitNOFILE), or lower \
            BAILIWICK_MAX_CONNECTIONS";
        tracing::warn!(
            limit,
            needed,
            advice,
            "callers may take all open files, also those that the database needs"
        );
    }
}
