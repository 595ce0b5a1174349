//! Groups of members.

mod plays;

use super::tables::{EVERY, Scope, Table, row};
use super::{Slice, made};
use crate::gates::cases::{Trail::Mandate, case};

const GROUPS: &str = "/api/mandates/$mandate/groups";
const GROUP: &str = "/api/mandates/$mandate/groups/$group";
const MEMBERS: &str = "/api/mandates/$mandate/groups/$group/members";
const OUTSIDE: &str = "/api/mandates/$mandate/groups/$group/members/$target";
const INSIDE: &str = "/api/mandates/$mandate/groups/$group/members/$admitted";

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_groups", GROUPS, 200),
        case("create_group", GROUPS, 201).body(r#"{"name": "$unique"}"#).told(Mandate),
        case("get_group", GROUP, 200),
        case("update_group", GROUP, 200).body(r#"{"description": "$unique"}"#).told(Mandate),
        case("delete_group", GROUP, 204).told(Mandate),
        case("list_group_members", MEMBERS, 200),
        case("replace_group_members", MEMBERS, 200)
            .body(r#"{"userIds": ["$target"]}"#)
            .told(Mandate),
        case("add_group_member", OUTSIDE, 204).told(Mandate),
        case("remove_group_member", INSIDE, 204).told(Mandate),
    ],
    plays: &[plays::OPERATIONS],
    tables: &[Table {
        name: "groups",
        scope: Scope::Mandates,
        levels: [EVERY; 4],
        rows: &[row(
            "group",
            "insert into group_members (mandate_id, group_id, user_id)
             values ('$mandate', '$group', '$owner') on conflict do nothing",
        )],
    }],
    ids: &["group", "circle"],
    platform_ids: &[],
    rows: "
        insert into groups (id, mandate_id, name, name_key, created_at)
        select id::uuid, '$mandate', name || '-$word', name || '-$word', now()
        from (values ('$group', 'group'), ('$circle', 'circle')) made (id, name);
        insert into group_members (mandate_id, group_id, user_id)
        values ('$mandate', '$group', '$admitted');",
    made: &[made("group", &["create_group"])],
};
