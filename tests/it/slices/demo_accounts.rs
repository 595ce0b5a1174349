//! The demo's accounts, whose password everybody knows, are for the machine that they are on.

use std::os::unix::fs::PermissionsExt;

use bailiwick::seeds;
use serde_json::json;
use uuid::Uuid;

use crate::harness::TestApp;
use crate::harness::process::{PROGRAM, Said, Service, said, without_settings};

/// Starts the service where it cannot go on, in a folder where it was before.
async fn refused_in(folder: &std::path::Path, listen: &str) -> Said {
    let mut command = without_settings(PROGRAM);
    command
        .env("BAILIWICK_LISTEN", listen)
        .env("BAILIWICK_METRICS_LISTEN", "off")
        .env("BAILIWICK_LOG", "warn");
    command.env("BAILIWICK_DATA_DIR", folder);
    said(command).await
}

async fn sign_in(base: &str) -> u16 {
    let base = base.replace("0.0.0.0", "127.0.0.1");
    let credentials = json!({ "username": "sysadmin", "password": "bailiwick-demo" });
    reqwest::Client::new()
        .post(format!("{base}/api/auth/login"))
        .json(&credentials)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn no_demo_is_made_where_others_can_sign_in_to_it() {
    let service = Service::start(&[("BAILIWICK_LISTEN", "0.0.0.0:0")]);
    assert_eq!(sign_in(&service.base).await, 401);
    assert_eq!(sign_in(&Service::of_a_newcomer().base).await, 200);
}

#[tokio::test]
async fn a_demo_that_is_there_is_not_opened_to_others() {
    let folder =
        tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let data = folder.path().join("data");
    drop(Service::start(&[("BAILIWICK_DATA_DIR", data.to_str().unwrap())]));
    let refused = refused_in(&data, "0.0.0.0:0").await;
    assert!(!refused.well && refused.text.trim().lines().count() == 1, "{}", refused.text);
    for word in [
        "can be reached from other machines",
        "alice, bob, carol, dave, sysadmin",
        "BAILIWICK_LISTEN",
        "BAILIWICK_DATA_DIR",
        "SysAdmin of your own first",
    ] {
        assert!(refused.text.contains(word), "`{word}` is not in: {}", refused.text);
    }
    let again = Service::start(&[("BAILIWICK_DATA_DIR", data.to_str().unwrap())]);
    assert_eq!(sign_in(&again.base).await, 200);
}

/// What the refusal says to do: the last SysAdmin and a mandate's last admin cannot be disabled
/// before there are others.
#[tokio::test]
async fn the_data_of_a_demo_can_be_kept_without_its_accounts() {
    let app = TestApp::start().await;
    seeds::demo(app.app.services()).await.unwrap();
    let (ada, grace) = (app.account("ada", true).await, app.account("grace", false).await);
    let token = app.sign_in("ada").await;
    let admins: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select mandate_id, id from roles where scope = 'mandate' and label = 'admin'",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    assert!(!admins.is_empty());
    for (mandate, admin) in admins {
        let body = json!({ "targetUserId": grace, "roleIds": [admin] });
        app.post(format!("/api/mandates/{mandate}/users"))
            .bearer(&token)
            .mandate(mandate)
            .json(body)
            .send()
            .await
            .expect(201);
    }
    let everybody: Vec<Uuid> = sqlx::query_scalar("select id from users where id not in ($1, $2)")
        .bind(ada)
        .bind(grace)
        .fetch_all(&app.sql)
        .await
        .unwrap();
    for user in everybody {
        app.patch(format!("/api/users/{user}"))
            .bearer(&token)
            .json(json!({ "enabled": false }))
            .send()
            .await
            .expect(200);
    }
    assert_eq!(seeds::open_accounts(app.app.services()).await.unwrap(), None);
}

#[tokio::test]
async fn any_account_of_a_load_is_open_while_it_has_the_password_of_all() {
    let app = TestApp::start().await;
    let plan =
        seeds::Plan { mandates: 5, users: 60, memberships: 60, instances: 5, accesses: 5, seed: 1 };
    seeds::load(app.app.services(), plan).await.unwrap();
    for (changed, open) in [
        ("", Some("load-0")),
        ("load-0", Some("load-1")),
        ("load-[1-4].*", Some("load-5")),
        ("load-.*", None),
    ] {
        let change = "update users set password_hash = null where username ~ ('^' || $1 || '$')";
        sqlx::query(change).bind(changed).execute(&app.sql).await.unwrap();
        assert_eq!(
            seeds::open_accounts(app.app.services()).await.unwrap().as_deref(),
            open,
            "{changed}"
        );
    }
}
