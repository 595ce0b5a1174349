//! Invitations to mandates, and accepting them.

mod accept_plays;
mod plays;

use super::{ONLY_CASES, Slice, made};
use crate::gates::cases::{
    Trail::{Both, Mandate},
    Unlike::{AnotherEachTime, NoKey, NotPlayed},
    case,
};

const INVITATIONS: &str = "/api/mandates/$mandate/invitations";
const INVITATION: &str = "/api/mandates/$mandate/invitations/$invitation";

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_invitations", INVITATIONS, 200),
        case("list_invitations", "/api/mandates/$mandate/invitations?status=pending&q=ex", 200)
            .of("filtered"),
        case("invite_member", INVITATIONS, 201)
            .body(r#"{"email": "$unique@example.com", "roleIds": ["$spare"]}"#)
            .told(Mandate),
        case("get_invitation", INVITATION, 200),
        case("revoke_invitation", INVITATION, 204).told(Mandate),
        case("resend_invitation", "/api/mandates/$mandate/invitations/$invitation/resend", 200)
            .body(r#"{"ttlHours": 24}"#)
            .told(Mandate)
            .unlike(&[(AnotherEachTime, "each is another token")]),
        case("import_invitations", "/api/mandates/$mandate/invitations/import", 200)
            .lines(r#"{"email": "$unique@example.com", "roles": ["user"]}"#)
            .told(Mandate)
            .unlike(&[
                (NoKey, "each line has an effect of its own"),
                (NotPlayed, "a line is judged as its invitation alone would be"),
            ]),
        case("accept_invitation", "/api/invitations/accept", 201)
            .body(
                r#"{"token": "$invitetoken",
                    "register": {"username": "$unique", "password": "quay-Lantrn-71x-moss"}}"#,
            )
            .told(Both)
            .unlike(&[
                (NoKey, "nobody need be signed in whose answer could be kept"),
                (AnotherEachTime, "a token is good once"),
            ]),
    ],
    plays: &[plays::OPERATIONS, accept_plays::OPERATIONS],
    ids: &["invitation"],
    rows: "
        insert into invitations (id, mandate_id, email, email_key, role_ids, instances, invited_by,
                                 created_at, expires_at)
        values ('$invitation', '$mandate', 'guest-$word@example.com',
                'guest-$word@example.com', array['$spare'::uuid], '[]', '$admin', now(),
                now() + interval '3 days');",
    made: &[made("invitation", &["invite_member"])],
    ..ONLY_CASES
};
