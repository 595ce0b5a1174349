//! How long sessions last.

use chrono::Duration;

use crate::kernel::config::Settings;

/// How long a session lasts, and how long without being refreshed. (Those of SysAdmins last a day,
/// and an hour: `session_ends` in migration 0028 knows what somebody is at that moment.)
#[derive(Debug, Clone, Copy)]
pub struct Life {
    pub whole: Duration,
    pub idle: Duration,
}

impl Life {
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let days = |days: u32| Duration::days(i64::from(days));
        Self { whole: days(settings.session_days), idle: days(settings.session_idle_days) }
    }
}
