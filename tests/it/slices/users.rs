//! Accounts.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{pointers, points_at, set, values};
use crate::harness::World;
use crate::harness::app::PASSWORD;

const PATH: &str = "/api/users";

fn row(id: Uuid) -> String {
    format!("{PATH}/{id}")
}

#[tokio::test]
async fn an_account_is_made_and_can_sign_in() {
    let world = World::new().await;
    let root = world.root();
    let body = json!({
        "username": " Erin ", "password": PASSWORD, "email": "Erin@Example.org", "firstName": " Erin ", "lastName": "Fox", "language": "de",
    });
    let made = root.post(PATH, body).await;
    let path = made.header("location").to_owned();
    let user = made.expect(201);
    let found = [
        "username",
        "email",
        "firstName",
        "lastName",
        "language",
        "enabled",
        "isSysAdmin",
        "emailVerified",
        "mfaEnabled",
        "lastLoginAt",
        "version",
    ];
    let expected = [
        json!("erin"),
        json!("Erin@Example.org"),
        json!("Erin"),
        json!("Fox"),
        json!("de"),
        json!(true),
        json!(false),
        json!(false),
        json!(false),
        Value::Null,
        json!(1),
    ];
    assert_eq!(found.map(|field| user[field].clone()), expected);
    assert!(!user.to_string().contains("argon2") && user.get("password").is_none() && user.get("passwordHash").is_none());
    assert_eq!(root.get(path.clone()).await.expect(200), user);
    let token = world.app.sign_in("erin").await;
    let seen = world.app.get(path).bearer(&token).send().await.expect(200);
    assert!(seen["lastLoginAt"].is_string(), "{seen}");
    assert_eq!(world.app.get("/api/features/my").bearer(&token).send().await.expect(200), json!({ "mandates": [] }));
}

#[tokio::test]
async fn taken_names_and_addresses_are_refused_and_nothing_else_changes() {
    let world = World::new().await;
    let root = world.root();
    let body = |username: &str, email: &str| json!({ "username": username, "password": PASSWORD, "email": email });
    let before = root.get(format!("{PATH}?count=true")).await.expect(200)["total"].clone();
    for name in ["acme-member", "ACME-Member", "Ａcme-member"] {
        root.post(PATH, body(name, "new@example.com")).await.refused(409, "username_taken");
    }
    for address in ["acme-member@example.com", "Acme-Member@EXAMPLE.com"] {
        root.post(PATH, body("newcomer", address)).await.refused(409, "email_taken");
        root.patch(row(world.acme.admin.id), json!({ "email": address })).await.refused(409, "email_taken");
    }
    assert_eq!(root.get(format!("{PATH}?count=true")).await.expect(200)["total"], before);
}

#[tokio::test]
async fn a_body_is_refused_with_pointers() {
    let world = World::new().await;
    let root = world.root();
    for (field, wrong) in [
        ("username", json!("a")),
        ("username", json!("a b")),
        ("username", json!("x".repeat(65))),
        ("email", json!("nobody")),
        ("firstName", json!("  ")),
        ("language", json!("english!")),
        ("password", json!("short")),
        ("isSysAdmin", json!("yes")),
    ] {
        let mut body = json!({ "username": "fine", "password": PASSWORD });
        body[field] = wrong.clone();
        points_at(&root.post(PATH, body).await, &format!("/{field}"));
        if !["username", "password"].contains(&field) {
            points_at(&root.patch(row(world.acme.member.id), json!({ field: wrong })).await, &format!("/{field}"));
        }
    }
    points_at(&root.post(PATH, json!({ "username": "fine" })).await, "/password");
    root.post(PATH, json!({ "username": "fine", "password": PASSWORD, "id": Uuid::now_v7() })).await.refused(422, "unknown_field");
    root.patch(row(world.acme.member.id), json!({ "username": "other" })).await.refused(422, "unknown_field");
    root.patch(row(world.acme.member.id), json!({ "password": PASSWORD })).await.refused(422, "unknown_field");
}

#[tokio::test]
async fn passwords_have_a_length_and_are_not_easily_guessed() {
    let world = World::new().await;
    let root = world.root();
    let body =
        |password: &str| json!({ "username": "annemarie.huber", "firstName": "Annemarie", "lastName": "Huber", "password": password });
    for weak in ["elevenchars", "password1234", "aaaaaaaaaaaaaaaa", "annemarie.huber", "AnnemarieHuber", "qwertyuiop12", &"x1Y-".repeat(33)]
    {
        let answer = root.post(PATH, body(weak)).await;
        assert_eq!(pointers(&answer)[0].0, "/password", "{weak}");
        let error = &answer.body["errors"][0];
        let reasons = answer.body["reasons"].as_array().or_else(|| error["reasons"].as_array());
        assert!(reasons.is_some_and(|reasons| !reasons.is_empty()), "says why: {}", answer.body);
        assert!(!answer.body.to_string().contains(&format!("\"{weak}\"")));
    }
    root.post(PATH, body("trumpet-Glacier-58")).await.expect(201);
}

