//! Groups: named sets of members.

use serde_json::json;
use sqlx::Executor;
use uuid::Uuid;

use super::kit::{points_at, set, values};
use crate::harness::World;

#[tokio::test]
async fn a_group_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let list = acme.path("/groups");
    let made =
        admin.post(list.clone(), json!({ "name": "  Board ", "description": "Decides" })).await;
    let path = made.header("location").to_owned();
    let body = made.expect(201);
    assert_eq!(
        (
            &body["name"],
            &body["description"],
            &body["autoJoin"],
            &body["memberCount"],
            &body["version"]
        ),
        (&json!("Board"), &json!("Decides"), &json!(false), &json!(0), &json!(1)),
    );
    assert_eq!(admin.get(path.clone()).await.expect(200), body);
    let changed = admin
        .patch(path.clone(), json!({ "name": "Council", "description": null, "autoJoin": true }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["version"]),
        (&json!("Council"), &json!(null), &json!(2))
    );
    admin.delete(path.clone()).await.expect(204);
    admin.get(path.clone()).await.refused(404, "not_found");
    admin.delete(path).await.refused(404, "not_found");
}

#[tokio::test]
async fn names_are_unique_in_the_mandate_however_they_are_written() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let list = acme.path("/groups");
    let strasse = admin.post(list.clone(), json!({ "name": "Straße" })).await.id();
    for name in ["STRASSE", " straße ", "Ｓtraße", "EVERYONE"] {
        admin.post(list.clone(), json!({ "name": name })).await.refused(409, "name_taken");
    }
    let other = admin.post(list.clone(), json!({ "name": "other" })).await.id();
    admin
        .patch(format!("{list}/{other}"), json!({ "name": "strasse" }))
        .await
        .refused(409, "name_taken");
    admin.patch(format!("{list}/{strasse}"), json!({ "name": "strasse" })).await.expect(200);
    for name in ["", "   "] {
        points_at(&admin.post(list.clone(), json!({ "name": name })).await, "/name");
        points_at(&admin.patch(format!("{list}/{other}"), json!({ "name": name })).await, "/name");
    }
    let globex = world.desk(&world.globex.admin, &world.globex);
    globex.post(world.globex.path("/groups"), json!({ "name": "Straße" })).await.expect(201);
}

#[tokio::test]
async fn the_conflicting_row_is_named_only_to_those_who_may_read_it() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let secret = admin.post(acme.path("/groups"), json!({ "name": "secret" })).await.id();
    admin
        .put(acme.path(&format!("/groups/{}/members", acme.everyone)), json!({ "userIds": [] }))
        .await
        .expect(200);
    let blind = world.role_with(acme, "blind", json!({ "groups": ["m", "a", "n", "n"] })).await;
    let bert = world.member_with(acme, "bert", &[blind]).await;
    let told = admin.post(acme.path("/groups"), json!({ "name": "secret" })).await;
    told.refused(409, "name_taken");
    assert_eq!(told.body["id"], json!(secret));
    let untold =
        world.desk(&bert, acme).post(acme.path("/groups"), json!({ "name": "secret" })).await;
    untold.refused(409, "name_taken");
    assert!(!untold.body.to_string().contains(&secret.to_string()), "{}", untold.body);
}

#[tokio::test]
async fn members_are_replaced_as_a_whole_and_raise_the_version() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let path = acme.path(&format!("/groups/{group}"));
    let members = format!("{path}/members");
    let put = admin
        .put(members.clone(), json!({ "userIds": [acme.member.id, acme.admin.id, acme.member.id] }))
        .await
        .expect(200);
    assert_eq!(put["items"].as_array().unwrap().len(), 2, "{put}");
    let now = admin.get(path.clone()).await.expect(200);
    assert_eq!((&now["memberCount"], &now["version"]), (&json!(2), &json!(2)));
    assert_eq!(admin.walk(&members, "userId").await, set([acme.member.id, acme.admin.id]));
    admin.put(members.clone(), json!({ "userIds": [acme.admin.id] })).await.expect(200);
    assert_eq!(admin.walk(&members, "userId").await, set([acme.admin.id]));
    for stranger in [Uuid::now_v7(), world.globex.member.id] {
        admin
            .put(members.clone(), json!({ "userIds": [acme.member.id, stranger] }))
            .await
            .refused(404, "not_found");
    }
    assert_eq!(
        admin.walk(&members, "userId").await,
        set([acme.admin.id]),
        "a refused change changes nothing"
    );
    let of_admin = admin.get(acme.path(&format!("/users/{}", acme.admin.id))).await.expect(200);
    assert!(of_admin["groupIds"].as_array().unwrap().contains(&json!(group)));
}

