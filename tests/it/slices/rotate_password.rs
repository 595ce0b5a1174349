//! `bailiwick user rotate-password`, as an operator runs it beside the service.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use bailiwick::identity::service_keys::open;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::harness::app::{PASSWORD, SECRET};
use crate::harness::process::{run, url};

fn rotate(app: &TestApp, username: &str, file: Option<&Path>) -> Output {
    let (url, secret) = (url(&app.options), STANDARD.encode(SECRET));
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("BAILIWICK_SECRET_KEY", secret.as_str()),
        ("BAILIWICK_ISSUER", "http://127.0.0.1:8080"),
        ("BAILIWICK_MAIL_DIR", "mail"),
    ];
    let mut arguments = vec!["user", "rotate-password", "--username", username];
    if let Some(file) = file {
        arguments.extend(["--file", file.to_str().unwrap()]);
    }
    run(&arguments, &settings)
}

async fn sign_in(app: &TestApp, password: &str) -> (u16, Value) {
    let body = json!({ "username": "robot", "password": password });
    let answer = app.post("/api/auth/login").json(body).send().await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn a_password_that_nobody_chose_is_printed_and_is_good_at_once() {
    let app = TestApp::start().await;
    app.account("robot", false).await;
    let token = app.sign_in("robot").await;
    let output = rotate(&app, "Robot", None);
    assert!(output.status.success(), "{output:?}");
    let password = String::from_utf8(output.stdout).unwrap();
    assert_eq!(password.trim_end().len(), 32, "nothing but the password, for a pipe to take");
    app.get("/api/auth/me").bearer(&token).send().await.refused(401, "unauthenticated");
    assert_eq!(sign_in(&app, PASSWORD).await.0, 401);
    let (status, pair) = sign_in(&app, password.trim_end()).await;
    assert_eq!(status, 200, "{pair}");
    let me = app.get("/api/auth/me").bearer(pair["accessToken"].as_str().unwrap()).send().await;
    assert_eq!(me.expect(200)["mustChangePassword"], false);
    assert_eq!(
        app.count("select count(*) from audit_events where action = 'password_set'").await,
        1
    );
}

#[tokio::test]
async fn in_a_file_only_its_owner_reads_it() {
    let app = TestApp::start().await;
    app.account("robot", false).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("robot");
    let mut earlier = None;
    for _ in 0..2 {
        let output = rotate(&app, "robot", Some(&file));
        assert!(output.status.success(), "{output:?}");
        let password = fs::read_to_string(&file).unwrap().trim_end().to_owned();
        assert!(!String::from_utf8(output.stdout).unwrap().contains(&password));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(sign_in(&app, &password).await.0, 200);
        if let Some(earlier) = earlier.replace(password) {
            assert_eq!(sign_in(&app, &earlier).await.0, 401);
        }
    }
}

/// Neither the file nor the account.
#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let app = TestApp::start().await;
    app.account("robot", false).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("robot");
    open(&app.app).await.unwrap();
    let before = app.digest().await;
    let nobody = rotate(&app, "nobody", Some(&file));
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("nobody has the username nobody"));
    // Somebody was interrupted: the password that is good may be there.
    fs::write(folder.path().join("robot.new"), "present").unwrap();
    let interrupted = rotate(&app, "robot", Some(&file));
    assert_eq!(interrupted.status.code(), Some(1));
    let told = String::from_utf8(interrupted.stderr).unwrap();
    assert!(told.contains("robot.new") && told.contains("nothing was changed"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("robot.new")).unwrap(), "present");
    let elsewhere = rotate(&app, "robot", Some(&folder.path().join("none/robot")));
    assert_eq!(elsewhere.status.code(), Some(1));
    assert_eq!(app.digest().await, before);
}
