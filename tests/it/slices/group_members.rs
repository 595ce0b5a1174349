//! One member of a group: put in and taken out, whoever else is there.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{denied, set};
use super::sharing::Stage;
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::held::Held;

/// A new group of Acme, with these in it.
async fn group(world: &World, members: &[Uuid]) -> String {
    let (acme, admin) = (&world.acme, world.admin());
    let group = admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id();
    let path = acme.path(&format!("/groups/{group}"));
    admin.put(format!("{path}/members"), json!({ "userIds": members })).await.expect(200);
    path
}

fn place(group: &str, user: Uuid) -> String {
    format!("{group}/members/{user}")
}

/// What the trail tells of who came into the group and left it.
async fn told(world: &World, group: &str) -> Vec<Value> {
    let id = group.rsplit('/').next().unwrap();
    let of_members = format!("/audit?targetId={id}&action=group_members_changed&sort=at");
    let trail = world.admin().get(world.acme.path(&of_members)).await.expect(200);
    trail["items"].as_array().unwrap().iter().map(|event| event["details"].clone()).collect()
}

async fn version(world: &World, group: &str) -> Value {
    world.admin().get(group).await.expect(200)["version"].clone()
}

#[tokio::test]
async fn putting_in_and_taking_out_is_done_and_told_once() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = group(&world, &[acme.admin.id]).await;
    let (members, bert) = (format!("{group}/members"), place(&group, acme.member.id));
    for _ in 0..2 {
        admin.put(bert.clone(), json!({})).await.expect(204);
        assert_eq!(admin.walk(&members, "userId").await, set([acme.member.id, acme.admin.id]));
        assert_eq!(version(&world, &group).await, 3);
    }
    for _ in 0..2 {
        admin.delete(bert.clone()).await.expect(204);
        assert_eq!(admin.walk(&members, "userId").await, set([acme.admin.id]));
        assert_eq!(version(&world, &group).await, 4);
    }
    let one = json!([acme.member.id]);
    assert_eq!(
        told(&world, &group).await[1..],
        [
            json!({ "added": one, "addedCount": 1, "removed": [], "removedCount": 0 }),
            json!({ "added": [], "addedCount": 0, "removed": one, "removedCount": 1 }),
        ]
    );
}

#[tokio::test]
async fn a_change_may_be_bound_to_the_groups_version() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = group(&world, &[acme.admin.id]).await;
    let bert = place(&group, acme.member.id);
    let tag = admin.get(group.clone()).await.header("etag").to_owned();
    let bound = async |method: Method, tag: &str| -> Answer {
        admin.ask(method, bert.clone()).header("if-match", tag).send().await
    };
    bound(Method::PUT, "\"9\"").await.refused(412, "precondition_failed");
    bound(Method::PUT, &tag).await.expect(204);
    bound(Method::PUT, &tag).await.refused(412, "precondition_failed");
    bound(Method::DELETE, &tag).await.refused(412, "precondition_failed");
    bound(Method::DELETE, "\"3\"").await.expect(204);
}

#[tokio::test]
async fn only_members_of_the_mandate_are_there_to_be_put_in_or_taken_out() {
    let world = World::new().await;
    let (acme, globex, admin) = (&world.acme, &world.globex, world.admin());
    let group = group(&world, &[acme.admin.id, acme.member.id]).await;
    let before = admin.get(group.clone()).await.expect(200);
    let elsewhere = acme.path(&format!("/groups/{}", globex.everyone));
    let nowhere = acme.path(&format!("/groups/{}", Uuid::now_v7()));
    for path in [
        place(&group, Uuid::now_v7()),
        place(&group, globex.member.id),
        place(&group, world.stranger("nina").await.id),
        place(&elsewhere, acme.member.id),
        place(&nowhere, acme.member.id),
    ] {
        admin.put(path.clone(), json!({})).await.refused(404, "not_found");
        admin.delete(path).await.refused(404, "not_found");
    }
    assert_eq!(admin.get(group.clone()).await.expect(200), before);
    admin.delete(acme.path(&format!("/users/{}", acme.member.id))).await.expect(204);
    admin.delete(place(&group, acme.member.id)).await.refused(404, "not_found");
    assert_eq!(
        admin.walk(&format!("{group}/members"), "userId").await,
        set([acme.admin.id]),
        "who leaves the mandate leaves its groups"
    );
}

