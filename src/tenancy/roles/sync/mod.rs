//! Bringing an instance's roles in line with its feature's templates. Compared by template, not by
//! label; roles made by hand are never touched and roles that somebody holds never removed. What
//! would change is computed here, purely; `instances` applies it or, in a dry run, only answers it.

mod differences;
mod labels;
mod plan;
mod present;
mod report;
#[cfg(test)]
mod tests;

pub use plan::{Plan, Reset, plan};
pub use present::{Holder, Present};
pub use report::SyncReport;
