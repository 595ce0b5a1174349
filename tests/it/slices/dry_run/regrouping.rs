//! Who is in which group changes nobody's level, but whom level `g` reaches. A dry run tells it
//! person by person.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{ask, asking, figures, lines, send};
use crate::harness::World;
use crate::harness::app::uuid;
use crate::harness::world::Person;

/// A new group with these people.
async fn group(world: &World, name: &str, people: &[&Person]) -> String {
    let (acme, admin) = (&world.acme, world.admin());
    let path = acme.path(&format!(
        "/groups/{}",
        admin.post(acme.path("/groups"), json!({ "name": name })).await.id()
    ));
    admin.put(format!("{path}/members"), ids(people)).await.expect(200);
    path
}

fn ids(people: &[&Person]) -> Value {
    json!({ "userIds": people.iter().map(|person| person.id).collect::<Vec<_>>() })
}

/// Whom each would come to reach (`true`), and no longer reach.
fn reach(preview: &Value) -> BTreeSet<(Uuid, bool, Uuid)> {
    let mut told = BTreeSet::new();
    for change in preview["reach"]["changes"].as_array().unwrap() {
        for (list, count, gains) in [("gains", "gained", true), ("loses", "lost", false)] {
            let others = change[list].as_array().unwrap();
            assert_eq!(change[count], others.len(), "{change}");
            told.extend(others.iter().map(|other| (uuid(&change["userId"]), gains, uuid(other))));
        }
    }
    told
}

/// Users, gained, lost.
fn reached(preview: &Value) -> [i64; 3] {
    ["users", "gained", "lost"].map(|name| preview["reach"]["totals"][name].as_i64().unwrap())
}

const GAINS: bool = true;
const LOSES: bool = false;

#[tokio::test]
async fn adding_somebody_tells_their_levels_and_who_reaches_whom_then() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    admin
        .post(acme.path("/groups"), json!({ "name": "newcomers", "autoJoin": true }))
        .await
        .expect(201);
    let nina = app.account("nina", false).await;
    let list = acme.path("/users");
    let adding = |role: &str| Some(json!({ "targetUserId": nina, "roleIds": [acme.role(role)] }));
    let told = ask(app, &admin, Method::POST, &list, adding("user")).await;
    let levels = ["groups.read n>m", "instances.read n>m", "members.read n>g", "roles.read n>m"];
    assert_eq!(
        (lines(&told, acme), figures(&told)),
        (levels.map(str::to_owned).to_vec(), [1, 4, 0, 1])
    );
    // The admin reads all anyway; the other member has `g`, as nina will.
    let expected = [
        (nina, GAINS, acme.admin.id),
        (nina, GAINS, acme.member.id),
        (acme.member.id, GAINS, nina),
    ];
    assert_eq!((reach(&told), reached(&told)), (expected.into(), [2, 3, 0]));
    let viewing = ask(app, &admin, Method::POST, &list, adding("viewer")).await;
    assert_eq!(
        reach(&viewing),
        [(acme.member.id, GAINS, nina)].into(),
        "a viewer reads everybody by `a`"
    );

    admin.post(list, adding("user").unwrap()).await.expect(201);
    let removed =
        ask(app, &admin, Method::DELETE, &acme.path(&format!("/users/{nina}")), None).await;
    let back: BTreeSet<_> =
        reach(&told).into_iter().map(|(user, _, other)| (user, LOSES, other)).collect();
    assert_eq!((reach(&removed), reached(&removed)), (back, [2, 0, 3]));
}

