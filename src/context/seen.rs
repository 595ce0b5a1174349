//! When sessions were used last: noted in memory as requests come, and written down now and then
//! for many at once (`identity/sessions`), so that no request writes for it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::kernel::ids::SessionId;

/// Of about 40 bytes each; others are noted when they come again.
const MOST: usize = 100_000;

/// Sessions that were used since they were taken out last.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<SessionId, DateTime<Utc>>>);

impl Seen {
    pub fn note(&self, session: SessionId, at: DateTime<Utc>) {
        let mut noted = self.noted();
        if noted.len() < MOST || noted.contains_key(&session) {
            noted.insert(session, at);
        }
    }

    pub fn take(&self) -> HashMap<SessionId, DateTime<Utc>> {
        std::mem::take(&mut *self.noted())
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<SessionId, DateTime<Utc>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
