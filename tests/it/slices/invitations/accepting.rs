//! Accepting an invitation, with an account and without.

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::json;

use super::{ACCEPT, Post, user_of};
use crate::harness::app::PASSWORD;
use crate::slices::registration::{CHOSEN, sign_in};

#[tokio::test]
async fn who_has_no_account_makes_one_with_the_token_wherever_nobody_registers() {
    let post = Post::with(&[("BAILIWICK_REGISTRATION", "off")]).await;
    let (id, token) = post.invited("Erin@Acme.Example").await;
    let answer = post.register("Erin", &token).await;
    let location = answer.header("location").to_owned();
    let made = answer.expect(201);
    let user = user_of(&made);
    assert_eq!(made, json!({ "mandateId": post.acme().id, "userId": user }));
    assert_eq!(location, format!("/api/users/{user}"));
    let me = sign_in(&post.world.app, "erin@acme.example", CHOSEN).await.expect(200);
    let me = post.world.app.get("/api/auth/me").bearer(me["accessToken"].as_str().unwrap());
    let me = me.send().await.expect(200);
    assert_eq!((&me["username"], &me["emailVerified"]), (&json!("erin"), &json!(true)));
    let mandate = &me["mandates"][0];
    assert_eq!((&mandate["code"], &mandate["roles"]), (&json!("acme"), &json!(["user"])));
    let told = post.told(id).await;
    assert_eq!((&told["status"], &told["acceptedBy"]), (&json!("accepted"), &json!(user)));
    // In both trails as their own deed, and in the mandate's in whose name.
    for (of_acme, action) in [(false, "user_registered"), (true, "user_added_to_mandate")] {
        let events = post.events(of_acme, action).await;
        let event = events.iter().find(|event| event["targetUserId"] == json!(user)).unwrap();
        assert_eq!(event["actorId"], json!(user), "{event}");
        if of_acme {
            let whose = (&event["details"]["invitationId"], &event["details"]["invitedBy"]);
            assert_eq!(whose, (&json!(id), &json!(post.acme().admin.id)));
        }
    }
    post.register("other", &token).await.refused(410, "token_gone");
    assert_eq!(post.world.app.count("select count(*) from mailed_tokens").await, 0);
}

#[tokio::test]
async fn who_has_an_account_signs_in_and_accepts() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let (_, token) = post.invited("ERIN@example.com").await;
    // Without anybody who is signed in, and with a session that is none.
    let body = json!({ "token": token });
    let nobody = post.world.app.post(ACCEPT).json(body.clone()).send().await;
    nobody.refused(401, "unauthenticated");
    let unknown = post.world.app.post(ACCEPT).json(json!({ "token": "bwm_unknown" })).send().await;
    unknown.refused(410, "token_gone");
    let stale = post.world.app.post(ACCEPT).bearer("nonsense").json(body).send().await;
    stale.refused(401, "unauthenticated");
    post.register("erin2", &token).await.refused(409, "account_exists");
    let joined = post.accept(&erin, &token).await.expect(200);
    assert_eq!(joined, json!({ "mandateId": post.acme().id, "userId": erin.id }));
    post.accept(&erin, &token).await.refused(410, "token_gone");
}

/// The token was sent there.
#[tokio::test]
async fn accepting_confirms_the_address() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let root = post.world.root();
    let path = format!("/api/users/{}", erin.id);
    root.patch(&*path, json!({ "email": "erin@acme.example" })).await.expect(200);
    assert_eq!(post.mailbox.mails().await.len(), 1, "the earlier address is told");
    let (_, token) = post.invited("erin@acme.example").await;
    post.accept(&erin, &token).await.expect(200);
    let user = root.get(&*path).await.expect(200);
    assert_eq!(user["emailVerified"], true);
    let events = "select count(*) from audit_events where action = 'user_updated'
                    and actor_id = target_user_id and mandate_id is null";
    assert_eq!(post.world.app.count(events).await, 1);
}

