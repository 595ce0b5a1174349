//! Names that cannot be seen, that read otherwise than they are stored, and that look like another
//! one.

use axum::http::Method;
use serde_json::json;

use super::kit::{pointers, points_at};
use crate::harness::World;

/// Nothing of these is to be seen.
const UNSEEN: [&str; 6] =
    ["\u{200b}", "\u{3164}", " \u{ffa0}\t", "\u{2800}\u{13441}", "\u{e0020}", "\u{fe0f}\u{200d}"];

#[tokio::test]
async fn what_cannot_be_seen_names_nothing() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    for unseen in UNSEEN {
        points_at(&root.post("/api/mandates", json!({ "name": unseen })).await, "/name");
        points_at(&admin.post(acme.path("/groups"), json!({ "name": unseen })).await, "/name");
        points_at(&admin.patch(acme.path(""), json!({ "name": unseen })).await, "/name");
        points_at(&admin.post(acme.path("/roles"), json!({ "label": unseen })).await, "/label");
        let label = json!({ "featureCode": "playbooks", "label": unseen });
        assert_eq!(
            pointers(&admin.post("/api/features/instances", label).await),
            [("/label".to_owned(), "blank".to_owned())]
        );
        points_at(
            &root
                .post("/api/features", json!({ "code": "trustee", "label": { "en": unseen } }))
                .await,
            "/label/en",
        );
        points_at(
            &root
                .patch(format!("/api/users/{}", acme.member.id), json!({ "firstName": unseen }))
                .await,
            "/firstName",
        );
    }
    // What holds letters together is part of a name, and does not make another one of it.
    let family = "👨\u{200d}👩\u{200d}👧 team";
    let made = admin.post(acme.path("/groups"), json!({ "name": family })).await.expect(201);
    assert_eq!(made["name"], family);
    admin
        .post(acme.path("/groups"), json!({ "name": "👨👩👧 Team" }))
        .await
        .refused(409, "name_taken");
}

#[tokio::test]
async fn a_text_that_turns_the_line_around_is_unreadable() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    for turned in
        ["clerk\u{202e}nimda", "\u{202d}clerk", "\u{2066}clerk\u{2069}", "cl\u{202a}erk\u{202c}"]
    {
        let refused = admin.post(acme.path("/roles"), json!({ "label": turned })).await;
        assert_eq!(pointers(&refused), [("/label".to_owned(), "unreadable".to_owned())]);
        let refused = admin
            .post(acme.path("/groups"), json!({ "name": "board", "description": turned }))
            .await;
        assert_eq!(pointers(&refused), [("/description".to_owned(), "unreadable".to_owned())]);
    }
}

#[tokio::test]
async fn no_second_role_is_called_admin_or_looks_so() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let roles = [acme.path("/roles"), acme.instance_path("/roles")];
    for alike in [
        "\u{430}dmin",
        "adm\u{456}n",
        "\u{391}dmin",
        "adm\u{131}n",
        "\u{200b}adm\u{456}n",
        "adrnin",
        "AD\u{41c}IN",
        "ADM|N",
        "admin\u{2800}",
    ] {
        for path in &roles {
            let refused = admin.post(path.clone(), json!({ "label": alike })).await;
            assert_eq!(
                pointers(&refused),
                [("/label".to_owned(), "confusable".to_owned())],
                "{alike}"
            );
        }
        let refused =
            root.post("/api/features/templates/roles", json!({ "roleLabel": alike })).await;
        assert_eq!(pointers(&refused), [("/roleLabel".to_owned(), "confusable".to_owned())]);
        let refused = admin
            .patch(format!("/api/roles/{}", acme.role("viewer")), json!({ "label": alike }))
            .await;
        assert_eq!(pointers(&refused), [("/label".to_owned(), "confusable".to_owned())]);
    }
    for same in ["admin", "ADMIN", "admin\u{200b}", "ad\u{ad}min", "\u{ff21}dmin", "\u{1d41a}dmin"]
    {
        admin.post(acme.path("/roles"), json!({ "label": same })).await.refused(409, "label_taken");
    }
    for other in ["administrator", "admins", "бухгалтер", "münzen-admin"] {
        admin.post(acme.path("/roles"), json!({ "label": other })).await.expect(201);
    }
}

#[tokio::test]
async fn a_name_is_bounded_by_its_letters_and_by_its_key() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    for (name, fits) in [
        ("漢".repeat(200), true),
        ("𝒳".repeat(200), true),
        ("漢".repeat(201), false),
        ("\u{fdfa}".repeat(18), true),
        ("\u{fdfa}".repeat(19), false),
        ("\u{fdfa}".repeat(200), false),
        ("\u{fdfa}".repeat(20_000), false),
    ] {
        let answer = admin.post(acme.path("/groups"), json!({ "name": name })).await;
        if fits {
            assert_eq!(answer.expect(201)["name"], name);
        } else {
            assert_eq!(pointers(&answer), [("/name".to_owned(), "too_long".to_owned())]);
        }
    }
    // Whoever searches for more than a name finds nothing; whoever signs in with more is nobody.
    let long = "\u{fdfa}".repeat(250);
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &long).finish();
    let found = admin.get(format!("{}?{query}", acme.path("/groups"))).await.expect(200);
    assert_eq!(found["items"], json!([]));
    let body = json!({ "username": "\u{fdfa}".repeat(20_000), "password": "x" });
    world
        .app
        .call(Method::POST, "/api/auth/login")
        .json(body)
        .send()
        .await
        .refused(401, "invalid_credentials");
}
