//! Reading the audit trail. It is written by what [`crate::context::audit`] gives to everybody.

mod event;
mod list;
mod routes;

pub use routes::routes;
