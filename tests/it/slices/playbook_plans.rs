//! How PostgreSQL reads the list of playbooks: at no level, and however far down the list, does it
//! pass over many rows that it does not show. Plans, not times: `EXPLAIN ANALYZE` of the very
//! statements that the service prepared, as the tenant role.

use serde_json::{Value, json};
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::kit::Desk;
use crate::harness::world::{Person, Tenant, rules};
use crate::harness::{TestApp, World, statements};

/// Rows on a page, and which page is far down.
const PAGE: usize = 10;
const FAR: usize = 1_000;
/// So many times the page may be passed over.
const MOST: u64 = 20;

/// 2,000 members in 50 groups, and 100,000 playbooks: 12,000 of the reader's own, the others of all
/// alike. (The reader owns that many so that there is a thousandth page at every level.)
const CROWD: &str = "
    insert into users (id, username, username_key, created_at) select md5('crowd' || n)::uuid,
      'crowd-' || n, 'crowd-' || n, now() from generate_series(1, 1999) n;
    insert into memberships (id, mandate_id, user_id, created_at) select gen_random_uuid(),
      '$mandate', md5('crowd' || n)::uuid, now() from generate_series(1, 1999) n;
    delete from group_members;
    insert into groups (id, mandate_id, name, name_key, created_at) select md5('group' || n)::uuid,
      '$mandate', 'group-' || n, 'group-' || n, now() from generate_series(0, 49) n;
    insert into group_members (mandate_id, group_id, user_id) select '$mandate',
      md5('group' || n % 50)::uuid, md5('crowd' || n)::uuid from generate_series(1, 1999) n;
    insert into group_members (mandate_id, group_id, user_id)
      values ('$mandate', md5('group0')::uuid, '$reader');
    insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title, title_key,
        created_at, updated_at)
    select md5('playbook' || n)::uuid, '$mandate', '$instance', case when n % 25 < 3
      then '$reader'::uuid else md5('crowd' || (n * 7919 % 1999 + 1))::uuid end,
           'playbook ' || lpad(n::text, 6, '0'), 'playbook ' || lpad(n::text, 6, '0'), 'Title',
             'title', now(), now()
    from generate_series(1, 100000) n;
    analyze";

struct Reader<'a> {
    node: &'a TestApp,
    desk: Desk<'a>,
    acme: &'a Tenant,
    person: &'a Person,
}

impl Reader<'_> {
    async fn page(&self, cursor: &str, limit: usize) -> Value {
        self.desk.get(format!("/api/playbooks?limit={limit}{cursor}")).await.expect(200)
    }

    /// The last row before the page that is far down, found by larger steps.
    async fn before_far(&self) -> Value {
        let (mut cursor, mut left) = (String::new(), PAGE * (FAR - 1));
        loop {
            let page = self.page(&cursor, left.min(200)).await;
            let items = page["items"].as_array().unwrap();
            left -= items.len();
            if left == 0 {
                return items.last().unwrap().clone();
            }
            cursor = format!("&cursor={}", page["nextCursor"].as_str().unwrap());
        }
    }

    /// How many rows the list's statement passes over, after that row.
    async fn passed_over(&self, after: Option<&Value>, mode: &str) -> u64 {
        let (name, statement) =
            self.prepared("select p.id%from playbooks p where%order by%limit $8%").await;
        let nil = Uuid::nil().to_string();
        let (key, id) = after.map_or(("", nil.as_str()), |row| {
            (row["name"].as_str().unwrap(), row["id"].as_str().unwrap())
        });
        let (mandate, instance, user) = (self.acme.id, self.acme.instance, self.person.id);
        let owner = if statement.contains("$9") { format!(", '{user}'") } else { String::new() };
        let arguments = format!(
            "'{mandate}', '{instance}', true, null, now(), '{key}', '{id}', {}{owner}",
            PAGE + 1
        );
        self.removed_by(&name, &arguments, mode).await
    }

    /// The name and the text of the one statement that the node prepared and that looks like this.
    async fn prepared(&self, like: &str) -> (String, String) {
        let mut connection = self.node.db.bare_connection().await.unwrap();
        let mut found: Vec<(String, String)> = sqlx::query_as(
            "select name, statement from pg_prepared_statements where statement like $1",
        )
        .bind(like)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        assert_eq!(found.len(), 1, "one was asked for: {found:#?}");
        found.remove(0)
    }

    /// How many rows a prepared statement passes over.
    async fn removed_by(&self, name: &str, arguments: &str, mode: &str) -> u64 {
        let (mandate, instance) = (self.acme.id, self.acme.instance);
        let mut connection = self.node.db.bare_connection().await.unwrap();
        let script = format!(
            "begin; set local role bailiwick_tenant; set local app.mandate_id = '{mandate}';
             set local app.instance_id = '{instance}';
             set local plan_cache_mode = {mode}"
        );
        connection.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.unwrap();
        let plan = explained(
            &mut connection,
            &format!("explain (analyze, format json) execute {name}({arguments})"),
        )
        .await;
        connection.execute("rollback").await.unwrap();
        let (removed, shown) =
            (removed(&plan["Plan"]), plan["Plan"]["Actual Rows"].as_f64().unwrap());
        assert!(shown > 0.0, "the plan shows nothing: {plan:#}");
        removed
    }
}

pub async fn explained(connection: &mut PgConnection, statement: &str) -> Value {
    explained_with(connection, statement, PgArguments::default()).await
}

/// The same for a statement with parameters, as it is run with these.
pub async fn explained_with(
    connection: &mut PgConnection,
    statement: &str,
    arguments: PgArguments,
) -> Value {
    let plan: Value = sqlx::query_scalar_with(AssertSqlSafe(statement.to_owned()), arguments)
        .persistent(false)
        .fetch_one(connection)
        .await
        .unwrap();
    plan[0].clone()
}

