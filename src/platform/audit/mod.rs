//! Reading the audit trail. It is written by what [`crate::context::audit`] gives to everybody.

mod routes;
mod store;

pub use routes::routes;
