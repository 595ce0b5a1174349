//! Inviting, and what is told of it.

use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Post;
use crate::harness::mailbox::NO_MAIL;
use crate::harness::smtp::Received;
use crate::harness::world::Person;
use crate::harness::{TestApp, World};
use crate::slices::kit::follow;

#[tokio::test]
async fn an_invitation_is_told_as_it_stands() {
    let post = Post::new().await;
    let (desk, role) = (post.admin(), post.acme().role("user"));
    let answer = post.invite(&desk, " Erin@Acme.Example ").await;
    let location = answer.header("location").to_owned();
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (201, "\"1\""));
    let made = answer.expect(201);
    assert_eq!(location, post.path(&format!("/{}", made["id"].as_str().unwrap())));
    let told = json!({
        "id": made["id"], "mandateId": post.acme().id, "email": "Erin@Acme.Example",
        "roleIds": [role], "instances": [], "status": "pending",
        "invitedBy": post.acme().admin.id, "createdAt": made["createdAt"],
        "expiresAt": made["expiresAt"], "acceptedBy": null, "acceptedAt": null, "refusal": null,
        "version": 1,
    });
    assert_eq!(made, told);
    let time = |name: &str| -> chrono::DateTime<chrono::Utc> {
        made[name].as_str().unwrap().parse().unwrap()
    };
    assert_eq!(time("expiresAt") - time("createdAt"), Duration::hours(72));
    assert_eq!(desk.get(location).await.expect(200), told);
    let mail = post.mailbox.mail().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject()),
        ("Erin@acme.example", "You are invited to Acme")
    );
    let link = format!("http://test/invitation?token={}", mail.token().unwrap());
    assert!(mail.message.contains(&format!("\r\n{link}\r\n")), "{}", mail.message);
}

#[tokio::test]
async fn the_mail_is_in_the_language_of_the_mandate_and_makes_no_link_of_its_name() {
    let link = ("BAILIWICK_LINK_INVITATION", "https://app.example/#/join/{token}");
    let post = Post::with(&[link]).await;
    let changes = json!({ "name": "You won: evil.example", "language": "de-CH" });
    post.admin().patch(post.acme().path(""), changes).await.expect(200);
    post.invite(&post.admin(), "erin@acme.example").await.expect(201);
    let mail = post.mailbox.mail().await;
    assert_eq!(mail.subject(), "Sie sind eingeladen zu acme");
    let whole = mail.message.replace("=\r\n", "");
    assert!(whole.contains("https://app.example/#/join/bwm_"), "{whole}");
    assert!(!whole.contains("evil"), "{whole}");
}

#[tokio::test]
async fn bad_bodies_are_told_all_at_once_and_change_nothing() {
    let post = Post::new().await;
    let (desk, unknown, role) = (post.admin(), Uuid::now_v7(), post.acme().role("user"));
    let instance = post.acme().instance;
    let in_instance = json!({ "instanceId": instance, "roleIds": [] });
    let body = json!({
        "email": "nobody", "roleIds": [], "ttlHours": 169,
        "instances": [in_instance, in_instance],
    });
    let refused = desk.post(post.path(""), body).await.expect(422);
    let pointers: Vec<&str> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    let due = [
        "/email",
        "/roleIds",
        "/ttlHours",
        "/instances/0/roleIds",
        "/instances/1/instanceId",
        "/instances/1/roleIds",
    ];
    assert_eq!(pointers, due);
    let with = |roles: Value, instances: Value| {
        let email = "e@x.example";
        json!({ "email": email, "roleIds": roles, "instances": instances })
    };
    let foreign = post.world.globex.role("user");
    let in_foreign = json!([{ "instanceId": post.world.globex.instance, "roleIds": [role] }]);
    let foreign_role = json!([{ "instanceId": instance, "roleIds": [role] }]);
    for (body, pointer) in [
        (with(json!([role, unknown]), json!([])), "/roleIds/1"),
        (with(json!([foreign]), json!([])), "/roleIds/0"),
        (with(json!([post.acme().instance_role("playbooks-viewer")]), json!([])), "/roleIds/0"),
        (with(json!([role]), in_foreign), "/instances/0/instanceId"),
        (with(json!([role]), foreign_role), "/instances/0/roleIds/0"),
    ] {
        let refused = desk.post(post.path(""), body).await.expect(404);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    for hours in [0, 169] {
        let id = Uuid::now_v7();
        let body = json!({ "ttlHours": hours });
        desk.post(post.path(&format!("/{id}/resend")), body)
            .await
            .refused(422, "validation_failed");
    }
    assert_eq!(post.world.app.count("select count(*) from invitations").await, 0);
    assert!(post.mailbox.mails().await.is_empty());
}

/// What an address is compared by is neither its case nor how its domain is written.
#[tokio::test]
async fn one_address_has_one_invitation_that_waits() {
    let post = Post::new().await;
    let desk = post.admin();
    let (id, _) = post.invited("erin@ü.example").await;
    for again in ["Erin@Ü.example", "ERIN@xn--tda.example"] {
        let refused = post.invite(&desk, again).await;
        refused.refused(409, "already_invited");
        assert_eq!(refused.body["id"], json!(id));
    }
    desk.delete(post.path(&format!("/{id}"))).await.expect(204);
    assert_eq!(post.told(id).await["status"], "revoked");
    let (id, _) = post.invited("Erin@Ü.example").await;
    post.world.app.clock.advance(Duration::hours(73));
    let desk =
        Person { token: post.world.app.sign_in("acme-admin").await, ..post.acme().admin.clone() };
    let desk = post.world.desk(&desk, post.acme());
    let told = desk.get(post.path(&format!("/{id}"))).await.expect(200);
    assert_eq!(told["status"], "expired");
    post.invite(&desk, "erin@ü.example").await.expect(201);
    let listed = |query: &'static str| {
        let (desk, start) = (desk.clone(), post.path(query));
        async move { follow(start, async |url| desk.get(url).await).await }
    };
    let statuses =
        |rows: Vec<Value>| rows.into_iter().map(|row| row["status"].clone()).collect::<Vec<_>>();
    assert_eq!(
        statuses(listed("?limit=1").await),
        [json!("pending"), json!("expired"), json!("revoked")]
    );
    assert_eq!(statuses(listed("?status=revoked").await), [json!("revoked")]);
    assert_eq!(listed("?q=xn--tda&limit=2").await.len(), 3);
    assert_eq!(listed("?q=frieda").await.len(), 0);
}

