//! Roles, tables and questions, as the benchmarks wrote them down.

use std::collections::BTreeMap;

use serde::Deserialize;

pub const OPERATIONS: [&str; 4] = ["read", "create", "update", "delete"];

#[derive(Debug, Deserialize)]
pub struct Model {
    pub user: String,
    pub roles: BTreeMap<String, BTreeMap<String, Rule>>,
    pub held: Vec<String>,
    pub questions: Vec<Question>,
}

/// A level for each operation: `n`, `m` (the user's own rows) or `a`.
#[derive(Debug, Deserialize)]
pub struct Rule {
    read: String,
    create: String,
    update: String,
    delete: String,
}

#[derive(Debug, Deserialize)]
pub struct Question {
    pub table: String,
    pub operation: String,
    pub owner: String,
    pub allowed: bool,
}

impl Rule {
    pub fn level(&self, operation: &str) -> &str {
        match operation {
            "read" => &self.read,
            "create" => &self.create,
            "update" => &self.update,
            _ => &self.delete,
        }
    }

    /// The operations that have this level.
    pub fn at(&self, level: &str) -> Vec<&'static str> {
        OPERATIONS.into_iter().filter(|operation| self.level(operation) == level).collect()
    }
}
