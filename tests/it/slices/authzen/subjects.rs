//! Whom a question is about.

use serde_json::{Value, json};

use super::super::playbook_kit::{Stage, permit};
use super::{MANY, ONE, action, owned, resource, subject};

/// About themselves everybody asks, however they name themselves; about others who may read them.
/// Who may not be read is told apart from nobody by nothing.
#[tokio::test]
async fn subjects_are_oneself_and_whom_the_caller_may_read() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let role = world.role_with(acme, "asks", json!({})).await;
    let path = acme.path(&format!("/users/{}/roles", stage.caller.id));
    world.admin().put(path, json!({ "roleIds": [role] })).await.expect(200);
    let desk = world.desk(&stage.caller, acme);
    // Whether the subject was known; the answer is the same alone and among others, but for where
    // it stands.
    let ask = async |id: String| {
        let question = json!({
            "subject": subject(id), "action": action("read"), "resource": resource("members"),
        });
        let one = desk.post(ONE, question.clone()).await.expect(200);
        let many = desk.post(MANY, json!({ "evaluations": [question] })).await.expect(200);
        let mut among = many["evaluations"][0].clone();
        if among["context"]["pointer"] == "/evaluations/0/subject/id" {
            among["context"]["pointer"] = json!("/subject/id");
        }
        assert_eq!(one, among);
        one
    };
    let strange = ask("nobody-at-all".to_owned()).await;
    assert_eq!(
        (&strange["decision"], &strange["context"]["reason"]),
        (&json!(false), &json!("unknown_subject"))
    );
    let everybody =
        [&stage.caller, &stage.peer, &stage.outsider, &world.globex.member, &world.sys_admin];
    for (level, reached) in [("n", 1), ("m", 1), ("g", 2), ("a", 3)] {
        permit(
            world,
            role,
            if level == "n" { json!({}) } else { json!({ "members": [level, "n", "n", "n"] }) },
        )
        .await;
        for (place, person) in everybody.into_iter().enumerate() {
            for id in [person.id.to_string(), person.name.clone(), person.name.to_uppercase()] {
                let answer = ask(id).await;
                if place < reached {
                    assert_eq!(answer["context"]["reason"], Value::Null, "{level}: {answer}");
                    assert_eq!(
                        answer["decision"],
                        json!(place > 0 || level != "n"),
                        "{level}: {answer}"
                    );
                } else {
                    assert_eq!(answer, strange, "{level}");
                }
            }
        }
    }
}

/// By an address that its owner confirmed, once they have used the mandate: before that nobody here
/// sees it.
#[tokio::test]
async fn people_may_be_named_by_a_confirmed_address() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let role = world.role_with(acme, "asks", json!({ "members": ["a", "n", "n", "n"] })).await;
    let path = acme.path(&format!("/users/{}/roles", stage.caller.id));
    world.admin().put(path, json!({ "roleIds": [role] })).await.expect(200);
    let desk = world.desk(&stage.caller, acme);
    let is_known = async |address: String| {
        let question = json!({
            "subject": subject(&address), "action": action("read"), "resource": resource("members"),
        });
        let as_owner = json!({
            "subject": subject(stage.caller.id), "action": action("read"),
            "resource": owned("members", &address),
        });
        let subject = desk.post(ONE, question).await.expect(200);
        let owner = desk.post(ONE, as_owner).await.expect(200);
        let reasons = [&subject, &owner].map(|answer| answer["context"]["reason"].is_null());
        assert_eq!(reasons[0], reasons[1], "{subject} {owner}");
        reasons[0]
    };
    let peer = format!("{}@EXAMPLE.com", stage.peer.name);
    assert!(is_known(format!("{}@example.com", stage.caller.name)).await);
    assert!(!is_known(peer.clone()).await, "it was never seen here");
    world.desk(&stage.peer, acme).get("/api/access/me").await.expect(200);
    assert!(is_known(peer.clone()).await);
    assert!(!is_known(format!("{}@example.com", world.globex.member.name)).await);
    let unconfirmed = "update users set email_verified = false where id = $1";
    sqlx::query(unconfirmed).bind(stage.peer.id).execute(&world.app.sql).await.unwrap();
    assert!(!is_known(peer).await);
}
