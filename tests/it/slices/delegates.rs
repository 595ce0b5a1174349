//! Nobody gives what they do not have: delegates, admins, SysAdmins.

use serde_json::json;
use uuid::Uuid;

use super::kit::Desk;
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::world::{Person, rules};

/// A delegate of Acme: everything on members, groups, roles and instances; nothing on the mandate
/// and the trail.
async fn lead(world: &World) -> (Person, Uuid) {
    let all = json!(["a", "a", "a", "a"]);
    let tables = json!({ "members": all, "groups": all, "roles": all, "instances": all });
    let role = world.role_with(&world.acme, "lead", tables).await;
    (world.member_with(&world.acme, "dora", &[role]).await, role)
}

fn member(world: &World, user: Uuid, rest: &str) -> String {
    world.acme.path(&format!("/users/{user}{rest}"))
}

async fn roles_of(desk: &Desk<'_>, path: String) -> serde_json::Value {
    desk.get(path).await.expect(200)["roleIds"].clone()
}

#[tokio::test]
async fn a_delegate_gives_what_is_within_their_own_access_and_nothing_more() {
    let world = World::new().await;
    let acme = &world.acme;
    let (dora, _) = lead(&world).await;
    let desk = world.desk(&dora, acme);
    let (user, viewer, admin) = (acme.role("user"), acme.role("viewer"), acme.role("admin"));
    let newcomer = world.stranger("nina").await;
    for role in [viewer, admin] {
        let body = json!({ "targetUserId": newcomer.id, "roleIds": [user, role] });
        desk.post(acme.path("/users"), body).await.refused(403, "grant_exceeds_own_access");
    }
    world.admin().get(member(&world, newcomer.id, "")).await.refused(404, "not_found");
    desk.post(acme.path("/users"), json!({ "targetUserId": newcomer.id, "roleIds": [user] }))
        .await
        .expect(201);
    for role in [viewer, admin] {
        let replaced =
            desk.put(member(&world, newcomer.id, "/roles"), json!({ "roleIds": [role] })).await;
        replaced.refused(403, "grant_exceeds_own_access");
        let given =
            desk.put(member(&world, newcomer.id, &format!("/roles/{role}")), json!({})).await;
        given.refused(403, "grant_exceeds_own_access");
    }
    assert_eq!(roles_of(&world.admin(), member(&world, newcomer.id, "")).await, json!([user]));
}

#[tokio::test]
async fn nobody_but_admins_gives_admin_whatever_they_may_do() {
    let world = World::new().await;
    let acme = &world.acme;
    let boss = world.role_with(acme, "boss", json!({ "*": ["a", "a", "a", "a"] })).await;
    let bo = world.member_with(acme, "bo", &[boss]).await;
    let desk = world.desk(&bo, acme);
    let target = member(&world, acme.member.id, &format!("/roles/{}", acme.role("admin")));
    desk.put(target.clone(), json!({})).await.refused(403, "grant_exceeds_own_access");
    let own = member(&world, bo.id, &format!("/roles/{}", acme.role("admin")));
    desk.put(own, json!({})).await.refused(403, "self_escalation");
    desk.put(member(&world, acme.member.id, &format!("/roles/{}", acme.role("viewer"))), json!({}))
        .await
        .expect(200);
    desk.put(member(&world, acme.member.id, &format!("/roles/{boss}")), json!({}))
        .await
        .expect(200);
    world.admin().put(target, json!({})).await.expect(200);
}

#[tokio::test]
async fn a_wildcard_is_a_table_of_its_own() {
    let world = World::new().await;
    let acme = &world.acme;
    let all = json!(["a", "a", "a", "a"]);
    let everything = json!({
        "mandate": all, "members": all, "groups": all, "roles": all, "instances": all,
        "audit": ["a", "n", "n", "n"],
    });
    let named = world.role_with(acme, "everything by name", everything.clone()).await;
    let star = world.role_with(acme, "star", json!({ "*": ["m", "n", "n", "n"] })).await;
    let nora = world.member_with(acme, "nora", &[named]).await;
    let desk = world.desk(&nora, acme);
    let give = |role: Uuid| member(&world, acme.member.id, &format!("/roles/{role}"));
    desk.put(give(star), json!({})).await.refused(403, "grant_exceeds_own_access");
    desk.put(give(acme.role("viewer")), json!({})).await.expect(200);
    desk.put(format!("/api/roles/{star}/permissions"), json!({}))
        .await
        .refused(403, "grant_exceeds_own_access");
}

