//! How PostgreSQL reads lists by creation: from an index, a page at a time, wherever the page
//! begins. The service's own statements are explained with a plan for the parameters; those with
//! few filters also with the plan for any parameters.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::kit::Desk;
use super::playbook_plans::explained;
use crate::harness::world::{Person, Tenant};
use crate::harness::{TestApp, World};

const PAGE: usize = 10;
/// So many rows a step of the plan may read: some pages, and nowhere near all.
const MOST: f64 = 200.0;

const CROWD: &str = "
    insert into users (id, username, username_key, created_at)
      select md5('crowd' || n)::uuid, 'crowd-' || n, 'crowd-' || n, now() - n * interval '1 second'
        from generate_series(1, 20000) n;
    insert into memberships (id, mandate_id, user_id, created_at)
      select gen_random_uuid(), '$mandate', md5('crowd' || n)::uuid, now() - n * interval '1 second'
        from generate_series(1, 20000) n;
    insert into mandates (id, name, name_key, code, code_key, created_at, updated_at)
      select gen_random_uuid(), 'crowd', 'crowd', 'crowd-' || n, 'crowd-' || n,
        now() - n * interval '1 second', now() from generate_series(1, 20000) n;
    insert into audit_events (id, at, mandate_id, actor_id, action, resource_type)
      select gen_random_uuid(), now() - n * interval '1 second', case when n % 2 = 0
        then '$mandate'::uuid end, '$admin', 'role_updated', 'role'
      from generate_series(1, 40000) n;
    insert into audit_events (id, at, mandate_id, actor_id, action, resource_type)
      select gen_random_uuid(), now() - n * interval '500 seconds', '$mandate', '$admin',
        'group_created', 'group' from generate_series(1, 40) n;
    insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
      select md5('crowd' || n)::uuid, '$mandate', 'playbooks', 'crowd ' || n, 'crowd ' || n, now()
        from generate_series(1, 20000) n;
    insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
      select '$mandate', md5('crowd' || n * 500)::uuid, md5('crowd1')::uuid, now()
        from generate_series(1, 40) n;
    insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
      select '$mandate', md5('crowd' || n)::uuid, md5('crowd' || n + 1)::uuid, now()
        from generate_series(1, 10000) n;
    analyze";

/// Somebody of the crowd, to whom 41 instances are open.
const ADMITTED: &str = "acec8581-556a-b5f0-1046-b1b02ab1d087";

/// A list, what its statement begins and ends with, and its arguments with the bound of a page in
/// the middle.
struct List<'a> {
    path: String,
    statement: &'a str,
    arguments: String,
    has_few_filters: bool,
}

/// The most rows that a step of the plan hands on, over all its loops.
fn busiest(plan: &Value) -> f64 {
    let here =
        plan["Actual Rows"].as_f64().unwrap_or(0.0) * plan["Actual Loops"].as_f64().unwrap_or(1.0);
    plan["Plans"].as_array().into_iter().flatten().map(busiest).fold(here, f64::max)
}

async fn plan_of(node: &TestApp, world: &World, list: &List<'_>, mode: &str) -> Value {
    let mut connection = node.db.bare_connection().await.unwrap();
    let found: Vec<String> = sqlx::query_scalar(
        "select name from pg_prepared_statements where statement like $1
                              and statement like '%order by%limit%'",
    )
    .bind(list.statement)
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let [name] = &found[..] else { panic!("{}: one list was asked for: {found:?}", list.path) };
    let role = if list.path.contains(&world.acme.id.to_string()) {
        "bailiwick_tenant"
    } else {
        "bailiwick_system"
    };
    let mandate = world.acme.id;
    let script = format!(
        "begin; set local role {role}; set local app.mandate_id = '{mandate}'; set local \
            plan_cache_mode = {mode}"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.unwrap();
    let plan = explained(
        &mut connection,
        &format!("explain (analyze, format json) execute {name}({})", list.arguments),
    )
    .await;
    connection.execute("rollback").await.unwrap();
    assert!(
        plan["Plan"]["Actual Rows"].as_f64().unwrap() > 0.0,
        "{}: nothing shown: {plan:#}",
        list.path
    );
    plan["Plan"].clone()
}

/// Lists by creation, with nothing that narrows them.
fn by_creation(acme: &Tenant) -> Vec<List<'static>> {
    let (nil, mandate, admin) = (Uuid::nil(), acme.id, acme.admin.id);
    let middle = format!("now() - interval '9000 seconds', '{nil}', {}", PAGE + 1);
    vec![
        List {
            path: "/api/mandates?sort=-createdAt".into(),
            statement: "select d.id%from mandates d%",
            arguments: format!("false, null, null, null, null, {middle}"),
            has_few_filters: true,
        },
        List {
            path: "/api/users?sort=createdAt".into(),
            statement: "select u.id%from users u%",
            arguments: format!("null, null, null, null, null, null, {middle}"),
            has_few_filters: true,
        },
        List {
            path: acme.path("/users?sort=-createdAt"),
            statement: "select m.id%from memberships m%",
            arguments: format!("'{mandate}', '{admin}', null, null, null, null, {middle}"),
            has_few_filters: true,
        },
        List {
            path: acme.path("/audit?sort=-at"),
            statement: "select e.id%from audit_events e%",
            arguments: format!(
                "'{mandate}', '{admin}', null, null, null, null, null, null, {middle}"
            ),
            has_few_filters: false,
        },
        List {
            path: "/api/audit?sort=at".into(),
            statement: "select e.id%from audit_events e%",
            arguments: format!("null, null, null, null, null, null, null, null, {middle}"),
            has_few_filters: false,
        },
    ]
}

