//! The access model, pure: levels, permissions, merging, and who may give what to whom. No database
//! and no HTTP here, so that the rules of the product can be read, tested and proven in one place.
//!
//! - [`level`]: none < my < group < all, and the operations.
//! - [`tables`]: which tables a mandate and an instance know, and which levels each of them knows.
//! - [`permission`]: what one role allows; when it is well-formed.
//! - [`merge`]: what several roles allow together.
//! - [`decision`]: whether a level reaches a row.
//! - [`grant`]: nobody gives what they do not have.

pub mod decision;
pub mod grant;
pub mod level;
pub mod merge;
pub mod permission;
pub mod tables;

pub use level::{Level, Operation};
pub use merge::{HeldRole, Merged};
pub use permission::{Permissions, Rule, Rules, Stale, Views};
pub use tables::Catalogue;
