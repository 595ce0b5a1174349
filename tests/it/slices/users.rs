//! Accounts.

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{denied, everything, pointers, points_at, set, values};
use crate::harness::app::PASSWORD;
use crate::harness::{World, statements};

const PATH: &str = "/api/users";

fn row(id: Uuid) -> String {
    format!("{PATH}/{id}")
}

#[tokio::test]
async fn an_account_is_made_and_can_sign_in() {
    let world = World::new().await;
    let root = world.root();
    let body = json!({
        "username": " Erin ", "password": PASSWORD, "email": "Erin@Example.org",
            "mustChangePassword": false,
            "firstName": " Erin ", "lastName": "Fox", "language": "de",
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
    assert!(
        !user.to_string().contains("argon2")
            && user.get("password").is_none()
            && user.get("passwordHash").is_none()
    );
    assert_eq!(root.get(path.clone()).await.expect(200), user);
    let token = world.app.sign_in("erin").await;
    let seen = world.app.get(path).bearer(&token).send().await.expect(200);
    assert!(seen["lastLoginAt"].is_string(), "{seen}");
    assert_eq!(
        world.app.get("/api/features/my").bearer(&token).send().await.expect(200),
        json!({ "mandates": [] })
    );
}

#[tokio::test]
async fn taken_names_and_addresses_are_refused_and_nothing_else_changes() {
    let world = World::new().await;
    let root = world.root();
    let body = |username: &str, email: &str| {
        json!({
            "username": username, "password": PASSWORD, "email": email,
        })
    };
    let before = everything(&world.app).await;
    for name in ["acme-member", "ACME-Member", "Ａcme-member"] {
        root.post(PATH, body(name, "new@example.com")).await.refused(409, "username_taken");
    }
    for address in ["acme-member@example.com", "Acme-Member@EXAMPLE.com"] {
        root.post(PATH, body("newcomer", address)).await.refused(409, "email_taken");
        root.patch(row(world.acme.admin.id), json!({ "email": address }))
            .await
            .refused(409, "email_taken");
    }
    assert_eq!(everything(&world.app).await, before);
    world.app.sign_in("acme-member").await;
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
            points_at(
                &root.patch(row(world.acme.member.id), json!({ field: wrong })).await,
                &format!("/{field}"),
            );
        }
    }
    points_at(&root.post(PATH, json!({ "username": "fine" })).await, "/password");
    root.post(PATH, json!({ "username": "fine", "password": PASSWORD, "id": Uuid::now_v7() }))
        .await
        .refused(422, "unknown_field");
    root.patch(row(world.acme.member.id), json!({ "username": "other" }))
        .await
        .refused(422, "unknown_field");
    root.patch(row(world.acme.member.id), json!({ "password": PASSWORD }))
        .await
        .refused(422, "unknown_field");
}

