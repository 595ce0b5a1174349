//! What an operator finds in the log by the `requestId` that somebody quotes, and what nobody finds
//! there.

use axum::http::Method;
use serde_json::{Value, json};

use super::connections::Listening;
use super::kit::Desk;
use crate::harness::app::PASSWORD;
use crate::harness::held::Held;
use crate::harness::log::Log;
use crate::harness::{TestApp, World};

/// As the service logs where nobody has set anything.
const DEFAULT: &str = "info";

/// The one line that tells of a request.
#[track_caller]
fn told_of(log: &Log, id: &str) -> Value {
    let lines: Vec<Value> =
        log.objects(id).into_iter().filter(|line| line["target"] == "bailiwick::access").collect();
    assert_eq!(lines.len(), 1, "{}", log.all());
    assert!(lines[0]["duration_ms"].as_f64().is_some_and(|time| time > 0.0), "{}", lines[0]);
    lines[0].clone()
}

#[tokio::test]
async fn each_answer_has_one_line_that_tells_whose_it_was_and_how_it_went() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let log = Log::json(DEFAULT);
    let list = admin
        .ask(Method::GET, acme.path("/users?limit=1"))
        .header("x-request-id", "r-list")
        .coming_from("203.0.113.7")
        .send()
        .await;
    list.expect(200);
    let line = told_of(&log, "r-list");
    let expected = json!({
        "level": "INFO", "message": "answered", "target": "bailiwick::access",
            "request_id": "r-list", "method": "GET",
        "route": "/api/mandates/{mandateId}/users", "user": acme.admin.id, "mandate": acme.id,
            "status": 200, "client": "203.0.113.7",
        "timestamp": line["timestamp"], "duration_ms": line["duration_ms"],
    });
    assert_eq!(line, expected);
    // Refused at the guard: nothing is known of a mandate there.
    let refused = world
        .desk(&acme.admin, &world.globex)
        .ask(Method::GET, world.globex.path("/users"))
        .header("x-request-id", "r-403");
    refused.send().await.refused(403, "mandate_access_denied");
    let line = told_of(&log, "r-403");
    assert_eq!(
        (&line["status"], &line["user"], line.get("mandate")),
        (&json!(403), &json!(acme.admin.id), None)
    );
    // A SysAdmin's route: the path says where.
    world
        .root()
        .ask(Method::GET, acme.path("/limits"))
        .header("x-request-id", "r-sys")
        .send()
        .await
        .expect(200);
    assert_eq!(told_of(&log, "r-sys")["mandate"], json!(acme.id));
    // Nobody knows who asks.
    let unknown = world
        .app
        .get("/api/nowhere/%1B[31m?token=tell-nobody")
        .header("x-request-id", "r-404")
        .bearer("forged");
    unknown.send().await.refused(404, "route_not_found");
    let line = told_of(&log, "r-404");
    assert_eq!(
        (&line["status"], &line["path"], line.get("route")),
        (&json!(404), &json!("/api/nowhere/%1B[31m"), None)
    );
    assert_eq!((line.get("user"), line.get("client")), (None, None));
}

#[tokio::test]
async fn who_signed_in_is_told_by_their_id_and_who_did_not_is_not() {
    let app = TestApp::start().await;
    let id = app.account("alice", false).await;
    for (password, status, user) in
        [(PASSWORD, 200, json!(id)), ("not-the-Password-1", 401, Value::Null)]
    {
        let log = Log::json(DEFAULT);
        let call = app.post("/api/auth/login").header("x-request-id", "r-in");
        call.json(json!({ "username": "alice", "password": password })).send().await.expect(status);
        assert_eq!(told_of(&log, "r-in")["user"], user, "{}", log.all());
    }
}

/// Whoever else's token comes with it.
#[tokio::test]
async fn a_line_names_one_user() {
    let world = World::new().await;
    let (alice, bob) = (&world.acme.admin, world.app.account("bob", false).await);
    for (password, status, user) in [(PASSWORD, 200, Some(bob)), ("not-the-Password-1", 401, None)]
    {
        let log = Log::text(DEFAULT);
        let call = world.app.post("/api/auth/login").bearer(&alice.token);
        call.json(json!({ "username": "bob", "password": password })).send().await.expect(status);
        let line = log.with("answered").join("\n");
        let named: Vec<&str> =
            line.split(['{', ' ', '}']).filter_map(|field| field.strip_prefix("user=")).collect();
        assert_eq!(named, user.iter().map(ToString::to_string).collect::<Vec<_>>(), "{line}");
    }
}

