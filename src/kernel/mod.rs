//! What everything else stands on: ids, errors, time, secrets, names, settings and the database. It
//! knows nobody above it.

pub mod clock;
pub mod config;
pub mod credentials;
pub mod crypto;
pub mod db;
pub mod error;
pub mod ids;
pub mod languages;
pub mod mail;
pub mod missing;
pub mod names;
pub(crate) mod problem;
pub mod telemetry;
pub mod tls;
pub mod translations;
pub(crate) mod weight;
