//! Whoever undoes a mistake finds in the trail what was there: of every row of access that a call
//! takes away, with what was deleted or by itself, the event tells whose it was and what it said.
//! Looked at in the tables, so that a route that comes to take more away, or a new one, cannot lose
//! it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cases::{Case, Names};
use super::operations::Operation;
use super::stage::{Ground, call, on_grounds};

/// What is erased is to be gone, and brings nothing back.
const FOR_GOOD: &str = "erase_user";

/// Everything that gives access: which row it is, and the words that tell it.
const ROWS: &str = "
  select jsonb_build_array('group_members', group_id, user_id), array[group_id::text, user_id::text]
    from group_members
  union all select jsonb_build_array('feature_accesses', instance_id, user_id),
    array[instance_id::text, user_id::text] from feature_accesses
  union all select jsonb_build_array('member_roles', h.user_id, r.id),
    array[h.user_id::text, r.label]
    from member_roles h join roles r on r.id = h.role_id
  union all select jsonb_build_array('access_roles', h.instance_id, h.user_id, r.id),
    array[h.instance_id::text, h.user_id::text, r.label]
    from access_roles h join roles r on r.id = h.role_id
  union all select jsonb_build_array('roles', id), array[label] from roles
  union all select jsonb_build_array('role_permissions', r.id, p.table_name),
    array[r.label, p.table_name]
    from role_permissions p join roles r on r.id = p.role_id
  union all select jsonb_build_array('role_views', r.id, v.view_name), array[r.label, v.view_name]
    from role_views v join roles r on r.id = v.role_id";

/// The tables that these are.
const TABLES: [&str; 7] = [
    "access_roles",
    "feature_accesses",
    "group_members",
    "member_roles",
    "role_permissions",
    "role_views",
    "roles",
];

#[test]
fn an_event_tells_all_that_its_call_took_away() {
    let mut told: Vec<&str> = on_grounds(told_of).into_iter().flatten().collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, TABLES, "rows of every table go by some call");
}

/// The tables of which rows went.
async fn told_of(ground: &Ground, operation: &Operation, case: &Case) -> Vec<&'static str> {
    if !operation.has_effect() || operation.id == FOR_GOOD {
        return Vec::new();
    }
    let names = ground.stage_for(case, &ground.world.acme).await;
    fill(ground, &names).await;
    let sql = &ground.world.app.sql;
    let rows = async || -> Vec<(Value, Vec<String>)> {
        sqlx::query_as(ROWS).fetch_all(sql).await.unwrap()
    };
    let events = ground.world.app.count("select count(*) from audit_events").await;
    let before = rows().await;
    call(&ground.world.app, operation, case, &names, &ground.rightful(operation, case)).await;
    let after: BTreeSet<String> =
        rows().await.into_iter().map(|(row, _)| row.to_string()).collect();
    let newest = "select coalesce(string_agg(to_jsonb(e)::text, ' '), '')
                    from (select * from audit_events order by id offset $1) e";
    let trail: String = sqlx::query_scalar(newest).bind(events).fetch_one(sql).await.unwrap();
    let mut tables = Vec::new();
    for (row, words) in before.iter().filter(|(row, _)| !after.contains(&row.to_string())) {
        for word in words {
            assert!(
                trail.contains(word),
                "{} took {row} away, and its event is silent on {word}: {trail}",
                case.title()
            );
        }
        tables.extend(TABLES.into_iter().filter(|table| row[0] == *table));
    }
    ground.mend().await;
    tables
}

/// Somebody in everything, and everything permits something.
async fn fill(ground: &Ground, names: &Names) {
    let Some(role) = names.get("role") else { return };
    let id_of = |what: &str| &names[what];
    ground
        .sql(format!(
            "insert into group_members (mandate_id, group_id, user_id)
             select mandate_id, '{group}', user_id from memberships
               where user_id in ('{target}', '{peer}') on conflict do nothing;
             insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
             select mandate_id, '{instance}', user_id, now() from memberships
               where user_id = '{target}' on conflict do nothing;
             insert into access_roles (mandate_id, instance_id, user_id, role_id)
             select mandate_id, '{instance}', user_id, '{iheld}' from memberships
               where user_id = '{target}' on conflict do nothing;
             insert into role_permissions (role_id, scope, mandate_id, table_name, can_view,
                 read_level, create_level, update_level, delete_level)
             select id, scope, mandate_id, '*', true, 1, 0, 0, 0 from roles
               where id in ('{role}', '{irole}', '{iheld}', '{template}') on conflict do nothing;
             insert into role_views (role_id, scope, mandate_id, view_name, allowed)
             select id, scope, mandate_id, 'editor', true from roles
               where id in ('{irole}', '{iheld}', '{template}') on conflict do nothing",
            group = id_of("group"),
            target = id_of("target"),
            peer = id_of("peer"),
            instance = id_of("instance"),
            iheld = id_of("iheld"),
            irole = id_of("irole"),
            template = id_of("template"),
        ))
        .await;
}
