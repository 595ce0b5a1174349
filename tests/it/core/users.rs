//! Accounts.

mod address_plays;
mod create_plays;
mod plays;

use super::{ONLY_CASES, Slice};
use crate::gates::cases::{
    Trail::{Both, Mandate, Platform},
    Unlike::{NoKey, NotPlayed, ToldRead},
    case,
};

const USERS: &str = "/api/users";
const ACCOUNT: &str = "/api/users/$account";

/// What is said of a look-up.
const SEEN: &str = "whoever tries out whether somebody has an account is to be seen doing it";

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_users", USERS, 200),
        case("create_user", USERS, 201)
            .body(
                r#"{"username": "$unique", "password": "$password", "mustChangePassword": false}"#,
            )
            .told(Platform),
        case("import_users", "/api/users/import", 200)
            .lines(r#"{"username": "$unique", "email": "$unique@example.com", "language": "de"}"#)
            .told(Platform)
            .unlike(&[
                (NoKey, "each line has an effect of its own"),
                (NotPlayed, "a line is judged as making its account alone would be"),
            ]),
        case("get_user", ACCOUNT, 200),
        case("update_user", ACCOUNT, 200).body(r#"{"language": "de"}"#).told(Platform),
        case("update_user", "/api/users/$target", 200)
            .of("disabling a member")
            .body(r#"{"enabled": false}"#)
            .told(Both)
            .sys_only(),
        case("erase_user", "/api/users/$account?mode=erase", 200)
            .body(r#"{"password": "$password"}"#)
            .told(Platform),
        case("erase_user", "/api/users/$target?mode=erase", 200)
            .of("a member")
            .told(Both)
            .sys_only(),
        case("request_email_change", "/api/users/$admin/email", 202)
            .body(r#"{"email": "$unique@example.com"}"#)
            .told(Platform),
        case("offer_password_reset", "/api/users/$account/password-reset", 200)
            .told(Platform)
            .unlike(&[(NoKey, "its answer may hold a token")]),
        case("offer_password_reset", "/api/users/$target/password-reset", 200)
            .of("a member")
            .told(Both)
            .unlike(&[(NoKey, "its answer may hold a token")]),
        case("lookup_user", "/api/users/lookup?username=newcomer-$person", 200)
            .told(Mandate)
            .unlike(&[(ToldRead, SEEN)]),
        case("lookup_user", "/api/users/lookup?email=newcomer-$person@example.com", 200)
            .of("by address")
            .told(Mandate)
            .unlike(&[(ToldRead, SEEN)]),
    ],
    plays: &[plays::OPERATIONS, address_plays::OPERATIONS],
    ..ONLY_CASES
};
