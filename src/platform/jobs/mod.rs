//! Running what is done without anybody's request. One scheduler runs on every node; a job is a row
//! of the table `jobs` and a [`Job`](crate::context::jobs::Job) in [`crate::assembly::JOBS`], or an
//! [`Errand`](crate::context::jobs::Errand) in [`crate::assembly::ERRANDS`], which a courier runs.

mod answers;
mod courier;
mod scheduler;
mod store;

pub use answers::FORGET_ANSWERS;
pub use courier::Courier;
pub use scheduler::{Scheduler, Step};