#[tokio::test]
async fn a_delegate_touches_nobody_whose_access_is_not_within_theirs() {
    let world = World::new().await;
    let acme = &world.acme;
    let (dora, _) = lead(&world).await;
    let desk = world.desk(&dora, acme);
    let seer = world.member_with(acme, "seer", &[acme.role("user"), acme.role("viewer")]).await;
    let admitted = world.member_with(acme, "adam", &[acme.role("user")]).await;
    world.admit(acme, admitted.id, &[acme.instance_role("playbooks-viewer")]).await;
    for target in [seer.id, acme.admin.id, admitted.id] {
        let refused: Vec<Answer> = vec![
            desk.delete(member(&world, target, "")).await,
            desk.patch(member(&world, target, ""), json!({ "enabled": false })).await,
        ];
        for answer in refused {
            answer.refused(403, "target_exceeds_own_access");
        }
    }
    for target in [seer.id, acme.admin.id] {
        let replaced = desk
            .put(member(&world, target, "/roles"), json!({ "roleIds": [acme.role("user")] }))
            .await;
        replaced.refused(403, "target_exceeds_own_access");
    }
    let taken =
        desk.delete(member(&world, seer.id, &format!("/roles/{}", acme.role("viewer")))).await;
    taken.refused(403, "target_exceeds_own_access");
    // With a disabled membership the access is only asleep: waking it would give it.
    world.admin().patch(member(&world, seer.id, ""), json!({ "enabled": false })).await.expect(200);
    desk.patch(member(&world, seer.id, ""), json!({ "enabled": true }))
        .await
        .refused(403, "target_exceeds_own_access");
    desk.delete(member(&world, acme.member.id, "")).await.expect(204);
}

#[tokio::test]
async fn nobody_raises_their_own_roles_but_anybody_may_lower_them() {
    let world = World::new().await;
    let acme = &world.acme;
    let (dora, lead) = lead(&world).await;
    let desk = world.desk(&dora, acme);
    let own = |rest: &str| member(&world, dora.id, rest);
    for role in ["viewer", "admin"] {
        let role = acme.role(role);
        desk.put(own("/roles"), json!({ "roleIds": [lead, role] }))
            .await
            .refused(403, "self_escalation");
        desk.put(own(&format!("/roles/{role}")), json!({})).await.refused(403, "self_escalation");
    }
    assert_eq!(roles_of(&world.admin(), own("")).await, json!([lead]));
    desk.put(own("/roles"), json!({ "roleIds": [acme.role("user")] })).await.expect(200);
}

#[tokio::test]
async fn groups_widen_what_is_reached_so_delegates_add_neither_themselves_nor_their_betters() {
    let world = World::new().await;
    let acme = &world.acme;
    let (dora, _) = lead(&world).await;
    let desk = world.desk(&dora, acme);
    let group = world.admin().post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let path = acme.path(&format!("/groups/{group}/members"));
    desk.put(path.clone(), json!({ "userIds": [dora.id] })).await.refused(403, "self_escalation");
    let seer = world.member_with(acme, "seer", &[acme.role("viewer")]).await;
    for target in [seer.id, acme.admin.id] {
        desk.put(path.clone(), json!({ "userIds": [target] }))
            .await
            .refused(403, "target_exceeds_own_access");
    }
    desk.put(path.clone(), json!({ "userIds": [acme.member.id] })).await.expect(200);
    // Who is there already is not added; but taken out are people within one's own access only,
    // with the whole group too.
    world
        .admin()
        .put(path.clone(), json!({ "userIds": [dora.id, seer.id, acme.admin.id] }))
        .await
        .expect(200);
    desk.put(path.clone(), json!({ "userIds": [dora.id, seer.id, acme.admin.id, acme.member.id] }))
        .await
        .expect(200);
    for left in [json!([dora.id, seer.id]), json!([dora.id, acme.admin.id]), json!([])] {
        desk.put(path.clone(), json!({ "userIds": left }))
            .await
            .refused(403, "target_exceeds_own_access");
    }
    let of_group = acme.path(&format!("/groups/{group}"));
    desk.delete(of_group.clone()).await.refused(403, "target_exceeds_own_access");
    world
        .admin()
        .put(path.clone(), json!({ "userIds": [dora.id, acme.member.id] }))
        .await
        .expect(200);
    desk.put(path, json!({ "userIds": [] })).await.expect(200);
    desk.delete(of_group).await.expect(204);
}