#[tokio::test]
async fn everyone_is_an_ordinary_group_that_new_members_join() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let everyone = acme.path(&format!("/groups/{}", acme.everyone));
    let group = admin.get(everyone.clone()).await.expect(200);
    assert_eq!(
        (&group["name"], &group["autoJoin"], &group["memberCount"]),
        (&json!("everyone"), &json!(true), &json!(2))
    );
    let second = admin
        .post(acme.path("/groups"), json!({ "name": "newcomers", "autoJoin": true }))
        .await
        .id();
    admin
        .patch(everyone.clone(), json!({ "name": "old hands", "autoJoin": false }))
        .await
        .expect(200);
    let nina = world.member_with(acme, "nina", &[acme.role("user")]).await;
    let member = admin.get(acme.path(&format!("/users/{}", nina.id))).await.expect(200);
    assert_eq!(member["groupIds"], json!([second]));
    admin.delete(everyone).await.expect(204);
}

/// However many they are: the answer to a PUT is bounded as a page of the list is, and leads on
/// into the list.
#[tokio::test]
async fn a_put_of_members_answers_their_first_page() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let crowd = "insert into users (id, username, username_key, created_at)
          select md5('crowd' || n)::uuid, 'crowd-' || lpad(n::text, 2, '0'),
            'crowd-' || lpad(n::text, 2, '0'), now() from generate_series(1, 60) n";
    world.app.sql.execute(crowd).await.unwrap();
    let join = "insert into memberships (id, mandate_id, user_id, created_at)
          select gen_random_uuid(), $1, id, now() from users where username like 'crowd-%'";
    sqlx::query(join).bind(acme.id).execute(&world.app.sql).await.unwrap();
    let ids: Vec<Uuid> =
        sqlx::query_scalar("select id from users where username like 'crowd-%' order by id")
            .fetch_all(&world.app.sql)
            .await
            .unwrap();
    let group = admin.post(acme.path("/groups"), json!({ "name": "crowd" })).await.id();
    let path = acme.path(&format!("/groups/{group}/members"));
    let answer = admin.put(path.clone(), json!({ "userIds": ids })).await;
    let link = answer.header("link").to_owned();
    let page = answer.expect(200);
    let names = |numbers: std::ops::RangeInclusive<u8>| {
        numbers.map(|number| format!("crowd-{number:02}")).collect::<Vec<_>>()
    };
    assert_eq!(values(&page, "username"), names(1..=50));
    let rest = format!("{path}?cursor={}", page["nextCursor"].as_str().unwrap());
    assert_eq!(link, format!("<{rest}>; rel=\"next\""));
    assert_eq!(values(&admin.get(rest).await.expect(200), "username"), names(51..=60));
    // However its path and query are written.
    let shouted = path.replace(&group.to_string(), &group.to_string().to_uppercase());
    let again = admin.put(format!("{shouted}?dryRun=false"), json!({ "userIds": ids })).await;
    assert_eq!(again.header("link"), link);
}

/// Whoever put the wrong people in, or deleted the wrong group, finds in the trail who was there.
#[tokio::test]
async fn the_trail_tells_who_was_in_a_group() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let path = acme.path(&format!("/groups/{group}"));
    let members = format!("{path}/members");
    let mut both = [acme.admin.id, acme.member.id];
    both.sort_unstable();
    admin.put(members.clone(), json!({ "userIds": both })).await.expect(200);
    admin.put(members, json!({ "userIds": [acme.admin.id] })).await.expect(200);
    admin.delete(path).await.expect(204);
    let told = admin.get(acme.path(&format!("/audit?targetId={group}&sort=at"))).await.expect(200);
    let details: Vec<_> =
        told["items"].as_array().unwrap().iter().map(|event| event["details"].clone()).collect();
    assert_eq!(
        details[1..],
        [
            json!({ "added": both, "addedCount": 2, "removed": [], "removedCount": 0 }),
            json!({ "added": [], "addedCount": 0, "removed": [acme.member.id], "removedCount": 1 }),
            json!({
                "before": { "name": "board", "description": null, "autoJoin": false },
                "userIds": [acme.admin.id], "count": 1,
            }),
        ]
    );
}
