//! Data to begin with: the demo that `cargo run` shows, and the load that benchmarks need.
//!
//! Both act as the system, since they make what only the platform may make, and both leave alone
//! what is there already. Their SQL is not checked at compile time: seeds are applied to databases
//! that were migrated a moment ago, and tested by applying them; keeping them out of the checked
//! set keeps that set what the service itself runs.

mod demo;
mod file;
mod load;
mod open;

pub use demo::{DemoLoad, apply as demo, has_no_users, is_there as demo_is_there};
pub use file::{PASSWORD, accounts};
pub use load::{Plan, apply as load};
pub use open::accounts as open_accounts;
