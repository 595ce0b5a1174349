//! Nobody gives by an invitation what they could not give by hand, when it is sent or when it is
//! accepted.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Post;
use crate::harness::world::{Person, rules};

/// Somebody who may invite, and read members.
async fn inviter(post: &Post) -> Person {
    let tables = json!({ "members": ["a", "a", "n", "n"], "groups": ["m", "n", "n", "n"],
                         "roles": ["m", "n", "n", "n"], "instances": ["m", "n", "n", "n"] });
    let role = post.world.role_with(post.acme(), "inviter", tables).await;
    post.world.member_with(post.acme(), "ina", &[role]).await
}

async fn invite_with(post: &Post, by: &Person, roles: &[Uuid]) -> crate::harness::app::Answer {
    let body = json!({ "email": "erin@example.com", "roleIds": roles });
    post.world.desk(by, post.acme()).post(post.path(""), body).await
}

#[tokio::test]
async fn a_delegate_invites_with_what_is_within_their_own_access() {
    let post = Post::new().await;
    let (ina, acme) = (inviter(&post).await, post.acme());
    for role in ["admin", "viewer"] {
        let refused = invite_with(&post, &ina, &[acme.role("user"), acme.role(role)]).await;
        refused.refused(403, "grant_exceeds_own_access");
    }
    let instance = json!({
        "instanceId": acme.instance, "roleIds": [acme.instance_role("playbooks-viewer")],
    });
    let body = json!({
        "email": "erin@example.com", "roleIds": [acme.role("user")], "instances": [instance],
    });
    let refused = post.world.desk(&ina, acme).post(post.path(""), body).await;
    refused.refused(404, "not_found");
    assert_eq!(refused.body["errors"][0]["pointer"], "/instances/0/instanceId");
    let made = invite_with(&post, &ina, &[acme.role("user")]).await.expect(201);
    assert_eq!(made["invitedBy"], json!(ina.id));
    let member = post.world.desk(&acme.member, acme);
    let body = json!({ "email": "x@example.com", "roleIds": [acme.role("user")] });
    member.post(post.path(""), body).await.refused(403, "permission_denied");
    member.get(post.path("")).await.refused(403, "permission_denied");
}

/// What comes of it when somebody accepts: one answer, and the reason told to whoever invites.
async fn comes_to_nothing(post: &Post, id: Uuid, token: &str, code: &str) {
    let before = post.world.app.count("select count(*) from users").await;
    let members = post.members().await;
    post.register("erin", token).await.refused(410, "token_gone");
    assert_eq!(post.world.app.count("select count(*) from users").await, before);
    assert_eq!(post.members().await, members);
    let told = post.told(id).await;
    assert_eq!((&told["status"], &told["refusal"]["code"]), (&json!("pending"), &json!(code)));
}

#[tokio::test]
async fn whoever_invited_is_judged_again_when_it_is_accepted() {
    let post = Post::new().await;
    let (ina, acme) = (inviter(&post).await, post.acme().clone());
    let id = invite_with(&post, &ina, &[acme.role("user")]).await.id();
    let token = post.mailbox.token().await;
    let admin = post.admin();
    let member = acme.path(&format!("/users/{}", ina.id));
    // Disabled.
    admin.patch(&*member, json!({ "enabled": false })).await.expect(200);
    comes_to_nothing(&post, id, &token, "mandate_access_denied").await;
    admin.patch(&*member, json!({ "enabled": true })).await.expect(200);
    // Without the right to invite.
    let own = admin.get(&*member).await.expect(200)["roleIds"].clone();
    let roles = format!("{member}/roles");
    admin.put(&*roles, json!({ "roleIds": [acme.role("viewer")] })).await.expect(200);
    comes_to_nothing(&post, id, &token, "permission_denied").await;
    // With the right to invite, but not with that role any more.
    let weak = json!({ "members": ["a", "a", "n", "n"] });
    let weak = post.world.role_with(&acme, "weak", weak).await;
    admin.put(&*roles, json!({ "roleIds": [weak] })).await.expect(200);
    comes_to_nothing(&post, id, &token, "grant_exceeds_own_access").await;
    // And back.
    admin.put(&*roles, json!({ "roleIds": own })).await.expect(200);
    post.register("erin", &token).await.expect(201);
    assert_eq!(post.told(id).await["refusal"], json!(null));
}

#[tokio::test]
async fn what_is_promised_is_what_the_role_permits_when_it_is_accepted() {
    let post = Post::new().await;
    let (ina, acme) = (inviter(&post).await, post.acme().clone());
    let tables = json!({ "members": ["m", "n", "n", "n"] });
    let small = post.world.role_with(&acme, "small", tables).await;
    let id = invite_with(&post, &ina, &[small]).await.id();
    let token = post.mailbox.token().await;
    let grown = json!({ "tables": rules(&json!({ "audit": ["a", "n", "n", "n"] })) });
    post.admin().put(format!("/api/roles/{small}/permissions"), grown).await.expect(200);
    comes_to_nothing(&post, id, &token, "grant_exceeds_own_access").await;
    post.admin().delete(format!("/api/roles/{small}")).await.expect(204);
    comes_to_nothing(&post, id, &token, "not_found").await;
}

