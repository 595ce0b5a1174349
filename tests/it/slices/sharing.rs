//! Sharing a group works in both directions, and what comes back is given.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::Desk;
use crate::harness::World;
use crate::harness::world::{Person, rules};

/// A mandate in which nobody shares a group yet, with a delegate, somebody to share with, and the
/// delegate's own group.
pub struct Stage {
    pub world: World,
    /// Manages groups at `m` and has the given level on the playbooks of Acme's instance.
    pub delegate: Person,
    pub victim: Person,
    /// The delegate is its only member.
    pub own: Uuid,
    /// Nobody is in it.
    pub empty: Uuid,
}

impl Stage {
    pub async fn set(level: &str) -> Self {
        let world = World::new().await;
        let acme = &world.acme;
        world.admin().delete(acme.path(&format!("/groups/{}", acme.everyone))).await.expect(204);
        let keeper = world
            .role_with(
                acme,
                "keeper",
                json!({ "groups": ["a", "n", "a", "a"], "members": ["a", "a", "a", "a"] }),
            )
            .await;
        let delegate = world.member_with(acme, "dora", &[keeper]).await;
        let victim = world
            .member_with(acme, "vera", &[world.role_with(acme, "guest", json!({})).await])
            .await;
        let writer = world
            .admin()
            .post(acme.instance_path("/roles"), json!({ "label": "writer" }))
            .await
            .id();
        let rules = rules(&json!({
            "playbooks": [level, level, level, level],
            "playbook_versions": [level, level, level, level],
        }));
        world
            .admin()
            .put(format!("/api/roles/{writer}/permissions"), json!({ "tables": rules }))
            .await
            .expect(200);
        world.admit(acme, delegate.id, &[writer]).await;
        let group = async |name: &str, members: Value| {
            let group =
                world.admin().post(acme.path("/groups"), json!({ "name": name })).await.id();
            let path = acme.path(&format!("/groups/{group}/members"));
            world.admin().put(path, json!({ "userIds": members })).await.expect(200);
            group
        };
        let (own, empty) =
            (group("own", json!([delegate.id])).await, group("empty", json!([])).await);
        Self { delegate, victim, own, empty, world: world.clone() }
    }

