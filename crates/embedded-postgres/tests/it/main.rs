//! The embedded PostgreSQL as a process: what survives when it, the service, or both are killed,
//! and what is said when it cannot run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod harness;
mod kills;
mod leftovers;
mod places;
#[cfg(target_os = "linux")]
mod recovery;
mod starts;
