//! Signing in: passwords, sessions, access tokens and the key that verifies them.
//!
//! Later, each in a file of its own beside these: refresh, lockout, second factors, API keys, impersonation.

mod failures;
pub mod password;
pub mod purge;
pub(crate) mod routes;
pub mod session;
mod store;
mod strength;
pub mod token;

pub use routes::routes;
