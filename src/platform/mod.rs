//! What operators look at and what runs by itself: the audit trail, jobs, health and metrics.

pub mod audit;
pub mod jobs;
pub mod ops;