#[tokio::test]
async fn owners_change_their_names_and_language_and_nothing_else() {
    let world = World::new().await;
    let me = &world.acme.member;
    let desk = world.bare(me);
    let changed = desk.patch(row(me.id), json!({ "firstName": "Max", "lastName": "Muster", "language": "de-CH" })).await.expect(200);
    let found = ["firstName", "lastName", "language", "version"].map(|field| changed[field].clone());
    assert_eq!(found, [json!("Max"), json!("Muster"), json!("de-CH"), json!(2)]);
    assert_eq!(desk.patch(row(me.id), json!({ "lastName": null })).await.expect(200)["lastName"], Value::Null);
    for body in [
        json!({ "email": "new@example.com" }),
        json!({ "enabled": false }),
        json!({ "isSysAdmin": true }),
        json!({ "firstName": "x", "isSysAdmin": false }),
    ] {
        desk.patch(row(me.id), body).await.refused(403, "permission_denied");
    }
    assert_eq!(desk.get(row(me.id)).await.expect(200)["firstName"], json!("Max"));
    // Of others they learn nothing, whether they exist or not.
    for other in [world.acme.admin.id, world.sys_admin.id, Uuid::now_v7()] {
        desk.get(row(other)).await.refused(403, "permission_denied");
        desk.patch(row(other), json!({ "firstName": "x" })).await.refused(403, "permission_denied");
    }
    desk.get(PATH).await.refused(403, "permission_denied");
    desk.post(PATH, json!({ "username": "x1", "password": PASSWORD })).await.refused(403, "permission_denied");
}

#[tokio::test]
async fn sys_admins_change_others_but_not_their_own_flag() {
    let world = World::new().await;
    let root = world.root();
    for flag in [true, false] {
        let own = root.patch(row(world.sys_admin.id), json!({ "isSysAdmin": flag })).await;
        assert_eq!(own.status.as_u16(), 403, "{}", own.body);
    }
    let member = &world.acme.member;
    let changed = root.patch(row(member.id), json!({ "isSysAdmin": true, "email": "new@example.com" })).await.expect(200);
    assert_eq!(
        (&changed["isSysAdmin"], &changed["emailVerified"]),
        (&json!(true), &json!(false)),
        "an address set by others is unverified"
    );
    // The session goes on, with the flag as it is now.
    world.bare(member).get(PATH).await.expect(200);
    root.patch(row(member.id), json!({ "isSysAdmin": false })).await.expect(200);
    world.bare(member).get(PATH).await.refused(403, "permission_denied");
    world.bare(member).get(row(member.id)).await.expect(200);
    root.get(row(Uuid::now_v7())).await.refused(404, "not_found");
    root.patch(row(Uuid::now_v7()), json!({ "firstName": "x" })).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_platform_keeps_an_active_sys_admin() {
    let world = World::new().await;
    let root = world.root();
    root.patch(row(world.sys_admin.id), json!({ "enabled": false })).await.refused(409, "last_sys_admin");
    let second = world.app.account("second", true).await;
    root.patch(row(second), json!({ "enabled": false })).await.expect(200);
    root.patch(row(world.sys_admin.id), json!({ "enabled": false })).await.refused(409, "last_sys_admin");
    root.patch(row(second), json!({ "enabled": true })).await.expect(200);
    root.patch(row(world.sys_admin.id), json!({ "enabled": false })).await.expect(200);
    root.get(PATH).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_disabled_account_is_signed_out_and_its_roles_count_nowhere() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    root.patch(row(acme.member.id), json!({ "enabled": false })).await.expect(200);
    world.desk(&acme.member, acme).get(acme.path("/users")).await.refused(401, "unauthenticated");
    let events = world.admin().get(acme.path(&format!("/audit?targetId={}", acme.member.id))).await.expect(200);
    assert_eq!(events["items"][0]["action"], json!("user_updated"), "the mandate learns of it");
    root.patch(row(acme.member.id), json!({ "enabled": true })).await.expect(200);
    let token = world.app.sign_in("acme-member").await;
    world.app.get(acme.path("/users")).bearer(&token).mandate(acme.id).send().await.expect(200);
}

#[tokio::test]
async fn the_list_shows_mandates_and_roles_and_is_filtered() {
    let world = World::new().await;
    let (acme, root) = (&world.acme, world.root());
    let listed = root.get(format!("{PATH}?q=acme-member")).await.expect(200);
    assert_eq!(values(&listed, "username"), ["acme-member"]);
    let mandates = listed["items"][0]["mandates"].as_array().unwrap();
    assert_eq!((mandates.len(), &mandates[0]["id"]), (1, &json!(acme.id)));
    assert!(mandates[0]["roles"].to_string().contains("user"), "{listed}");
    assert_eq!(root.walk(&format!("{PATH}?isSysAdmin=true"), "username").await, set(["root"]));
    root.patch(row(acme.member.id), json!({ "enabled": false })).await.expect(200);
    assert_eq!(root.walk(&format!("{PATH}?enabled=false"), "username").await, set(["acme-member"]));
    assert_eq!(root.walk(&format!("{PATH}?q=GLOBEX"), "username").await, set(["globex-admin", "globex-member"]));
}
