//! Files of people: invitations to a mandate, and accounts.

use axum::http::Method;
use serde_json::{Value, json};

use super::kit::Desk;
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::mailbox::{Mailbox, NO_MAIL};
use crate::harness::{TestApp, app};

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const USERS: &str = "/api/users/import";

struct Post {
    world: World,
    mailbox: Mailbox,
}

impl Post {
    async fn new() -> Self {
        let mailbox = Mailbox::new().await;
        Self { world: World::in_app(mailbox.app.clone()).await, mailbox }
    }
    fn path(&self, rest: &str) -> String {
        self.world.acme.path(&format!("/invitations{rest}"))
    }
    async fn import(&self, (kind, file): (&str, &str), query: &str) -> Answer {
        send(&self.world.admin(), self.path(&format!("/import{query}")), (kind, file)).await
    }
}

async fn send(desk: &Desk<'_>, path: String, (kind, file): (&str, &str)) -> Answer {
    desk.ask(Method::POST, path).raw(kind, file).send().await
}

/// Line, status, code and pointer of each.
fn told(answer: &Value) -> Vec<(u64, &str, &str, &str)> {
    let text = |item: &'static str, value: &Value| -> String {
        value[item].as_str().unwrap_or_default().to_owned()
    };
    let items = answer["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let [status, code, pointer] =
                ["status", "code", "pointer"].map(|name| &*text(name, item).leak());
            (item["line"].as_u64().unwrap(), status, code, pointer)
        })
        .collect()
}

