//! Signing in: sessions, access tokens and the key that verifies them.

mod failures;
pub mod purge;
pub(crate) mod routes;
mod store;

pub use routes::routes;
