//! The time at which something is decided.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};

use crate::kernel::clock::Clock;

/// The time of one context: it reads the clock when it is first asked, and tells the same ever
/// after, to whoever shares it. So nothing is over by one half of a decision and not by the other.
///
/// Not before it is asked: a body that comes slowly must not make what is decided about it older
/// than it is. Else whoever held one back would stretch what is good for seconds only, as a refresh
/// token is that was used already.
#[derive(Debug, Clone)]
pub struct Moment(Arc<Reading>);

#[derive(Debug)]
struct Reading {
    clock: Arc<dyn Clock>,
    read: OnceLock<DateTime<Utc>>,
}

impl Moment {
    pub(super) fn of(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Reading { clock, read: OnceLock::new() }))
    }
    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.0.read.get_or_init(|| self.0.clock.now())
    }
    /// Another one, for what is decided later.
    pub(super) fn anew(&self) -> Self {
        Self::of(self.0.clock.clone())
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;
    use crate::kernel::clock::ShiftedClock;

    #[test]
    fn a_moment_begins_when_it_is_asked_and_stays() {
        let clock = ShiftedClock::shared();
        let (moment, before) = (Moment::of(clock.clone()), clock.now());
        clock.advance(Duration::minutes(1));
        let shared = moment.clone();
        let told = moment.now();
        assert!(told >= before + Duration::minutes(1), "a body came slowly");
        clock.advance(Duration::minutes(1));
        assert_eq!([moment.now(), shared.now()], [told; 2]);
        assert!(shared.anew().now() >= told + Duration::minutes(1));
        assert_eq!(shared.now(), told);
    }
}
