//! Finding things: what SysAdmins list without a mandate, and what lists are narrowed to.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{set, values};
use crate::gates::operations::{document, operations};
use crate::harness::World;

const INSTANCES: &str = "/api/features/instances";

#[tokio::test]
async fn sys_admins_list_a_mandates_groups_and_read_none() {
    let world = World::new().await;
    let (acme, globex, root) = (&world.acme, &world.globex, world.root());
    assert_eq!(root.walk(&acme.path("/groups"), "id").await, set([acme.everyone]));
    let here = world.desk(&world.sys_admin, acme);
    here.get(acme.path("/groups")).await.expect(200);
    here.get(globex.path("/groups")).await.refused(403, "mandate_access_denied");
    root.get(format!("/api/mandates/{}/groups", Uuid::now_v7())).await.refused(404, "not_found");
    let group = acme.path(&format!("/groups/{}", acme.everyone));
    root.get(group.clone()).await.refused(400, "mandate_context_missing");
    here.get(group).await.refused(403, "mandate_access_denied");
    here.post(acme.path("/groups"), json!({ "name": "x" }))
        .await
        .refused(403, "mandate_access_denied");
}

#[tokio::test]
async fn sys_admins_list_the_instances_of_all_mandates() {
    let world = World::new().await;
    let (acme, globex, root) = (&world.acme, &world.globex, world.root());
    let rooms = world
        .admin()
        .post(INSTANCES, json!({ "featureCode": "bookings", "label": "Rooms" }))
        .await
        .id();
    assert_eq!(root.walk(INSTANCES, "id").await, set([acme.instance, globex.instance, rooms]));
    assert_eq!(
        root.walk(&format!("{INSTANCES}?sort=-label"), "id").await,
        set([acme.instance, globex.instance, rooms])
    );
    let of = |mandate: Uuid| format!("{INSTANCES}?mandateId={mandate}");
    assert_eq!(root.walk(&of(acme.id), "id").await, set([acme.instance, rooms]));
    assert_eq!(
        root.walk(&format!("{}&featureCode=bookings", of(acme.id)), "id").await,
        set([rooms])
    );
    assert_eq!(
        root.walk(&format!("{INSTANCES}?featureCode=playbooks"), "id").await,
        set([acme.instance, globex.instance])
    );
    assert!(values(&root.get(of(Uuid::now_v7())).await.expect(200), "id").is_empty());

    // A header that is sent says the same as the filter, and as little of roles: the SysAdmin
    // belongs to neither mandate.
    let here = world.desk(&world.sys_admin, acme);
    assert_eq!(here.walk(INSTANCES, "id").await, set([acme.instance, rooms]));
    here.get(of(acme.id)).await.expect(200);
    here.get(of(globex.id)).await.refused(403, "mandate_access_denied");

    root.delete(globex.path("")).await.expect(200);
    assert_eq!(
        root.walk(INSTANCES, "id").await,
        set([acme.instance, rooms]),
        "what is deleted is out of reach"
    );
    assert!(values(&root.get(of(globex.id)).await.expect(200), "id").is_empty());
}

#[tokio::test]
async fn instances_are_found_by_whom_they_are_open_to() {
    let world = World::new().await;
    let (acme, globex, root, admin) = (&world.acme, &world.globex, world.root(), world.admin());
    let rooms = json!({ "featureCode": "bookings", "label": "Rooms" });
    let rooms = admin.post(INSTANCES, rooms).await.id();
    let bert = acme.member.id;
    world.admit(acme, bert, &[acme.instance_role("playbooks-viewer")]).await;
    let of = |user: Uuid| format!("{INSTANCES}?userId={user}");
    assert_eq!(admin.walk(&of(bert), "id").await, set([acme.instance]));
    assert_eq!(admin.walk(&format!("{}&sort=-label", of(bert)), "id").await, set([acme.instance]));
    let counted = admin.get(format!("{}&count=true", of(bert))).await.expect(200);
    assert_eq!(counted["total"], 1);
    let none = set::<Uuid>([]);
    assert_eq!(admin.walk(&format!("{}&featureCode=bookings", of(bert)), "id").await, none);
    for nobody in [acme.admin.id, globex.member.id, Uuid::now_v7()] {
        assert_eq!(admin.walk(&of(nobody), "id").await, none);
    }
    for malformed in ["bert", ""] {
        admin
            .get(format!("{INSTANCES}?userId={malformed}"))
            .await
            .refused(400, "invalid_parameter");
    }

    // SysAdmins find them in all mandates.
    let member = json!({ "targetUserId": bert, "roleIds": [globex.role("user")] });
    let there = world.desk(&globex.admin, globex);
    there.post(globex.path("/users"), member).await.expect(201);
    let viewer = globex.instance_role("playbooks-viewer");
    there
        .post(globex.instance_path("/users"), json!({ "userId": bert, "roleIds": [viewer] }))
        .await
        .expect(201);
    assert_eq!(root.walk(&of(bert), "id").await, set([acme.instance, globex.instance]));
    let here = format!("{}&mandateId={}", of(bert), globex.id);
    assert_eq!(root.walk(&here, "id").await, set([globex.instance]));
    assert_eq!(admin.walk(&of(bert), "id").await, set([acme.instance]));

    // Open is what level `m` means: admitted, and not suspended.
    let desk = world.desk(&acme.member, acme);
    assert_eq!(desk.walk(INSTANCES, "id").await, set([acme.instance]));
    assert_eq!(desk.walk(&of(bert), "id").await, set([acme.instance]));
    assert_eq!(desk.walk(&of(acme.admin.id), "id").await, none);
    let admission = acme.instance_path(&format!("/users/{bert}"));
    admin.patch(admission, json!({ "enabled": false })).await.expect(200);
    for asking in [&admin, &desk] {
        assert_eq!(asking.walk(&of(bert), "id").await, none);
    }
    assert_eq!(admin.walk(INSTANCES, "id").await, set([acme.instance, rooms]));
}