#[tokio::test]
async fn a_delegate_edits_a_role_only_from_within_to_within_their_own() {
    let world = World::new().await;
    let acme = &world.acme;
    let (dora, lead) = lead(&world).await;
    let desk = world.desk(&dora, acme);
    let small = world.role_with(acme, "small", json!({ "members": ["m", "n", "n", "n"] })).await;
    let permissions = |role: Uuid| format!("/api/roles/{role}/permissions");
    let within = json!({ "tables": rules(&json!({ "members": ["a", "n", "g", "n"] })) });
    let beyond = json!({ "tables": rules(&json!({ "mandate": ["a", "n", "n", "n"] })) });
    desk.put(permissions(small), within.clone()).await.expect(200);
    desk.put(permissions(small), beyond.clone()).await.refused(403, "grant_exceeds_own_access");
    desk.patch(permissions(small), beyond.clone()).await.refused(403, "grant_exceeds_own_access");
    // Their own role, too.
    desk.patch(permissions(lead), beyond).await.refused(403, "grant_exceeds_own_access");
    let viewer = acme.role("viewer");
    desk.put(permissions(viewer), within.clone()).await.refused(403, "grant_exceeds_own_access");
    desk.patch(permissions(viewer), json!({ "tables": { "mandate": null } }))
        .await
        .refused(403, "grant_exceeds_own_access");
    desk.patch(format!("/api/roles/{viewer}"), json!({ "label": "seer" }))
        .await
        .refused(403, "grant_exceeds_own_access");
    let kept = world.admin().get(permissions(viewer)).await.expect(200);
    assert_eq!(kept["tables"]["mandate"]["read"], json!("a"));
    let now = world.admin().get(permissions(small)).await.expect(200);
    assert_eq!(now["tables"], within["tables"]);
}

/// Somebody who manages the admissions of Acme's instance and nothing else there, and no more than
/// a user in the mandate.
async fn usher(world: &World) -> (Person, Uuid) {
    let acme = &world.acme;
    let made =
        world.admin().post(acme.instance_path("/roles"), json!({ "label": "usher" })).await.id();
    let tables = rules(&json!({ "access": ["a", "a", "a", "a"] }));
    world
        .admin()
        .put(format!("/api/roles/{made}/permissions"), json!({ "tables": tables }))
        .await
        .expect(200);
    let ursula = world.member_with(acme, "ursula", &[acme.role("user")]).await;
    world.admit(acme, ursula.id, &[made]).await;
    (ursula, made)
}

#[tokio::test]
async fn inside_an_instance_the_same_rules_hold() {
    let world = World::new().await;
    let acme = &world.acme;
    let (ursula, usher) = usher(&world).await;
    let desk = world.desk(&ursula, acme);
    let (viewer, chief) =
        (acme.instance_role("playbooks-viewer"), acme.instance_role("playbooks-admin"));
    let users = |rest: String| acme.instance_path(&format!("/users{rest}"));
    let admit = |roles: &[Uuid]| json!({ "userId": acme.member.id, "roleIds": roles });
    desk.post(users(String::new()), admit(&[viewer]))
        .await
        .refused(403, "grant_exceeds_own_access");
    desk.post(users(String::new()), admit(&[usher])).await.expect(201);
    let of_member = users(format!("/{}/roles", acme.member.id));
    desk.put(of_member, json!({ "roleIds": [usher, viewer] }))
        .await
        .refused(403, "grant_exceeds_own_access");
    let own = users(format!("/{}/roles", ursula.id));
    desk.put(own, json!({ "roleIds": [usher, viewer] })).await.refused(403, "self_escalation");

    let cora = world.member_with(acme, "cora", &[acme.role("user")]).await;
    world.admit(acme, cora.id, &[chief]).await;
    let of_cora = users(format!("/{}", cora.id));
    desk.delete(of_cora.clone()).await.refused(403, "target_exceeds_own_access");
    desk.patch(of_cora.clone(), json!({ "enabled": false }))
        .await
        .refused(403, "target_exceeds_own_access");
    let replaced = desk.put(format!("{of_cora}/roles"), json!({ "roleIds": [usher] })).await;
    replaced.refused(403, "target_exceeds_own_access");
    // The instance's admin may do all of it.
    world
        .desk(&cora, acme)
        .put(users(format!("/{}/roles", acme.member.id)), json!({ "roleIds": [viewer] }))
        .await
        .expect(200);
    world.desk(&cora, acme).delete(users(format!("/{}", ursula.id))).await.expect(204);
}

