//! What tests stand on: a PostgreSQL ([`cluster`]), a service over a database of its own ([`app`])
//! and a small world in it ([`world`]).

pub mod app;
pub mod away;
pub mod cluster;
pub mod digest;
pub mod elsewhere;
pub mod held;
pub mod jobs;
pub mod log;
pub mod mailbox;
mod mailed;
pub mod networked;
pub mod process;
pub mod ranges;
pub mod secured;
pub mod smtp;
pub mod statements;
pub mod timed;
pub mod watched;
pub mod world;

pub use app::{Answer, TestApp};
pub use world::World;
