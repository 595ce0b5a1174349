//! Whatever asks for a step-up refuses who showed longer ago who they are, with the challenge of
//! RFC 9470 and without an effect, whoever calls it; nothing else does; and the document says which.

use chrono::Duration;
use serde_json::json;

use super::cases;
use super::operations::{Operation, codes, document, operations};
use super::stage::{Approach, Ground, call};

/// With the contract: one's password, one's address, one's account.
const ASKING: [&str; 3] = ["change_password", "request_email_change", "erase_user"];

fn asks(operation: &Operation) -> bool {
    operation.value["x-access"]["stepUp"] == json!(true)
}

/// A token of the same session, from a quarter of an hour and more after it was opened.
async fn stale(ground: &Ground, username: &str) -> String {
    let app = &ground.world.app;
    let pair = crate::slices::refresh::signed_in(app, username).await;
    app.clock.advance(Duration::minutes(15) + Duration::seconds(2));
    let next = crate::slices::refresh::refresh(app, &pair.refresh).await.expect(200);
    next["accessToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn whoever_showed_who_they_are_too_long_ago_does_it_anew() {
    let ground = Ground::new().await;
    let (app, acme) = (&ground.world.app, &ground.world.acme);
    let mut tried = 0;
    for (operation, case) in cases::all() {
        if operation.is_public() {
            continue;
        }
        let name = if asks(&operation) { &acme.admin.name } else { &ground.stranger.name };
        let token = stale(&ground, name).await;
        let names = ground.stage_for(&case, acme).await;
        let approach = Approach {
            token: Some(token),
            mandate: vec![acme.id.to_string()],
            ..Approach::default()
        };
        let before = app.digest().await;
        let answer = call(app, &operation, &case, &names, &approach).await;
        if !asks(&operation) {
            assert_ne!(answer.code(), "step_up_required", "{}", case.title());
            continue;
        }
        answer.refused(401, "step_up_required");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer realm=\"bailiwick\", error=\"insufficient_user_authentication\", max_age=900",
            "{}",
            case.title()
        );
        assert_eq!(answer.body["maxAge"], json!(900), "{}", case.title());
        assert_eq!(app.digest().await, before, "{}", case.title());
        tried += 1;
    }
    assert!(tried >= ASKING.len(), "{tried}");
}

#[tokio::test]
async fn the_document_says_what_asks_for_it() {
    let mut asking = Vec::new();
    for operation in operations(&document()) {
        let declares = codes(&operation.value["responses"]["401"]).contains(&"step_up_required");
        assert_eq!(declares, asks(&operation), "{}", operation.id);
        if declares {
            assert!(operation.has_effect(), "{} reads", operation.id);
            asking.push(operation.id);
        }
    }
    asking.sort_unstable();
    let mut expected = ASKING.to_vec();
    expected.sort_unstable();
    assert_eq!(asking, expected);
}
