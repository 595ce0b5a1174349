//! What the service logs while a test runs, in either form.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bailiwick::kernel::telemetry::{self, Look};
use serde_json::Value;
use tracing::dispatcher::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::statements;

/// Collects the lines of this thread, on which a test's tasks run too, until it is dropped.
pub struct Log {
    written: Written,
    _guard: DefaultGuard,
}

#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    /// As JSON, with what the filter lets through (`BAILIWICK_LOG`).
    pub fn json(filter: &str) -> Self {
        Self::listen(Look::Json, filter)
    }
    /// As a person without a terminal reads it.
    pub fn text(filter: &str) -> Self {
        Self::listen(Look::Text { colours: false }, filter)
    }

    fn listen(look: Look, filter: &str) -> Self {
        // Beside one that is there for the whole process: with a single one, `tracing` would ask
        // the thread that comes by a line first whether anybody wants it, and that may be another
        // test's.
        statements::sent();
        let written = Written::default();
        let lines = telemetry::lines(look, filter, written.clone());
        Self { written, _guard: tracing::dispatcher::set_default(&lines) }
    }

    /// All that was written so far.
    pub fn all(&self) -> String {
        String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap()
    }
    /// The lines that hold the word.
    pub fn with(&self, word: &str) -> Vec<String> {
        self.all().lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
    /// The same, read as JSON.
    pub fn objects(&self, word: &str) -> Vec<Value> {
        self.with(word)
            .iter()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }
}