#[tokio::test]
async fn it_takes_the_right_to_change_the_group() {
    let world = World::new().await;
    let acme = &world.acme;
    let group = group(&world, &[acme.member.id]).await;
    let reader = world.role_with(acme, "reader", json!({ "groups": ["a", "n", "m", "n"] })).await;
    let rita = world.member_with(acme, "rita", &[reader]).await;
    for method in [Method::PUT, Method::DELETE] {
        let call = async |desk: super::kit::Desk<'_>| -> Answer {
            desk.ask(method.clone(), place(&group, acme.member.id)).send().await
        };
        call(world.desk(&acme.member, acme)).await.refused(403, "permission_denied");
        denied(&call(world.desk(&rita, acme)).await, "groups", "update", "g");
        // Whom groups bring together is not for SysAdmins to say.
        call(world.root()).await.refused(400, "mandate_context_missing");
        call(world.desk(&world.sys_admin, acme)).await.refused(403, "mandate_access_denied");
        call(world.desk(&world.globex.admin, &world.globex))
            .await
            .refused(403, "mandate_access_denied");
    }
    assert_eq!(version(&world, &group).await, 2);
}

#[tokio::test]
async fn a_delegate_puts_themselves_into_no_group_and_an_admin_does() {
    for level in ["g", "m", "a"] {
        let stage = Stage::set(level).await;
        let (acme, me) = (&stage.world.acme, stage.delegate.id);
        let of = |group: Uuid| acme.path(&format!("/groups/{group}"));
        let refused = stage.desk().put(place(&of(stage.empty), me), json!({})).await;
        refused.refused(403, "self_escalation");
        stage.desk().put(place(&of(stage.own), me), json!({})).await.expect(204);
        assert_eq!(version(&stage.world, &of(stage.own)).await, 2, "they were there already");
        stage.desk().delete(place(&of(stage.own), me)).await.expect(204);
        let back = stage.desk().put(place(&of(stage.own), me), json!({})).await;
        back.refused(403, "self_escalation");
        let admin = stage.world.admin();
        admin.put(place(&of(stage.empty), acme.admin.id), json!({})).await.expect(204);
    }
}

#[tokio::test]
async fn a_delegate_puts_nobody_into_their_own_group_while_a_level_of_theirs_is_g() {
    for (level, status) in [("g", 403), ("m", 204), ("a", 204)] {
        let stage = Stage::set(level).await;
        let own = stage.world.acme.path(&format!("/groups/{}", stage.own));
        let answer = stage.desk().put(place(&own, stage.victim.id), json!({})).await;
        assert_eq!(answer.status.as_u16(), status, "{level}: {}", answer.body);
        if status == 403 {
            answer.refused(403, "self_escalation");
            assert_eq!(version(&stage.world, &own).await, 2);
        }
    }
}

#[tokio::test]
async fn a_delegate_moves_nobody_whose_access_is_not_within_theirs() {
    let stage = Stage::set("m").await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    stage.give(stage.victim.id, "mighty", json!({ "audit": ["a", "n", "n", "n"] })).await;
    let empty = acme.path(&format!("/groups/{}", stage.empty));
    let vera = place(&empty, stage.victim.id);
    let desk = stage.desk();
    desk.put(vera.clone(), json!({})).await.refused(403, "target_exceeds_own_access");
    // Who is not there is not taken out: nothing is done to them.
    desk.delete(vera.clone()).await.expect(204);
    world.admin().put(vera.clone(), json!({})).await.expect(204);
    desk.delete(vera.clone()).await.refused(403, "target_exceeds_own_access");
    desk.put(vera, json!({})).await.expect(204);
    assert_eq!(told(world, &empty).await.len(), 1);
}

