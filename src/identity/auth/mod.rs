//! Signing in and out, and the keys that verify access tokens.

mod failures;
mod routes;
mod store;

pub use routes::routes;