    pub fn desk(&self) -> Desk<'_> {
        self.world.desk(&self.delegate, &self.world.acme)
    }

    async fn put(&self, group: Uuid, members: &[Uuid]) -> crate::harness::app::Answer {
        let path = self.world.acme.path(&format!("/groups/{group}/members"));
        self.desk().put(path, json!({ "userIds": members })).await
    }

    /// A role of the mandate for somebody, as the admin gives it.
    pub async fn give(&self, user: Uuid, label: &str, tables: Value) {
        let acme = &self.world.acme;
        let role = self.world.role_with(acme, label, tables).await;
        self.world
            .admin()
            .put(acme.path(&format!("/users/{user}/roles/{role}")), json!({}))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_delegate_brings_nobody_into_their_own_group_while_a_level_of_theirs_is_g() {
    for (level, status) in [("g", 403), ("m", 200), ("a", 200)] {
        let stage = Stage::set(level).await;
        let answer = stage.put(stage.own, &[stage.delegate.id, stage.victim.id]).await;
        assert_eq!(answer.status.as_u16(), status, "{level}: {}", answer.body);
        if status == 403 {
            answer.refused(403, "self_escalation");
        }
    }
}

#[tokio::test]
async fn a_suspended_level_g_counts_too_and_sharing_one_more_group_changes_nothing() {
    let stage = Stage::set("g").await;
    let acme = &stage.world.acme;
    let admission = acme.instance_path(&format!("/users/{}", stage.delegate.id));
    stage.world.admin().patch(admission, json!({ "enabled": false })).await.expect(200);
    stage
        .put(stage.own, &[stage.delegate.id, stage.victim.id])
        .await
        .refused(403, "self_escalation");
    let shared =
        stage.world.admin().post(acme.path("/groups"), json!({ "name": "shared" })).await.id();
    let members = json!({ "userIds": [stage.delegate.id, stage.victim.id] });
    stage
        .world
        .admin()
        .put(acme.path(&format!("/groups/{shared}/members")), members)
        .await
        .expect(200);
    stage.put(stage.own, &[stage.delegate.id, stage.victim.id]).await.expect(200);
}

#[tokio::test]
async fn whom_a_group_takes_in_by_itself_is_for_admins_to_say() {
    let stage = Stage::set("m").await;
    let (acme, desk) = (&stage.world.acme, stage.desk());
    stage.give(stage.delegate.id, "maker", json!({ "groups": ["a", "a", "a", "a"] })).await;
    desk.post(acme.path("/groups"), json!({ "name": "net", "autoJoin": true }))
        .await
        .refused(403, "self_escalation");
    desk.post(acme.path("/groups"), json!({ "name": "net", "autoJoin": false })).await.expect(201);
    let own = acme.path(&format!("/groups/{}", stage.own));
    desk.patch(own.clone(), json!({ "autoJoin": true })).await.refused(403, "self_escalation");
    desk.patch(own.clone(), json!({ "name": "ours", "autoJoin": false })).await.expect(200);
    stage.world.admin().patch(own.clone(), json!({ "autoJoin": true })).await.expect(200);
    desk.patch(own, json!({ "autoJoin": false })).await.refused(403, "self_escalation");
}

#[tokio::test]
async fn who_comes_back_by_a_delegate_is_near_nobody_and_by_an_admin_as_anybody() {
    let stage = Stage::set("g").await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let guest = world.role_with(acme, "visitor", json!({})).await;
    world
        .admin()
        .patch(acme.path(&format!("/groups/{}", stage.own)), json!({ "autoJoin": true }))
        .await
        .expect(200);
    let newcomer = world.stranger("nina").await;
    let members = acme.path("/users");
    let add = |user: Uuid| json!({ "targetUserId": user, "roleIds": [guest] });
    let added = stage.desk().post(members.clone(), add(newcomer.id)).await.expect(201);
    assert_eq!(
        added["groupIds"],
        json!([stage.own]),
        "whom groups take in by themselves is the admins' choice"
    );
    // Their rows are there when they come back. (A SysAdmin might be a member, and bring them near
    // themselves.)
    for (desk, groups) in
        [(stage.desk(), json!([])), (world.root(), json!([])), (world.admin(), json!([stage.own]))]
    {
        world.admin().delete(acme.path(&format!("/users/{}", newcomer.id))).await.expect(204);
        assert_eq!(
            desk.post(members.clone(), add(newcomer.id)).await.expect(201)["groupIds"],
            groups
        );
    }
}

/// An instance role that reads the playbooks of group peers.
pub async fn near_reader(world: &World) -> Uuid {
    let reader = world
        .admin()
        .post(world.acme.instance_path("/roles"), json!({ "label": "near reader" }))
        .await
        .id();
    let tables = rules(&json!({ "playbooks": ["g", "n", "n", "n"] }));
    world
        .admin()
        .put(format!("/api/roles/{reader}/permissions"), json!({ "tables": tables }))
        .await
        .expect(200);
    reader
}

#[tokio::test]
async fn a_delegate_opens_to_nobody_what_is_closed_to_themselves() {
    // Whoever of the two has level `g`, the one who is added or the one who is there: it counts in
    // both directions.
    for friend_reads in [true, false] {
        for level in ["g", "a"] {
            let stage = Stage::set(level).await;
            let (world, acme) = (&stage.world, &stage.world.acme);
            let friend = world
                .member_with(acme, "finn", &[world.role_with(acme, "nothing", json!({})).await])
                .await;
            let reader = if friend_reads { friend.id } else { stage.victim.id };
            world.admit(acme, reader, &[near_reader(world).await]).await;
            let path = acme.path(&format!("/groups/{}/members", stage.empty));
            world.admin().put(path, json!({ "userIds": [stage.victim.id] })).await.expect(200);
            let both = [stage.victim.id, friend.id];
            if level == "a" {
                stage.put(stage.empty, &both).await.expect(200);
                continue;
            }
            stage.put(stage.empty, &both).await.refused(403, "grant_exceeds_own_access");
            // Where the rows are near the delegate too, it opens nothing that is closed to them.
            let owner = if friend_reads { stage.victim.id } else { friend.id };
            let shared =
                world.admin().post(acme.path("/groups"), json!({ "name": "shared" })).await.id();
            let members = json!({ "userIds": [stage.delegate.id, owner] });
            world
                .admin()
                .put(acme.path(&format!("/groups/{shared}/members")), members)
                .await
                .expect(200);
            stage.put(stage.empty, &both).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_delegate_brings_no_group_and_no_instance_nearer_to_reach_it() {
    let stage = Stage::set("a").await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let near = json!(["a", "n", "a", "g"]);
    let lead = world
        .role_with(
            acme,
            "lead",
            json!({ "groups": near, "instances": near, "members": ["a", "a", "a", "a"] }),
        )
        .await;
    let lara = world.member_with(acme, "lara", &[lead]).await;
    let friend =
        world.member_with(acme, "finn", &[world.role_with(acme, "nothing", json!({})).await]).await;
    let shared = world.admin().post(acme.path("/groups"), json!({ "name": "shared" })).await.id();
    let members = json!({ "userIds": [lara.id, friend.id] });
    world.admin().put(acme.path(&format!("/groups/{shared}/members")), members).await.expect(200);
    let desk = world.desk(&lara, acme);
    // They may change every group and instance, and delete those that are near.
    let group = acme.path(&format!("/groups/{}", stage.empty));
    desk.delete(group.clone()).await.refused(403, "permission_denied");
    desk.put(format!("{group}/members"), json!({ "userIds": [friend.id] }))
        .await
        .refused(403, "self_escalation");
    desk.put(format!("{group}/members"), json!({ "userIds": [stage.victim.id] })).await.expect(200);
    let nothing =
        world.admin().post(acme.instance_path("/roles"), json!({ "label": "nothing" })).await.id();
    desk.delete(acme.instance_path("")).await.refused(403, "permission_denied");
    for user in [lara.id, friend.id] {
        let body = json!({ "userId": user, "roleIds": [nothing] });
        desk.post(acme.instance_path("/users"), body).await.refused(403, "self_escalation");
    }
    let body = json!({ "userId": stage.victim.id, "roleIds": [nothing] });
    desk.post(acme.instance_path("/users"), body).await.expect(201);
    world.admit(acme, friend.id, &[nothing]).await;
    let of_friend = acme.instance_path(&format!("/users/{}", friend.id));
    desk.patch(of_friend.clone(), json!({ "enabled": false })).await.expect(200);
    desk.patch(of_friend, json!({ "enabled": true })).await.refused(403, "self_escalation");
}

#[tokio::test]
async fn somebody_who_is_no_member_is_404_before_anything_is_judged() {
    let stage = Stage::set("g").await;
    let stranger = stage.world.stranger("nina").await;
    for user in [stranger.id, Uuid::now_v7()] {
        stage.put(stage.own, &[stage.delegate.id, user]).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn whoever_was_suspended_has_nothing_to_give_or_to_take() {
    let stage = Stage::set("m").await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let chief = acme.instance_role("playbooks-admin");
    let lead = world.role_with(acme, "lead", json!({ "instances": ["a", "a", "a", "a"] })).await;
    let (one, two) = (
        world.member_with(acme, "one", &[lead]).await,
        world.member_with(acme, "two", &[lead]).await,
    );
    let admission = |person: &Person| acme.instance_path(&format!("/users/{}", person.id));
    for person in [&one, &two] {
        world.admit(acme, person.id, &[chief]).await;
    }
    world.desk(&one, acme).patch(admission(&two), json!({ "enabled": false })).await.expect(200);
    world.admin().patch(admission(&one), json!({ "enabled": false })).await.expect(200);
    // Both are suspended: neither wakes, ends or changes the other.
    let viewer = acme.instance_role("playbooks-viewer");
    for (caller, other) in [(&one, &two), (&two, &one)] {
        let desk = world.desk(caller, acme);
        desk.patch(admission(other), json!({ "enabled": true }))
            .await
            .refused(403, "target_exceeds_own_access");
        desk.delete(admission(other)).await.refused(403, "target_exceeds_own_access");
        let roles = format!("{}/roles", admission(other));
        desk.put(roles, json!({ "roleIds": [viewer] }))
            .await
            .refused(403, "target_exceeds_own_access");
    }
    world.admin().patch(admission(&one), json!({ "enabled": true })).await.expect(200);
    world.desk(&one, acme).patch(admission(&two), json!({ "enabled": true })).await.expect(200);
}

#[tokio::test]
async fn enabling_an_instance_gives_all_that_is_held_in_it_back() {
    let stage = Stage::set("m").await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let lead = world.role_with(acme, "lead", json!({ "instances": ["a", "a", "a", "a"] })).await;
    let lara = world.member_with(acme, "lara", &[lead]).await;
    let (desk, path) = (world.desk(&lara, acme), acme.instance_path(""));
    desk.patch(path.clone(), json!({ "enabled": false })).await.expect(200);
    desk.patch(path.clone(), json!({ "enabled": true }))
        .await
        .refused(403, "grant_exceeds_own_access");
    desk.patch(path.clone(), json!({ "label": "renamed" })).await.expect(200);
    world.admin().patch(path.clone(), json!({ "enabled": true })).await.expect(200);
    // Their own too.
    world.admit(acme, lara.id, &[acme.instance_role("playbooks-viewer")]).await;
    desk.patch(path.clone(), json!({ "enabled": false })).await.expect(200);
    desk.patch(path.clone(), json!({ "enabled": true })).await.refused(403, "self_escalation");
    // A SysAdmin who was admitted does not give that to themselves; another one does.
    let other = world.app.account("root-too", true).await;
    let token = world.app.sign_in("root-too").await;
    let seen = Person { id: other, name: "root-too".to_owned(), token };
    let user = json!({ "targetUserId": other, "roleIds": [acme.role("user")] });
    world.admin().post(acme.path("/users"), user).await.expect(201);
    world.admit(acme, other, &[acme.instance_role("playbooks-viewer")]).await;
    world
        .bare(&seen)
        .patch(path.clone(), json!({ "enabled": true }))
        .await
        .refused(403, "self_escalation");
    world.root().patch(path.clone(), json!({ "enabled": true })).await.expect(200);
    // Where nothing comes back, anybody may who may change instances.
    let body = json!({ "featureCode": "bookings", "label": "Rooms" });
    let rooms = desk.post("/api/features/instances", body).await.id();
    for enabled in [false, true] {
        desk.patch(format!("/api/features/instances/{rooms}"), json!({ "enabled": enabled }))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_sys_admin_does_not_give_themselves_a_table_by_the_catalogue() {
    let world = World::new().await;
    let (acme, root, admin) = (&world.acme, world.root(), world.admin());
    root.post(
        "/api/features",
        json!({ "code": "trustee", "tables": ["ledgers", "vaults"], "views": ["board"] }),
    )
    .await
    .expect(201);
    let clerk = root
        .post(
            "/api/features/templates/roles",
            json!({ "roleLabel": "clerk", "featureCode": "trustee" }),
        )
        .await
        .id();
    let tables = rules(&json!({ "ledgers": ["a", "n", "n", "n"], "vaults": ["a", "n", "n", "n"] }));
    root.put(
        format!("/api/roles/{clerk}/permissions"),
        json!({ "tables": tables, "views": { "board": true } }),
    )
    .await
    .expect(200);
    root.patch("/api/features/trustee", json!({ "tables": ["ledgers"], "views": [] }))
        .await
        .expect(200);
    let instance = admin
        .post("/api/features/instances", json!({ "featureCode": "trustee", "label": "Books" }))
        .await
        .id();
    let users = format!("/api/features/instances/{instance}/users");
    let roles = admin.get(format!("/api/features/instances/{instance}/roles")).await.expect(200);
    let user = json!({ "targetUserId": world.sys_admin.id, "roleIds": [acme.role("user")] });
    admin.post(acme.path("/users"), user).await.expect(201);
    let body = json!({ "userId": world.sys_admin.id, "roleIds": [roles["items"][0]["id"]] });
    admin.post(users.clone(), body).await.expect(201);
    for grown in [json!({ "tables": ["ledgers", "vaults"] }), json!({ "views": ["board"] })] {
        root.patch("/api/features/trustee", grown).await.refused(403, "self_escalation");
    }
    root.patch(
        "/api/features/trustee",
        json!({ "tables": ["ledgers", "desks"], "views": ["stats"] }),
    )
    .await
    .expect(200);
    admin.delete(format!("{users}/{}", world.sys_admin.id)).await.expect(204);
    root.patch("/api/features/trustee", json!({ "tables": ["ledgers", "desks", "vaults"] }))
        .await
        .expect(200);
}

#[tokio::test]
async fn level_g_is_given_to_nobody_who_is_near_people_to_whom_the_delegate_is_not() {
    let stage = Stage::set("g").await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let friend =
        world.member_with(acme, "finn", &[world.role_with(acme, "nothing", json!({})).await]).await;
    // First the group, then the level: the other way round is refused too.
    stage.put(stage.empty, &[stage.victim.id, friend.id]).await.expect(200);
    let reader = near_reader(world).await;
    let keeper =
        world.admin().post(acme.instance_path("/roles"), json!({ "label": "keeper" })).await.id();
    let tables =
        rules(&json!({ "access": ["a", "a", "a", "a"], "instance-roles": ["a", "a", "a", "a"] }));
    world
        .admin()
        .put(format!("/api/roles/{keeper}/permissions"), json!({ "tables": tables }))
        .await
        .expect(200);
    let own = acme.instance_path(&format!("/users/{}/roles", stage.delegate.id));
    let held =
        world.admin().get(acme.instance_path("/users")).await.expect(200)["items"][0]["roleIds"][0]
            .clone();
    world.admin().put(own, json!({ "roleIds": [held, keeper] })).await.expect(200);
    let (desk, body) = (stage.desk(), json!({ "userId": friend.id, "roleIds": [reader] }));
    desk.post(acme.instance_path("/users"), body.clone())
        .await
        .refused(403, "grant_exceeds_own_access");
    // A role that they hold already gives it no more than a role that is given.
    let small =
        world.admin().post(acme.instance_path("/roles"), json!({ "label": "small" })).await.id();
    desk.post(acme.instance_path("/users"), json!({ "userId": friend.id, "roleIds": [small] }))
        .await
        .expect(201);
    let wider = json!({ "tables": { "playbooks": { "view": true, "read": "g" } } });
    desk.patch(format!("/api/roles/{small}/permissions"), wider.clone())
        .await
        .refused(403, "grant_exceeds_own_access");
    let roles = acme.instance_path(&format!("/users/{}/roles", friend.id));
    desk.put(roles.clone(), json!({ "roleIds": [small, reader] }))
        .await
        .refused(403, "grant_exceeds_own_access");
    // Near the same people, it is theirs to give.
    let shared = world.admin().post(acme.path("/groups"), json!({ "name": "shared" })).await.id();
    let members = json!({ "userIds": [stage.delegate.id, stage.victim.id] });
    world.admin().put(acme.path(&format!("/groups/{shared}/members")), members).await.expect(200);
    desk.patch(format!("/api/roles/{small}/permissions"), wider).await.expect(200);
    desk.put(roles, json!({ "roleIds": [small, reader] })).await.expect(200);
}
