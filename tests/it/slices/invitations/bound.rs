//! An invitation is bound by its row to mandate, address and promise, whatever is sent
//! (docs/security.md, class 6).

use serde_json::json;

use super::{ACCEPT, Post, user_of};
use crate::slices::registration::CHOSEN;

#[tokio::test]
async fn another_address_does_not_accept_it() {
    let post = Post::new().await;
    let mallory = post.world.stranger("mallory").await;
    let (id, token) = post.invited("erin@example.com").await;
    for other in [&mallory, &post.acme().admin, &post.world.globex.admin, &post.world.sys_admin] {
        post.accept(other, &token).await.refused(403, "invitation_not_yours");
    }
    // Nor did they use it up.
    assert_eq!(post.told(id).await["refusal"], json!(null));
    let erin = post.world.stranger("erin").await;
    post.accept(&erin, &token).await.expect(200);
}

#[tokio::test]
async fn nothing_but_the_token_is_read() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let (_, token) = post.invited("erin@example.com").await;
    let admin = post.acme().role("admin");
    for (field, value) in [
        ("email", json!("mallory@example.com")),
        ("roleIds", json!([admin])),
        ("mandateId", json!(post.world.globex.id)),
        ("userId", json!(post.acme().member.id)),
    ] {
        let mut body = json!({ "token": token });
        body[field] = value.clone();
        post.world.bare(&erin).post(ACCEPT, body).await.refused(422, "unknown_field");
        let register = json!({ "username": "x", "password": CHOSEN, (field): value });
        let body = json!({ "token": token, "register": register });
        post.world.app.post(ACCEPT).json(body).send().await.refused(422, "unknown_field");
    }
    // Each bit of the token counts.
    let bytes = token.as_bytes();
    for place in [4, bytes.len() / 2, bytes.len() - 3] {
        let mut other = bytes.to_vec();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        post.accept(&erin, &other).await.refused(410, "token_gone");
    }
    // The header chooses no mandate here.
    let call = post.world.bare(&erin).ask(axum::http::Method::POST, ACCEPT);
    let call = call.mandate(post.world.globex.id).json(json!({ "token": token }));
    let joined = call.send().await.expect(200);
    assert_eq!(joined["mandateId"], json!(post.acme().id));
}

#[tokio::test]
async fn a_token_is_good_for_what_it_was_mailed_for_only() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let (_, token) = post.invited("erin@example.com").await;
    let app = &post.world.app;
    let verify = app.post("/api/auth/verify").json(json!({ "token": token, "password": CHOSEN }));
    verify.send().await.refused(410, "token_gone");
    let reset = json!({ "token": token, "password": CHOSEN });
    app.post("/api/auth/password/reset").json(reset).send().await.refused(410, "token_gone");
    let other = app.reset_token(erin.id).await;
    post.accept(&erin, &other).await.refused(410, "token_gone");
    post.accept(&erin, &token).await.expect(200);
}

#[tokio::test]
async fn withdrawn_it_is_good_no_more_even_where_its_mail_is_still_to_be_sent() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let (id, token) = post.invited("erin@example.com").await;
    post.admin().delete(post.path(&format!("/{id}"))).await.expect(204);
    post.accept(&erin, &token).await.refused(410, "token_gone");
    let id = post.invite(&post.admin(), "erin@example.com").await.id();
    post.admin().delete(post.path(&format!("/{id}"))).await.expect(204);
    assert!(post.mailbox.mails().await.is_empty());
}

#[tokio::test]
async fn another_mandates_invitations_are_not_there() {
    let post = Post::new().await;
    let (id, _) = post.invited("erin@example.com").await;
    let globex = &post.world.globex;
    let desk = post.world.desk(&globex.admin, globex);
    let path = globex.path(&format!("/invitations/{id}"));
    desk.get(&*path).await.refused(404, "not_found");
    desk.delete(&*path).await.refused(404, "not_found");
    desk.post(format!("{path}/resend"), json!({})).await.refused(404, "not_found");
    assert_eq!(desk.get(globex.path("/invitations")).await.expect(200)["items"], json!([]));
    // The same address waits in both.
    let body = json!({ "email": "erin@example.com", "roleIds": [globex.role("user")] });
    desk.post(globex.path("/invitations"), body).await.expect(201);
}

/// Nothing of somebody who is gone is left, where they were only invited either.
#[tokio::test]
async fn who_erases_their_account_is_invited_nowhere() {
    let post = Post::new().await;
    let erin = post.world.stranger("erin").await;
    let role = post.acme().role("user");
    let body = json!({ "email": "erin@example.com", "roleIds": [role] });
    let invite = || {
        let call = post.admin().ask(axum::http::Method::POST, post.path(""));
        call.header("idempotency-key", "once").json(body.clone()).send()
    };
    invite().await.expect(201);
    let token = post.mailbox.token().await;
    post.invite(&post.admin(), "frieda@example.com").await.expect(201);
    let path = format!("/api/users/{}?mode=erase", erin.id);
    post.world.root().delete(path).await.expect(200);
    let app = &post.world.app;
    assert_eq!(app.count("select count(*) from invitations").await, 1);
    assert_eq!(app.count("select count(*) from mailed_tokens").await, 0);
    post.register("erin", &token).await.refused(410, "token_gone");
    // Nor is it told again to whoever invited.
    invite().await.refused(410, "answer_erased");
}

/// Whichever address it was sent to.
#[tokio::test]
async fn nothing_tells_at_what_address_somebody_was_invited_who_is_erased() {
    let post = Post::new().await;
    let (_, token) = post.invited("erin@acme.example").await;
    let user = user_of(&post.register("erin", &token).await.expect(201));
    let root = post.world.root();
    let path = format!("/api/users/{user}");
    root.patch(&*path, json!({ "email": "erin@elsewhere.example" })).await.expect(200);
    // Another mandate knows the earlier address only.
    let globex = &post.world.globex;
    let body = json!({ "email": "erin@acme.example", "roleIds": [globex.role("user")] });
    let desk = post.world.desk(&globex.admin, globex);
    desk.post(globex.path("/invitations"), body).await.expect(201);
    root.delete(format!("{path}?mode=erase")).await.expect(200);
    assert_eq!(post.world.app.count("select count(*) from invitations").await, 0);
}
