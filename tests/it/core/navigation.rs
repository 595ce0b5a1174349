//! What one's own navigation shows, and what oneself may do.

mod plays;

use super::{ONLY_CASES, Slice};
use crate::gates::cases::case;

pub const SLICE: Slice = Slice {
    cases: &[
        case("get_my_features", "/api/features/my", 200),
        case("get_my_access", "/api/access/me", 200),
        case("get_my_access", "/api/access/me", 200).of("in an instance").instance("$instance"),
    ],
    plays: &[plays::OPERATIONS],
    ..ONLY_CASES
};