/// The filter tells of instances that the caller reaches, as they read who is admitted there, and
/// of no others.
#[tokio::test]
async fn whom_instances_are_open_to_is_told_within_ones_level() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let rooms = json!({ "featureCode": "bookings", "label": "Rooms" });
    let rooms = admin.post(INSTANCES, rooms).await.id();
    let blind = world.role_with(acme, "blind", json!({ "groups": ["a", "n", "n", "n"] })).await;
    let viewer = acme.instance_role("playbooks-viewer");
    world.admit(acme, acme.admin.id, &[viewer]).await;
    world.admit(acme, acme.member.id, &[viewer]).await;
    let role = admin.get(format!("{INSTANCES}/{rooms}/roles")).await.expect(200);
    let role = role["items"][0]["id"].clone();
    let into_rooms = json!({ "userId": acme.admin.id, "roleIds": [role] });
    admin.post(format!("{INSTANCES}/{rooms}/users"), into_rooms).await.expect(201);
    let of_admin = format!("{INSTANCES}?userId={}", acme.admin.id);
    assert_eq!(admin.walk(&of_admin, "id").await, set([acme.instance, rooms]));
    // Bert reads instances at `m`.
    let bert = world.desk(&acme.member, acme);
    assert_eq!(bert.walk(&of_admin, "id").await, set([acme.instance]));
    let bo = world.member_with(acme, "bo", &[blind]).await;
    world.desk(&bo, acme).get(of_admin).await.refused(403, "permission_denied");
}

#[tokio::test]
async fn members_name_their_own_mandate_or_learn_nothing() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let of = |mandate: Uuid| format!("{INSTANCES}?mandateId={mandate}");
    assert_eq!(admin.walk(&of(acme.id), "id").await, set([acme.instance]));
    for foreign in [world.globex.id, Uuid::now_v7()] {
        admin.get(of(foreign)).await.refused(403, "mandate_access_denied");
    }
    world.bare(&acme.admin).get(of(acme.id)).await.refused(400, "mandate_context_missing");
}

#[tokio::test]
async fn mandates_are_found_by_code_and_by_whether_they_have_an_admin() {
    let world = World::new().await;
    let root = world.root();
    root.post("/api/mandates", json!({ "name": "Initech" })).await.expect(201);
    assert_eq!(root.walk("/api/mandates?hasAdmin=false", "code").await, set(["initech"]));
    assert_eq!(root.walk("/api/mandates?hasAdmin=true", "code").await, set(["acme", "globex"]));
    root.patch(format!("/api/users/{}", world.globex.member.id), json!({ "enabled": false }))
        .await
        .expect(200);
    assert_eq!(root.walk("/api/mandates?code=ACME", "code").await, set(["acme"]));
    for nothing in ["acm", "acme-2", "", "%20"] {
        assert!(
            values(&root.get(format!("/api/mandates?code={nothing}")).await.expect(200), "code")
                .is_empty(),
            "{nothing}"
        );
    }
    assert!(
        values(&root.get("/api/mandates?code=acme&hasAdmin=false").await.expect(200), "code")
            .is_empty()
    );
}

