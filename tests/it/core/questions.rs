//! Questions about access: check, explain, and AuthZEN's.

mod authzen_plays;
pub mod plays;

use super::{ONLY_CASES, Slice};
use crate::gates::cases::{Unlike::NotPlayed, case};

const CHECK: &str = "/api/access/check";
const EXPLAIN: &str = "/api/access/explain";

pub const SLICE: Slice = Slice {
    cases: &[
        case("check_access", CHECK, 200)
            .body(r#"{"checks": [{"table": "members", "operation": "read"}]}"#),
        case("check_access", CHECK, 200)
            .of("of a member, in an instance")
            .instance("$instance")
            .body(r#"{"checks": [{"table": "access", "operation": "read"}], "userId": "$target"}"#),
        case("explain_access", EXPLAIN, 200)
            .body(r#"{"table": "members", "operation": "read", "userId": "$target"}"#),
        case("explain_access", EXPLAIN, 200)
            .of("of oneself")
            .body(r#"{"table": "members", "operation": "read"}"#),
        case("explain_access", EXPLAIN, 200)
            .of("in an instance")
            .instance("$instance")
            .body(r#"{"table": "access", "operation": "update"}"#),
        case("evaluate_access", "/access/v1/evaluation", 200).body(
            r#"{"subject": {"type": "user", "id": "$target"}, "action": {"name": "read"},
                "resource": {"type": "members", "id": "any"},
                "context": {"mandate": "$mandate", "instance": "$instance"}}"#,
        ),
        case("evaluate_accesses", "/access/v1/evaluations", 200).body(
            r#"{"subject": {"type": "user", "id": "$target"}, "action": {"name": "read"},
                "evaluations": [{"resource": {"type": "members", "id": "any"}},
                                {"resource": {"type": "roles", "id": "any"}}]}"#,
        ),
        case("get_authzen_configuration", "/.well-known/authzen-configuration", 200)
            .unlike(&[(NotPlayed, "it tells where other operations are")]),
    ],
    plays: &[plays::OPERATIONS, authzen_plays::OPERATIONS],
    ..ONLY_CASES
};