#[tokio::test]
async fn passwords_have_a_length_and_are_not_easily_guessed() {
    let world = World::new().await;
    let root = world.root();
    let body = |password: &str| {
        json!({
            "username": "annemarie.huber", "firstName": "Annemarie", "lastName": "Huber",
            "password": password,
        })
    };
    for weak in [
        "elevenchars",
        "password1234",
        "aaaaaaaaaaaaaaaa",
        "annemarie.huber",
        "AnnemarieHuber",
        "qwertyuiop12",
        &"x1Y-".repeat(33),
    ] {
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
async fn all_that_is_wrong_is_told_at_once() {
    let world = World::new().await;
    let body = json!({ "username": "a b", "password": "password1234", "email": "nobody" });
    let wrong: Vec<String> = pointers(&world.root().post(PATH, body).await)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    assert_eq!(wrong, ["/username", "/email", "/password"]);
}

/// Keyboards differ in whether they compose letters, and in the spaces that they make.
#[tokio::test]
async fn a_password_signs_in_however_its_letters_are_written() {
    let world = World::new().await;
    let (composed, decomposed) = (
        "Gr\u{fc}\u{df}e aus Z\u{fc}rich 94",
        "Gru\u{308}\u{df}e\u{a0}aus\u{3000}Zu\u{308}rich 94",
    );
    for (name, set, typed) in [("nadia", composed, decomposed), ("nils", decomposed, composed)] {
        world.root().post(PATH, json!({ "username": name, "password": set })).await.expect(201);
        let sign_in = |password: &str| {
            world
                .app
                .post("/api/auth/login")
                .json(json!({ "username": name, "password": password }))
        };
        sign_in(typed).send().await.expect(200);
        sign_in(set).send().await.expect(200);
        sign_in(&set.replace('\u{df}', "ss")).send().await.refused(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn owners_change_their_names_and_language_and_nothing_else() {
    let world = World::new().await;
    let me = &world.acme.member;
    let desk = world.bare(me);
    let changed = desk
        .patch(row(me.id), json!({ "firstName": "Max", "lastName": "Muster", "language": "de-CH" }))
        .await
        .expect(200);
    let found =
        ["firstName", "lastName", "language", "version"].map(|field| changed[field].clone());
    assert_eq!(found, [json!("Max"), json!("Muster"), json!("de-CH"), json!(2)]);
    assert_eq!(
        desk.patch(row(me.id), json!({ "lastName": null })).await.expect(200)["lastName"],
        Value::Null
    );
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
    desk.post(PATH, json!({ "username": "x1", "password": PASSWORD }))
        .await
        .refused(403, "permission_denied");
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
    let changed = root
        .patch(row(member.id), json!({ "isSysAdmin": true, "email": "new@example.com" }))
        .await
        .expect(200);
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
    root.patch(row(world.sys_admin.id), json!({ "enabled": false }))
        .await
        .refused(409, "last_sys_admin");
    let second = world.app.account("second", true).await;
    root.patch(row(second), json!({ "enabled": false })).await.expect(200);
    root.patch(row(world.sys_admin.id), json!({ "enabled": false }))
        .await
        .refused(409, "last_sys_admin");
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
    let events = world
        .admin()
        .get(acme.path(&format!("/audit?targetId={}", acme.member.id)))
        .await
        .expect(200);
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
    assert_eq!(
        root.walk(&format!("{PATH}?q=GLOBEX"), "username").await,
        set(["globex-admin", "globex-member"])
    );
    root.get(format!("{PATH}?q=a%00")).await.refused(400, "invalid_parameter");
}

#[tokio::test]
async fn the_list_is_read_in_as_many_statements_however_much_it_shows() {
    let world = World::new().await;
    let (root, member) = (world.root(), &world.acme.member);
    let sent = async || {
        let before = statements::sent();
        let shown = root.get(format!("{PATH}?limit=200&count=true")).await.expect(200);
        (statements::sent() - before, shown)
    };
    let (few, shown) = sent().await;
    assert!(few > 1, "the counter counts");
    let before = shown["items"].as_array().unwrap().len();
    let many = "insert into users (id, username, username_key, created_at)
                select gen_random_uuid(), 'user-' || n, 'user-' || n, now()
                  from generate_series(1, 100) n;
                insert into mandates (id, name, name_key, code, code_key, created_at, updated_at)
                select gen_random_uuid(), 'Mandate ' || n, 'mandate ' || n, 'mandate-' || n,
                  'mandate-' || n, now(), now() from generate_series(1, 20) n;
                insert into memberships (id, mandate_id, user_id, created_at)
                select gen_random_uuid(), d.id, u.id, now() from mandates d cross join users u
                  on conflict do nothing;
                insert into roles (id, scope, mandate_id, label, label_key, created_at)
                select gen_random_uuid(), 'mandate', d.id, 'role ' || n, 'role ' || n, now()
                  from mandates d cross join generate_series(1, 3) n;
                insert into member_roles (mandate_id, user_id, role_id)
                select m.mandate_id, m.user_id, r.id from memberships m
                  join roles r on r.mandate_id = m.mandate_id and r.label like 'role %'";
    sqlx::raw_sql(many).execute(&world.app.sql).await.unwrap();
    // That root is in all of these mandates too is told once.
    sent().await;
    let (as_many, shown) = sent().await;
    assert_eq!(as_many, few);
    let items = shown["items"].as_array().unwrap();
    assert_eq!(items.len(), before + 100);
    let own = items.iter().find(|item| item["id"] == json!(member.id)).unwrap()["mandates"]
        .as_array()
        .unwrap();
    assert_eq!(own.len(), 22);
    assert!(own.iter().all(|mandate| mandate["roles"].as_array().unwrap().len() >= 3), "{own:?}");
}

const LOOKUP: &str = "/api/users/lookup";

#[tokio::test]
async fn whoever_may_add_members_finds_an_account_by_its_whole_name_or_address() {
    let world = World::new().await;
    let erin = world.stranger("erin").await;
    let found = json!({ "id": erin.id, "username": "erin" });
    for query in [
        "username=erin",
        "username=%20ERIN",
        "username=%EF%BC%A5rin",
        "email=erin@example.com",
        "email=Erin@EXAMPLE.com",
    ] {
        assert_eq!(
            world.admin().get(format!("{LOOKUP}?{query}")).await.expect(200),
            found,
            "{query}"
        );
    }
    for query in [
        "username=eri",
        "username=erin@example.com",
        "email=erin",
        "username=",
        "email=",
        "email=%25",
        "username=nobody",
    ] {
        world.admin().get(format!("{LOOKUP}?{query}")).await.refused(404, "not_found");
    }
    for query in [
        "",
        "?username=erin&email=erin@example.com",
        "?username=erin&username=erin",
        "?username=e%00rin",
    ] {
        world.admin().get(format!("{LOOKUP}{query}")).await.refused(400, "invalid_parameter");
    }
    world.admin().get(format!("{LOOKUP}?q=erin")).await.refused(400, "unknown_parameter");
}

#[tokio::test]
async fn looking_up_needs_leave_to_add_members_in_the_mandate_of_the_header() {
    let world = World::new().await;
    let (acme, query) = (&world.acme, format!("{LOOKUP}?username=root"));
    let recruits =
        world.role_with(acme, "recruiter", json!({ "members": ["a", "a", "n", "n"] })).await;
    let recruiter = world.member_with(acme, "recruiter", &[recruits]).await;
    let before = world.app.count("select count(*) from audit_events").await;
    denied(&world.desk(&acme.member, acme).get(query.clone()).await, "members", "create", "a");
    world.bare(&acme.admin).get(query.clone()).await.refused(400, "mandate_context_missing");
    world
        .desk(&acme.admin, &world.globex)
        .get(query.clone())
        .await
        .refused(403, "mandate_access_denied");
    // The flag gives nothing here: a SysAdmin has the list of accounts.
    world.root().get(query.clone()).await.refused(400, "mandate_context_missing");
    world
        .desk(&world.sys_admin, acme)
        .get(query.clone())
        .await
        .refused(403, "mandate_access_denied");
    assert_eq!(
        world.app.count("select count(*) from audit_events").await,
        before,
        "what was refused is not told"
    );
    world.desk(&recruiter, acme).get(query).await.expect(200);
}

#[tokio::test]
async fn each_lookup_is_told_whether_it_found_somebody_or_not() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let erin = world.stranger("erin").await;
    admin.get(format!("{LOOKUP}?email=erin@example.com")).await.expect(200);
    admin.get(format!("{LOOKUP}?username=nobody-of-that-name")).await.refused(404, "not_found");
    let told = admin.get(acme.path("/audit?limit=2")).await.expect(200);
    let items = told["items"].as_array().unwrap();
    let actions: Vec<&Value> = items.iter().map(|event| &event["action"]).collect();
    assert_eq!(actions, ["lookup_failed", "user_looked_up"], "{told}");
    for (event, target) in items.iter().zip([Value::Null, json!(erin.id)]) {
        let ids = ["targetUserId", "resourceId", "actorId"].map(|field| event[field].clone());
        assert_eq!(ids, [target.clone(), target, json!(acme.admin.id)]);
        assert_eq!(event["details"], json!({}));
    }
    assert!(
        !told.to_string().contains("nobody-of-that-name") && !told.to_string().contains("erin"),
        "{told}"
    );
    for action in ["user_looked_up", "lookup_failed"] {
        let platform = world.root().get(format!("/api/audit?action={action}")).await.expect(200);
        assert_eq!(platform["items"], json!([]), "it is the mandate's affair");
    }
}
