//! What was deleted goes when its time has come, once, with its event; and what is free again.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::Desk;
use crate::harness::digest::digest;
use crate::harness::world::Tenant;
use crate::harness::{World, statements};

const PLAYBOOKS: &str = "/api/playbooks";

/// A world in which both admins work in their instances.
async fn world() -> World {
    let world = World::new().await;
    for tenant in [&world.acme, &world.globex] {
        world.admit(tenant, tenant.admin.id, &[tenant.instance_role("playbooks-admin")]).await;
    }
    world
}

fn desk<'a>(world: &'a World, tenant: &Tenant) -> Desk<'a> {
    world.desk(&tenant.admin, tenant).in_instance(tenant.instance)
}

/// A playbook with two versions.
async fn playbook(desk: &Desk<'_>, name: &str) -> Uuid {
    let playbook = desk.post(PLAYBOOKS, json!({ "name": name, "title": "Title" })).await.id();
    for content in ["one", "two"] {
        desk.post(format!("{PLAYBOOKS}/{playbook}/versions"), json!({ "content": content }))
            .await
            .expect(201);
    }
    playbook
}

/// The events of an action in a mandate's trail.
async fn events(world: &World, tenant: &Tenant, action: &str) -> Vec<Value> {
    let page = world
        .desk(&tenant.admin, tenant)
        .get(tenant.path(&format!("/audit?action={action}")))
        .await
        .expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn deleted_playbooks_and_versions_go_after_their_week() {
    let mut world = world().await;
    let (gone, kept) = {
        let acme = desk(&world, &world.acme);
        let (gone, kept) = (playbook(&acme, "evacuation").await, playbook(&acme, "payroll").await);
        acme.delete(format!("{PLAYBOOKS}/{gone}")).await.expect(200);
        acme.delete(format!("{PLAYBOOKS}/{kept}/versions/2")).await.expect(200);
        (gone, kept)
    };
    let (app, acme_id, globex_id) = (world.app.clone(), world.acme.id, world.globex.id);
    app.pass(Duration::days(1), &mut [&mut world.globex.admin]).await;
    let late = playbook(&desk(&world, &world.globex), "evacuation").await;
    desk(&world, &world.globex).delete(format!("{PLAYBOOKS}/{late}")).await.expect(200);

    app.clock.advance(Duration::days(6) - Duration::minutes(1));
    let before = (digest(&app, acme_id).await, digest(&app, globex_id).await);
    app.run_jobs().await;
    assert_eq!(
        (digest(&app, acme_id).await, digest(&app, globex_id).await),
        before,
        "a minute too early"
    );

    app.pass(Duration::minutes(2), &mut [&mut world.acme.admin, &mut world.globex.admin]).await;
    let before = digest(&app, globex_id).await;
    app.run_jobs().await;
    app.run_jobs().await;
    assert_eq!(digest(&app, globex_id).await, before, "the twin's has another day");
    assert_eq!(app.count("select count(*) from playbooks").await, 2);
    assert_eq!(app.count("select count(*) from playbook_versions").await, 3);
    assert_eq!(app.count("select count(*) from playbook_revisions").await, 3);

    let told = events(&world, &world.acme, "playbook_purged").await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["actorId"], &told[0]["resourceId"]), (&Value::Null, &json!(gone)));
    assert_eq!(
        told[0]["details"],
        json!({
            "before": { "instanceId": world.acme.instance, "name": "evacuation", "title": "Title" },
        })
    );
    let told = events(&world, &world.acme, "playbook_version_purged").await;
    assert_eq!(
        told.len(),
        1,
        "the versions of a purged playbook go with it, without events of their own"
    );
    assert_eq!(
        (&told[0]["resourceId"], &told[0]["details"]["before"]["number"]),
        (&json!(kept), &json!(2))
    );

    let acme = desk(&world, &world.acme);
    assert_eq!(
        acme.get(format!("{PLAYBOOKS}/{kept}")).await.expect(200)["latestVersion"],
        json!(1)
    );
    let again = acme
        .post(format!("{PLAYBOOKS}/{kept}/versions"), json!({ "content": "new" }))
        .await
        .expect(201);
    assert_eq!(again["number"], json!(2), "a purged version's number is free");
    acme.get(format!("{PLAYBOOKS}/{gone}")).await.refused(404, "not_found");
    acme.post(format!("{PLAYBOOKS}/{gone}/restore"), json!({})).await.refused(404, "not_found");
    acme.post(PLAYBOOKS, json!({ "name": "evacuation", "title": "Title" })).await.expect(201);
}

