//! What docs/clients.md shows is compiled, run and the same as here.

mod axum_guard;
#[expect(
    clippy::disallowed_types,
    reason = "an application of somebody else's has axum's own extractors"
)]
mod axum_helpdesk;
mod axum_test;
mod documentation;
