//! The demo's accounts, whose password everybody knows, are for the machine that they are on.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::process::{PROGRAM, Said, Service, said, without_settings};

/// Starts the service where it cannot go on, in a folder where it was before.
async fn refused_in(folder: &std::path::Path, listen: &str) -> Said {
    let mut command = without_settings(PROGRAM);
    command.env("BAILIWICK_LISTEN", listen).env("BAILIWICK_METRICS_LISTEN", "off").env("BAILIWICK_LOG", "warn");
    command.env("BAILIWICK_DATA_DIR", folder);
    said(command).await
}

async fn sign_in(base: &str) -> u16 {
    let base = base.replace("0.0.0.0", "127.0.0.1");
    let credentials = json!({ "username": "sysadmin", "password": "bailiwick-demo" });
    reqwest::Client::new().post(format!("{base}/api/auth/login")).json(&credentials).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn no_demo_is_made_where_others_can_sign_in_to_it() {
    let service = Service::start(&[("BAILIWICK_LISTEN", "0.0.0.0:0")]);
    assert_eq!(sign_in(&service.base).await, 401);
    assert_eq!(sign_in(&Service::of_a_newcomer().base).await, 200);
}

#[tokio::test]
async fn a_demo_that_is_there_is_not_opened_to_others() {
    let folder = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let data = folder.path().join("data");
    drop(Service::start(&[("BAILIWICK_DATA_DIR", data.to_str().unwrap())]));
    let refused = refused_in(&data, "0.0.0.0:0").await;
    assert!(!refused.well && refused.text.trim().lines().count() == 1, "{}", refused.text);
    for word in ["can be reached from other machines", "alice, bob, carol, dave, sysadmin", "BAILIWICK_LISTEN", "BAILIWICK_DATA_DIR"] {
        assert!(refused.text.contains(word), "`{word}` is not in: {}", refused.text);
    }
    let again = Service::start(&[("BAILIWICK_DATA_DIR", data.to_str().unwrap())]);
    assert_eq!(sign_in(&again.base).await, 200);
}
