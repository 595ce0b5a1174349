//! Members of a mandate, and the roles that they carry.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{points_at, set, values};
use crate::harness::World;
use crate::harness::held::Held;

fn row(world: &World, user: Uuid, rest: &str) -> String {
    world.acme.path(&format!("/users/{user}{rest}"))
}

/// Whoever changes an account holds it and waits for its mandates.
#[tokio::test]
async fn who_adds_a_member_once_more_does_not_wait_for_their_account() {
    let world = World::new().await;
    let acme = &world.acme;
    let held = Held::account(&world.app, acme.member.id).await;
    let again = json!({ "targetUserId": acme.member.id, "roleIds": [acme.role("user")] });
    world.admin().post(acme.path("/users"), again).await.refused(409, "already_member");
    held.release().await;
}

#[tokio::test]
async fn a_member_is_added_by_id_name_or_address() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let user = acme.role("user");
    for (name, naming) in [("ida", "targetUserId"), ("una", "username"), ("eva", "email")] {
        let person = world.stranger(name).await;
        let id = match naming {
            "targetUserId" => json!(person.id),
            "username" => json!("UNA"),
            _ => json!("Eva@Example.com"),
        };
        let added =
            admin.post(acme.path("/users"), json!({ naming: id, "roleIds": [user, user] })).await;
        assert_eq!(added.header("location"), row(&world, person.id, ""));
        let member = added.expect(201);
        assert_eq!(
            (
                &member["userId"],
                &member["username"],
                &member["roleIds"],
                &member["enabled"],
                &member["version"]
            ),
            (&json!(person.id), &json!(name), &json!([user]), &json!(true), &json!(1)),
        );
        assert_eq!(member["groupIds"], json!([acme.everyone]), "new members join `everyone`");
        assert!(
            member["userMandateId"].is_string()
                && member["createdAt"].as_str().unwrap().ends_with('Z'),
            "{member}"
        );
        let again = admin
            .post(acme.path("/users"), json!({ "targetUserId": person.id, "roleIds": [user] }))
            .await;
        again.refused(409, "already_member");
    }
}

#[tokio::test]
async fn adding_refuses_what_is_not_there() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (path, user) = (acme.path("/users"), acme.role("user"));
    let nina = world.stranger("nina").await.id;
    for named in [
        json!({ "targetUserId": Uuid::now_v7() }),
        json!({ "username": "nobody" }),
        json!({ "email": "no@example.com" }),
    ] {
        let mut body = named;
        body["roleIds"] = json!([user]);
        admin.post(path.clone(), body).await.refused(404, "not_found");
    }
    // Roles of elsewhere are not roles of this mandate.
    for role in [Uuid::now_v7(), world.globex.role("user"), acme.instance_role("playbooks-viewer")]
    {
        admin
            .post(path.clone(), json!({ "targetUserId": nina, "roleIds": [user, role] }))
            .await
            .refused(404, "not_found");
        admin
            .put(row(&world, acme.member.id, "/roles"), json!({ "roleIds": [role] }))
            .await
            .refused(404, "not_found");
        admin
            .put(row(&world, acme.member.id, &format!("/roles/{role}")), json!({}))
            .await
            .refused(404, "not_found");
    }
    points_at(
        &admin.post(path.clone(), json!({ "targetUserId": nina, "roleIds": [] })).await,
        "/roleIds",
    );
    points_at(
        &admin.put(row(&world, acme.member.id, "/roles"), json!({ "roleIds": [] })).await,
        "/roleIds",
    );
    points_at(&admin.post(path.clone(), json!({ "targetUserId": nina })).await, "/roleIds");
    assert_eq!(admin.post(path.clone(), json!({ "roleIds": [user] })).await.status.as_u16(), 422);
    let body = json!({ "targetUserId": nina, "roleIds": [user], "enabled": true });
    admin.post(path, body).await.refused(422, "unknown_field");
}

