//! Counts the statements that a test sends to the database. One subscriber for the whole process
//! that counts by thread: a subscriber of one test's own would race with others over which events
//! are of interest to anybody.

use std::cell::Cell;
use std::sync::Once;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// sqlx tells of each statement that it has run.
const TARGET: &str = "sqlx::query";

thread_local! {
    static SENT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

impl Layer<Registry> for Counting {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, Registry>) {
        SENT.set(SENT.get() + 1);
    }
}

/// How many statements this thread has sent. A test on a runtime of one thread does all its work
/// there.
pub fn sent() -> usize {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let only = Targets::new().with_target(TARGET, tracing::Level::TRACE);
        tracing::subscriber::set_global_default(
            Registry::default().with(Counting.with_filter(only)),
        )
        .unwrap();
    });
    SENT.get()
}
