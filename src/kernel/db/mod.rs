//! The only holder of connection pools, and the only place where a transaction begins.
//!
//! Connections start as `bailiwick_runtime`, a role without a right on any table.
//! [`Database::begin`] makes a transaction act as `bailiwick_tenant` (one mandate's rows, by
//! row-level security) or `bailiwick_system`; forgetting it is an error, never everything. A
//! second, small pool starts as `bailiwick_system` in read-only mode: it answers what the caller
//! may do in one round trip instead of three; and one connection that is kept
//! ([`KeptConnection`]) what every request asks first (is the session alive, is what is kept still
//! true), for all who wait at once. Only `context` uses them
//! (`tests/it/gates/architecture/rules.rs` keeps it so).

mod act_as;
mod advisory;
pub mod bootstrap;
mod breaker;
mod database;
pub(crate) mod failpoint;
mod kept;
mod lent;
pub mod listing;
pub mod once;
pub mod page;
mod pool;
mod readers;
pub mod safety;
mod transaction;
mod turns;
pub mod unreachable;

pub use self::act_as::{ActAs, Intent};
pub use self::advisory::AdvisoryLock;
pub use self::breaker::{Phase, Sight};
pub use self::database::Database;
pub(crate) use self::kept::KeptConnection;
pub(crate) use self::readers::Reader;
pub use self::transaction::Transaction;
pub(crate) use self::turns::Whose;
