//! Signing in and out, one's password, and the keys that verify access tokens.

mod failures;
mod routes;
mod store;

pub use routes::routes;
