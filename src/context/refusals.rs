//! The answers to who is not let in.

use chrono::Duration;

use crate::kernel::error::{Code, Error};

/// The one answer to no or bad credentials.
pub(crate) fn unauthenticated() -> Error {
    Error::new(Code::Unauthenticated, "This needs a valid access token.")
}

pub(super) fn password_change_required() -> Error {
    let detail = "Somebody else chose the password of this account: choose another one by PUT \
        /api/auth/password.";
    Error::new(Code::PasswordChangeRequired, detail)
}

/// To who showed who they are longer ago than that (RFC 9470).
pub(super) fn step_up_required(most: Duration) -> Error {
    let detail = "This asks for your password once more: send POST /api/auth/step-up.";
    Error::new(Code::StepUpRequired, detail).with("maxAge", most.num_seconds())
}

/// To who acts as somebody else.
pub(crate) fn not_in_their_place() -> Error {
    let detail = "Whoever acts as somebody else does not do this: it is for the person themselves, \
        or changes what somebody may do.";
    Error::new(Code::OperationNotAllowed, detail)
}

pub(crate) fn mandate_access_denied() -> Error {
    Error::new(Code::MandateAccessDenied, "The mandate is not open to you here.")
}

pub(crate) fn for_sys_admins() -> Error {
    Error::new(Code::PermissionDenied, "This is for SysAdmins.").with("needed", "sysAdmin")
}

/// Not even a SysAdmin does it in somebody's place.
pub(super) fn for_oneself() -> Error {
    Error::new(Code::PermissionDenied, "Only the owner of the account does this.")
        .with("needed", "oneself")
}

pub(super) fn instance_access_denied() -> Error {
    Error::new(Code::InstanceAccessDenied, "The feature instance is not open to you here.")
}
