//! Composite keys: no row points from one mandate into another, whoever writes it.

use super::super::cases::{Names, fill};
use super::super::stage::Ground;
use super::{begin, run};
use crate::harness::TestApp;

/// Every reference between tables of mandates carries the mandate, so that no row can point across.
#[tokio::test]
async fn references_between_tables_of_mandates_carry_the_mandate() {
    let app = TestApp::start().await;
    let loose: Vec<String> = sqlx::query_scalar(
        "with tenant as (select attrelid, attnum from pg_attribute where attname = 'mandate_id'
             and not attisdropped),
              reference as (
                select c.conrelid, c.confrelid,
                       exists (select 1 from unnest(c.conkey, c.confkey) pair (here, there)
                               where pair.here = h.attnum and pair.there = t.attnum) as carries
                from pg_constraint c
                join tenant h on h.attrelid = c.conrelid
                join tenant t on t.attrelid = c.confrelid
                where c.contype = 'f')
         select conrelid::regclass || ' -> ' || confrelid::regclass from reference
         group by conrelid, confrelid having not bool_or(carries)",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    assert_eq!(loose, Vec::<String>::new());
}

fn member_role(role: &str, scope: &str) -> String {
    format!(
        "insert into member_roles (mandate_id, user_id, role_id, role_scope)
           values ('$mandate', '$target', '{role}', '{scope}')"
    )
}

fn access_role(role: &str, scope: &str) -> String {
    format!(
        "insert into access_roles (mandate_id, instance_id, user_id, role_id, role_scope)
         values ('$mandate', '$instance', '$admitted', '{role}', '{scope}')"
    )
}

fn group_member(group: &str, user: &str) -> String {
    format!(
        "insert into group_members (mandate_id, group_id, user_id)
           values ('$mandate', '{group}', '{user}')"
    )
}

fn access(instance: &str, user: &str) -> String {
    format!(
        "insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
           values ('$mandate', '{instance}', '{user}', now())"
    )
}

fn permission(role: &str) -> String {
    format!(
        "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level,
             create_level, update_level, delete_level)
         values ('{role}', 'mandate', '$mandate', 'members', true, 3, 0, 0, 0)"
    )
}

/// As a superuser, for whom no policy counts.
#[tokio::test]
async fn keys_refuse_a_row_that_points_across() {
    let ground = Ground::new().await;
    let mut names: Names = ground.stage(&ground.world.acme).await;
    let twins = ground.stage(&ground.world.globex).await;
    let foreign = [
        ("ftarget", "target"),
        ("frole", "role"),
        ("fgroup", "group"),
        ("finstance", "instance"),
        ("firole", "irole"),
    ];
    names.extend(foreign.map(|(name, of)| (name, twins[of].clone())));
    let across = [
        ("the twin's role", member_role("$frole", "mandate"), "23503"),
        ("an instance role as a mandate role", member_role("$irole", "mandate"), "23503"),
        ("an instance role that says so", member_role("$irole", "instance"), "23514"),
        ("a template as a mandate role", member_role("$template", "mandate"), "23503"),
        ("a template that says so", member_role("$template", "feature-template"), "23514"),
        ("the twin's instance role", access_role("$firole", "instance"), "23503"),
        ("a mandate role in an instance", access_role("$role", "instance"), "23503"),
        ("the twin's group", group_member("$fgroup", "$target"), "23503"),
        ("the twin's member in a group", group_member("$group", "$ftarget"), "23503"),
        ("the twin's instance", access("$finstance", "$target"), "23503"),
        ("the twin's member in an instance", access("$instance", "$ftarget"), "23503"),
        ("a permission of the twin's role", permission("$frole"), "23503"),
    ];
    let insert = async |row: &str| {
        let mut transaction = begin(&ground.world.app).await;
        run(&mut transaction, &format!("{}; set constraints all immediate", fill(row, &names)))
            .await
            .map(|_| ())
    };
    for (what, row, wanted) in across {
        assert_eq!(insert(&row).await, Err(wanted.to_owned()), "{what}");
    }
    let own = [
        member_role("$role", "mandate"),
        access_role("$irole", "instance"),
        group_member("$group", "$target"),
        access("$instance", "$target"),
        permission("$role"),
    ];
    for row in own {
        assert_eq!(insert(&row).await, Ok(()), "{row}");
    }
}
