//! What a request must say. All that is wrong with it is told at once.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Address, countries};
use crate::http::instant::{Instant, NoInstant};
use crate::kernel::error::{Error, FieldError, Result, keep};
use crate::kernel::names;

/// The longest booking: a leap year. Whatever is longer is a typing mistake.
const MAX_DURATION_MINUTES: i32 = 366 * 24 * 60;

/// A request for a booking.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateBooking {
    /// In the future; with an offset from UTC.
    #[schema(value_type = DateTime<Utc>, example = "2031-05-14T18:30:00+02:00")]
    event_time: String,
    #[schema(minimum = 1, maximum = 527_040, example = 90)]
    duration_minutes: i64,
    #[schema(example = "Introduction for new customers")]
    topic: String,
    address: CreateAddress,
}

/// Where it is to take place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAddress {
    #[schema(example = "Bahnhofstrasse 1")]
    street: String,
    #[schema(example = "Zürich")]
    city: String,
    #[schema(example = "ZH")]
    state: Option<String>,
    /// An ISO 3166-1 code of two or three letters, or an English name; case does not matter.
    #[schema(example = "Switzerland")]
    country: String,
}

/// A request that is in order.
#[derive(Debug)]
pub(super) struct NewBooking {
    pub event_time: DateTime<Utc>,
    pub duration_minutes: i32,
    pub topic: String,
    pub address: Address,
}

type Checked<T> = std::result::Result<T, FieldError>;

impl CreateBooking {
    pub(super) fn checked(&self, now: DateTime<Utc>) -> Result<NewBooking> {
        let mut errors = Vec::new();
        let event_time = keep(event_time(&self.event_time, now), &mut errors);
        let duration_minutes = keep(duration(self.duration_minutes), &mut errors);
        let topic = keep(names::checked("/topic", &self.topic), &mut errors);
        let address = self.address.checked(&mut errors);
        match (event_time, duration_minutes, topic, address) {
            (Some(event_time), Some(duration_minutes), Some(topic), Some(address)) => {
                Ok(NewBooking { event_time, duration_minutes, topic, address })
            }
            _ => Err(Error::invalid(errors)),
        }
    }
}

impl CreateAddress {
    fn checked(&self, errors: &mut Vec<FieldError>) -> Option<Address> {
        let street = keep(names::checked("/address/street", &self.street), errors);
        let city = keep(names::checked("/address/city", &self.city), errors);
        let state =
            self.state.as_deref().map(|state| names::checked("/address/state", state)).transpose();
        let state = keep(state, errors);
        let country = keep(country(&self.country), errors);
        Some(Address { street: street?, city: city?, state: state?, country: country? })
    }
}

fn event_time(text: &str, now: DateTime<Utc>) -> Checked<DateTime<Utc>> {
    let wrong = |code, detail: String| FieldError::new("/eventTime", code, detail);
    let instant = Instant::parse(text).map_err(|error| match error {
        NoInstant::Form => wrong("invalid_time", error.to_string()),
        NoInstant::Range => wrong("out_of_range", error.to_string()),
    })?;
    if instant.utc() <= now {
        return Err(wrong("not_in_future", "must be in the future".to_owned()));
    }
    Ok(instant.utc())
}

fn duration(minutes: i64) -> Checked<i32> {
    let within =
        i32::try_from(minutes).ok().filter(|minutes| (1..=MAX_DURATION_MINUTES).contains(minutes));
    let detail = || format!("must be from 1 to {MAX_DURATION_MINUTES} (a year)");
    within.ok_or_else(|| FieldError::new("/durationMinutes", "out_of_range", detail()))
}

fn country(text: &str) -> Checked<String> {
    let text = names::checked("/address/country", text)?;
    let detail = "must be an ISO 3166-1 code, such as `DE` or `DEU`, or a country's English name, \
        such as `Germany`";
    let code = countries::code(&text)
        .ok_or_else(|| FieldError::new("/address/country", "unknown_country", detail))?;
    Ok(code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> std::result::Result<String, String> {
        let now = "2031-05-14T16:30:00Z".parse().unwrap();
        event_time(text, now).map(|time| time.to_rfc3339()).map_err(|error| error.code.into_owned())
    }

    #[test]
    fn a_time_is_an_instant_in_the_future() {
        assert_eq!(
            at("2031-05-14T18:30:00.000001+02:00").as_deref(),
            Ok("2031-05-14T16:30:00.000001+00:00")
        );
        assert_eq!(at("2031-05-14T12:00:00-05:00").as_deref(), Ok("2031-05-14T17:00:00+00:00"));
        for past in [
            "2031-05-14T18:30:00+02:00",
            "2031-05-14T16:30:00.0000009Z",
            "2031-05-14T20:00:00+04:00",
            "1970-01-01T00:00:00Z",
        ] {
            assert_eq!(at(past).unwrap_err(), "not_in_future", "{past}");
        }
        for wrong in [
            "2032-05-14T18:30:00",
            "2032-05-14",
            "2032-13-01T00:00:00Z",
            "2032-05-14T18:30Z",
            "tomorrow",
            "",
            "1936707000",
        ] {
            assert_eq!(at(wrong).unwrap_err(), "invalid_time", "{wrong}");
        }
        assert_eq!(at("9999-12-31T23:59:59-01:00").unwrap_err(), "out_of_range");
    }
}
