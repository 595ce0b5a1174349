//! Sessions: renewed, listed and ended.

pub mod plays;

use super::{ONLY_CASES, Slice, made};
use crate::gates::cases::{
    Trail::Platform,
    Unlike::{self, AnotherEachTime, ChangesTheCaller, NoKey, NoVersion, Untold},
    case,
};

/// There is nothing to agree on.
const NO_VERSION: (Unlike, &str) = (NoVersion, "a session has none: it is there, or over");

pub const SLICE: Slice = Slice {
    cases: &[
        case("refresh_session", "/api/auth/refresh", 200)
            .body(r#"{"refreshToken": "$refresh"}"#)
            .unlike(&[
                (Untold, "what somebody may do stays, and clients do it every quarter of an hour"),
                (NoKey, "who repeats it within ten seconds is answered the same anyway"),
                (AnotherEachTime, "each token is good once"),
            ]),
        case("step_up", "/api/auth/step-up", 200)
            .body(r#"{"password": "$password"}"#)
            .told(Platform)
            .unlike(&[
                (NoKey, "its answer holds a token"),
                (AnotherEachTime, "each says when somebody showed who they are"),
            ]),
        case("list_sessions", "/api/auth/sessions", 200),
        case("end_session", "/api/auth/sessions/$ownsession", 204)
            .told(Platform)
            .unlike(&[NO_VERSION]),
        case("end_other_sessions", "/api/auth/sessions", 204)
            .told(Platform)
            .unlike(&[NO_VERSION, (ChangesTheCaller, "that is what it is for")]),
        case("list_user_sessions", "/api/users/$account/sessions", 200),
        case("end_user_session", "/api/users/$account/sessions/$session", 204)
            .told(Platform)
            .unlike(&[NO_VERSION]),
        case("end_user_sessions", "/api/users/$account/sessions", 204)
            .told(Platform)
            .unlike(&[NO_VERSION]),
    ],
    plays: &[plays::OPERATIONS],
    platform_ids: &["session", "ownsession"],
    rows: "
        insert into sessions (id, user_id, created_at, expires_at)
        values ('$session', '$account', now(), now() + interval '1 day'),
               ('$ownsession', '$admin', now(), now() + interval '1 day');",
    made: &[
        made("refresh", &["login"]).told("refreshToken"),
        made("ownsession", &["login"]).told("sid"),
        made("session", &["login account"]).told("sid"),
    ],
    ..ONLY_CASES
};