#[tokio::test]
async fn who_is_gone_invites_nobody_and_neither_does_a_mandate_that_is_closed() {
    let post = Post::new().await;
    let (ina, acme) = (inviter(&post).await, post.acme().clone());
    let id = invite_with(&post, &ina, &[acme.role("user")]).await.id();
    let token = post.mailbox.token().await;
    let (root, mandate) = (post.world.root(), acme.path(""));
    root.patch(&*mandate, json!({ "enabled": false })).await.expect(200);
    post.register("erin", &token).await.refused(410, "token_gone");
    root.patch(&*mandate, json!({ "enabled": true })).await.expect(200);
    post.admin().delete(acme.path(&format!("/users/{}", ina.id))).await.expect(204);
    comes_to_nothing(&post, id, &token, "mandate_access_denied").await;
    // Whoever sends it again answers for it.
    let again = post.admin().post(post.path(&format!("/{id}/resend")), json!({})).await;
    assert_eq!(again.expect(200)["invitedBy"], json!(acme.admin.id));
    let token = post.mailbox.token().await;
    post.register("erin", &token).await.expect(201);
}

#[tokio::test]
async fn an_instance_that_is_gone_takes_the_whole_promise_with_it() {
    let post = Post::new().await;
    let acme = post.acme().clone();
    let instance = json!({
        "instanceId": acme.instance, "roleIds": [acme.instance_role("playbooks-viewer")],
    });
    let body = json!({
        "email": "erin@example.com", "roleIds": [acme.role("user")], "instances": [instance],
    });
    let id = post.admin().post(post.path(""), body).await.id();
    let token = post.mailbox.token().await;
    post.admin().delete(acme.instance_path("")).await.expect(204);
    comes_to_nothing(&post, id, &token, "not_found").await;
    let again = post.admin().post(post.path(&format!("/{id}/resend")), json!({})).await;
    again.refused(409, "not_pending");
}

#[tokio::test]
async fn sys_admins_invite_others_and_not_themselves() {
    let post = Post::new().await;
    let (root, role) = (post.world.root(), post.acme().role("admin"));
    let body = |email: &str| json!({ "email": email, "roleIds": [role] });
    let own = root.post(post.path(""), body("Root@example.com")).await;
    own.refused(403, "self_escalation");
    // Nor by an address that becomes theirs.
    let id = root.post(post.path(""), body("other@example.com")).await.id();
    let token = post.mailbox.token().await;
    let path = format!("/api/users/{}", post.world.sys_admin.id);
    root.patch(path, json!({ "email": "other@example.com" })).await.expect(200);
    post.accept(&post.world.sys_admin, &token).await.refused(410, "token_gone");
    assert_eq!(post.told(id).await["refusal"]["code"], "self_escalation");
    let again = root.post(post.path(&format!("/{id}/resend")), json!({})).await;
    again.refused(403, "self_escalation");
}

/// The flag opens nobody the data of a mandate, by an invitation either.
#[tokio::test]
async fn sys_admins_invite_nobody_to_an_instance() {
    let post = Post::new().await;
    let (root, acme) = (post.world.root(), post.acme().clone());
    let instance = json!({
        "instanceId": acme.instance, "roleIds": [acme.instance_role("playbooks-admin")],
    });
    let body = json!({
        "email": "erin@example.com", "roleIds": [acme.role("user")], "instances": [instance],
    });
    root.post(post.path(""), body.clone()).await.refused(403, "permission_denied");
    let id = post.admin().post(post.path(""), body).await.id();
    let again = root.post(post.path(&format!("/{id}/resend")), json!({})).await;
    again.refused(403, "permission_denied");
    // Nor does what an admin promised who governs from outside by now.
    let token = post.mailbox.token().await;
    let admin = format!("/api/users/{}", acme.admin.id);
    root.patch(&*admin, json!({ "isSysAdmin": true })).await.expect(200);
    post.register("erin", &token).await.refused(410, "token_gone");
    root.delete(post.path(&format!("/{id}"))).await.expect(204);
}

/// A delegate ends what they could have begun.
#[tokio::test]
async fn a_delegate_withdraws_what_is_within_their_own_access() {
    let post = Post::new().await;
    let (ina, acme) = (inviter(&post).await, post.acme().clone());
    let desk = post.world.desk(&ina, &acme);
    let body = |email: &str, role: &str| json!({ "email": email, "roleIds": [acme.role(role)] });
    let path = |id: Value| post.path(&format!("/{}", id.as_str().unwrap()));
    let invite = async |email: &str, role: &str| {
        post.admin().post(post.path(""), body(email, role)).await.expect(201)["id"].clone()
    };
    let (great, small) =
        (invite("a@x.example", "admin").await, invite("b@x.example", "user").await);
    desk.delete(path(great.clone())).await.refused(403, "target_exceeds_own_access");
    let again = desk.post(format!("{}/resend", path(great)), json!({})).await;
    again.refused(403, "grant_exceeds_own_access");
    desk.delete(path(small)).await.expect(204);
    // What they do not see is not gone.
    let instance = json!({
        "instanceId": acme.instance, "roleIds": [acme.instance_role("playbooks-viewer")],
    });
    let body = json!({
        "email": "c@x.example", "roleIds": [acme.role("user")], "instances": [instance],
    });
    let far = post.admin().post(post.path(""), body).await.expect(201)["id"].clone();
    desk.delete(path(far.clone())).await.refused(403, "target_exceeds_own_access");
    let again = desk.post(format!("{}/resend", path(far.clone())), json!({})).await;
    again.refused(403, "grant_exceeds_own_access");
    post.admin().delete(acme.instance_path("")).await.expect(204);
    desk.delete(path(far)).await.expect(204);
}