#[tokio::test]
async fn whom_a_dry_run_finds_by_name_is_told_in_the_trail() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let nina = app.account("nina", false).await;
    let list = asking(&acme.path("/users"));
    let adding = |who: &str, what: Value| json!({ who: what, "roleIds": [acme.role("user")] });
    let trail = async || -> Vec<(String, Option<Uuid>)> {
        let events = "select action, target_user_id from audit_events where mandate_id = $1
                        and action like '%look%' order by id";
        sqlx::query_as(events).bind(acme.id).fetch_all(&app.sql).await.unwrap()
    };
    let by_id = admin.post(list.clone(), adding("targetUserId", json!(nina))).await.expect(200);
    assert!(trail().await.is_empty(), "an id cannot be guessed");
    for who in [adding("username", json!("NINA")), adding("email", json!("nina@example.com"))] {
        assert_eq!(admin.post(list.clone(), who).await.expect(200), by_id);
    }
    admin.post(list, adding("username", json!("nobody"))).await.refused(404, "not_found");
    let found = ("user_looked_up".to_owned(), Some(nina));
    assert_eq!(trail().await, [found.clone(), found, ("lookup_failed".to_owned(), None)]);
}

#[tokio::test]
async fn disabling_a_member_tells_their_levels() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let switch = |enabled: bool| Some(json!({ "enabled": enabled }));
    let off = ask(app, &admin, Method::PATCH, &member, switch(false)).await;
    let levels = |arrow: fn(&str) -> String| {
        ["groups.read m", "instances.read m", "members.read g", "roles.read m"].map(arrow).to_vec()
    };
    let to_nothing = levels(|line| format!("{line}>n"));
    assert_eq!((lines(&off, acme), figures(&off)), (to_nothing, [1, 0, 4, 1]));
    assert_eq!(
        figures(&ask(app, &world.root(), Method::PATCH, &member, switch(true)).await),
        [0, 0, 0, 1]
    );
    admin.patch(member.clone(), switch(false).unwrap()).await.expect(200);
    let on = ask(app, &admin, Method::PATCH, &member, switch(true)).await;
    assert_eq!(lines(&on, acme), levels(|line| line.replace(' ', "").replace("read", "read n>")));
    assert_eq!(admin.get(member).await.expect(200)["enabled"], json!(false));
}

#[tokio::test]
async fn a_change_of_a_group_tells_whom_its_people_reach_by_it() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let cleo = world.member_with(acme, "cleo", &[acme.role("user")]).await;
    let dan = world.member_with(acme, "dan", &[acme.role("viewer")]).await;
    let everyone = acme.path(&format!("/groups/{}", acme.everyone));
    let board = group(&world, "board", &[&acme.member, &cleo]).await;
    let members = |group: &str| format!("{group}/members");

    let same =
        ask(app, &admin, Method::PUT, &members(&board), Some(ids(&[&acme.admin, &cleo, &dan])))
            .await;
    let nothing = json!({ "changes": [], "totals": { "users": 0, "gained": 0, "lost": 0 } });
    assert_eq!(same["reach"], nothing, "they are all in `everyone` together");
    assert_eq!((&same["changes"], figures(&same)), (&json!([]), [0, 0, 0, 1]));

    // Dan reads by `a`, and the admin: they are reached, and reach nobody by groups.
    let emptied =
        ask(app, &admin, Method::PUT, &members(&everyone), Some(json!({ "userIds": [] }))).await;
    let (member, cleo_id) = (acme.member.id, cleo.id);
    let lost = |user: Uuid| [(user, LOSES, acme.admin.id), (user, LOSES, dan.id)];
    assert_eq!(
        (reach(&emptied), reached(&emptied)),
        ([lost(member), lost(cleo_id)].concat().into_iter().collect(), [2, 0, 4])
    );
    let deleted = ask(app, &admin, Method::DELETE, &everyone, None).await;
    assert_eq!(deleted, emptied);
    assert_eq!(admin.get(everyone.clone()).await.expect(200)["memberCount"], json!(4));

    admin.delete(everyone).await.expect(204);
    let widened =
        ask(app, &admin, Method::PUT, &members(&board), Some(ids(&[&acme.member, &cleo, &dan])))
            .await;
    assert_eq!(reach(&widened), [(member, GAINS, dan.id), (cleo_id, GAINS, dan.id)].into());
    let replaced =
        ask(app, &admin, Method::PUT, &members(&board), Some(ids(&[&acme.member, &dan]))).await;
    let expected = [(member, GAINS, dan.id), (member, LOSES, cleo_id), (cleo_id, LOSES, member)];
    assert_eq!((reach(&replaced), reached(&replaced)), (expected.into(), [2, 1, 2]));
}

