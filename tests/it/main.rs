//! The tests that need a database: one binary, one throw-away PostgreSQL per run, one database per
//! test, and the real router in process.

#![forbid(unsafe_code)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "a call reads better with its values in place than behind references"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod clients;
mod core;
mod features;
mod gates;
mod harness;
mod model;
mod readme;
mod slices;
