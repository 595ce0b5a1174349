//! Mandates.

mod plays;

use super::tables::{COARSE, Scope, Table};
use super::{Slice, made, made_of};
use crate::gates::cases::{
    Trail::{Both, Mandate},
    case,
};

const MANDATE: &str = "/api/mandates/$mandate";

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_mandates", "/api/mandates", 200),
        case("create_mandate", "/api/mandates", 201)
            .body(r#"{"name": "$unique", "adminUserId": "$newcomer"}"#)
            .told(Both),
        case("get_mandate", MANDATE, 200),
        case("update_mandate", MANDATE, 200)
            .body(r#"{"name": "$unique"}"#)
            .told(Mandate)
            .told_of_sys(Both),
        case("update_mandate", MANDATE, 200)
            .of("code")
            .body(r#"{"code": "$unique"}"#)
            .told(Both)
            .sys_only(),
        case("put_mandate", MANDATE, 200)
            .body(r#"{"name": "$unique"}"#)
            .told(Mandate)
            .told_of_sys(Both),
        case("delete_mandate", MANDATE, 200).told(Both),
        case("restore_mandate", "/api/mandates/$deleted/restore", 200).told(Both),
    ],
    plays: &[plays::OPERATIONS],
    tables: &[Table {
        name: "mandate",
        scope: Scope::Mandates,
        levels: [COARSE, COARSE, COARSE, COARSE],
        rows: &[],
    }],
    ids: &[],
    platform_ids: &["deleted"],
    rows: "
        insert into mandates
          (id, name, name_key, code, code_key, created_at, updated_at, deleted_at, purge_at)
        values ('$deleted', 'Deleted $word', 'deleted $word', 'deleted-$word', 'deleted-$word',
                now(), now(), now(), now() + interval '30 days');",
    made: &[
        made("mandate", &["create_mandate"]),
        made_of("mandate", "deleted", &["delete_mandate"]),
    ],
};
