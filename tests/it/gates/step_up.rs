//! Whatever asks for a step-up refuses who showed longer ago who they are, with the challenge of
//! RFC 9470 and without an effect: whatever SysAdmins do as such, and what changes how somebody
//! signs in. Nothing else does, and the document says which.

use chrono::Duration;
use serde_json::json;

use super::cases::Case;
use super::operations::{Operation, codes, document, operations};
use super::stage::{Approach, Ground, call, on_grounds};
use crate::harness::app::Answer;

/// With the contract: one's password, one's address, one's account, whoever changes them.
const OF_EVERYBODY: [&str; 3] = ["change_password", "request_email_change", "erase_user"];

/// Of whom it is asked, as the document says.
fn asked_of(operation: &Operation) -> Option<&str> {
    operation.value["x-access"]["stepUp"].as_str()
}

/// A token of the same session, from a quarter of an hour and more after it was opened.
async fn stale(ground: &Ground, username: &str) -> String {
    let app = &ground.world.app;
    let pair = crate::slices::refresh::signed_in(app, username).await;
    app.clock.advance(Duration::minutes(15) + Duration::seconds(2));
    let next = crate::slices::refresh::refresh(app, &pair.refresh).await.expect(200);
    next["accessToken"].as_str().unwrap().to_owned()
}

/// Makes the call of a case with a token from long ago.
async fn called(
    ground: &Ground,
    (operation, case): (&Operation, &Case),
    username: &str,
) -> (Answer, bool) {
    let (app, acme) = (&ground.world.app, &ground.world.acme);
    let token = stale(ground, username).await;
    let names = ground.stage_for(case, acme).await;
    let is_sys_admin = username == ground.world.sys_admin.name;
    let mandate = (!is_sys_admin).then(|| acme.id.to_string());
    let approach = Approach {
        token: Some(token),
        mandate: mandate.into_iter().collect(),
        ..Approach::default()
    };
    let before = app.digest().await;
    let answer = call(app, operation, case, &names, &approach).await;
    let is_as_before = answer.status != 401 || app.digest().await == before;
    ground.mend().await;
    (answer, is_as_before)
}

#[test]
fn whoever_showed_who_they_are_too_long_ago_does_it_anew() {
    let asked = on_grounds(async |ground: &Ground, operation, case| {
        if operation.is_public() {
            return 0;
        }
        let (sys_admin, admin) = (&ground.world.sys_admin.name, &ground.world.acme.admin.name);
        let what = (operation, case);
        let (by_sys_admin, is_as_before) = called(ground, what, sys_admin).await;
        if asked_of(operation).is_none() {
            assert_ne!(by_sys_admin.code(), "step_up_required", "{}", case.title());
            return 0;
        }
        by_sys_admin.refused(401, "step_up_required");
        assert!(is_as_before, "{}", case.title());
        assert_eq!(
            by_sys_admin.header("www-authenticate"),
            "Bearer realm=\"bailiwick\", error=\"insufficient_user_authentication\", max_age=900",
            "{}",
            case.title()
        );
        assert_eq!(by_sys_admin.body["maxAge"], json!(900), "{}", case.title());
        let (by_admin, is_as_before) = called(ground, what, admin).await;
        let is_asked = by_admin.code() == "step_up_required";
        assert_eq!(is_asked, asked_of(operation) == Some("everybody"), "{}", case.title());
        assert!(is_as_before, "{}", case.title());
        1
    });
    let asked: i32 = asked.into_iter().sum();
    assert!(asked > 50, "only {asked} cases ask for it");
}

#[tokio::test]
async fn the_document_says_what_asks_for_it() {
    for operation in operations(&document()) {
        let declares = codes(&operation.value["responses"]["401"]).contains(&"step_up_required");
        let clauses = operation.value["x-access"]["anyOf"].as_array().cloned().unwrap_or_default();
        let is_for = |who: &str| clauses.iter().any(|clause| clause["principal"] == who);
        // To end acting as somebody else gives power up.
        let is_of_sys_admins = is_for("sysAdmin") && !is_for("impersonator");
        let expected = if OF_EVERYBODY.contains(&operation.id.as_str()) {
            Some("everybody")
        } else {
            (operation.has_effect() && is_of_sys_admins).then_some("sysAdmin")
        };
        assert_eq!(asked_of(&operation), expected, "{}", operation.id);
        assert_eq!(declares, expected.is_some(), "{}", operation.id);
    }
}
