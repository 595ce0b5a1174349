//! Roles of mandates and of instances, templates, and what each permits.

pub mod list_plays;
mod permission_plays;
mod plays;

use super::tables::{EVERY, Scope, Table, row};
use super::{Slice, made, made_of};
use crate::gates::cases::{
    Trail::{Mandate, Platform},
    case,
};

const OF_MANDATE: &str = "/api/mandates/$mandate/roles";
const OF_INSTANCE: &str = "/api/features/instances/$instance/roles";
const ROLE: &str = "/api/roles/$role";
const INSTANCE_ROLE: &str = "/api/roles/$irole";
const TEMPLATE: &str = "/api/roles/$template";
const RULES: &str = "/api/roles/$role/permissions";
const INSTANCE_RULES: &str = "/api/roles/$irole/permissions";
const TEMPLATE_RULES: &str = "/api/roles/$template/permissions";

const LABEL: &str = r#"{"label": "$unique"}"#;
const A_RULE: &str = r#"{"views": {}, "tables": {"roles":
    {"view": true, "read": "m", "create": "n", "update": "n", "delete": "n"}}}"#;
const AN_INSTANCE_RULE: &str = r#"{"views": {}, "tables": {"instance-roles":
    {"view": true, "read": "m", "create": "n", "update": "n", "delete": "n"}}}"#;

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_mandate_roles", OF_MANDATE, 200),
        case("create_mandate_role", OF_MANDATE, 201).body(LABEL).told(Mandate),
        case("list_instance_roles", OF_INSTANCE, 200),
        case("create_instance_role", OF_INSTANCE, 201).body(LABEL).told(Mandate),
        case("get_role", ROLE, 200),
        case("get_role", INSTANCE_ROLE, 200).of("of an instance"),
        case("get_role", TEMPLATE, 200).of("a template").sys_only(),
        case("update_role", ROLE, 200).body(LABEL).told(Mandate),
        case("update_role", INSTANCE_ROLE, 200).of("of an instance").body(LABEL).told(Mandate),
        case("update_role", TEMPLATE, 200).of("a template").body(LABEL).told(Platform).sys_only(),
        case("delete_role", ROLE, 204).told(Mandate),
        case("delete_role", INSTANCE_ROLE, 204).of("of an instance").told(Mandate),
        case("delete_role", TEMPLATE, 204).of("a template").told(Platform).sys_only(),
        case("get_role_permissions", RULES, 200),
        case("get_role_permissions", INSTANCE_RULES, 200).of("of an instance"),
        case("get_role_permissions", TEMPLATE_RULES, 200).of("a template").sys_only(),
        case("replace_role_permissions", RULES, 200).body(A_RULE).told(Mandate),
        case("replace_role_permissions", INSTANCE_RULES, 200)
            .of("of an instance")
            .body(AN_INSTANCE_RULE)
            .told(Mandate),
        case("replace_role_permissions", TEMPLATE_RULES, 200)
            .of("a template")
            .body(AN_INSTANCE_RULE)
            .told(Platform)
            .sys_only(),
        case("update_role_permissions", RULES, 200).body(A_RULE).told(Mandate),
        case("update_role_permissions", INSTANCE_RULES, 200)
            .of("of an instance")
            .body(AN_INSTANCE_RULE)
            .told(Mandate),
        case("update_role_permissions", TEMPLATE_RULES, 200)
            .of("a template")
            .body(AN_INSTANCE_RULE)
            .told(Platform)
            .sys_only(),
    ],
    plays: &[list_plays::OPERATIONS, plays::OPERATIONS, permission_plays::OPERATIONS],
    tables: &[Table {
        name: "roles",
        scope: Scope::Mandates,
        levels: [EVERY; 4],
        rows: &[
            row(
                "role",
                "insert into member_roles (mandate_id, user_id, role_id)
                 values ('$mandate', '$owner', '$role') on conflict do nothing",
            ),
            row("irole", super::instances::HELD),
        ],
    }],
    ids: &["role", "spare", "held", "kept"],
    platform_ids: &[],
    rows: "
        insert into roles (id, scope, mandate_id, label, label_key, created_at)
        select id::uuid, 'mandate', '$mandate', name || '-$word', name || '-$word', now()
        from (values ('$role', 'role'), ('$spare', 'spare'), ('$held', 'held'), ('$kept', 'kept'))
             made (id, name);
        insert into member_roles (mandate_id, user_id, role_id) values
          ('$mandate', '$target', '$held'), ('$mandate', '$target', '$kept'),
          ('$mandate', '$admitted', '$kept'), ('$mandate', '$peer', '$kept');",
    made: &[
        made("role", &["create_mandate_role"]),
        made("spare", &["create_mandate_role"]),
        made_of("spare", "held", &["assign_member_role"]),
    ],
};