#[tokio::test]
async fn managing_instances_gives_no_role_inside_them() {
    let world = World::new().await;
    let acme = &world.acme;
    let (dora, _) = lead(&world).await;
    let desk = world.desk(&dora, acme);
    let viewer = acme.instance_role("playbooks-viewer");
    let users = acme.instance_path("/users");
    let body = |user: Uuid| json!({ "userId": user, "roleIds": [viewer] });
    desk.post(users.clone(), body(acme.member.id)).await.refused(403, "grant_exceeds_own_access");
    desk.post(users.clone(), body(dora.id)).await.refused(403, "self_escalation");
    // Nor does a delegate wake their own admission that an admin put to sleep.
    world.admit(acme, dora.id, &[viewer]).await;
    let own = format!("{users}/{}", dora.id);
    world.admin().patch(own.clone(), json!({ "enabled": false })).await.expect(200);
    desk.patch(own, json!({ "enabled": true })).await.refused(403, "self_escalation");
    let body = json!({
        "featureCode": "bookings", "label": "Rooms", "grantCreatorRole": "bookings-admin",
    });
    assert_eq!(desk.post("/api/features/instances", body).await.status.as_u16(), 403);
}

#[tokio::test]
async fn a_sync_that_raises_the_callers_own_role_is_for_admins() {
    let world = World::new().await;
    let acme = &world.acme;
    let (dora, _) = lead(&world).await;
    let (viewer, editor) =
        (acme.instance_role("playbooks-viewer"), acme.instance_role("playbooks-editor"));
    world.admit(acme, dora.id, &[viewer]).await;
    let permissions = |role: Uuid| format!("/api/roles/{role}/permissions");
    world.admin().put(permissions(editor), json!({})).await.expect(200);
    let sync = acme.instance_path("/sync-roles?addOnly=false");
    let desk = world.desk(&dora, acme);
    // A role of somebody else's neither, beyond what could be given by hand; a dry run is refused
    // alike.
    let friend = world.member_with(acme, "finn", &[acme.role("user")]).await;
    world.admit(acme, friend.id, &[editor]).await;
    for more in ["", "&dryRun=true"] {
        desk.post(format!("{sync}{more}"), json!({}))
            .await
            .refused(403, "grant_exceeds_own_access");
    }
    let kept = world.admin().get(permissions(editor)).await.expect(200);
    assert_eq!(kept["tables"], json!({}));
    world.admin().post(sync.clone(), json!({})).await.expect(200);
    world.admin().put(permissions(viewer), json!({})).await.expect(200);
    desk.post(sync.clone(), json!({})).await.refused(403, "self_escalation");
    let kept = world.admin().get(permissions(viewer)).await.expect(200);
    assert_eq!(kept["tables"], json!({}));
    world.admin().post(sync, json!({})).await.expect(200);
}

