//! Members of mandates, and the people around them.

mod plays;
pub mod role_plays;

use super::tables::{COARSE, EVERY, Scope, Table, person};
use super::{Slice, made, made_of};
use crate::gates::cases::{Trail::Mandate, case};

const MEMBERS: &str = "/api/mandates/$mandate/users";
const MEMBER: &str = "/api/mandates/$mandate/users/$target";
const ROLES: &str = "/api/mandates/$mandate/users/$target/roles";

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_members", MEMBERS, 200),
        case("list_members", "/api/mandates/$mandate/users?roleId=$held&groupId=$group", 200)
            .of("filtered"),
        case("add_member", MEMBERS, 201)
            .body(r#"{"targetUserId": "$newcomer", "roleIds": ["$spare"]}"#)
            .told(Mandate),
        case("get_member", MEMBER, 200),
        case("update_member", MEMBER, 200).body(r#"{"enabled": false}"#).told(Mandate),
        case("remove_member", MEMBER, 204).told(Mandate),
        case("replace_member_roles", ROLES, 200).body(r#"{"roleIds": ["$spare"]}"#).told(Mandate),
        case("assign_member_role", "/api/mandates/$mandate/users/$target/roles/$spare", 200)
            .told(Mandate),
        case("revoke_member_role", "/api/mandates/$mandate/users/$target/roles/$held", 200)
            .told(Mandate),
        case("get_member_access", "/api/mandates/$mandate/users/$target/access", 200),
        case(
            "get_member_access",
            "/api/mandates/$mandate/users/$target/access?instanceId=$instance",
            200,
        )
        .of("in an instance"),
    ],
    plays: &[plays::OPERATIONS, role_plays::OPERATIONS],
    tables: &[Table {
        name: "members",
        scope: Scope::Mandates,
        levels: [EVERY, COARSE, EVERY, EVERY],
        rows: &[person("target")],
    }],
    ids: &["target", "admitted", "peer"],
    platform_ids: &["newcomer", "account"],
    rows: "
        insert into users (id, username, username_key, email, email_key, first_name, last_name,
                           created_at)
        select id::uuid, name || '-$person', name || '-$person', name || '-$person@example.com',
               name || '-$person@example.com', 'First$person', 'Last$person', now()
        from (values ('$target', 'target'), ('$newcomer', 'newcomer'), ('$account', 'account'),
                     ('$admitted', 'admitted'), ('$peer', 'peer')) people (id, name);
        insert into memberships (id, mandate_id, user_id, created_at)
        select gen_random_uuid(), '$mandate', id::uuid, now()
        from unnest(array['$target', '$admitted', '$peer']) id;
        insert into former_members (mandate_id, user_id) values ('$mandate', '$account');",
    made: &[
        made("newcomer", &["create_user"]),
        made("account", &["create_user"]),
        made_of("newcomer", "target", &["add_member"]),
    ],
};