#[tokio::test]
async fn accounts_are_found_by_their_whole_name_or_address_and_by_mandate() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let found = async |query: &str| root.walk(&format!("/api/users?{query}"), "username").await;
    assert_eq!(found("username=Acme-Member").await, set(["acme-member"]));
    assert_eq!(found("username=acme-membe").await, set::<&str>([]));
    assert_eq!(found("email=ACME-member%40example.com").await, set(["acme-member"]));
    assert_eq!(found("email=acme-member").await, set::<&str>([]));
    assert_eq!(found("username=").await, set::<&str>([]));
    let of_acme = format!("mandateId={}", acme.id);
    let members = world.admin().walk(&acme.path("/users"), "username").await;
    assert_eq!(found(&of_acme).await, members);
    assert_eq!(found(&format!("{of_acme}&username=acme-admin")).await, set(["acme-admin"]));
    assert_eq!(found(&format!("{of_acme}&username=globex-admin")).await, set::<&str>([]));
    assert_eq!(found(&format!("mandateId={}", Uuid::now_v7())).await, set::<&str>([]));
    // A cursor is good for the list that it came from.
    let page = root.get(format!("/api/users?{of_acme}&limit=1")).await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    root.get(format!("/api/users?limit=1&cursor={cursor}")).await.refused(400, "invalid_parameter");
    root.delete(acme.path("")).await.expect(200);
    assert_eq!(found(&of_acme).await, set::<&str>([]));
}

#[tokio::test]
async fn what_keeps_a_feature_is_named() {
    let world = World::new().await;
    let root = world.root();
    root.post("/api/features", json!({ "code": "trustee", "tables": ["ledgers"] }))
        .await
        .expect(201);
    let mut expected = Vec::new();
    for (tenant, label) in [(&world.acme, "Books"), (&world.globex, "Accounts")] {
        let body = json!({ "featureCode": "trustee", "label": label });
        let id = world.desk(&tenant.admin, tenant).post(INSTANCES, body).await.id();
        expected.push(json!({ "id": id, "label": label, "mandateId": tenant.id }));
    }
    expected.reverse();
    root.delete(world.acme.path("")).await.expect(200);
    for answer in [
        root.delete("/api/features/trustee").await,
        root.patch("/api/features/trustee", json!({ "tables": [] })).await,
    ] {
        answer.refused(409, "feature_in_use");
        assert_eq!(
            answer.body["instances"],
            json!(expected),
            "in the order of labels; a deleted mandate may be restored"
        );
    }
    root.post(world.acme.path("/restore"), json!({})).await.expect(200);
    for number in 0..60 {
        let body = json!({
            "featureCode": "trustee", "label": format!("Copy {number}"), "copyTemplateRoles": false,
        });
        world.admin().post(INSTANCES, body).await.expect(201);
    }
    let many = root.delete("/api/features/trustee").await;
    assert_eq!(many.body["instances"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_trail_is_narrowed_to_a_kind_of_thing_and_takes_no_word_that_it_does_not_know() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    admin.post(acme.path("/groups"), json!({ "name": "Board" })).await.expect(201);
    let kinds = async |path: String| -> Vec<String> {
        values(&admin.get(path).await.expect(200), "resourceType")
    };
    let groups = kinds(acme.path("/audit?resourceType=group&count=true")).await;
    assert!(!groups.is_empty() && groups.iter().all(|kind| kind == "group"), "{groups:?}");
    assert_eq!(
        kinds(acme.path("/audit?resourceType=group&action=group_created&limit=1")).await,
        ["group"]
    );
    assert!(kinds(acme.path("/audit?resourceType=group&action=role_assigned")).await.is_empty());
    let platform = values(&root.get("/api/audit?resourceType=mandate").await.expect(200), "action");
    assert!(
        !platform.is_empty() && platform.iter().all(|action| action == "mandate_created"),
        "{platform:?}"
    );
    for (wrong, listed) in [
        ("action=role_asigned", "`role_assigned`"),
        ("action=", "`role_assigned`"),
        ("action=ROLE_ASSIGNED", "`role_assigned`"),
        ("resourceType=members", "`member`"),
    ] {
        for answer in [
            admin.get(acme.path(&format!("/audit?{wrong}"))).await,
            root.get(format!("/api/audit?{wrong}")).await,
        ] {
            answer.refused(400, "invalid_parameter");
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains("must be one of ") && detail.contains(listed), "{detail}");
            assert!(!detail.contains("asigned"), "a refusal repeats no value");
        }
    }
}

#[tokio::test]
async fn the_document_lists_the_words_of_the_trail() {
    let operations = operations(&document());
    let trail = operations.iter().find(|operation| operation.path == "/api/audit").unwrap();
    let listed = |name: &str| -> Vec<Value> {
        let parameters = trail.value["parameters"].as_array().unwrap();
        let parameter = parameters.iter().find(|parameter| parameter["name"] == name).unwrap();
        parameter["schema"]["enum"].as_array().unwrap().clone()
    };
    assert!(
        listed("action").contains(&json!("role_assigned"))
            && listed("action").contains(&json!("lookup_failed"))
    );
    assert!(listed("resourceType").contains(&json!("instance")));
}