/// Lists that are narrowed, or sorted by name over all mandates or many members.
fn narrowed(acme: &Tenant) -> Vec<List<'static>> {
    let (nil, mandate, admin) = (Uuid::nil(), acme.id, acme.admin.id);
    let middle = format!("now() - interval '9000 seconds', '{nil}', {}", PAGE + 1);
    let text = |bound: &str| format!("'{bound}', '{nil}', {}", PAGE + 1);
    vec![
        List {
            path: acme.path("/users?sort=-username"),
            statement: "select m.id%from memberships m%",
            arguments: format!(
                "'{mandate}', '{admin}', null, null, null, null, {}",
                text("crowd-5")
            ),
            has_few_filters: true,
        },
        List {
            path: "/api/mandates?hasAdmin=false".into(),
            statement: "select d.id%from mandates d%",
            arguments: format!("false, null, null, null, false, {}", text("crowd")),
            has_few_filters: true,
        },
        List {
            path: "/api/features/instances?sort=-label".into(),
            statement: "select i.id%from feature_instances i join mandates%",
            arguments: format!("null, null, null, {}", text("crowd 5")),
            has_few_filters: true,
        },
        List {
            path: "/api/features/instances?featureCode=playbooks".into(),
            statement: "select i.id%from feature_instances i join mandates%",
            arguments: format!("null, 'playbooks', null, {}", text("crowd 5")),
            has_few_filters: false,
        },
        List {
            path: format!("/api/features/instances?userId={ADMITTED}"),
            statement: "select i.id%from feature_instances i join mandates%",
            arguments: format!("null, null, '{ADMITTED}', {}", text("crowd 12")),
            has_few_filters: false,
        },
        List {
            path: format!("/api/features/instances?mandateId={mandate}&userId={ADMITTED}"),
            statement: "select i.id%from feature_instances i%where (i.mandate_id%",
            arguments: format!("'{mandate}', '{admin}', null, '{ADMITTED}', {}", text("crowd 12")),
            has_few_filters: false,
        },
        List {
            path: acme.path("/audit?resourceType=group"),
            statement: "select e.id%from audit_events e%",
            arguments: format!(
                "'{mandate}', '{admin}', null, null, 'group', null, null, null, {middle}"
            ),
            has_few_filters: false,
        },
    ]
}

#[tokio::test]
async fn a_page_is_read_from_an_index() {
    let world = World::new().await;
    let acme = &world.acme;
    let crowd = CROWD
        .replace("$mandate", &acme.id.to_string())
        .replace("$admin", &acme.admin.id.to_string());
    world.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(crowd))).await.unwrap();
    for list in by_creation(acme).iter().chain(&narrowed(acme)) {
        if list.path.contains(&acme.id.to_string()) {
            few_rows_are_read(&world, &acme.admin, list).await;
        } else {
            few_rows_are_read(&world, &world.sys_admin, list).await;
        }
    }
}

/// Their few events stand among the many of others.
#[tokio::test]
async fn a_page_of_ones_own_events_is_read_from_an_index() {
    let world = World::new().await;
    let acme = &world.acme;
    let role = world.role_with(acme, "own trail", json!({ "audit": ["m", "n", "n", "n"] })).await;
    let reader = world.member_with(acme, "reader", &[role]).await;
    let crowd = "
        insert into audit_events (id, at, mandate_id, actor_id, action, resource_type)
          select gen_random_uuid(), now() - n * interval '1 second', '$mandate',
            case when n % 500 = 0 then '$reader'::uuid else '$admin' end, 'role_updated', 'role'
          from generate_series(1, 40000) n;
        analyze";
    let crowd = crowd
        .replace("$mandate", &acme.id.to_string())
        .replace("$reader", &reader.id.to_string())
        .replace("$admin", &acme.admin.id.to_string());
    world.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(crowd))).await.unwrap();
    let (mandate, nil) = (acme.id, Uuid::nil());
    let list = List {
        path: acme.path("/audit?sort=-at"),
        statement: "select e.id%from audit_events e%",
        arguments: format!(
            "'{mandate}', '{}', null, null, null, null, null, null,
             now() - interval '9000 seconds', '{nil}', {}",
            reader.id,
            PAGE + 1
        ),
        has_few_filters: true,
    };
    few_rows_are_read(&world, &reader, &list).await;
}

async fn few_rows_are_read(world: &World, person: &Person, list: &List<'_>) {
    // A node of its own, so that its one connection has prepared this list's statement only.
    let node = world.app.another_node_with_one_connection();
    let desk = if list.path.contains(&world.acme.id.to_string()) {
        Desk::at(&node, person, &world.acme)
    } else {
        Desk::anywhere(&node, person)
    };
    for _ in 0..2 {
        let page = desk.get(format!("{}&limit={PAGE}", list.path)).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), PAGE, "{}", list.path);
    }
    let modes = if list.has_few_filters {
        vec!["force_custom_plan", "force_generic_plan"]
    } else {
        vec!["force_custom_plan"]
    };
    for mode in modes {
        let plan = plan_of(&node, world, list, mode).await;
        assert!(
            busiest(&plan) <= MOST,
            "{}, {mode}: a step of the plan read {} rows: {plan:#}",
            list.path,
            busiest(&plan)
        );
    }
}
