//! Counts the statements that a test sends to the database. One subscriber for the whole process
//! that counts by thread: a subscriber of one test's own would race with others over which events
//! are of interest to anybody.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use tokio::runtime::Builder;
use tracing::field::{Field, Visit};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// sqlx tells of each statement that it has run.
const TARGET: &str = "sqlx::query";

/// By these a new connection begins. Whether a request gets one, or one that another has given
/// back, hangs on who was faster, and is not what a test asks.
pub const BEGINNINGS: [&str; 3] = [
    "set role bailiwick_system",
    "set role bailiwick_runtime",
    "set client_connection_check_interval = '2s'",
];

/// Asked of a connection that nobody used for a while: no test's, but of who was slow.
const ASKED_OF_THE_IDLE: &str = "select 1";

thread_local! {
    static SENT: Cell<usize> = const { Cell::new(0) };
    static WATCHED: RefCell<Option<Arc<Watched>>> = const { RefCell::new(None) };
}

/// Statements that begin with some words, sent by all threads of a runtime.
struct Watched {
    words: &'static str,
    sent: AtomicUsize,
}

struct Counting;

impl Layer<Registry> for Counting {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, Registry>) {
        let mut summary = Summary::default();
        event.record(&mut summary);
        let words = summary.0.as_str();
        if !BEGINNINGS.contains(&words) && words != ASKED_OF_THE_IDLE {
            SENT.set(SENT.get() + 1);
        }
        WATCHED.with_borrow(|watched| {
            if let Some(watched) = watched
                && summary.0.starts_with(watched.words)
            {
                watched.sent.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// The first words of a statement, as sqlx tells them.
#[derive(Default)]
struct Summary(String);

impl Visit for Summary {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            value.clone_into(&mut self.0);
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// How many statements this thread has sent. A test on a runtime of one thread does all its work
/// there.
pub fn sent() -> usize {
    begin_to_count();
    SENT.get()
}

/// Does work with two threads of its own, and how many statements were sent meanwhile that begin
/// with these words.
pub fn sent_meanwhile<T>(words: &'static str, work: impl Future<Output = T>) -> (T, usize) {
    begin_to_count();
    let watched = Arc::new(Watched { words, sent: AtomicUsize::new(0) });
    let by_threads = watched.clone();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || WATCHED.set(Some(by_threads.clone())))
        .build()
        .unwrap();
    WATCHED.set(Some(watched.clone()));
    let done = runtime.block_on(work);
    WATCHED.take();
    (done, watched.sent.load(Ordering::Relaxed))
}

fn begin_to_count() {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let only = Targets::new().with_target(TARGET, tracing::Level::TRACE);
        tracing::subscriber::set_global_default(
            Registry::default().with(Counting.with_filter(only)),
        )
        .unwrap();
    });
}
