//! The trail, under a pseudonym; name and address, which are free again.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::kit::values;
use super::{erasing, kept, row};
use crate::harness::app::PASSWORD;
use crate::harness::world::World;

#[tokio::test]
async fn the_platform_and_each_mandate_learn_of_it_once_deleted_ones_too() {
    let world = World::new().await;
    let (acme, globex, member, root) =
        (&world.acme, &world.globex, &world.acme.member, world.root());
    let body = json!({ "targetUserId": member.id, "roleIds": [globex.role("viewer")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    let hooli = world.another_tenant("Hooli", &world.stranger("hooli-admin").await).await;
    let body = json!({ "targetUserId": member.id, "roleIds": [hooli.role("viewer")] });
    root.post(hooli.path("/users"), body).await.expect(201);
    let untouched = world.another_tenant("Initech", &world.stranger("initech-admin").await).await;
    root.delete(hooli.path("")).await.expect(200);
    root.delete(erasing(member.id)).await.expect(200);
    let told: Vec<Value> = sqlx::query_scalar(
        "select to_jsonb(e) from audit_events e where action = 'user_erased' order by mandate_id",
    )
    .fetch_all(&world.app.sql)
    .await
    .unwrap();
    let mut expected = vec![json!(acme.id), json!(globex.id), json!(hooli.id), Value::Null];
    expected[..3].sort_by_key(ToString::to_string);
    assert_eq!(
        told.iter().map(|event| event["mandate_id"].clone()).collect::<Vec<_>>(),
        expected,
        "{told:#?}"
    );
    for event in &told {
        let ids = ["actor_id", "target_user_id", "resource_id"].map(|field| event[field].clone());
        assert_eq!(ids, [json!(world.sys_admin.id), json!(member.id), json!(member.id)]);
        assert_eq!(event["details"], json!({ "before": { "enabled": true, "isSysAdmin": false } }));
    }
    let seen = world
        .desk(&untouched.admin, &untouched)
        .get(untouched.path("/audit?action=user_erased"))
        .await
        .expect(200);
    assert_eq!(seen["items"], json!([]));
}

#[tokio::test]
async fn the_trail_stays_under_the_pseudonym_and_without_addresses() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let clerk = world.member_with(acme, "clerk", &[acme.role("admin")]).await;
    for (person, name, address) in
        [(&clerk, "board", "203.0.113.7"), (&acme.admin, "staff", "203.0.113.8")]
    {
        let made = world
            .desk(person, acme)
            .ask(Method::POST, acme.path("/groups"))
            .json(json!({ "name": name }))
            .coming_from(address);
        made.send().await.expect(201);
    }
    let events = async |action: &str| {
        world.admin().get(acme.path(&format!("/audit?action={action}"))).await.expect(200)["items"]
            .clone()
    };
    let told = |items: &Value| {
        let each =
            |event: &Value| ["actorId", "actorName", "actorIp"].map(|field| event[field].clone());
        items.as_array().unwrap().iter().map(each).collect::<Vec<_>>()
    };
    let others = [json!(acme.admin.id), json!("acme-admin"), json!("203.0.113.8")];
    let before = [others.clone(), [json!(clerk.id), json!("clerk"), json!("203.0.113.7")]];
    assert_eq!(told(&events("group_created").await), before);

    let erase = world
        .bare(&clerk)
        .ask(Method::DELETE, erasing(clerk.id))
        .json(json!({ "password": PASSWORD }))
        .coming_from("203.0.113.7");
    erase.send().await.expect(200);
    let pseudonym = kept(&world, clerk.id).await["username"].clone();
    let forgotten = [json!(clerk.id), pseudonym, Value::Null];
    assert_eq!(told(&events("group_created").await), [others, forgotten.clone()]);
    assert_eq!(
        told(&events("user_erased").await),
        std::slice::from_ref(&forgotten),
        "nor where it was asked for"
    );
    let platform = root.get(format!("/api/audit?actorId={}", clerk.id)).await.expect(200);
    let actions = values(&platform, "action");
    assert_eq!(actions, ["user_erased", "user_signed_in"]);
    assert!(told(&platform["items"]).iter().all(|event| *event == forgotten), "{platform}");
}

/// Recycled identifiers: whoever takes the name takes nothing else.
#[tokio::test]
async fn the_name_and_address_are_free_and_bring_nothing_back() {
    let world = World::new().await;
    let (acme, root, old) = (&world.acme, world.root(), &world.acme.member);
    world.admit(acme, old.id, &[acme.instance_role("playbooks-viewer")]).await;
    let body = json!({
        "username": "acme-member", "email": "acme-member@example.com", "password": PASSWORD,
        "mustChangePassword": false,
    });
    root.post("/api/users", body.clone()).await.refused(409, "username_taken");
    root.delete(erasing(old.id)).await.expect(200);
    let new = root.post("/api/users", body).await;
    let id = new.id();
    assert_ne!(id, old.id);
    assert_eq!(new.expect(201)["emailVerified"], json!(false));
    let token = world.app.sign_in("acme-member").await;
    let me = world.app.get("/api/auth/me").bearer(&token).send().await.expect(200);
    assert_eq!((&me["id"], &me["mandates"]), (&json!(id), &json!([])));
    assert_eq!(
        world.app.get("/api/features/my").bearer(&token).send().await.expect(200),
        json!({ "mandates": [] })
    );
    world
        .app
        .get(acme.path("/users"))
        .bearer(&token)
        .mandate(acme.id)
        .send()
        .await
        .refused(403, "mandate_access_denied");
    world.bare(old).get("/api/auth/me").await.refused(401, "unauthenticated");
    root.get(row(old.id)).await.refused(410, "gone");
    assert_eq!(
        root.get(format!("/api/audit?actorId={id}")).await.expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "one sign-in"
    );
    // The new account can be erased as the old one was, beside it.
    root.delete(erasing(id)).await.expect(200);
    assert_ne!(kept(&world, id).await["username"], kept(&world, old.id).await["username"]);
}

#[tokio::test]
async fn the_address_of_a_request_that_was_under_way_does_not_come_back() {
    let world = World::new().await;
    let (member, app) = (&world.acme.member, &world.app);
    let noted = async |event: Uuid| {
        let insert = "insert into audit_addresses (event_id, mandate_id, actor_id, address)
                        values ($1, null, $2, '203.0.113.7')";
        sqlx::query(insert)
            .bind(event)
            .bind(member.id)
            .execute(&app.sql)
            .await
            .unwrap()
            .rows_affected()
    };
    assert_eq!(noted(Uuid::now_v7()).await, 1);
    world.root().delete(erasing(member.id)).await.expect(200);
    assert_eq!(noted(Uuid::now_v7()).await, 0);
    let kept: i64 = sqlx::query_scalar("select count(*) from audit_addresses where actor_id = $1")
        .bind(member.id)
        .fetch_one(&app.sql)
        .await
        .unwrap();
    assert_eq!(kept, 0);
}
