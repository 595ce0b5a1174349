//! The gates: what a new endpoint or table cannot slip past.

mod cache;
mod cancelled;
mod last_admin;
mod last_sys_admin;
mod overlap;
