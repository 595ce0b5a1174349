//! The states of a booking: pending, then accepted or rejected, and nothing after that.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Booking, Bookings};
use crate::access::Level;
use crate::access::tables::Update;
use crate::context::Opened;
use crate::kernel::error::{Code, Error, Result};

/// Where a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[schema(as = BookingStatus, example = "accepted")]
pub enum Status {
    Pending,
    Accepted,
    Rejected,
}

/// What is made of a pending booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Accept,
    Reject,
}

impl Status {
    pub const ALL: [Status; 3] = [Status::Pending, Status::Accepted, Status::Rejected];

    /// As the database and clients have it.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Accepted => "accepted",
            Status::Rejected => "rejected",
        }
    }

    /// Where the booking stands after the decision; 409 where there was one before.
    pub(super) fn decided(self, decision: Decision) -> Result<Status> {
        match (self, decision) {
            (Status::Pending, Decision::Accept) => Ok(Status::Accepted),
            (Status::Pending, Decision::Reject) => Ok(Status::Rejected),
            (Status::Accepted | Status::Rejected, _) => Err(Error::new(
                Code::AlreadyDecided,
                format!("The booking was {} already.", self.name()),
            )
            .with("decision", self.name())),
        }
    }
}

/// 403 where the caller made the request themselves. Whoever holds level `a` stands above single
/// requests: an instance with one admin could decide nothing otherwise.
pub(super) fn require_another_decider(booking: &Opened<Bookings, Update, Booking>) -> Result<()> {
    let grant = booking.grant();
    if booking.requested_by.id == grant.caller() && grant.level() < Level::All {
        return Err(Error::new(Code::OwnRequest, "You made this request yourself."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_made_once() {
        assert_eq!(Status::Pending.decided(Decision::Accept).unwrap(), Status::Accepted);
        assert_eq!(Status::Pending.decided(Decision::Reject).unwrap(), Status::Rejected);
        for status in [Status::Accepted, Status::Rejected] {
            for decision in [Decision::Accept, Decision::Reject] {
                assert_eq!(status.decided(decision).unwrap_err().code(), Code::AlreadyDecided);
            }
        }
    }

    #[test]
    fn names_are_what_clients_read() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }
}