#[tokio::test]
async fn admins_may_give_themselves_instance_roles_and_it_is_audited() {
    let world = World::new().await;
    let acme = &world.acme;
    let admin = world.admin();
    let (viewer, chief) =
        (acme.instance_role("playbooks-viewer"), acme.instance_role("playbooks-admin"));
    admin
        .post(acme.instance_path("/users"), json!({ "userId": acme.admin.id, "roleIds": [viewer] }))
        .await
        .expect(201);
    let own = acme.instance_path(&format!("/users/{}/roles", acme.admin.id));
    admin.put(own, json!({ "roleIds": [viewer, chief] })).await.expect(200);
    let trail = admin
        .get(acme.path(&format!("/audit?targetId={}&actorId={}", acme.admin.id, acme.admin.id)))
        .await
        .expect(200);
    assert_eq!(trail["items"].as_array().unwrap().len(), 2, "{trail}");
    let body = json!({
        "featureCode": "bookings", "label": "Rooms", "grantCreatorRole": "bookings-admin",
    });
    let rooms = admin.post("/api/features/instances", body).await.id();
    let admitted = admin.get(format!("/api/features/instances/{rooms}/users")).await.expect(200);
    assert_eq!(admitted["items"][0]["userId"], json!(acme.admin.id));
}

/// A SysAdmin who is, by another SysAdmin's doing, also an admin of Acme.
async fn governor(world: &World) -> Person {
    let id = world.app.account("gov", true).await;
    let gov = Person { id, name: "gov".into(), token: world.app.sign_in("gov").await };
    let body = json!({ "targetUserId": gov.id, "roleIds": [world.acme.role("admin")] });
    world.root().post(world.acme.path("/users"), body).await.expect(201);
    gov
}

#[tokio::test]
async fn sys_admins_do_not_let_themselves_in() {
    let world = World::new().await;
    let acme = &world.acme;
    let root = world.root();
    let body = json!({ "targetUserId": world.sys_admin.id, "roleIds": [acme.role("user")] });
    root.post(acme.path("/users"), body).await.refused(403, "self_escalation");
    let body = json!({ "name": "Initech", "adminUserId": world.sys_admin.id });
    root.post("/api/mandates", body).await.refused(403, "self_escalation");
    root.post(acme.path("/users"), json!({ "username": "root", "roleIds": [acme.role("user")] }))
        .await
        .refused(403, "self_escalation");
}

#[tokio::test]
async fn sys_admins_do_not_change_their_own_place_in_a_mandate() {
    let world = World::new().await;
    let acme = &world.acme;
    let gov = governor(&world).await;
    let viewer = acme.role("viewer");
    for desk in [world.bare(&gov), world.desk(&gov, acme)] {
        let replaced =
            desk.put(member(&world, gov.id, "/roles"), json!({ "roleIds": [viewer] })).await;
        replaced.refused(403, "self_escalation");
        desk.put(member(&world, gov.id, &format!("/roles/{viewer}")), json!({}))
            .await
            .refused(403, "self_escalation");
        desk.delete(member(&world, gov.id, &format!("/roles/{}", acme.role("admin"))))
            .await
            .refused(403, "self_escalation");
    }
    let desk = world.desk(&gov, acme);
    let roles = [acme.instance_role("playbooks-viewer")];
    let admitted = desk
        .post(acme.instance_path("/users"), json!({ "userId": gov.id, "roleIds": roles }))
        .await;
    admitted.refused(403, "self_escalation");
    let (viewer, editor) =
        (acme.instance_role("playbooks-viewer"), acme.instance_role("playbooks-editor"));
    world.admit(acme, gov.id, &[viewer, editor]).await;
    // Not even to hold less, or the same.
    for wanted in [vec![acme.instance_role("playbooks-admin")], vec![viewer], vec![viewer, editor]]
    {
        desk.put(
            acme.instance_path(&format!("/users/{}/roles", gov.id)),
            json!({ "roleIds": wanted }),
        )
        .await
        .refused(403, "self_escalation");
    }
    let body = json!({
        "featureCode": "bookings", "label": "Rooms", "grantCreatorRole": "bookings-admin",
    });
    assert_eq!(desk.post("/api/features/instances", body).await.status.as_u16(), 403);
    // Of others they do manage the membership, in any mandate, `admin` included.
    let to_admin = member(&world, acme.member.id, &format!("/roles/{}", acme.role("admin")));
    world.bare(&gov).put(to_admin, json!({})).await.expect(200);
    // Leaving is nobody's gain.
    world.bare(&gov).delete(member(&world, gov.id, "")).await.expect(204);
}