#[tokio::test]
async fn each_line_is_an_invitation_of_its_own() {
    let post = Post::new().await;
    let waiting = json!({
        "email": "waits@acme.example", "roleIds": [post.world.acme.role("user")],
    });
    let waiting = post.world.admin().post(post.path(""), waiting).await.id();
    // Colleagues see the address of who has used the mandate once.
    let member = post.world.desk(&post.world.acme.member, &post.world.acme);
    member.get(post.world.acme.path("/users")).await.expect(200);
    let file = "email,roles,ttlHours\r\n\
                erin@acme.example,User; viewer,24\r\n\
                nobody,user,\r\n\
                WAITS@acme.example,user,\r\n\
                acme-member@example.com,user,\r\n\
                x@acme.example,user;nothing,\r\n\
                y@acme.example,,\r\n\
                z@acme.example,user,169\r\n\
                Erin@Acme.example,user,\r\n";
    let answer = post.import((CSV, file), "").await.expect(200);
    let due = [
        (2, "invited", "", ""),
        (3, "refused", "invalid_email", "/email"),
        (4, "skipped", "already_invited", ""),
        (5, "skipped", "already_member", ""),
        (6, "refused", "unknown_role", "/roles/1"),
        (7, "refused", "required", "/roles"),
        (8, "refused", "out_of_range", "/ttlHours"),
        (9, "skipped", "already_invited", ""),
    ];
    assert_eq!(told(&answer), due);
    assert_eq!(answer["totals"], json!({ "invited": 1, "skipped": 3, "refused": 4 }));
    assert_eq!(answer["items"][2]["id"], json!(waiting));
    assert_eq!(answer["items"][0]["email"], "erin@acme.example");
    let id = answer["items"][0]["id"].as_str().unwrap();
    let made = post.world.admin().get(post.path(&format!("/{id}"))).await.expect(200);
    assert_eq!(made["roleIds"].as_array().unwrap().len(), 2);
    assert_eq!(post.mailbox.mails().await.len(), 2);
    // Sent once more nothing comes of it.
    let again = post.import((CSV, file), "").await.expect(200);
    assert_eq!(again["totals"], json!({ "invited": 0, "skipped": 4, "refused": 4 }));
    assert!(post.mailbox.mails().await.is_empty());
    let trail = post.world.acme.path("/audit?action=invitation_created");
    let trail = post.world.admin().get(trail).await.expect(200);
    assert_eq!(trail["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn asked_first_nothing_is_done() {
    let post = Post::new().await;
    let line = json!({ "email": "erin@acme.example", "roles": ["user"] }).to_string();
    let file = format!("{line}\n\n{line}\n{{\"email\": 1}}\nx\n");
    let answer = post.import((NDJSON, &file), "?dryRun=true").await.expect(200);
    let due = [
        (1, "invited", "", ""),
        (3, "skipped", "already_invited", ""),
        (4, "refused", "invalid_type", "/email"),
        (5, "refused", "malformed_json", ""),
    ];
    assert_eq!(told(&answer), due);
    assert!(answer["items"][0].get("id").is_none(), "{answer}");
    assert!(post.mailbox.mails().await.is_empty());
    assert_eq!(post.world.app.count("select count(*) from invitations").await, 0);
    let done = post.import((NDJSON, &file), "").await.expect(200);
    assert_eq!(
        (&done["totals"], told(&done)[..2].to_vec()),
        (&answer["totals"], due[..2].to_vec())
    );
}

#[tokio::test]
async fn asked_first_each_line_is_told_what_will_come_of_it() {
    let post = Post::new().await;
    let users = "username,email\nbert,b@x.example\ncleo,B@x.example\nBert,b@x.example\n\
                 bert,c@x.example\ndora,\nDORA,\ndora,d@x.example\n";
    let root = post.world.root();
    let [asked, done] = ["?dryRun=true", ""].map(|query| format!("{USERS}{query}"));
    let asked = send(&root, asked, (CSV, users)).await.expect(200);
    let done = send(&root, done, (CSV, users)).await.expect(200);
    assert_eq!(told(&asked), told(&done));
    assert_eq!(done["totals"], json!({ "invited": 2, "skipped": 2, "refused": 3 }));
    let invited = "email,roles\na@x.example,nobody\na@x.example,user\nA@x.example,user\n\
                   a@x.example,nobody\n\u{0}@x.example,user\nb@x.example,us\u{0}er\n";
    let asked = post.import((CSV, invited), "?dryRun=true").await.expect(200);
    let done = post.import((CSV, invited), "").await.expect(200);
    assert_eq!(told(&asked), told(&done));
    assert_eq!(done["totals"], json!({ "invited": 1, "skipped": 1, "refused": 4 }));
}

#[tokio::test]
async fn a_file_that_cannot_be_understood_is_refused_as_a_whole() {
    let post = Post::new().await;
    for (file, code) in [
        ("email,roles,colour\na@x.example,user,red\n", "unknown_field"),
        ("email,roles,email\na@x.example,user,b@x.example\n", "duplicate_field"),
        ("email,roles\na@x.example,user\n\"b@x.example,user\nc@x.example,user", "malformed_csv"),
    ] {
        let refused = post.import((CSV, file), "").await.expect(422);
        assert_eq!(refused["errors"][0]["code"], code, "{refused}");
    }
    assert_eq!(post.world.app.count("select count(*) from invitations").await, 0);
    assert!(post.mailbox.mails().await.is_empty());
}

#[tokio::test]
async fn nobody_imports_what_they_could_not_invite() {
    let post = Post::new().await;
    let acme = &post.world.acme;
    let tables = json!({ "members": ["a", "a", "n", "n"], "groups": ["m", "n", "n", "n"],
                         "roles": ["m", "n", "n", "n"], "instances": ["m", "n", "n", "n"] });
    let role = post.world.role_with(acme, "inviter", tables).await;
    let ina = post.world.member_with(acme, "ina", &[role]).await;
    let file = "email,roles\na@x.example,admin\nb@x.example,user\n";
    let desk = post.world.desk(&ina, acme);
    let answer = send(&desk, post.path("/import"), (CSV, file)).await.expect(200);
    let due = [(2, "refused", "grant_exceeds_own_access", ""), (3, "invited", "", "")];
    assert_eq!(told(&answer), due);
    let member = post.world.desk(&acme.member, acme);
    send(&member, post.path("/import"), (CSV, file)).await.refused(403, "permission_denied");
    let root = post.world.root();
    let own =
        send(&root, post.path("/import"), (CSV, "email,roles\nroot@example.com,user\n")).await;
    assert_eq!(told(&own.expect(200)), [(2, "refused", "self_escalation", "")]);
}

#[tokio::test]
async fn a_file_has_a_kind_and_an_end() {
    let post = Post::new().await;
    for kind in ["application/json", "text/plain", ""] {
        let refused = post.import((kind, "{}"), "").await;
        refused.refused(415, "unsupported_media_type");
    }
    let much = "{}\n".repeat(1_001);
    post.import((NDJSON, &much), "").await.refused(422, "too_many_lines");
    let enough = post.import((NDJSON, &much[3..]), "").await.expect(200);
    assert_eq!(enough["totals"], json!({ "invited": 0, "skipped": 0, "refused": 1_000 }));
    let large = " ".repeat((1 << 20) + 1);
    post.import((NDJSON, &large), "").await.refused(413, "payload_too_large");
    let marked =
        post.import((CSV, "\u{feff}email,roles\ne@x.example,user\n"), "").await.expect(200);
    assert_eq!(marked["totals"]["invited"], 1);
    let with_key = post.world.admin().ask(Method::POST, post.path("/import"));
    let with_key = with_key.header("idempotency-key", "k").raw(CSV, "email,roles\n").send().await;
    with_key.refused(400, "idempotency_not_supported");
    let world = World::in_app(TestApp::start_with(&NO_MAIL).await).await;
    let path = world.acme.path("/invitations/import");
    send(&world.admin(), path, (CSV, "email,roles\n")).await.refused(503, "mail_not_configured");
}

#[tokio::test]
async fn accounts_come_without_a_password_and_choose_one() {
    let post = Post::new().await;
    let root = post.world.root();
    let file = "username,email,firstName,language\n\
                erin,erin@acme.example,Erin,de\n\
                Frieda,,,\n\
                acme-member,other@acme.example,,\n\
                gert,ERIN@acme.example,,\n\
                no name,,,\n\
                Erin,erin@acme.example,,\n";
    let answer = send(&root, USERS.to_owned(), (CSV, file)).await.expect(200);
    let due = [
        (2, "invited", "", ""),
        (3, "invited", "", ""),
        (4, "refused", "username_taken", ""),
        (5, "refused", "email_taken", ""),
        (6, "refused", "invalid_username", "/username"),
        (7, "skipped", "username_taken", ""),
    ];
    let got = told(&answer);
    assert_eq!((got.len(), &got[..4], got[5]), (6, &due[..4], due[5]));
    assert_eq!((got[4].1, got[4].3), ("refused", "/username"));
    assert_eq!(answer["items"][5]["id"], answer["items"][0]["id"]);
    let names = [&answer["items"][1]["username"], &answer["items"][1]["email"]];
    assert_eq!(names, [&json!("Frieda"), &json!(null)]);
    let mail = post.mailbox.mail().await;
    assert_eq!(mail.to, "erin@acme.example");
    assert!(mail.message.contains("Guten Tag erin,"), "{}", mail.message);
    let app = &post.world.app;
    let body = json!({ "token": mail.token().unwrap(), "password": "slow-Ferry-44-cobalt" });
    app.post("/api/auth/password/reset").json(body).send().await.expect(204);
    let body = json!({ "username": "erin", "password": "slow-Ferry-44-cobalt" });
    app.post("/api/auth/login").json(body).send().await.expect(200);
    for password in ["", app::PASSWORD] {
        let body = json!({ "username": "frieda", "password": password });
        app.post("/api/auth/login").json(body).send().await.refused(401, "invalid_credentials");
    }
    let admin = post.world.bare(&post.world.acme.admin);
    send(&admin, USERS.to_owned(), (CSV, file)).await.refused(403, "permission_denied");
    let asked = send(&root, format!("{USERS}?dryRun=true"), (CSV, "username\nhans\nHANS\n")).await;
    let due = [(2, "invited", "", ""), (3, "skipped", "username_taken", "")];
    assert_eq!(told(&asked.expect(200)), due);
    assert_eq!(app.count("select count(*) from users where username = 'hans'").await, 0);
}