#[tokio::test]
async fn a_member_is_never_changed_by_an_invitation() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let (id, token) = post.invited("erin@example.com").await;
    let viewer = json!({ "targetUserId": erin.id, "roleIds": [post.acme().role("viewer")] });
    post.admin().post(post.acme().path("/users"), viewer).await.expect(201);
    post.accept(&erin, &token).await.refused(409, "already_member");
    let told = post.told(id).await;
    assert_eq!((&told["status"], &told["refusal"]), (&json!("pending"), &json!(null)));
    let path = post.acme().path(&format!("/users/{}", erin.id));
    let member = post.admin().get(&*path).await.expect(200);
    assert_eq!(member["roleIds"], json!([post.acme().role("viewer")]));
    // Removed, they come back by nothing that they were sent before, but can be invited anew.
    post.admin().delete(&*path).await.expect(204);
    post.accept(&erin, &token).await.refused(410, "token_gone");
    assert_eq!(post.told(id).await["status"], "revoked");
    let (_, token) = post.invited("erin@example.com").await;
    post.accept(&erin, &token).await.expect(200);
}

/// Who leaves does not come back higher than they left.
#[tokio::test]
async fn whoever_leaves_comes_back_by_no_earlier_invitation() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let admin = json!({ "email": "erin@example.com", "roleIds": [post.acme().role("admin")] });
    post.admin().post(post.path(""), admin).await.expect(201);
    let token = post.mailbox.token().await;
    let user = json!({ "targetUserId": erin.id, "roleIds": [post.acme().role("user")] });
    post.admin().post(post.acme().path("/users"), user).await.expect(201);
    let own = post.acme().path(&format!("/users/{}", erin.id));
    post.world.desk(&erin, post.acme()).delete(own).await.expect(204);
    post.accept(&erin, &token).await.refused(410, "token_gone");
}

#[tokio::test]
async fn it_admits_to_instances_too() {
    let post = Post::new().await;
    let acme = post.acme();
    let erin = post.world.stranger("erin").await;
    let role = acme.instance_role("playbooks-viewer");
    let instances = json!([{ "instanceId": acme.instance, "roleIds": [role] }]);
    let body = json!({
        "email": "erin@example.com", "roleIds": [acme.role("user")], "instances": instances,
    });
    let made = post.admin().post(post.path(""), body).await.expect(201);
    assert_eq!(made["instances"], instances);
    let token = post.mailbox.token().await;
    post.accept(&erin, &token).await.expect(200);
    let listed = post.admin().get(acme.instance_path("/users")).await.expect(200);
    let access = &listed["items"][0];
    let due = (json!(erin.id), json!([role]), json!(true));
    assert_eq!(
        (&access["userId"], &access["roleIds"], &access["enabled"]),
        (&due.0, &due.1, &due.2)
    );
    let desk = post.world.desk(&erin, acme).in_instance(acme.instance);
    desk.get("/api/playbooks").await.expect(200);
}

#[tokio::test]
async fn what_registers_is_checked_as_everywhere() {
    let post = Post::new().await;
    let (_, token) = post.invited("erin@acme.example").await;
    let send = |username: &str, password: &str| {
        let register = json!({ "username": username, "password": password });
        let body = json!({ "token": token, "register": register });
        post.world.app.post(ACCEPT).json(body).send()
    };
    let refused = send("no name", "short").await.expect(422);
    let pointers = [&refused["errors"][0]["pointer"], &refused["errors"][1]["pointer"]];
    assert_eq!(pointers, ["/register/username", "/register/password"]);
    let refused = send("erin", "short").await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/register/password");
    send("acme-member", CHOSEN).await.refused(409, "username_taken");
    send("erin", PASSWORD).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_accept_at_once_one_does() {
    let post = Post::with(&[("BAILIWICK_PASSWORD_QUEUE", "100")]).await;
    let (_, token) = post.invited("erin@acme.example").await;
    let before = post.members().await;
    let names = ["erin", "erin-2", "erin-3", "erin-4"];
    let answers = join_all(names.map(|name| post.register(name, &token))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, post.members().await), (1, before + 1), "{answers:?}");
    let accounts = "select count(*) from users where email_key = 'erin@acme.example'";
    assert_eq!(post.world.app.count(accounts).await, 1);
}

#[tokio::test]
async fn its_time_ends() {
    let post = Post::new().await;
    let (_, token) = post.invited("erin@acme.example").await;
    post.world.app.clock.advance(Duration::hours(72));
    post.register("erin", &token).await.refused(410, "token_gone");
}