/// With an id of the service's own, too.
#[tokio::test]
async fn what_failed_is_found_by_the_id_in_the_problem() {
    let world = World::new().await;
    sqlx::raw_sql("revoke all on roles from bailiwick_system, bailiwick_tenant")
        .execute(&world.app.sql)
        .await
        .unwrap();
    for form in [Log::json, Log::text] {
        let log = form(DEFAULT);
        let failed = world.admin().get(world.acme.path("/roles")).await;
        failed.refused(500, "internal");
        let lines = log.with(failed.body["requestId"].as_str().unwrap());
        assert_eq!(lines.len(), 2, "{}", log.all());
        for line in &lines {
            for known in [world.acme.id, world.acme.admin.id]
                .map(|id| id.to_string())
                .iter()
                .map(String::as_str)
                .chain(["/api/mandates/{mandateId}/roles"])
            {
                assert!(line.contains(known), "{known}: {line}");
            }
        }
        let [failure, access] = [&lines[0], &lines[1]];
        assert!(
            failure.contains("ERROR") && failure.contains("permission denied for table roles"),
            "{failure}"
        );
        assert!(
            access.contains("INFO") && access.contains("answered") && access.contains("500"),
            "{access}"
        );
    }
}

#[tokio::test]
async fn the_text_is_for_people() {
    let app = TestApp::start().await;
    let log = Log::text(DEFAULT);
    app.get("/api/auth/me")
        .header("x-request-id", "r-text")
        .coming_from("2001:db8::7")
        .send()
        .await
        .refused(401, "unauthenticated");
    let line = log.with("r-text").join("\n");
    let expected = concat!(
        r#" INFO request{request_id="r-text" method="GET" route="/api/auth/me"}: "#,
        "bailiwick::access: answered status=401 client=2001:db8::7 duration_ms="
    );
    assert!(line.contains(expected), "{line}");
}

/// A transaction begins, and is given up, on tasks of their own.
#[tokio::test]
async fn whatever_is_done_for_a_request_is_logged_as_its_own() {
    let world = World::new().await;
    let log = Log::json("info,sqlx::query=debug");
    let path = world.acme.path("/groups");
    let made = world
        .admin()
        .ask(Method::POST, path)
        .header("x-request-id", "r-all")
        .json(json!({ "name": "board" }));
    made.send().await.expect(201);
    let statements = log.objects("sqlx::query");
    assert!(
        statements.iter().any(|line| line["summary"].as_str().unwrap().starts_with("begin")),
        "{}",
        log.all()
    );
    assert!(statements.len() >= 5, "{}", log.all());
    for line in statements {
        assert_eq!(line["request_id"], "r-all", "{line}");
    }
}

/// A filter that lets a line through lets its id through.
#[tokio::test]
async fn a_quieter_log_still_tells_whose_line_it_is() {
    let world = World::new().await;
    sqlx::raw_sql("revoke all on roles from bailiwick_system, bailiwick_tenant")
        .execute(&world.app.sql)
        .await
        .unwrap();
    for filter in ["error", "warn", "info,bailiwick::access=off", "bailiwick=warn"] {
        let log = Log::json(filter);
        world
            .admin()
            .ask(Method::GET, world.acme.path("/roles"))
            .header("x-request-id", "r-quiet")
            .send()
            .await
            .refused(500, "internal");
        let lines = log.objects("r-quiet");
        assert_eq!(lines.len(), 1, "{filter}: {}", log.all());
        assert_eq!(lines[0]["mandate"], json!(world.acme.id));
    }
}

