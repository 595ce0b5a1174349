//! What operators and browsers ask.

use super::{ONLY_CASES, Slice};
use crate::gates::cases::{
    Unlike::{HoldsForAWhile, NotPlayed},
    case,
};

const ASKED: &str = "anybody may ask, and the database is asked twice a second for it at most";

pub const SLICE: Slice = Slice {
    cases: &[
        case("get_root", "/", 200).unlike(&[(NotPlayed, "it only points to the documentation")]),
        case("get_health", "/healthz", 200)
            .unlike(&[(NotPlayed, "it tells that the process answers")]),
        case("get_readiness", "/readyz", 200).unlike(&[
            (HoldsForAWhile, ASKED),
            (NotPlayed, "it tells about the database, not about what is in it"),
        ]),
        case("get_startup", "/startupz", 200)
            .unlike(&[(HoldsForAWhile, ASKED), (NotPlayed, "it tells about migrations")]),
        case("get_ping", "/ping", 200)
            .unlike(&[(HoldsForAWhile, ASKED), (NotPlayed, "it tells about migrations")]),
        case("get_openapi", "/openapi.json", 200)
            .unlike(&[(NotPlayed, "it is the document itself")]),
        case("get_security_contact", "/.well-known/security.txt", 200)
            .unlike(&[(NotPlayed, "it tells a setting")]),
        case("get_problem", "/problems/not_found", 200).unlike(&[(NotPlayed, "it explains codes")]),
    ],
    ..ONLY_CASES
};