#[tokio::test]
async fn a_delegate_brings_nobody_near_rows_that_are_closed_to_themselves() {
    for (level, status) in [("g", 403), ("a", 204)] {
        let stage = Stage::set(level).await;
        let (world, acme) = (&stage.world, &stage.world.acme);
        world.admit(acme, stage.victim.id, &[super::sharing::near_reader(world).await]).await;
        let nothing = world.role_with(acme, "nothing", json!({})).await;
        let friend = world.member_with(acme, "finn", &[nothing]).await;
        let empty = acme.path(&format!("/groups/{}", stage.empty));
        world.admin().put(place(&empty, stage.victim.id), json!({})).await.expect(204);
        let answer = stage.desk().put(place(&empty, friend.id), json!({})).await;
        assert_eq!(answer.status.as_u16(), status, "{level}: {}", answer.body);
        if status == 403 {
            answer.refused(403, "grant_exceeds_own_access");
        }
    }
}

#[tokio::test]
async fn a_dry_run_tells_who_would_reach_whom_and_does_nothing() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    admin.delete(acme.path(&format!("/groups/{}", acme.everyone))).await.expect(204);
    let group = group(&world, &[acme.admin.id]).await;
    let bert = place(&group, acme.member.id);
    let ask = async |method: Method| -> Value {
        let path = format!("{bert}?dryRun=true");
        admin.ask(method, path).send().await.expect(200)["reach"]["totals"].clone()
    };
    let nothing = json!({ "users": 0, "gained": 0, "lost": 0 });
    assert_eq!(ask(Method::DELETE).await, nothing);
    // Bert reads members at `g`, and would come to reach the admin.
    assert_eq!(ask(Method::PUT).await, json!({ "users": 1, "gained": 1, "lost": 0 }));
    assert_eq!(version(&world, &group).await, 2);
    admin.put(bert.clone(), json!({})).await.expect(204);
    assert_eq!(ask(Method::PUT).await, nothing);
    assert_eq!(ask(Method::DELETE).await, json!({ "users": 1, "gained": 0, "lost": 1 }));
    assert_eq!(told(&world, &group).await.len(), 2);
}

/// Both at once, from where the mandate's lock lets go of them.
async fn at_once(
    world: &World,
    first: impl Future<Output = Answer>,
    second: impl Future<Output = Answer>,
) -> [u16; 2] {
    let held = Held::mandate(&world.app, world.acme.id).await;
    let both_come = async {
        held.waited_for_by(2).await;
        held.release().await;
    };
    let (first, second, ()) = tokio::join!(first, second, both_come);
    [first.status.as_u16(), second.status.as_u16()]
}

#[tokio::test]
async fn of_several_changes_at_once_none_is_lost_and_none_is_told_twice() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = group(&world, &[acme.admin.id]).await;
    let (anna, bert) = (place(&group, acme.admin.id), place(&group, acme.member.id));
    let members = format!("{group}/members");

    let swapped =
        at_once(&world, admin.put(bert.clone(), json!({})), admin.delete(anna.clone())).await;
    assert_eq!(swapped, [204, 204]);
    assert_eq!(admin.walk(&members, "userId").await, set([acme.member.id]));
    assert_eq!(told(&world, &group).await.len(), 3);

    let twice =
        at_once(&world, admin.put(anna.clone(), json!({})), admin.put(anna, json!({}))).await;
    assert_eq!(twice, [204, 204]);
    assert_eq!(version(&world, &group).await, 5);
    assert_eq!(told(&world, &group).await.len(), 4);
}

#[tokio::test]
async fn whoever_leaves_the_mandate_meanwhile_is_in_no_group_of_it() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let group = group(&world, &[]).await;
    let leaves = admin.delete(acme.path(&format!("/users/{}", acme.member.id)));
    let joins = admin.put(place(&group, acme.member.id), json!({}));
    let [left, joined] = at_once(&world, leaves, joins).await;
    assert_eq!(left, 204);
    assert!([204, 404].contains(&joined), "{joined}");
    assert_eq!(admin.walk(&format!("{group}/members"), "userId").await, set::<Uuid>([]));
    assert_eq!(told(&world, &group).await.len(), usize::from(joined == 204));
}
