//! The gates: what a new endpoint or table cannot slip past. Those that call operations are driven by one table ([`cases`]),
//! which has to know every operation of the OpenAPI document.

mod access_matrix;
mod architecture;
mod audit_coverage;
mod cache;
mod cancelled;
pub mod cases;
mod compatibility;
mod contract;
mod dry_run_agrees;
pub mod effort;
mod erasure;
mod escalation;
mod examples;
mod explain_agrees;
mod fairness;
mod generators;
mod golden;
mod kills;
mod last_admin;
mod last_sys_admin;
mod migrations;
mod once;
mod openapi;
pub mod operations;
mod overlap;
mod problems;
mod purge;
pub mod reference;
mod route_matrix;
mod route_policy;
pub mod sources;
mod stage;
mod tenant_isolation;
mod two_editors;
mod walker;
mod walls;
