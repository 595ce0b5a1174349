//! What is told of it, and to whom.

use serde_json::{Value, json};
use sqlx::Executor;

use super::{IMPERSONATE, world};
use crate::harness::World;
use crate::harness::held::Held;
use crate::harness::world::{Person, Tenant};

/// Who did it, and as whom, by id and by name.
fn both_names(event: &Value) -> [&Value; 4] {
    ["actorId", "actorName", "impersonatedBy", "impersonatedByName"].map(|field| &event[field])
}

async fn requests(world: &World, tenant: &Tenant) -> Vec<Value> {
    world.told_to(tenant, "impersonated_request").await
}

#[tokio::test]
async fn beginning_and_end_are_told_with_the_reason_to_the_mandates_that_allow_it() {
    let world = world().await;
    let (acme, globex, member) = (&world.acme, &world.globex, world.acme.member.clone());
    let body = json!({ "targetUserId": member.id, "roleIds": [globex.role("user")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    let acting = world.as_if(&member).await;
    world.bare(&acting).delete(IMPERSONATE).await.expect(204);
    let platform = world.told_to_platform("impersonation_started").await;
    let mandate = world.told_to(acme, "impersonation_started").await;
    for started in [&platform, &mandate] {
        let [started] = &started[..] else { panic!("{started:?}") };
        let root = json!(world.sys_admin.id);
        assert_eq!((&started["actorId"], &started["targetUserId"]), (&root, &json!(member.id)));
        assert_eq!(started["details"], json!({ "reason": "Ticket 4711" }));
    }
    let [ended] = &world.told_to(acme, "impersonation_ended").await[..] else { panic!() };
    let names = [json!(member.id), json!(member.name), json!(world.sys_admin.id), json!("root")];
    assert_eq!(both_names(ended), [&names[0], &names[1], &names[2], &names[3]]);
    for action in ["impersonation_started", "impersonation_ended", "impersonated_request"] {
        assert!(world.told_to(globex, action).await.is_empty(), "{action}: it allows nothing");
    }
}

#[tokio::test]
async fn every_request_is_told_once_with_operation_status_and_object() {
    let world = world().await;
    let (acme, member) = (&world.acme, world.acme.member.clone());
    world.admit(acme, member.id, &[acme.instance_role("playbooks-admin")]).await;
    let acting = world.as_if(&member).await;
    let desk = world.desk(&acting, acme);
    let made = desk.post("/api/playbooks", json!({ "name": "plan", "title": "Plan" })).await;
    let id = made.expect(201)["id"].clone();
    desk.get(format!("/api/playbooks/{}", id.as_str().unwrap())).await.expect(200);
    desk.get("/api/playbooks/plan").await.expect(200);
    desk.get("/api/playbooks/nothing").await.refused(404, "not_found");
    desk.get(acme.path("/audit")).await.refused(403, "permission_denied");
    desk.get("/api/playbooks?odd=1").await.refused(400, "unknown_parameter");
    world.me(&acting).await;
    world.bare(&acting).get("/api/features/my").await.expect(200);
    let told = requests(&world, acme).await;
    let of = |event: &Value| {
        let details = &event["details"];
        json!([details["operation"], details["status"], event["resourceId"]])
    };
    let told_of: Vec<_> = told.iter().rev().map(of).collect();
    assert_eq!(
        told_of,
        [
            json!(["create_playbook", 201, id]),
            json!(["get_playbook", 200, id]),
            json!(["get_playbook", 200, id]),
            json!(["get_playbook", 404, null]),
            json!(["list_audit_events", 403, acme.id]),
            json!(["list_playbooks", 400, null]),
            json!(["get_me", 200, member.id]),
            json!(["get_my_features", 200, null]),
        ]
    );
    let names = [json!(member.id), json!(member.name), json!(world.sys_admin.id), json!("root")];
    for event in &told {
        assert_eq!(both_names(event), [&names[0], &names[1], &names[2], &names[3]], "{event}");
    }
    // What it changed has its own event, as ever, with both names.
    let [created] = &world.told_to(acme, "playbook_created").await[..] else { panic!() };
    assert_eq!(both_names(created), [&names[0], &names[1], &names[2], &names[3]]);
    assert!(requests(&world, &world.globex).await.is_empty());
}

/// Where it is tried outside the mandates that allow it, the platform hears of it: neither does one
/// mandate hear of another, nor one that allows nothing.
#[tokio::test]
async fn a_try_elsewhere_is_told_to_the_platform() {
    let world = world().await;
    let acting = world.as_if(&world.acme.member.clone()).await;
    let (acme, globex) = (world.desk(&acting, &world.acme), world.desk(&acting, &world.globex));
    globex.get("/api/access/me").await.refused(403, "mandate_access_denied");
    acme.get(world.globex.path("")).await.refused(403, "mandate_access_denied");
    acme.post(world.globex.path("/users"), json!({})).await.refused(403, "operation_not_allowed");
    for tenant in [&world.acme, &world.globex] {
        assert!(requests(&world, tenant).await.is_empty());
    }
    assert_eq!(world.told_to_platform("impersonated_request").await.len(), 3);
}

#[tokio::test]
async fn a_try_where_it_is_allowed_no_more_is_told_to_the_platform() {
    let world = world().await;
    let acting = world.as_if(&world.acme.member.clone()).await;
    world.allow(&world.acme, false).await;
    world.desk(&acting, &world.acme).get("/api/access/me").await;
    assert_eq!(world.told_to_platform("impersonated_request").await.len(), 1);
    assert!(requests(&world, &world.acme).await.is_empty());
}

/// What tells of several mandates is told to each of them, whichever the header names.
#[tokio::test]
async fn what_shows_several_mandates_is_told_to_each() {
    let world = world().await;
    let (acme, globex, member) = (&world.acme, &world.globex, world.acme.member.clone());
    let body = json!({ "targetUserId": member.id, "roleIds": [globex.role("user")] });
    world.desk(&globex.admin, globex).post(globex.path("/users"), body).await.expect(201);
    world.allow(globex, true).await;
    let acting = world.as_if(&member).await;
    for path in ["/api/features/my", "/api/auth/me"] {
        world.desk(&acting, acme).get(path).await.expect(200);
    }
    for tenant in [acme, globex] {
        assert_eq!(requests(&world, tenant).await.len(), 2);
    }
    // What is one mandate's is told there alone, let in or refused.
    world.desk(&acting, acme).get("/api/access/me").await.expect(200);
    world.desk(&acting, acme).get(acme.path("/audit")).await.refused(403, "permission_denied");
    let unnamed = world.bare(&acting).get(acme.path("/audit")).await;
    unnamed.refused(400, "mandate_context_missing");
    assert_eq!((requests(&world, acme).await.len(), requests(&world, globex).await.len()), (5, 2));
}

/// Whoever has a token of before cannot make the trail tell of what nobody does.
#[tokio::test]
async fn a_token_that_is_good_no_more_is_told_of_by_nothing() {
    let world = world().await;
    let acting = world.as_if(&world.acme.member.clone()).await;
    let desk = world.desk(&acting, &world.acme);
    desk.delete(IMPERSONATE).await.expect(204);
    let before = requests(&world, &world.acme).await.len();
    desk.get("/api/access/me?odd=1").await.refused(400, "unknown_parameter");
    for path in ["/api/access/me", "/api/features/my", "/api/auth/me"] {
        desk.get(path).await.refused(401, "unauthenticated");
    }
    assert_eq!(requests(&world, &world.acme).await.len(), before);
    assert!(world.told_to_platform("impersonated_request").await.is_empty());
}

/// A path may hold anything: of it ids and numbers are kept.
#[tokio::test]
async fn what_somebody_types_into_a_path_is_kept_in_no_trail() {
    let world = world().await;
    let (acme, member) = (&world.acme, world.acme.member.clone());
    world.admit(acme, member.id, &[acme.instance_role("playbooks-admin")]).await;
    let acting = world.as_if(&member).await;
    let desk = world.desk(&acting, acme);
    let long = "longer-than-any-name-".repeat(70);
    for name in ["a%00b", "bob@acme.example", &*long] {
        let answer = desk.get(format!("/api/playbooks/{name}")).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
    }
    let told = requests(&world, acme).await;
    assert_eq!(told.len(), 3);
    for event in &told {
        let kept = (&event["resourceId"], &event["details"]["path"]);
        assert_eq!(kept, (&json!(null), &json!({})), "{event}");
    }
}

#[tokio::test]
async fn what_the_person_does_themselves_is_told_of_nobody_else() {
    let world = world().await;
    let (acme, member) = (&world.acme, world.acme.member.clone());
    world.as_if(&member).await;
    world.desk(&member, acme).get("/api/access/me").await.expect(200);
    assert!(requests(&world, acme).await.is_empty());
    let own = json!({ "name": "Acme" });
    world.admin().patch(acme.path(""), own).await.expect(200);
    let updated = world.told_to(acme, "mandate_updated").await;
    assert!(updated.iter().all(|event| event["impersonatedBy"].is_null()), "{updated:?}");
}

/// What cannot be told is not shown.
#[tokio::test]
async fn no_answer_leaves_that_no_trail_has() {
    let world = world().await;
    let acting = world.as_if(&world.acme.member.clone()).await;
    let desk = world.desk(&acting, &world.acme);
    desk.get("/api/access/me").await.expect(200);
    world.app.sql.execute("revoke insert on audit_events from bailiwick_system").await.unwrap();
    let answer = desk.get("/api/access/me").await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert!(answer.body.get("tables").is_none(), "{}", answer.body);
    world.app.sql.execute("grant insert on audit_events to bailiwick_system").await.unwrap();
    desk.get("/api/access/me").await.expect(200);
}

/// Whoever hangs up before the answer has asked all the same.
#[tokio::test]
async fn a_request_that_nobody_waited_for_is_told() {
    let world = world().await;
    let (acme, member) = (&world.acme, world.acme.member.clone());
    world.admit(acme, member.id, &[acme.instance_role("playbooks-admin")]).await;
    let acting = world.as_if(&member).await;
    let held = Held::wholly(&world.app, &["playbooks"]).await;
    let desk = world.desk(&acting, acme);
    {
        let mut asking = Box::pin(desk.get("/api/playbooks"));
        tokio::select! {
            answer = &mut asking => panic!("answered {}", answer.status),
            () = held.waited_for_by(1) => {}
        }
    }
    held.release().await;
    let until_told = async {
        loop {
            let told = requests(&world, acme).await;
            if !told.is_empty() {
                break told;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_mins(1), until_told).await.unwrap();
    let details = &told[0]["details"];
    assert_eq!(
        (&details["operation"], &details["status"]),
        (&json!("list_playbooks"), &json!(null))
    );
}

async fn reasons(world: &World) -> i64 {
    world.app.count("select count(*) from audit_reasons").await
}

async fn erase(world: &World, by: &Person, whom: &Person) {
    let path = format!("/api/users/{}?mode=erase", whom.id);
    world.bare(by).delete(path).await.expect(200);
}

/// It may speak of either.
#[tokio::test]
async fn the_reason_goes_with_either_of_them_and_the_events_stay() {
    let world = world().await;
    let acme = &world.acme;
    let erin = world.member_with(acme, "erin", &[acme.role("user")]).await;
    for whom in [&erin, &acme.member.clone()] {
        world.as_if(whom).await;
    }
    assert_eq!(reasons(&world).await, 4, "of two, in the platform's trail and in Acme's");
    erase(&world, &world.sys_admin, &erin).await;
    assert_eq!(reasons(&world).await, 2);
    let id = world.app.account("other-root", true).await;
    let token = world.app.sign_in("other-root").await;
    let other = Person { id, name: "other-root".to_owned(), token };
    erase(&world, &other, &world.sys_admin).await;
    assert_eq!(reasons(&world).await, 0);
    let started = world.told_to(acme, "impersonation_started").await;
    assert_eq!(started.len(), 2);
    assert!(started.iter().all(|event| event["details"] == json!({})), "{started:?}");
}

/// The address is the SysAdmin's: it stays when the person is erased, and goes with them.
#[tokio::test]
async fn the_address_is_that_of_who_acted() {
    let world = world().await;
    let member = world.acme.member.clone();
    let acting = world.as_if(&member).await;
    let call = world.app.get("/api/access/me").bearer(&acting.token).mandate(world.acme.id);
    call.coming_from("203.0.113.9").send().await.expect(200);
    let kept = "select count(*) from audit_addresses where address = '203.0.113.9'";
    assert_eq!(world.app.count(kept).await, 1);
    erase(&world, &world.sys_admin, &member).await;
    assert_eq!(world.app.count(kept).await, 1);
    let id = world.app.account("other-root", true).await;
    let token = world.app.sign_in("other-root").await;
    erase(&world, &Person { id, name: "other-root".to_owned(), token }, &world.sys_admin).await;
    assert_eq!(world.app.count(kept).await, 0);
}