#[tokio::test]
async fn addresses_and_names_are_shown_once_the_member_has_used_the_mandate() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let nina = world.stranger("nina").await;
    let body = json!({ "targetUserId": nina.id, "roleIds": [acme.role("user")] });
    let hidden = |member: &Value| {
        ["email", "firstName", "lastName"].map(|field| member[field].clone())
            == [Value::Null, Value::Null, Value::Null]
    };
    assert!(hidden(&admin.post(acme.path("/users"), body).await.expect(201)));
    assert!(hidden(&admin.get(row(&world, nina.id, "")).await.expect(200)));
    let listed = admin.get(acme.path("/users?q=nina")).await.expect(200);
    assert!(hidden(&listed["items"][0]), "{listed}");
    // Nor can one guess at an address by searching for it.
    assert_eq!(
        admin.get(acme.path("/users?q=nina@example.com")).await.expect(200)["items"],
        json!([])
    );
    world.desk(&nina, acme).get(acme.path("/users")).await.expect(200);
    let seen = admin.get(row(&world, nina.id, "")).await.expect(200);
    assert_eq!((&seen["email"], &seen["firstName"]), (&json!("nina@example.com"), &json!("nina")));
}

#[tokio::test]
async fn the_list_is_filtered_by_role_group_state_and_text() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (user, viewer) = (acme.role("user"), acme.role("viewer"));
    let (una, vera) = (
        world.member_with(acme, "una", &[user]).await,
        world.member_with(acme, "vera", &[viewer]).await,
    );
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    admin
        .put(acme.path(&format!("/groups/{group}/members")), json!({ "userIds": [una.id] }))
        .await
        .expect(200);
    admin.patch(row(&world, vera.id, ""), json!({ "enabled": false })).await.expect(200);
    for (query, expected) in [
        (format!("roleId={viewer}"), set([vera.id])),
        (format!("roleId={user}"), set([una.id, acme.member.id])),
        (format!("groupId={group}"), set([una.id])),
        ("enabled=false".to_owned(), set([vera.id])),
        ("enabled=true".to_owned(), set([una.id, acme.member.id, acme.admin.id])),
        ("q=VER".to_owned(), set([vera.id])),
        (format!("q=una&roleId={viewer}"), set::<Uuid>([])),
    ] {
        assert_eq!(
            admin.walk(&acme.path(&format!("/users?{query}")), "userId").await,
            expected,
            "{query}"
        );
    }
    admin.get(acme.path("/users?enabled=maybe")).await.refused(400, "invalid_parameter");
    admin.get(acme.path("/users?roleId=x")).await.refused(400, "invalid_parameter");
}

#[tokio::test]
async fn a_disabled_membership_opens_nothing_until_it_is_enabled_again() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let desk = world.desk(&acme.member, acme);
    desk.get(acme.path("/users")).await.expect(200);
    let disabled =
        admin.patch(row(&world, acme.member.id, ""), json!({ "enabled": false })).await.expect(200);
    assert_eq!((&disabled["enabled"], &disabled["version"]), (&json!(false), &json!(2)));
    desk.get(acme.path("/users")).await.refused(403, "mandate_access_denied");
    admin.patch(row(&world, acme.member.id, ""), json!({ "enabled": true })).await.expect(200);
    desk.get(acme.path("/users")).await.expect(200);
    points_at(&admin.patch(row(&world, acme.member.id, ""), json!({})).await, "/enabled");
}

