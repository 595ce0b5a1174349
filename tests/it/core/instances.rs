//! Instances of features, who is admitted to them, and their roles.

pub mod admission_plays;
mod plays;
mod sync_plays;

use super::tables::{EVERY, Scope, Table, person, row};
use super::{Slice, made, made_of};
use crate::gates::cases::{Trail::Mandate, case};

const INSTANCES: &str = "/api/features/instances";
const INSTANCE: &str = "/api/features/instances/$instance";
const USERS: &str = "/api/features/instances/$instance/users";
const USER: &str = "/api/features/instances/$instance/users/$admitted";

/// Makes the role `$irole` be held by `$owner`, who is admitted if they are not.
pub const HELD: &str = "
    insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
    values ('$mandate', '$instance', '$owner', now()) on conflict do nothing;
    insert into access_roles (mandate_id, instance_id, user_id, role_id)
    values ('$mandate', '$instance', '$owner', '$irole') on conflict do nothing";

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_feature_instances", INSTANCES, 200),
        case("list_feature_instances", "/api/features/instances?userId=$admitted", 200)
            .of("of a user"),
        case("create_feature_instance", INSTANCES, 201)
            .body(r#"{"featureCode": "playbooks", "label": "$unique"}"#)
            .told(Mandate),
        case("get_feature_instance", INSTANCE, 200),
        case("update_feature_instance", INSTANCE, 200)
            .body(r#"{"label": "$unique"}"#)
            .told(Mandate),
        case("delete_feature_instance", INSTANCE, 204).told(Mandate),
        case("sync_instance_roles", "/api/features/instances/$instance/sync-roles", 200)
            .told(Mandate),
        case("list_instance_users", USERS, 200),
        case("add_instance_user", USERS, 201)
            .body(r#"{"userId": "$target", "roleIds": ["$ispare"]}"#)
            .told(Mandate),
        case("update_instance_user", USER, 200).body(r#"{"enabled": false}"#).told(Mandate),
        case("remove_instance_user", USER, 204).told(Mandate),
        case(
            "replace_instance_user_roles",
            "/api/features/instances/$instance/users/$admitted/roles",
            200,
        )
        .body(r#"{"roleIds": ["$ispare"]}"#)
        .told(Mandate),
    ],
    plays: &[plays::OPERATIONS, sync_plays::OPERATIONS, admission_plays::OPERATIONS],
    tables: &[
        Table {
            name: "instances",
            scope: Scope::Mandates,
            levels: [EVERY; 4],
            rows: &[row(
                "instance",
                "insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
                 values ('$mandate', '$instance', '$owner', now()) on conflict do nothing;
                 insert into access_roles (mandate_id, instance_id, user_id, role_id)
                 values ('$mandate', '$instance', '$owner', '$iheld') on conflict do nothing",
            )],
        },
        Table {
            name: "access",
            scope: Scope::Instances,
            levels: [EVERY; 4],
            rows: &[person("admitted"), person("target")],
        },
        Table {
            name: "instance-roles",
            scope: Scope::Instances,
            levels: [EVERY; 4],
            rows: &[row("irole", HELD)],
        },
    ],
    ids: &["instance", "irole", "ispare", "iheld"],
    platform_ids: &[],
    rows: "
        insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
        values ('$instance', '$mandate', 'playbooks', 'Instance $word', 'instance $word', now());
        insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key,
                           created_at)
        select id::uuid, 'instance', '$mandate', '$instance', 'playbooks', name || '-$word',
               name || '-$word', now()
        from (values ('$irole', 'irole'), ('$ispare', 'ispare'), ('$iheld', 'iheld'))
             made (id, name);
        insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
        select '$mandate', '$instance', id::uuid, now()
        from unnest(array['$admitted', '$admin']) id;
        insert into access_roles (mandate_id, instance_id, user_id, role_id)
        select '$mandate', '$instance', id::uuid, '$iheld'
        from unnest(array['$admitted', '$admin']) id;",
    made: &[
        made("instance", &["create_feature_instance"]),
        made_of("target", "admitted", &["add_instance_user"]),
        made("irole", &["create_instance_role"]),
        made("ispare", &["create_instance_role"]),
    ],
};
