//! Times in requests: every one that a query or a body names is an [`Instant`], so that none
//! reaches the database that it cannot hold, or that RFC 3339 could not write in an answer.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Deserializer};

/// The years that RFC 3339 can write. (It could write the year 0; there was none.)
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// A moment that somebody named, in UTC and to the microsecond (what PostgreSQL keeps; finer
/// fractions are cut off). A leap second is the second after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(DateTime<Utc>);

/// What is wrong with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoInstant {
    #[error(
        "must be a date and time with its offset from UTC, such as 2031-05-14T18:30:00+02:00 (RFC \
            3339)"
    )]
    Form,
    #[error("must be within the years 0001 to 9999, in UTC")]
    Range,
}

impl Instant {
    pub fn parse(text: &str) -> Result<Self, NoInstant> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| NoInstant::Form)?;
        let time =
            DateTime::from_timestamp_micros(time.timestamp_micros()).ok_or(NoInstant::Range)?;
        if YEARS.contains(&time.year()) { Ok(Self(time)) } else { Err(NoInstant::Range) }
    }
    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String, NoInstant> {
        Instant::parse(text).map(|instant| instant.utc().to_rfc3339())
    }

    #[test]
    fn a_time_is_one_that_can_be_kept_and_written() {
        for (text, utc) in [
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
            ("0001-01-01T23:59:00+23:59", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
            ("9999-12-31T00:00:59-23:59", "9999-12-31T23:59:59+00:00"),
            ("2026-06-30T23:59:60Z", "2026-07-01T00:00:00+00:00"),
            ("2026-06-30T23:59:59.9999999Z", "2026-06-30T23:59:59.999999+00:00"),
            ("1969-12-31T23:59:59.0000009Z", "1969-12-31T23:59:59+00:00"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(utc), "{text}");
        }
        for beyond in [
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+00:01",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T23:59:60Z",
        ] {
            assert_eq!(at(beyond), Err(NoInstant::Range), "{beyond}");
        }
        for wrong in [
            "-9999-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "+262142-12-31T23:59:59Z",
            "infinity",
            "-infinity",
            "now",
            "",
            "0",
            "1e400",
            "2026-06-30",
            "2026-06-30T24:00:00Z",
            "2026-06-30T23:59:61Z",
            "2026-02-30T00:00:00Z",
            "2026-06-30T00:00:00",
            "2026-06-30T00:00:00+24:00",
        ] {
            assert_eq!(at(wrong), Err(NoInstant::Form), "{wrong}");
        }
    }
}