/// Over the whole plan; the figure of a node is the mean of its loops.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of rows")]
pub fn removed(plan: &Value) -> u64 {
    let loops = plan["Actual Loops"].as_f64().unwrap_or(1.0);
    let here =
        ["Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck"]
            .map(|name| plan[name].as_f64().unwrap_or(0.0) * loops)
            .iter()
            .sum::<f64>() as u64;
    here + plan["Plans"].as_array().into_iter().flatten().map(removed).sum::<u64>()
}

#[tokio::test]
async fn no_level_passes_over_many_rows_on_any_page() {
    let world = World::new().await;
    let acme = &world.acme;
    let reader = world.member_with(acme, "reader", &[acme.role("user")]).await;
    fill(&world, &reader).await;
    let role = admitted_with_a_role(&world, &reader).await;
    for level in ["m", "g", "a"] {
        may_read(&world, role, level).await;
        passes_over_few(&world, &reader, level).await;
    }
    // Everybody in one group: the reader's peers are all owners there are.
    let everybody = format!(
        "insert into group_members (mandate_id, group_id, user_id)
           select '{0}', md5('group0')::uuid, user_id from memberships where mandate_id = '{0}'
           on conflict do nothing",
        acme.id
    );
    world.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(everybody))).await.unwrap();
    may_read(&world, role, "g").await;
    passes_over_few(&world, &reader, "g among all").await;
}

/// One row is found by its index, whichever way a path names it.
#[tokio::test]
async fn a_playbook_is_found_without_passing_over_others() {
    let world = World::new().await;
    let acme = &world.acme;
    let person = world.member_with(acme, "reader", &[acme.role("user")]).await;
    fill(&world, &person).await;
    let role = admitted_with_a_role(&world, &person).await;
    let all =
        json!({ "playbooks": ["a", "n", "n", "n"], "playbook_versions": ["a", "n", "n", "n"] });
    let permissions = json!({ "tables": rules(&all) });
    world.admin().put(format!("/api/roles/{role}/permissions"), permissions).await.expect(200);
    let node = world.app.another_node_with_one_connection();
    let desk = Desk::at(&node, &person, acme).in_instance(acme.instance);
    let reader = Reader { node: &node, desk, acme, person: &person };
    let last = reader.page("&sort=-name", 1).await["items"][0].clone();
    let (id, name) = (last["id"].as_str().unwrap(), last["name"].as_str().unwrap());
    reader.desk.get(format!("/api/playbooks/{id}/versions")).await.expect(200);
    reader.desk.get(format!("/api/playbooks/{id}")).await.expect(200);
    let (mandate, instance, user) = (acme.id, acme.instance, person.id);
    let (found, _) = reader.prepared("select p.id%needed%from playbooks p%").await;
    let (listed, _) = reader.prepared("select case%playbook_needed%from playbooks p%").await;
    for mode in ["force_custom_plan", "force_generic_plan"] {
        for named in [format!("'{id}', null"), format!("null, '{name}'")] {
            let arguments = format!("'{mandate}', '{instance}', {named}, '{user}'");
            let one = format!("{arguments}, true, now()");
            assert_eq!(reader.removed_by(&found, &one, mode).await, 0, "{mode}, {named}");
            let versions = format!("{arguments}, now(), 0, {}", PAGE + 1);
            assert_eq!(reader.removed_by(&listed, &versions, mode).await, 0, "{mode}, {named}");
        }
    }
}

/// Acme with the crowd in it.
pub async fn fill(world: &World, reader: &Person) {
    let crowd = CROWD
        .replace("$mandate", &world.acme.id.to_string())
        .replace("$instance", &world.acme.instance.to_string())
        .replace("$reader", &reader.id.to_string());
    world.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(crowd))).await.unwrap();
}

/// Admits the reader with a role of their own, which permits nothing yet.
pub async fn admitted_with_a_role(world: &World, reader: &Person) -> Uuid {
    let acme = &world.acme;
    let made = world.admin().post(acme.instance_path("/roles"), json!({ "label": "reads" })).await;
    let role = made.id();
    world.admit(acme, reader.id, &[role]).await;
    role
}

/// Lets whoever has the role read playbooks at a level.
pub async fn may_read(world: &World, role: Uuid, level: &str) {
    let permissions = json!({ "tables": rules(&json!({ "playbooks": [level, "n", "n", "n"] })) });
    world.admin().put(format!("/api/roles/{role}/permissions"), permissions).await.expect(200);
}

async fn passes_over_few(world: &World, person: &Person, level: &str) {
    let acme = &world.acme;
    // A node of its own, so that its one connection has prepared this level's statement only.
    let node = world.app.another_node_with_one_connection();
    let reader = Reader {
        node: &node,
        desk: Desk::at(&node, person, acme).in_instance(acme.instance),
        acme,
        person,
    };
    let first = reader.page("", PAGE).await;
    assert_eq!(first["items"].as_array().unwrap().len(), PAGE, "{level}");
    // The first use of a mandate is noted, so that the context was loaded once more.
    reader.page("", PAGE).await;
    let before = statements::sent();
    reader.page("", PAGE).await;
    assert_eq!(statements::sent() - before, 4, "freshness, begin, the list, commit");
    let far = reader.before_far().await;
    for mode in ["force_custom_plan", "force_generic_plan"] {
        for (after, place) in [(None, "the first page"), (Some(&far), "the thousandth page")] {
            let passed = reader.passed_over(after, mode).await;
            assert!(
                passed <= MOST * PAGE as u64,
                "level {level}, {place}, {mode}: {passed} rows were passed over"
            );
        }
    }
}
