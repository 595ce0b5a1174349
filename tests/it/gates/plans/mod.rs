//! How PostgreSQL reads for the statements that most requests run: the shapes of their plans, as
//! the role that runs them, with the arguments that were sent and for any others. Over so many
//! rows that it matters. Kept in `plans.txt`, to be read when they change:
//! `UPDATE_GOLDEN=1 cargo test --test it gates::plans` writes it anew.

mod explain;
mod shape;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor};

use super::golden::compare_golden_paragraphs;
use crate::harness::World;
use crate::harness::watched::Watched;
use crate::harness::world::Person;
use crate::slices::kit::Desk;
use crate::slices::playbook_plans::{admitted_with_a_role, fill, may_read};
use explain::Explaining;

/// Beside the crowd of Acme, whose members have roles: others with sessions, in other mandates,
/// with roles there, and with instances that are open to them.
const ELSEWHERE: &str = "
    insert into member_roles (mandate_id, user_id, role_id) select '$mandate',
      md5('crowd' || n)::uuid, '$user' from generate_series(1, 1999) n;
    insert into users (id, username, username_key, created_at) select md5('other' || n)::uuid,
      'other-' || n, 'other-' || n, now() from generate_series(1, 20000) n;
    insert into sessions (id, user_id, created_at, expires_at)
      select md5('session' || n)::uuid, md5('other' || n)::uuid, now(),
        now() + interval '30 days' from generate_series(1, 20000) n;
    insert into mandates (id, name, name_key, code, code_key, created_at, updated_at)
      select md5('mandate' || n)::uuid, 'mandate ' || n, 'mandate ' || n, 'mandate-' || n,
        'mandate-' || n, now(), now() from generate_series(1, 1000) n;
    insert into roles (id, scope, mandate_id, label, label_key, created_at)
      select md5('role' || n)::uuid, 'mandate', md5('mandate' || n)::uuid, 'role', 'role', now()
        from generate_series(1, 1000) n;
    insert into memberships (id, mandate_id, user_id, created_at)
      select gen_random_uuid(), md5('mandate' || (n % 1000 + 1))::uuid, md5('other' || n)::uuid,
        now() from generate_series(1, 20000) n;
    insert into member_roles (mandate_id, user_id, role_id)
      select md5('mandate' || (n % 1000 + 1))::uuid, md5('other' || n)::uuid,
        md5('role' || (n % 1000 + 1))::uuid from generate_series(1, 20000) n;
    insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
      select md5('instance' || n)::uuid, md5('mandate' || (n % 1000 + 1))::uuid, 'playbooks',
        'instance ' || n, 'instance ' || n, now() from generate_series(1, 5000) n;
    insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key,
        created_at)
      select md5('of instance' || n)::uuid, 'instance', md5('mandate' || (n % 1000 + 1))::uuid,
        md5('instance' || n)::uuid, 'playbooks', 'role', 'role', now()
        from generate_series(1, 5000) n;
    insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
      select md5('mandate' || (n % 1000 + 1))::uuid, md5('instance' || n)::uuid,
        md5('other' || n)::uuid, now() from generate_series(1, 5000) n;
    insert into access_roles (mandate_id, instance_id, user_id, role_id)
      select md5('mandate' || (n % 1000 + 1))::uuid, md5('instance' || n)::uuid,
        md5('other' || n)::uuid, md5('of instance' || n)::uuid from generate_series(1, 5000) n;
    -- Statistics of all rows are the same each time.
    set default_statistics_target = 400";

/// Whether what the vacuum left can be read from indexes alone: it passes over what is new to
/// anybody who looks at the same time.
const ALL_VISIBLE: &str = "
    select bool_and(relallvisible = relpages) from pg_class
    where relnamespace = 'bailiwick'::regnamespace and relkind = 'r' and relpages > 1";

/// Far more than anybody looks for, and than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

async fn fill_elsewhere(world: &World) {
    let acme = &world.acme;
    let elsewhere = ELSEWHERE
        .replace("$mandate", &acme.id.to_string())
        .replace("$user", &acme.role("user").to_string());
    let mut connection = world.app.sql.acquire().await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(elsewhere))).await.unwrap();
    // An index that grew by ids made by chance has more pages one time than another, and of those
    // that serve as well the smallest is read.
    connection.execute("reindex schema bailiwick").await.unwrap();
    let settled = async {
        loop {
            connection.execute("vacuum analyze").await.unwrap();
            if sqlx::query_scalar(ALL_VISIBLE).fetch_one(&mut *connection).await.unwrap() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, settled)
        .await
        .unwrap_or_else(|_| panic!("somebody looks at what was there before"));
    connection.execute("reset default_statistics_target").await.unwrap();
}

/// Makes a request, and tells how each statement of it is read that was not told of yet.
async fn told(explaining: &mut Explaining<'_>, desk: &Desk<'_>, path: &str, as_: &str) -> String {
    desk.get(path).await.expect(200);
    let mut text = String::new();
    for plans in explaining.new_plans().await {
        let _ = writeln!(text, "{plans}");
    }
    format!("== {as_}\n\n{text}")
}

async fn all_told(world: &World, reader: &Person) -> String {
    let acme = &world.acme;
    let role = admitted_with_a_role(world, reader).await;
    may_read(world, role, "a").await;
    // The first use of a mandate is noted once.
    for person in [reader, &acme.admin] {
        world.desk(person, acme).get("/api/access/me").await.expect(200);
    }
    fill_elsewhere(world).await;
    let watched = Watched::beside(&world.app);
    let mut explaining = Explaining::beside(&world.app, &watched).await;
    let reading = Desk::at(&watched.node, reader, acme).in_instance(acme.instance);
    let admin = Desk::at(&watched.node, &acme.admin, acme);
    let mut text = told(&mut explaining, &admin, "/api/access/me", "GET /api/access/me").await;
    text += &told(&mut explaining, &reading, "/api/features/my", "GET /api/features/my").await;
    text += &explaining.within("navigation_of").await;
    let members = acme.path("/users?limit=50&count=true");
    let path = "GET /api/mandates/{mandateId}/users?limit=50&count=true";
    text += &told(&mut explaining, &admin, &members, path).await;
    let one = format!("{}/{}", acme.path("/users"), acme.member.id);
    text +=
        &told(&mut explaining, &admin, &one, "GET /api/mandates/{mandateId}/users/{userId}").await;
    let admitted = acme.instance_path("/users?limit=50");
    let path = "GET /api/features/instances/{instanceId}/users?limit=50";
    text += &told(&mut explaining, &admin, &admitted, path).await;
    for level in ["a", "g", "m"] {
        may_read(world, role, level).await;
        let path = format!("GET /api/playbooks?limit=50, read at {level}");
        text += &told(&mut explaining, &reading, "/api/playbooks?limit=50", &path).await;
    }
    let page: Value = reading.get("/api/playbooks?limit=1").await.expect(200);
    let playbook = format!("/api/playbooks/{}", page["items"][0]["id"].as_str().unwrap());
    text + &told(&mut explaining, &reading, &playbook, "GET /api/playbooks/{playbookId}").await
}

#[tokio::test]
async fn hot_statements_are_read_as_is_written_down() {
    let world = World::new().await;
    let reader = world.member_with(&world.acme, "reader", &[world.acme.role("user")]).await;
    fill(&world, &reader).await;
    compare_golden_paragraphs("plans", &all_told(&world, &reader).await);
}
