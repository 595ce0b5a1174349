//! Acting as somebody else.

pub mod plays;

use super::{ONLY_CASES, Slice, made_of};
use crate::gates::cases::{
    Trail::Both,
    Unlike::{NoKey, NoVersion},
    case,
};

pub const SLICE: Slice = Slice {
    cases: &[
        case("start_impersonation", "/api/auth/impersonate", 201)
            .body(r#"{"userId": "$target", "reason": "a ticket"}"#)
            .told(Both)
            .unlike(&[(NoKey, "its answer holds a token")]),
        case("end_impersonation", "/api/auth/impersonate", 204)
            .body(r#"{"userId": "$acted"}"#)
            .told(Both)
            .unlike(&[(NoVersion, "a session has none: it is there, or over")]),
    ],
    plays: &[plays::OPERATIONS],
    platform_ids: &["acting", "acted"],
    rows: "
        update mandates set allow_impersonation = true
        where id = '$mandate' and not allow_impersonation;
        insert into users (id, username, username_key, created_at)
        values ('$acted', 'acted-$person', 'acted-$person', now());
        insert into memberships (id, mandate_id, user_id, created_at)
        values (gen_random_uuid(), '$mandate', '$acted', now());
        insert into sessions (id, user_id, created_at, expires_at, impersonated_by, impersonated_in)
        select '$acting', '$acted', now(), now() + interval '15 minutes', s.user_id, s.id
        from sessions s join users u on u.id = s.user_id
        where u.username = 'root' and s.impersonated_by is null order by s.id limit 1;",
    made: &[made_of("target", "acted", &["start_impersonation"])],
    ..ONLY_CASES
};
