//! `?dryRun=true`: what a change of access would do, after the same refusals, and nothing done.
//! That it tells exactly what the change then does, whatever the call, is `gates::dry_run_agrees`.

mod refused;
mod regrouping;
mod told;

use axum::http::Method;
use serde_json::Value;

use super::kit::Desk;
use crate::harness::TestApp;
use crate::harness::app::{Answer, uuid};
use crate::harness::world::Tenant;

fn asking(path: &str) -> String {
    format!("{path}{}dryRun=true", if path.contains('?') { '&' } else { '?' })
}

async fn send(desk: &Desk<'_>, method: &Method, path: &str, body: Option<&Value>) -> Answer {
    let call = desk.ask(method.clone(), path);
    if let Some(body) = body { call.json(body.clone()).send().await } else { call.send().await }
}

/// The preview of a call; nothing may be different afterwards.
async fn ask(
    app: &TestApp,
    desk: &Desk<'_>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Value {
    let before = app.digest().await;
    let answer = send(desk, &method, &asking(path), body.as_ref()).await;
    assert_eq!(app.digest().await, before, "{method} {path} changed something");
    assert_eq!(
        (answer.header("etag"), answer.header("location"), answer.header("cache-control")),
        ("", "", "no-store")
    );
    answer.expect(200)
}

/// The changes in short; tables of the tenant's instance with `@`.
fn lines(preview: &Value, tenant: &Tenant) -> Vec<String> {
    let line = |change: &Value| {
        let place = if change["instanceId"].is_null() {
            ""
        } else {
            assert_eq!(uuid(&change["instanceId"]), tenant.instance);
            "@"
        };
        let part = |name: &str| change[name].as_str().unwrap();
        format!("{place}{}.{} {}>{}", part("table"), part("operation"), part("from"), part("to"))
    };
    preview["changes"].as_array().unwrap().iter().map(line).collect()
}

/// Users, gained, lost, and how many admins would be left.
fn figures(preview: &Value) -> [i64; 4] {
    let totals = ["users", "gained", "lost"].map(|name| preview["totals"][name].as_i64().unwrap());
    [totals[0], totals[1], totals[2], preview["adminsLeft"].as_i64().unwrap()]
}