#[tokio::test]
async fn a_deleted_mandate_goes_after_its_month_and_its_people_stay() {
    let mut world = world().await;
    let (app, acme_id, globex) = (world.app.clone(), world.acme.id, world.globex.id);
    playbook(&desk(&world, &world.globex), "evacuation").await;
    world.root().delete(world.globex.path("")).await.expect(200);
    let users = app.count("select count(*) from users").await;

    app.pass(Duration::days(29), &mut [&mut world.sys_admin]).await;
    app.run_jobs().await;
    world.root().post(world.globex.path("/restore"), json!({})).await.expect(200);
    app.clock.advance(Duration::days(2));
    app.run_jobs().await;
    assert_eq!(app.count("select count(*) from mandates").await, 2, "what was restored stays");

    app.pass(Duration::zero(), &mut [&mut world.sys_admin]).await;
    world.root().delete(world.globex.path("")).await.expect(200);
    let before = digest(&app, acme_id).await;
    app.pass(Duration::days(31), &mut [&mut world.sys_admin]).await;
    app.run_jobs().await;
    assert_eq!(app.count("select count(*) from mandates").await, 1);
    assert_eq!(digest(&app, acme_id).await, before);
    assert_eq!(app.count("select count(*) from users").await, users);

    let root = world.root();
    root.post(world.globex.path("/restore"), json!({})).await.refused(404, "not_found");
    assert_eq!(root.get("/api/mandates?deleted=true").await.expect(200)["items"], json!([]));
    let trail = root.ask(Method::GET, "/api/audit?action=mandate_purged").send().await.expect(200);
    let told = trail["items"].as_array().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["resourceId"], &told[0]["actorId"]), (&json!(globex), &Value::Null));
    assert_eq!(told[0]["details"]["before"]["code"], json!("globex"));
    assert_eq!(
        app.count(
            "select count(*) from audit_events where action = 'mandate_purged'
                            and mandate_id is not null"
        )
        .await,
        1
    );
    root.post("/api/mandates", json!({ "name": "Globex", "code": "globex" })).await.expect(201);
}

/// Playbooks that are due, each with a version and a revision.
const DUE: &str = "
    with made as (
      insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title,
          title_key, created_at, updated_at, deleted_at, purge_at)
      select gen_random_uuid(), i.mandate_id, i.id, (select id from users limit 1), 'p' || n,
        'p' || n, 't', 't', now(), now(), now(), now()
      from generate_series(1, $2) n, feature_instances i where i.mandate_id = $1 returning *),
    version as (
      insert into playbook_versions (mandate_id, instance_id, playbook_id, number, owner_id, size,
          created_at, updated_at)
      select mandate_id, instance_id, id, 1, owner_id, 1, now(), now() from made returning *)
    insert into playbook_revisions (mandate_id, instance_id, playbook_id, number, revision,
        author_id, created_at, size, content)
    select mandate_id, instance_id, playbook_id, 1, 1, owner_id, now(), 1, 'x' from version";

async fn statements_for(world: &World, playbooks: i32) -> usize {
    sqlx::query(DUE).bind(world.acme.id).bind(playbooks).execute(&world.app.sql).await.unwrap();
    world.app.clock.advance(Duration::minutes(5));
    let (scheduler, before) = (world.app.scheduler(), statements::sent());
    crate::harness::jobs::run_due(&scheduler).await;
    assert_eq!(world.app.count("select count(*) from playbooks").await, 0);
    statements::sent() - before
}

#[tokio::test]
async fn a_purge_takes_as_many_statements_for_a_batch_as_for_a_row() {
    let world = World::new().await;
    statements_for(&world, 1).await; // prepares statements, makes the standing jobs
    let (one, batch, many) = (
        statements_for(&world, 1).await,
        statements_for(&world, 499).await,
        statements_for(&world, 1_200).await,
    );
    assert_eq!(one, batch);
    assert!(many - one <= 2 * 12, "two batches more: {one} and {many} statements");
    assert_eq!(
        world.app.count("select count(*) from audit_events where action = 'playbook_purged'").await,
        1_701
    );
}
