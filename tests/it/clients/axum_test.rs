//! The guard of docs/clients.md at work: a small application on a socket of its own, before the real service on another.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{Method, StatusCode};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::axum_guard::Bailiwick;
use super::axum_helpdesk::{Helpdesk, Ticket, routes};
use crate::harness::app::uuid;
use crate::harness::world::{Person, rules};
use crate::harness::{Answer, TestApp, World};

/// Acme has an instance of `helpdesk`. Its member is an agent there: reads the tickets of their groups, changes their own.
struct Stage {
    world: World,
    instance: Uuid,
    stranger: Person,
    helpdesk: String,
}

impl Stage {
    async fn set() -> Self {
        Self::before(TestApp::start().await).await
    }

    async fn before(app: TestApp) -> Self {
        let world = World::in_app(app).await;
        let root = world.root();
        root.post("/api/features", json!({ "code": "helpdesk", "tables": ["tickets"] })).await.expect(201);
        let made = root.post("/api/features/templates/roles", json!({ "featureCode": "helpdesk", "roleLabel": "agent" })).await;
        let tables = rules(&json!({ "tickets": ["g", "m", "m", "n"] }));
        root.put(format!("/api/roles/{}/permissions", made.id()), json!({ "tables": tables })).await.expect(200);
        let instance = world.admin().post("/api/features/instances", json!({ "featureCode": "helpdesk", "label": "Help desk" })).await.id();
        let agent = uuid(&world.admin().get(format!("/api/features/instances/{instance}/roles")).await.expect(200)["items"][0]["id"]);
        let admission = json!({ "userId": world.acme.member.id, "roleIds": [agent] });
        world.admin().post(format!("/api/features/instances/{instance}/users"), admission).await.expect(201);
        let stranger = world.stranger("stranger").await;
        let owners = [world.acme.member.id, world.acme.admin.id, stranger.id];
        let helpdesk = helpdesk(&world.app.listen().await, &owners).await;
        Self { world, instance, stranger, helpdesk }
    }

    /// Calls the application as somebody in Acme's help desk.
    async fn call(&self, person: &Person, method: Method, path: &str) -> Answer {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.helpdesk)).bearer_auth(&person.token).body("text");
        let request = request.header("X-Mandate-Id", self.world.acme.id.to_string());
        sent(request.header("X-Instance-Id", self.instance.to_string())).await
    }

    async fn owners_listed(&self) -> Vec<Uuid> {
        let listed = self.call(&self.world.acme.member, Method::GET, "/tickets").await.expect(200);
        listed.as_array().unwrap().iter().map(|ticket| uuid(&ticket["owner"])).collect()
    }
}

/// The application, with a ticket of each of these owners.
async fn helpdesk(bailiwick: &str, owners: &[Uuid]) -> String {
    let tickets = owners.iter().map(|owner| Ticket { owner: owner.to_string(), text: "It does not print".to_owned() }).collect();
    let bailiwick = Bailiwick::at(bailiwick).unwrap();
    serve(routes(Helpdesk { bailiwick, tickets: Arc::new(Mutex::new(tickets)) })).await
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn sent(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

#[tokio::test]
async fn callers_reach_what_their_level_reaches() {
    let stage = Stage::set().await;
    let (member, admin) = (&stage.world.acme.member, &stage.world.acme.admin);
    assert_eq!(stage.owners_listed().await, [member.id, admin.id]);
    stage.call(member, Method::POST, "/tickets").await.expect(201);
    assert_eq!(stage.owners_listed().await, [member.id, admin.id, member.id], "who opens a ticket owns it");
    stage.call(member, Method::PUT, "/tickets/0").await.expect(204);
    stage.call(member, Method::PUT, "/tickets/9").await.expect(404);
}

#[tokio::test]
async fn what_is_not_allowed_is_a_clear_403() {
    let stage = Stage::set().await;
    let member = &stage.world.acme.member;
    for number in [1, 2] {
        let refused = stage.call(member, Method::PUT, &format!("/tickets/{number}")).await;
        refused.refused(403, "permission_denied");
        assert_eq!(refused.body["detail"], "You may not update this in `tickets`.");
        assert_eq!(refused.header(CONTENT_TYPE.as_str()), "application/problem+json");
    }
}

#[tokio::test]
async fn refusals_of_bailiwick_are_passed_on() {
    let stage = Stage::set().await;
    let signed_out = sent(reqwest::Client::new().get(format!("{}/tickets", stage.helpdesk))).await;
    signed_out.refused(401, "unauthenticated");
    assert_eq!(signed_out.header(WWW_AUTHENTICATE.as_str()), "Bearer");
    assert_eq!((signed_out.header(CONTENT_TYPE.as_str()), &signed_out.body["status"]), ("application/problem+json", &json!(401)));
    stage.call(&stage.stranger, Method::GET, "/tickets").await.refused(403, "mandate_access_denied");
    stage.call(&stage.world.acme.admin, Method::GET, "/tickets").await.refused(403, "instance_access_denied");
    let nowhere = reqwest::Client::new().get(format!("{}/tickets", stage.helpdesk)).bearer_auth(&stage.world.acme.member.token);
    sent(nowhere).await.refused(400, "mandate_context_missing");
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_gone_with_the_next_request() {
    let stage = Stage::set().await;
    let member = &stage.world.acme.member;
    stage.call(member, Method::GET, "/tickets").await.expect(200);
    stage.world.admin().delete(format!("/api/features/instances/{}/users/{}", stage.instance, member.id)).await.expect(204);
    stage.call(member, Method::GET, "/tickets").await.refused(403, "instance_access_denied");
}

#[tokio::test]
async fn too_many_questions_are_a_429_that_says_when_to_come_again() {
    let settings = [("BAILIWICK_RATE_LIMIT_CHECK", "2")];
    let others = ["READ", "WRITE", "AUTH", "MEMBER_WRITE", "LIST_MANDATES"].map(|class| (format!("BAILIWICK_RATE_LIMIT_{class}"), "1000"));
    let settings: Vec<_> = settings.into_iter().chain(others.iter().map(|(name, value)| (name.as_str(), *value))).collect();
    let stage = Stage::before(TestApp::start_with(&settings).await).await;
    stage.owners_listed().await;
    let refused = stage.call(&stage.world.acme.member, Method::GET, "/tickets").await;
    refused.refused(429, "too_many_requests");
    assert!(refused.header(RETRY_AFTER.as_str()).parse::<u32>().is_ok(), "{:?}", refused.headers);
}

#[tokio::test]
async fn nothing_is_allowed_while_bailiwick_cannot_tell() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    // Takes connections, and never answers.
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", hangs.local_addr().unwrap());
    let broken = serve(Router::new().fallback(|| async { StatusCode::INTERNAL_SERVER_ERROR })).await;
    let senseless = serve(Router::new().fallback(|| async { r#"{"results": []}"# })).await;
    for bailiwick in [nobody, silent, broken, senseless] {
        let helpdesk = helpdesk(&bailiwick, &[]).await;
        let refused = sent(reqwest::Client::new().get(format!("{helpdesk}/tickets"))).await;
        refused.refused(503, "access_unknown");
        assert_eq!(refused.header(CONTENT_TYPE.as_str()), "application/problem+json");
    }
}
