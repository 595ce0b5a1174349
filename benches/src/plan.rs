//! What is measured, in a form that goes from the harness to the process with the bare handlers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Connections of the service's two pools, which the bare handlers and pgbench get as well.
pub const WORK_CONNECTIONS: u32 = 16;
pub const READER_CONNECTIONS: u32 = WORK_CONNECTIONS / 4;

/// Everything that the bare handlers need.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    pub secret: [u8; 32],
    pub issuer: String,
    pub database_url: String,
    pub endpoints: Vec<Endpoint>,
}

/// One request of the service, with its answer and with what the service asked the database
/// meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Endpoint {
    pub name: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub status: u16,
    pub body: String,
    pub answer: Answer,
    pub visits: Vec<Visit>,
}

/// How the bare handler comes by its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The service keeps it too.
    Canned,
    /// Rows of members are decoded and serialised on every request.
    Members,
}

/// Consecutive round trips on one connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Visit {
    /// On the small read-only pool.
    pub reader: bool,
    pub rounds: Vec<Round>,
}

/// What was sent before the answer was waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Round {
    /// A text, possibly of several statements.
    Simple(String),
    Prepared {
        sql: String,
        arguments: Vec<Argument>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Argument {
    Uuid(Option<Uuid>),
    Uuids(Option<Vec<Option<Uuid>>>),
    Text(Option<String>),
    Bool(Option<bool>),
    Int4(Option<i32>),
    Int8(Option<i64>),
    Time(Option<DateTime<Utc>>),
}

impl Endpoint {
    /// The transaction alone, where there is one: what a tenant read is compared with.
    pub fn transaction(&self) -> Option<&Visit> {
        self.visits.iter().find(|visit| !visit.reader)
    }
}