/// Whom a group takes in by itself concerns those who come later.
#[tokio::test]
async fn auto_join_changes_nobodys_reach() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let everyone = acme.path(&format!("/groups/{}", acme.everyone));
    let before = admin.get(everyone.clone()).await.expect(200);
    for body in [json!({ "autoJoin": false }), json!({ "name": "all of us" }), json!({})] {
        let told = ask(app, &admin, Method::PATCH, &everyone, Some(body)).await;
        let nothing = json!({ "users": 0, "gained": 0, "lost": 0 });
        assert_eq!(
            told,
            json!({
                "changes": [], "totals": nothing, "adminsLeft": 1,
                "reach": { "changes": [], "totals": nothing },
            })
        );
    }
    assert_eq!(admin.get(everyone).await.expect(200), before);
}

/// A delegate who reads few learns how many it concerns, and not whom.
#[tokio::test]
async fn only_people_whom_the_caller_reads_are_named() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    let far = world.member_with(acme, "far", &[acme.role("user")]).await;
    let keeps = json!({ "groups": ["a", "n", "a", "a"], "members": ["g", "n", "n", "n"],
        "instances": ["m", "n", "n", "n"],
                        "roles": ["m", "n", "n", "n"] });
    let keeper = world.role_with(acme, "keeper", keeps).await;
    let kim = world.member_with(acme, "kim", &[keeper]).await;
    let pair = group(&world, "pair", &[&far, &acme.member]).await;
    group(&world, "own", &[&kim, &acme.member]).await;
    world.admin().delete(acme.path(&format!("/groups/{}", acme.everyone))).await.expect(204);
    let told = ask(app, &world.desk(&kim, acme), Method::DELETE, &pair, None).await;
    assert_eq!(reached(&told), [2, 0, 2]);
    let expected =
        json!([{ "userId": acme.member.id, "gains": [], "loses": [], "gained": 0, "lost": 1 }]);
    assert_eq!(told["reach"]["changes"], expected, "the other is a stranger to kim");
}

#[tokio::test]
async fn a_group_of_ten_thousand_is_counted_whole_and_listed_in_part() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let statements = format!(
        "insert into users (id, username, username_key, created_at) select gen_random_uuid(),
           'many-' || n, 'many-' || n, now() from generate_series(1, 9998) n;
         insert into memberships (id, mandate_id, user_id, created_at) select gen_random_uuid(),
           '{0}', id, now() from users where username like 'many-%';
         insert into member_roles (mandate_id, user_id, role_id) select '{0}', id, '{1}' from users
           where username like 'many-%';
         insert into group_members (mandate_id, group_id, user_id) select '{0}', '{2}', id
           from users where username like 'many-%';",
        acme.id,
        acme.role("user"),
        acme.everyone
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&app.sql).await.unwrap();
    let everyone = acme.path(&format!("/groups/{}", acme.everyone));
    let told = send(&admin, &Method::DELETE, &asking(&everyone), None).await.expect(200);
    // All but the admin have `g`.
    assert_eq!(reached(&told), [9_999, 0, 9_999 * 9_999]);
    let changes = told["reach"]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 100);
    for change in changes {
        assert_eq!(
            (&change["lost"], change["loses"].as_array().unwrap().len()),
            (&json!(9_999), 100)
        );
    }
    let first = "select array(select user_id from group_members where group_id = $1
                     and user_id <> $2 order by user_id limit 100)";
    let first: Vec<Uuid> = sqlx::query_scalar(first)
        .bind(acme.everyone)
        .bind(acme.admin.id)
        .fetch_one(&app.sql)
        .await
        .unwrap();
    assert_eq!(changes.iter().map(|change| uuid(&change["userId"])).collect::<Vec<_>>(), first);
}
