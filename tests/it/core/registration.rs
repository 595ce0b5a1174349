//! Accounts that people make for themselves.

pub mod plays;

use super::{ONLY_CASES, Slice};
use crate::gates::cases::{
    Trail::Platform,
    Unlike::{self, AnotherEachTime, NoKey, Untold},
    case,
};

const NOBODY: (Unlike, &str) = (NoKey, "nobody is signed in whose answer could be kept");

pub const SLICE: Slice = Slice {
    cases: &[
        case("register_user", "/api/auth/register", 202)
            .body(
                r#"{"username": "$unique", "email": "$unique@example.com",
                    "password": "quay-Lantrn-71x-moss"}"#,
            )
            .unlike(&[
                (Untold, "there is no account yet that it could be told of"),
                NOBODY,
                (AnotherEachTime, "the username is kept for the first"),
            ]),
        case("resend_verification", "/api/auth/verify/resend", 204)
            .body(r#"{"email": "$unique@example.com"}"#)
            .unlike(&[(Untold, "whether there is anything to send is not looked at"), NOBODY]),
        case("verify_address", "/api/auth/verify", 204)
            .body(r#"{"token": "$registertoken", "password": "$password"}"#)
            .told(Platform)
            .unlike(&[NOBODY, (AnotherEachTime, "a token is good once")]),
    ],
    plays: &[plays::OPERATIONS],
    ..ONLY_CASES
};
