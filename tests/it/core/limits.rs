//! Own limits of mandates.

mod plays;

use super::{ONLY_CASES, Slice};
use crate::gates::cases::{Trail::Both, case};

const LIMITS: &str = "/api/mandates/$mandate/limits";

pub const SLICE: Slice = Slice {
    cases: &[
        case("get_mandate_limits", LIMITS, 200),
        case("replace_mandate_limits", LIMITS, 200).body(r#"{"classes": {"read": 90}}"#).told(Both),
    ],
    plays: &[plays::OPERATIONS],
    ..ONLY_CASES
};