#[tokio::test]
async fn sent_again_it_is_another_token_and_five_times_are_enough() {
    let post = Post::new().await;
    let desk = post.admin();
    let (id, first) = post.invited("erin@acme.example").await;
    let resend = |body: Value| desk.post(post.path(&format!("/{id}/resend")), body);
    let answer = resend(json!({ "ttlHours": 168 })).await.expect(200);
    assert_eq!((&answer["status"], &answer["version"]), (&json!("pending"), &json!(2)));
    // The earlier one is dead before the other was mailed.
    post.register("erin", &first).await.refused(410, "token_gone");
    let second = post.mailbox.token().await;
    assert_ne!(first, second);
    for _ in 0..4 {
        resend(json!({})).await.expect(200);
    }
    resend(json!({})).await.refused(409, "not_pending");
    let sent = post.mailbox.mails().await;
    assert_eq!(sent.len(), 4);
    post.register("erin", &second).await.refused(410, "token_gone");
    let mut accepted = Vec::new();
    for token in sent.iter().filter_map(Received::token) {
        accepted.push(post.register("erin", &token).await.status.as_u16());
    }
    assert_eq!(accepted.iter().filter(|status| **status == 201).count(), 1, "{accepted:?}");
    resend(json!({})).await.refused(409, "not_pending");
    desk.delete(post.path(&format!("/{id}"))).await.refused(409, "not_pending");
}

#[tokio::test]
async fn whoever_withdraws_and_invites_over_and_over_floods_nobody() {
    let post = Post::new().await;
    let desk = post.admin();
    for _ in 0..10 {
        let id = post.invite(&desk, "erin@acme.example").await.id();
        desk.delete(post.path(&format!("/{id}"))).await.expect(204);
    }
    let refused = post.invite(&desk, "erin@acme.example").await;
    refused.refused(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "3600");
    post.invite(&desk, "frieda@acme.example").await.expect(201);
}

#[tokio::test]
async fn without_mail_nobody_is_invited() {
    let world = World::in_app(TestApp::start_with(&NO_MAIL).await).await;
    let body = json!({ "email": "e@x.example", "roleIds": [world.acme.role("user")] });
    let refused = world.admin().post(world.acme.path("/invitations"), body).await;
    refused.refused(503, "mail_not_configured");
}

/// Whether an address is somebody's is told to nobody who does not see it anyway.
#[tokio::test]
async fn whose_an_address_is_is_not_told() {
    let post = Post::new().await;
    let desk = post.admin();
    post.world.stranger("stranger").await;
    // Never here before, so that their address is not shown.
    let member = &post.acme().member;
    let mut answers = Vec::new();
    for email in ["stranger@example.com", "nobody@example.com", "acme-member@example.com"] {
        let mut made = post.invite(&desk, email).await.expect(201);
        for own in ["id", "email", "createdAt", "expiresAt"] {
            made[own] = json!(null);
        }
        answers.push(made);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let mails = post.mailbox.mails().await;
    let subjects = |to: &str| {
        let to = format!("{to}@example.com");
        mails.iter().find(|mail| mail.to == to).unwrap().subject().to_owned()
    };
    assert_eq!(subjects("stranger"), "You are invited to Acme");
    assert_eq!(subjects("nobody"), "You are invited to Acme");
    assert_eq!(subjects("acme-member"), "You are a member of Acme already");
    assert!(mails.iter().all(|mail| mail.token().is_none() == mail.to.starts_with("acme-member")));
    // From now on it is.
    post.world.desk(member, post.acme()).get(post.acme().path("/users")).await.expect(200);
    post.invite(&desk, "ACME-member@example.com").await.refused(409, "already_member");
}