#[tokio::test]
async fn lines_of_requests_alone_still_tell_whose_they_are() {
    let world = World::new().await;
    let listening = Listening::start(&world.app).await;
    for filter in ["bailiwick::access=info", "off,bailiwick::access=info"] {
        let log = Log::json(filter);
        world
            .admin()
            .ask(Method::GET, world.acme.path("/roles"))
            .header("x-request-id", "r-only")
            .send()
            .await
            .expect(200);
        let line = told_of(&log, "r-only");
        let known = (&line["method"], &line["route"], &line["user"], &line["mandate"]);
        let expected = (
            &json!("GET"),
            &json!("/api/mandates/{mandateId}/roles"),
            &json!(world.acme.admin.id),
            &json!(world.acme.id),
        );
        assert_eq!(known, expected, "{filter}");
        listening.ask("GARBAGE\r\n\r\n").await;
        let unreadable = log.objects("cannot be read");
        assert!(unreadable.len() == 1 && unreadable[0]["request_id"].is_string(), "{}", log.all());
    }
    let silence = Log::json("off");
    world.admin().get(world.acme.path("/roles")).await.expect(200);
    assert_eq!(silence.all(), "");
}

#[tokio::test]
async fn probes_that_find_all_well_are_told_at_debug_level() {
    let app = TestApp::start().await;
    let (log, probes) = (Log::json(DEFAULT), ["/healthz", "/readyz", "/startupz", "/ping"]);
    for probe in probes {
        app.get(probe).send().await.expect(200);
    }
    assert_eq!(log.all(), "");
    app.post("/healthz").send().await.refused(405, "method_not_allowed");
    assert_eq!(log.objects("answered")[0]["status"], 405);
    let log = Log::json("debug");
    for probe in probes {
        app.get(probe).header("x-request-id", "r-probe").send().await.expect(200);
    }
    assert_eq!(log.objects("answered").len(), 4);
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_is_told_too() {
    let world = World::new().await;
    let log = Log::json(DEFAULT);
    let held = Held::tables(&world.app, &["groups"]).await;
    let asked = world
        .admin()
        .ask(Method::POST, world.acme.path("/groups"))
        .header("x-request-id", "r-gone")
        .json(json!({ "name": "slow" }));
    tokio::select! {
        _ = asked.send() => panic!("answered"),
        () = held.waited_for_by(1) => {}
    }
    let line = told_of(&log, "r-gone");
    assert!(line["message"].as_str().unwrap().starts_with("not answered"), "{line}");
    assert_eq!((&line["mandate"], line.get("status")), (&json!(world.acme.id), None));
    held.release().await;
}

/// At the level that tells most.
#[tokio::test]
async fn nobodys_secrets_are_in_the_log() {
    let world = World::new().await;
    let (app, root) = (&world.app, world.root());
    let log = Log::json("trace,h2=off,hyper=off,sqlx=off");
    let secret = "brisk-Otter-41-lantern";
    let body = json!({
        "username": "walburga", "email": "walburga@example.com", "firstName": "Walburga",
        "password": secret,
    });
    let made = root.post("/api/users", body.clone()).await.id();
    root.post("/api/users", body).await.refused(409, "username_taken");
    let login = |password: &str| {
        app.post("/api/auth/login")
            .json(json!({ "username": "walburga", "password": password }))
            .send()
    };
    let token = login(secret).await.expect(200)["accessToken"].as_str().unwrap().to_owned();
    login("brisk-Otter-42-lantern").await.refused(401, "invalid_credentials");
    app.get("/api/auth/me?walburga=1")
        .bearer(&token)
        .send()
        .await
        .refused(400, "unknown_parameter");
    let (own, admin) = (Desk::at(app, &world.acme.admin, &world.acme), world.admin());
    own.get(world.acme.path("/users?q=walburga")).await;
    let wrong = json!({ "targetUserId": made, "roleIds": ["walburga"], "walburga": 1 });
    admin.post(world.acme.path("/users"), wrong).await.refused(422, "validation_failed");
    root.patch(format!("/api/users/{made}"), json!({ "email": "walburga" }))
        .await
        .refused(422, "validation_failed");
    let all = log.all();
    assert!(all.matches("\"answered\"").count() >= 8, "{all}");
    for told in [
        "alburga",
        "example.com",
        secret,
        "brisk",
        PASSWORD,
        "argon2",
        &token,
        &token[token.len() - 20..],
        &world.acme.admin.token,
    ] {
        assert!(!all.contains(told), "`{told}` is in the log: {all}");
    }
}
