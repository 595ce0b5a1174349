//! A node of which it is noted whenever it reads the clock.

use std::sync::{Arc, Mutex};

use bailiwick::kernel::clock::{Clock, ShiftedClock};
use chrono::{DateTime, Duration, Utc};

use super::TestApp;

/// A clock that notes what it told, and tells nothing twice: by what a row bears it shows which
/// reading it is of.
#[derive(Debug)]
struct NotingClock {
    clock: Arc<ShiftedClock>,
    told: Mutex<Vec<DateTime<Utc>>>,
    last: Mutex<DateTime<Utc>>,
}

impl Clock for NotingClock {
    fn now(&self) -> DateTime<Utc> {
        let mut last = self.last.lock().unwrap();
        *last = self.clock.now().max(*last + Duration::microseconds(1));
        self.told.lock().unwrap().push(*last);
        *last
    }
}

/// The node, and its clock.
pub struct Timed {
    pub node: TestApp,
    clock: Arc<NotingClock>,
}

impl Timed {
    /// Another node of a service.
    pub fn beside(app: &TestApp) -> Self {
        let (told, last) = (Mutex::default(), Mutex::new(DateTime::UNIX_EPOCH));
        let clock = Arc::new(NotingClock { clock: app.clock.clone(), told, last });
        Self { node: app.another_node_by(clock.clone()), clock }
    }

    /// What the clock told since the last call.
    pub fn read(&self) -> Vec<DateTime<Utc>> {
        std::mem::take(&mut *self.clock.told.lock().unwrap())
    }
}
