//! Bailiwick: the tenancy and access backbone of multi-tenant applications.
//!
//! A reader's way in: `access` holds the access model, pure and without a database; `context` turns a request into
//! somebody who may do something, and decides 401, 403 and 404; every other folder is a slice of the product
//! (`mandates`, `members`, …) with its routes and its SQL. `docs/architecture.md` tells the whole story.

pub mod access;
pub mod app;
pub mod audit;
pub mod auth;
pub mod bookings;
pub mod builtin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod crypto;
pub mod db;
pub mod error;
pub mod features;
pub mod groups;
pub mod http;
pub mod ids;
pub mod instances;
pub mod jobs;
pub mod languages;
pub mod limits;
pub mod mandates;
pub mod members;
pub mod missing;
pub mod names;
pub mod navigation;
pub mod ops;
pub mod playbooks;
pub mod questions;
pub mod roles;
pub mod seeds;
pub mod telemetry;
pub mod translations;
pub mod users;
mod weight;