/// Nobody is kept in against their will; and who is not a member, or whose mandate is closed,
/// learns nothing by trying to leave.
#[tokio::test]
async fn a_disabled_member_may_leave_and_nothing_else() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (own, other) = (row(&world, acme.member.id, ""), row(&world, acme.admin.id, ""));
    let una = world.member_with(acme, "una", &[acme.role("user")]).await;
    let desk = world.desk(&acme.member, acme);
    for person in [acme.member.id, una.id] {
        admin.patch(row(&world, person, ""), json!({ "enabled": false })).await.expect(200);
    }
    for answer in
        [desk.get(own.clone()).await, desk.delete(other).await, desk.get(acme.path("/users")).await]
    {
        answer.refused(403, "mandate_access_denied");
    }
    desk.patch(own.clone(), json!({ "enabled": true })).await.refused(403, "mandate_access_denied");
    let preview = desk.delete(format!("{own}?dryRun=true")).await.expect(200);
    // There is nothing to lose any more, and how others stand is not theirs to know.
    assert_eq!(
        preview,
        json!({
            "changes": [], "totals": { "users": 0, "gained": 0, "lost": 0 }, "adminsLeft": null,
        })
    );
    desk.delete(own.clone()).await.expect(204);
    admin.get(own.clone()).await.refused(404, "not_found");
    desk.delete(own).await.refused(403, "mandate_access_denied");
    let stranger = world.stranger("nina").await;
    world
        .desk(&stranger, acme)
        .delete(row(&world, stranger.id, ""))
        .await
        .refused(403, "mandate_access_denied");
    world
        .root()
        .patch(format!("/api/mandates/{}", acme.id), json!({ "enabled": false }))
        .await
        .expect(200);
    world
        .desk(&una, acme)
        .delete(row(&world, una.id, ""))
        .await
        .refused(403, "mandate_access_denied");
}

#[tokio::test]
async fn who_is_removed_loses_admissions_and_groups_too() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let board = acme.path(&format!("/groups/{group}/members"));
    admin.put(board.clone(), json!({ "userIds": [acme.member.id] })).await.expect(200);
    admin.delete(row(&world, acme.member.id, "")).await.expect(204);
    admin.get(row(&world, acme.member.id, "")).await.refused(404, "not_found");
    admin.delete(row(&world, acme.member.id, "")).await.refused(404, "not_found");
    world
        .desk(&acme.member, acme)
        .get(acme.path("/users"))
        .await
        .refused(403, "mandate_access_denied");
    let body = json!({ "targetUserId": acme.member.id, "roleIds": [acme.role("user")] });
    let back = admin.post(acme.path("/users"), body).await.expect(201);
    assert_eq!(back["groupIds"], json!([acme.everyone]));
    assert_eq!(admin.get(board).await.expect(200)["items"], json!([]));
    assert_eq!(admin.get(acme.instance_path("/users")).await.expect(200)["items"], json!([]));
    let mine = world.bare(&acme.member).get("/api/features/my").await.expect(200);
    assert_eq!(mine, json!({ "mandates": [] }));
}

#[tokio::test]
async fn anybody_may_leave_whatever_their_roles() {
    let world = World::new().await;
    let acme = &world.acme;
    let nothing = world.role_with(acme, "nothing", json!({})).await;
    let lou = world.member_with(acme, "lou", &[nothing]).await;
    let desk = world.desk(&lou, acme);
    assert_eq!(desk.delete(row(&world, acme.member.id, "")).await.code(), "permission_denied");
    desk.delete(row(&world, lou.id, "")).await.expect(204);
    desk.delete(row(&world, lou.id, "")).await.refused(403, "mandate_access_denied");
}

