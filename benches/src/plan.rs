//! What is measured, in a form that goes from the harness to the process with the bare handlers.

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

pub type Headers = Vec<(String, String)>;

/// What is asked again and again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ask {
    pub method: String,
    pub path: String,
    /// The headers of each caller; callers take turns.
    pub callers: Vec<Headers>,
    pub body: String,
}

/// One request of the service, with its answer and with what the service asked the database
/// meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Endpoint {
    pub name: String,
    pub ask: Ask,
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
    Texts(Option<Vec<Option<String>>>),
    Bool(Option<bool>),
    Int4(Option<i32>),
    Int8(Option<i64>),
    Time(Option<DateTime<Utc>>),
}

impl Ask {
    pub fn get(path: &str, headers: Headers) -> Self {
        let (method, path) = ("GET".to_owned(), path.to_owned());
        Self { method, path, callers: vec![headers], body: String::new() }
    }

    pub fn sending(method: &str, path: &str, mut headers: Headers, body: &Value) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        Self { method, path, callers: vec![headers], body: body.to_string() }
    }

    /// The same elsewhere.
    pub fn at(&self, path: String) -> Self {
        Self { path, ..self.clone() }
    }

    /// As it is sent to an address, by each caller.
    pub fn requests(&self, address: SocketAddr) -> Vec<String> {
        self.callers.iter().map(|headers| self.request(address, headers)).collect()
    }

    pub fn request(&self, address: SocketAddr, headers: &[(String, String)]) -> String {
        let line = |(name, value): &(String, String)| [name, ": ", value, "\r\n"].concat();
        let headers = headers.iter().map(line).collect::<Vec<_>>().concat();
        let Self { method, path, body, .. } = self;
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\
                {headers}\r\n{body}"
        )
    }
}

impl Endpoint {
    /// The transaction alone, where there is one: what a tenant read is compared with.
    pub fn transaction(&self) -> Option<&Visit> {
        self.visits.iter().find(|visit| !visit.reader)
    }
}
