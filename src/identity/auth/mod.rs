//! Signing in: sessions, access tokens and the key that verifies them.

mod failures;
mod purge;
mod routes;
mod store;

pub use purge::PURGE_SESSIONS;
pub use routes::routes;
