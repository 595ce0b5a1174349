//! Which work has a transaction open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

tokio::task_local! {
    /// How many transactions the task has open.
    pub(super) static OPEN: Arc<AtomicUsize>;
}

/// That a task has a transaction open, for [`super::Breaker::attended`].
#[derive(Debug)]
pub struct Opened(Option<Arc<AtomicUsize>>);

impl Opened {
    pub fn here() -> Self {
        let open = OPEN.try_with(Arc::clone).ok();
        if let Some(open) = &open {
            open.fetch_add(1, Ordering::Relaxed);
        }
        Self(open)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