#[tokio::test]
async fn roles_are_replaced_given_and_taken() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let (user, viewer) = (acme.role("user"), acme.role("viewer"));
    let path = |rest: &str| row(&world, acme.member.id, &format!("/roles{rest}"));
    let held = |member: &Value| {
        set(member["roleIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()))
    };
    let replaced = admin.put(path(""), json!({ "roleIds": [viewer] })).await.expect(200);
    assert_eq!((held(&replaced), &replaced["version"]), (set([viewer]), &json!(2)));
    let one = path(&format!("/{user}"));
    for _ in 0..2 {
        let given = admin.ask(Method::PUT, one.clone()).send().await.expect(200);
        assert_eq!(
            (held(&given), &given["version"]),
            (set([user, viewer]), &json!(3)),
            "the second time changes nothing"
        );
    }
    for _ in 0..2 {
        let taken = admin.delete(one.clone()).await.expect(200);
        assert_eq!((held(&taken), &taken["version"]), (set([viewer]), &json!(4)));
    }
    admin.delete(path(&format!("/{viewer}"))).await.refused(409, "last_role");
    admin.delete(path(&format!("/{}", Uuid::now_v7()))).await.refused(404, "not_found");
    let trail = admin
        .get(acme.path(&format!("/audit?action=role_assigned&targetId={}", acme.member.id)))
        .await
        .expect(200);
    assert_eq!(
        trail["items"].as_array().unwrap().len(),
        3,
        "every change by either route, and only changes: {trail}"
    );
}

#[tokio::test]
async fn the_last_admin_stays_by_whatever_route() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let (role, boss) = (acme.role("admin"), acme.admin.id);
    admin
        .put(row(&world, boss, &format!("/roles/{}", acme.role("viewer"))), json!({}))
        .await
        .expect(200);
    for desk in [&admin, &root] {
        desk.delete(row(&world, boss, "")).await.refused(409, "last_mandate_admin");
        desk.patch(row(&world, boss, ""), json!({ "enabled": false }))
            .await
            .refused(409, "last_mandate_admin");
        let demoted = desk
            .put(row(&world, boss, "/roles"), json!({ "roleIds": [acme.role("viewer")] }))
            .await;
        demoted.refused(409, "last_mandate_admin");
        desk.delete(row(&world, boss, &format!("/roles/{role}")))
            .await
            .refused(409, "last_mandate_admin");
        assert_eq!(desk.get(acme.path("")).await.expect(200)["hasAdmin"], json!(true));
    }
    root.patch(format!("/api/users/{boss}"), json!({ "enabled": false }))
        .await
        .refused(409, "last_mandate_admin");
    assert_eq!(admin.delete(format!("/api/roles/{role}")).await.status.as_u16(), 409);
    // A second admin whose membership or account is off does not count.
    let second = world.member_with(acme, "second", &[role]).await;
    admin.patch(row(&world, second.id, ""), json!({ "enabled": false })).await.expect(200);
    admin.delete(row(&world, boss, "")).await.refused(409, "last_mandate_admin");
    admin.patch(row(&world, second.id, ""), json!({ "enabled": true })).await.expect(200);
    root.patch(format!("/api/users/{}", second.id), json!({ "enabled": false })).await.expect(200);
    admin.delete(row(&world, boss, "")).await.refused(409, "last_mandate_admin");
    root.patch(format!("/api/users/{}", second.id), json!({ "enabled": true })).await.expect(200);
    admin.delete(row(&world, boss, "")).await.expect(204);
}

#[tokio::test]
async fn a_members_access_says_which_role_it_comes_from() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let both = world.member_with(acme, "bea", &[acme.role("user"), acme.role("viewer")]).await;
    world.admit(acme, both.id, &[acme.instance_role("playbooks-viewer")]).await;
    let access = admin.get(row(&world, both.id, "/access")).await.expect(200);
    assert_eq!(access["roles"], json!(["user", "viewer"]));
    assert_eq!(access["tables"]["members"]["read"], json!("a"));
    assert_eq!(
        access["tables"]["members"]["from"]["read"],
        json!(["viewer"]),
        "the level that counts comes from there: {access}"
    );
    assert!(access["tables"]["playbooks"].is_null());
    let inside = admin
        .get(row(&world, both.id, &format!("/access?instanceId={}", acme.instance)))
        .await
        .expect(200);
    assert_eq!(
        (&inside["tables"]["playbooks"]["read"], &inside["tables"]["members"]["read"]),
        (&json!("a"), &json!("a"))
    );
    let foreign = admin
        .get(row(&world, both.id, &format!("/access?instanceId={}", world.globex.instance)))
        .await;
    foreign.refused(404, "not_found");
}

#[tokio::test]
async fn sys_admins_manage_members_without_naming_the_mandate_and_see_no_other() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let nina = world.stranger("nina").await;
    let body = json!({ "targetUserId": nina.id, "roleIds": [acme.role("admin")] });
    root.post(acme.path("/users"), body).await.expect(201);
    assert_eq!(
        values(&root.get(acme.path("/users?q=nina")).await.expect(200), "username"),
        ["nina"]
    );
    root.delete(row(&world, world.globex.member.id, "")).await.refused(404, "not_found");
    let elsewhere = world.desk(&world.sys_admin, &world.globex);
    elsewhere.get(acme.path("/users")).await.refused(403, "mandate_access_denied");
    world.desk(&world.sys_admin, acme).get(acme.path("/users")).await.expect(200);
}
