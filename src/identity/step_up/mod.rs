//! Showing anew who one is, for what a session that somebody may have found open is not enough.

mod routes;

pub use routes::routes;
