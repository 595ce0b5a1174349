//! Signing in and out, and the keys of tokens.

pub mod plays;

use super::{ONLY_CASES, Slice};
use crate::gates::cases::{
    Trail::Platform,
    Unlike::{EndsTheSession, NotPlayed},
    case,
};

pub const SLICE: Slice = Slice {
    cases: &[
        case("login", "/api/auth/login", 200)
            .body(r#"{"username": "$username", "password": "$password"}"#)
            .told(Platform),
        case("logout", "/api/auth/logout", 204)
            .told(Platform)
            .unlike(&[(EndsTheSession, "that is what it is for")]),
        case("unlock_user", "/api/auth/unlock", 204)
            .body(r#"{"userId": "$account"}"#)
            .told(Platform),
        case("get_me", "/api/auth/me", 200),
        case("get_key_set", "/.well-known/jwks.json", 200)
            .unlike(&[(NotPlayed, "it tells keys, which no call changes")]),
    ],
    plays: &[plays::OPERATIONS],
    ..ONLY_CASES
};
