//! What each slice promises, one file per slice.

mod access_levels;
mod auth;
mod concurrency;
mod delegates;
mod features;
mod groups;
mod instance_access;
mod instances;
mod kit;
mod lists;
mod mandates;
mod members;
mod navigation;
mod ops;
mod permissions;
mod rate_limits;
mod roles;
mod smoke;
mod templates_sync;
mod users;
