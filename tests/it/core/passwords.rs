//! One's password.

pub mod plays;

use super::{ONLY_CASES, Slice};
use crate::gates::cases::{
    Trail::Platform,
    Unlike::{self, AnotherEachTime, ChangesTheCaller, NoKey, NoVersion, Untold},
    case,
};

const NOBODY: (Unlike, &str) = (NoKey, "nobody is signed in whose answer could be kept");

pub const SLICE: Slice = Slice {
    cases: &[
        case("change_password", "/api/auth/password", 204)
            .body(r#"{"current": "$password", "password": "$unique-quiet-Harbour"}"#)
            .told(Platform)
            .unlike(&[
                (NoVersion, "who changes it has to know the one of before"),
                (NoKey, "an answer that is kept would tell whether a password was right"),
                (AnotherEachTime, "the password of before is wrong the second time"),
                (ChangesTheCaller, "that is what it is for"),
            ]),
        case("request_password_reset", "/api/auth/password/forgot", 204)
            .body(r#"{"email": "$unique@example.com"}"#)
            .unlike(&[(Untold, "whether anybody has the address is not looked at"), NOBODY]),
        case("reset_password", "/api/auth/password/reset", 204)
            .body(r#"{"token": "$resettoken", "password": "$unique-quiet-Harbour"}"#)
            .told(Platform)
            .unlike(&[NOBODY, (AnotherEachTime, "a token is good once")]),
    ],
    plays: &[plays::OPERATIONS],
    ..ONLY_CASES
};
