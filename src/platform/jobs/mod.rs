//! Running what is done without anybody's request. One scheduler runs on every node; a job is a row
//! of the table `jobs` and a [`Job`](crate::context::jobs::Job) in [`crate::assembly::JOBS`].

mod answers;
mod scheduler;
mod store;

pub use answers::FORGET_ANSWERS;
pub use scheduler::{Scheduler, Step};
